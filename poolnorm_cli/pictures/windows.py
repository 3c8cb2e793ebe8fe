"""The windows of pooling over one axis: its cells, and a line for each place of the window."""

from poolnorm_cli.pictures.canvas import Canvas
from poolnorm_cli.pictures.cut import Cut, shortened, whole
from poolnorm_cli.pictures.marks import OWN, SHARED, UNREAD, Mark, mark_of, outside, put_mark
from poolnorm_cli.pictures.places import Places


_PADS = 3
"""Cells of padding that are left at an end, where not all of an axis fits."""
_GAP = "…"
_NARROW = 60


def axis_picture(places: Places, width: int, height: int) -> tuple[Canvas, set[Mark]]:
    """Draw the windows over one axis.

    The first line has the indexes of the cells, the second how many windows read each; below it,
    each place of the window has a line.

    Args:
        places: The windows.
        width: Columns that there are, 20 or more.
        height: Rows that there are, 5 or more; windows in the middle are left out.

    Returns:
        A picture of at most this width and height, and the marks in it.
    """
    layout = _layout(places, width)
    canvas = Canvas(layout.width)
    seen = set[Mark]()
    _put_label(canvas, layout, 0, "cell")
    _put_label(canvas, layout, 1, "read by" if layout.label > len("read by") else "read")
    every = _label_every(places, layout)
    for column, cell in layout.columns():
        if 0 <= cell < places.length and cell % every == 0:
            text = str(cell)
            canvas.put(0, column, text.rjust(layout.tile) if every == 1 else text, "muted")
        seen.add(_put_count(canvas, column, layout.tile, cell, places))
    _put_gaps(canvas, 0, layout, places)
    _put_gaps(canvas, 1, layout, places)
    for place in _drawn_places(places, layout, height - 2):
        row = canvas.height
        if place is None:
            _put_label(canvas, layout, row, "⋮")
            continue
        _put_label(canvas, layout, row, str(place))
        seen |= _put_window(canvas, row, layout, place, places)
    return canvas, seen


def _put_label(canvas: Canvas, layout: Cut, row: int, text: str) -> None:
    canvas.put(row, 0, text.rjust(layout.label - 1), "muted")


def _layout(places: Places, width: int) -> Cut:
    """Find the widest cells with which all of the axis fits; else leave its middle out."""
    words = "read" if width < _NARROW else "read by"
    label = max(len(words), len(str(max(places.count - 1, 0)))) + 1
    cells = places.padded
    fitted = whole(cells, width, label)
    if fitted is None:
        # Padding goes first: it is alike all over.
        first = max(cells.start, -_PADS)
        cells = range(first, min(cells.stop, places.length + _PADS))
        fitted = whole(cells, width, label)
    return fitted or shortened(cells, width, label)


def _label_every(places: Places, layout: Cut) -> int:
    """Return how far apart the cells are whose indexes are written."""
    longest = len(str(places.length - 1))
    if longest <= layout.tile and longest < layout.step:
        return 1
    every = 2
    while every * layout.step <= longest + 1:
        every = {1: 2, 2: 5, 5: 10}[int(str(every)[0])] * 10 ** (len(str(every)) - 1)
    return every


def _put_count(canvas: Canvas, column: int, tile: int, cell: int, places: Places) -> Mark:
    """Write how many windows read a cell, and return what it is."""
    away = outside(cell, places)
    if away is not None:
        put_mark(canvas, 1, column, tile, away)
        return away
    count = len(places.readers(cell))
    if not count:
        put_mark(canvas, 1, column, tile, UNREAD)
        return UNREAD
    mark = OWN if count == 1 else SHARED
    text = str(count) if len(str(count)) <= tile else "+"
    canvas.put(1, column, text.rjust(tile), mark.style)
    return mark


def _put_window(canvas: Canvas, row: int, layout: Cut, place: int, places: Places) -> set[Mark]:
    """Draw the cells of an axis, those under the window at a place marked; return the marks."""
    seen = set[Mark]()
    for column, cell in layout.columns():
        mark = mark_of(cell, place, places)
        if mark is not None:
            put_mark(canvas, row, column, layout.tile, mark, layout.text(cell))
            seen.add(mark)
    _put_gaps(canvas, row, layout, places)
    return seen


def _put_gaps(canvas: Canvas, row: int, layout: Cut, places: Places) -> None:
    """Mark where cells are left out: in the middle of the axis, and far out in its padding."""
    if layout.tail:
        canvas.put(row, layout.ellipsis[1], _GAP, "muted")
    columns = [*layout.columns()]
    if not columns:
        return
    (left, first), (right, last) = columns[0], columns[-1]
    if first > places.padded.start:
        canvas.put(row, left, _GAP.ljust(layout.tile), "muted")
    if last < places.padded.stop - 1:
        canvas.put(row, right, _GAP.rjust(layout.tile), "muted")


def _drawn_places(places: Places, layout: Cut, most: int) -> list[int | None]:
    """List the places that have a line: all, or the first, None, and the last.

    Where cells are left out, these are places at which a cell that is drawn is under the window.
    """
    if places.count <= most and not layout.tail:
        return list(range(places.count))
    half = min((most - 1) // 2, places.count)
    first = [p for p in range(half) if places.span(p)[0] < layout.head.stop]
    begin = layout.tail.start if layout.tail else layout.head.stop
    last = [
        p
        for p in range(max(places.count - half, len(first)), places.count)
        if not layout.tail or places.span(p)[1] > begin
    ]
    return [*first, *([None] if len(first) + len(last) < places.count else []), *last]
