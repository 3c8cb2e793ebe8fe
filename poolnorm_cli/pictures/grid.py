"""The windows of pooling over two axes: which window reads each cell, and each window by itself."""

from itertools import product
from string import ascii_letters

from poolnorm_cli.pictures.canvas import Canvas, beside, flowed, stacked
from poolnorm_cli.pictures.marks import (
    BEYOND,
    HOLE,
    OTHER,
    OWN,
    PADDING,
    SHARED,
    UNREAD,
    Mark,
    outside,
    put_mark,
)
from poolnorm_cli.pictures.places import Places
from poolnorm_cli.shapes import counted


_LARGEST = 20
"""Cells of a padded axis, beyond which a grid shows nothing that a line does not."""
_GAP = 3
_PANEL_ROWS = 2
"""Rows of single windows at least, however low the screen is."""


def fits_grid(rows: Places, columns: Places, width: int, height: int) -> bool:
    """Whether two axes are small enough to be drawn as a grid.

    Args:
        rows: The windows on the first axis.
        columns: The windows on the second.
        width: Columns that there are.
        height: Rows that there are.

    Returns:
        Whether the grid has as much room as it needs.
    """
    # Of a range with more cells than a machine counts, len() fails.
    cells = [each.padded.stop - each.padded.start for each in (rows, columns)]
    if max(cells) > _LARGEST or min(cells) < 1 or not rows.count * columns.count:
        return False
    return _label(rows) + cells[1] * _step(rows, columns) <= width and cells[0] + 4 <= height


def grid_picture(
    rows: Places, columns: Places, width: int, height: int
) -> tuple[Canvas, set[Mark]]:
    """Draw the windows over two axes.

    A letter in a cell names the only window that reads it, a number says how many do. Where windows
    overlap or padding is under them, each is drawn by itself too, as far as there is room.

    Args:
        rows: The windows on the first axis.
        columns: The windows on the second.
        width: Columns that there are.
        height: Rows that there are.

    Returns:
        A picture of at most this width and, where `fits_grid`, about this height; and the marks.
    """
    whole = _overview(rows, columns)
    output = _output(rows, columns)
    pieces = [whole, output] if output is not None else [whole]
    top = flowed(pieces, width, 2 * _GAP) if len(pieces) > 1 else whole
    key = Canvas(width)
    key.write(_key(rows, columns), "muted")
    top = stacked(top, key)
    marks = {_mark(r, c, rows, columns) for r, c in _padded(rows, columns)}
    if rows.is_plain and columns.is_plain:
        return top, marks
    panels = _panels(rows, columns, width, height - top.height - 1)
    cells, end = _padded(rows, columns), (rows.count - 1, columns.count - 1)
    for row, column in cells:
        ends = (_mark_under(row, column, *place, rows, columns) for place in ((0, 0), end))
        marks |= {mark for mark in ends if mark is not None}
    return stacked(top, panels), marks


def _key(rows: Places, columns: Places) -> str:
    """Write what the letters and numbers in cells mean."""
    if not _name(0, rows.count * columns.count):
        return "A number: how many windows read a cell."
    if _most_readers(rows, columns) > 1:
        return "A letter: the only window that reads a cell. A number: how many do."
    return "Cells with the same letter are under one window; neighbours differ in colour."


def _padded(rows: Places, columns: Places) -> "product[tuple[int, int]]":
    return product(rows.padded, columns.padded)


def _step(rows: Places, columns: Places) -> int:
    """Return the columns of a cell: room for its numbers, and a square if that is little."""
    return 2 if max(rows.length, columns.length, _most_readers(rows, columns)) <= 10 else 3


def _most_readers(*axes: Places) -> int:
    most = 1
    for places in axes:
        most *= max((len(places.readers(cell)) for cell in range(places.length)), default=0)
    return most


def _label(rows: Places) -> int:
    return len(str(rows.length - 1)) + 1


def _mark(row: int, column: int, rows: Places, columns: Places) -> Mark:
    away = {outside(row, rows), outside(column, columns)} - {None}
    if away:
        return BEYOND if BEYOND in away else PADDING
    readers = len(rows.readers(row)) * len(columns.readers(column))
    return UNREAD if not readers else OWN if readers == 1 else SHARED


def _name(place: int, count: int) -> str:
    """Return the letter of a window; nothing where there are more windows than letters."""
    return ascii_letters[place] if count <= len(ascii_letters) else ""


def _overview(rows: Places, columns: Places) -> Canvas:
    """Draw all cells with the windows that read them."""
    step, label = _step(rows, columns), _label(rows)
    canvas = Canvas(max(label + len(columns.padded) * step, len("input")))
    canvas.put(0, 0, "input", "heading")
    for column in range(columns.length):
        canvas.put(1, label + (column + columns.low) * step, str(column).rjust(step), "muted")
    for row, column in _padded(rows, columns):
        top, left = row + rows.low + 2, label + (column + columns.low) * step
        mark = _mark(row, column, rows, columns)
        if 0 <= row < rows.length:
            canvas.put(top, 0, str(row).rjust(label - 1), "muted")
        if not mark.is_tile:
            put_mark(canvas, top, left, step, mark)
            continue
        first = rows.readers(row)[0] + columns.readers(column)[0]
        canvas.put(top, left, _told(row, column, rows, columns).rjust(step), _style(mark, first))
    return canvas


def _told(row: int, column: int, rows: Places, columns: Places) -> str:
    """Return the letter of the only window that reads a cell, or how many windows do."""
    down, across = rows.readers(row), columns.readers(column)
    count = len(down) * len(across)
    name = _name(down[0] * columns.count + across[0], rows.count * columns.count)
    return name if count == 1 and name else str(count)


def _style(mark: Mark, place: int) -> str:
    """Return colours that differ between a window and its neighbours."""
    return "other" if mark is OWN and place % 2 else mark.style


def _output(rows: Places, columns: Places) -> Canvas | None:
    """Draw the cells of the output with the letters of their windows, if these have letters."""
    windows = rows.count * columns.count
    if not _name(0, windows):
        return None
    label = len(str(rows.count - 1)) + 1
    canvas = Canvas(max(label + columns.count * 2, len("output")))
    canvas.put(0, 0, "output", "heading")
    for column in range(columns.count):
        canvas.put(1, label + column * 2, str(column)[-2:].rjust(2), "muted")
    for row, column in product(range(rows.count), range(columns.count)):
        name = _name(row * columns.count + column, windows)
        canvas.put(row + 2, 0, str(row).rjust(label - 1), "muted")
        canvas.put(row + 2, label + column * 2, name.rjust(2), _style(OWN, row + column))
    return canvas


def _panels(rows: Places, columns: Places, width: int, height: int) -> Canvas:
    """Draw windows by themselves: as many as there is room for, the first ones and the last."""
    windows = list(product(range(rows.count), range(columns.count)))
    widest = max(_panel_width(*place, rows, columns) for place in windows)
    across = max((width + _GAP) // (widest + _GAP), 1)
    lines = max((height + 1) // (len(rows.padded) + 2), _PANEL_ROWS)
    if columns.count <= across:  # as they lie in the output
        shown = range(rows.count) if rows.count <= lines else range(lines - 1)
        parts = [_panel_row(row, rows, columns) for row in shown]
        if len(shown) < rows.count:
            parts += [_left_out("⋮"), _panel_row(rows.count - 1, rows, columns)]
        return stacked(*parts)
    if len(windows) <= across * lines:
        return flowed([_panel(*place, rows, columns) for place in windows], width, _GAP)
    first = [_panel(*place, rows, columns) for place in windows[: max(across * lines - 2, 1)]]
    last = _panel(*windows[-1], rows, columns)
    if across == 1:
        return stacked(*first, _left_out("⋮"), last)
    return flowed([*first, beside(_left_out("…"), last, gap=_GAP)], width, _GAP)


def _title(down: int, across: int, rows: Places, columns: Places) -> str:
    """Write which window is shown, and how many cells it reads."""
    cells = rows.real_cells(down) * columns.real_cells(across)
    name = _name(down * columns.count + across, rows.count * columns.count)
    return f"{name} {down},{across}: {counted(cells, 'cell')}".strip()


def _panel_width(down: int, across: int, rows: Places, columns: Places) -> int:
    cells = len(columns.padded) * _step(rows, columns)
    return max(cells, len(_title(down, across, rows, columns)))


def _panel_row(down: int, rows: Places, columns: Places) -> Canvas:
    panels = (_panel(down, across, rows, columns) for across in range(columns.count))
    return beside(*panels, gap=_GAP)


def _left_out(glyph: str) -> Canvas:
    canvas = Canvas(1)
    canvas.put(0, 0, glyph, "muted")
    return canvas


def _mark_under(
    row: int, column: int, down: int, across: int, rows: Places, columns: Places
) -> Mark | None:
    """Return how a cell is drawn where one window is shown; None for padding not under it."""
    mark = _mark(row, column, rows, columns)
    (top, bottom), (left, right) = rows.span(down), columns.span(across)
    if (row in rows.taps(down) and column in columns.taps(across)) or mark is UNREAD:
        return mark
    if top <= row < bottom and left <= column < right:
        return HOLE
    return None if mark in {PADDING, BEYOND} else OTHER


def _panel(down: int, across: int, rows: Places, columns: Places) -> Canvas:
    """Draw one window over the padded input."""
    step = _step(rows, columns)
    canvas = Canvas(_panel_width(down, across, rows, columns))
    canvas.put(0, 0, _title(down, across, rows, columns), "muted")
    for row, column in _padded(rows, columns):
        mark = _mark_under(row, column, down, across, rows, columns)
        if mark is not None:
            place = row + rows.low + 1, (column + columns.low) * step
            text = _told(row, column, rows, columns) if mark.is_tile else ""
            put_mark(canvas, *place, step, mark, text)
    return canvas
