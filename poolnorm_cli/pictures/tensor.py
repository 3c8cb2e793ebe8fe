"""The picture of a tensor, of its thumbnail: an image, a sheet, a map, lines, bars or a number."""

from typing import TYPE_CHECKING, Any

from poolnorm_cli.engine.thumbnail import WORST
from poolnorm_cli.pictures.canvas import Canvas, Cell, stacked, text_width
from poolnorm_cli.pictures.styles import Paint
from poolnorm_cli.pictures.tensor_chart import MARK_TEXTS, bars, line
from poolnorm_cli.pictures.tensor_colors import (
    LINE_COLORS,
    MARK,
    MARKS,
    Scale,
    ink_on,
    number,
)


if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from poolnorm_cli.engine.thumbnail import Thumbnail
    from poolnorm_cli.engine.view import Room

_CELL_DIGITS = 6
"""Columns from which on a cell has its value written in it."""


def scale_of(thumbnails: "Iterable[Thumbnail]") -> Scale:
    """Return the one scale of pictures that are compared, from the least cell to the greatest.

    Red, green and blue are taken as they are where all values are colours already: uint8, or from
    0 to 1.

    Args:
        thumbnails: Of the tensors.

    Returns:
        The scale.
    """
    shown = [each for each in thumbnails if each.distribution is not None]
    ends = [_ends(each) for each in shown]
    low, high = min((e[0] for e in ends), default=0.0), max((e[1] for e in ends), default=0.0)
    images = [each for each in shown if each.view.rgb]
    if not images:
        return Scale(low, high)
    known = [d for each in shown if (d := each.distribution) is not None]
    least, most = min(d.low for d in known), max(d.high for d in known)
    scale = Scale(low, high)
    if all(each.dtype == "uint8" for each in images) and 0 <= least <= most <= 255:
        scale = Scale(0, 255, "values 0 to 255 as they are")
    elif least >= 0 and most <= 1:
        scale = Scale(0, 1, "values 0 to 1 as they are")
    levels = [scale.level(rgb) for each in images for rgb in each.cells.reshape(-1, 3).tolist()]
    return scale._replace(levels=(min(levels), max(levels))) if levels else scale


def _ends(thumbnail: "Thumbnail") -> tuple[float, float]:
    """Return the least and the greatest cell: means of many values differ less than these do."""
    drawn = thumbnail.marks % WORST == 0
    lows = thumbnail.cells if thumbnail.lows is None else thumbnail.lows
    if drawn.any():
        return float(lows[drawn].min()), float(thumbnail.cells[drawn].max())
    found = thumbnail.distribution
    return (0.0, 0.0) if found is None else (found.low, found.high)


def picture(thumbnail: "Thumbnail", scale: Scale, room: "Room") -> Canvas:
    """Draw the thumbnail of a tensor, without any words around it.

    Args:
        thumbnail: The thumbnail.
        scale: Which values are dark and light, or low and high.
        room: The room that it was made for.

    Returns:
        The picture; of an empty tensor, a line that says so.
    """
    view = thumbnail.view
    if not thumbnail.cells.size:
        return _words("nothing to draw: no items", room.columns)
    if view.kind == "number":
        value, mark = float(thumbnail.cells.flat[0]), int(thumbnail.marks.flat[0])
        return _words(MARK_TEXTS.get(mark) or repr(value), room.columns)
    if view.kind == "line":
        return _lines(thumbnail, scale, room)
    pairs = zip(thumbnail.cells, thumbnail.marks, strict=True)
    tiles = [_cells(cells, marks, scale, view.zoom) for cells, marks in pairs]
    return tiles[0] if len(tiles) == 1 else _sheet(tiles, thumbnail)


def _words(text: str, width: int) -> Canvas:
    canvas = Canvas(min(width, max(len(text), 1)))
    canvas.write(text)
    return canvas


def legend(scale: Scale, width: int) -> Canvas:
    """Draw the map of colours with the values at its ends.

    Args:
        scale: The values.
        width: Columns.

    Returns:
        One row.
    """
    low, high = number(scale.low), number(scale.high)
    canvas = Canvas(width, 1)
    span = max(min(width - len(low) - len(high) - 2, 32), 1)
    left = canvas.put(0, 0, low, "muted") + 1
    for column in range(span):
        value = scale.value(column / max(span - 1, 1))
        cell = _pixel(scale, [value], [value])
        canvas.put(0, left + column, cell.glyph, cell.style, cell.plain)
    canvas.put(0, left + span + 1, high, "muted")
    return canvas


def _pixel(scale: Scale, upper: "Sequence[float]", lower: "Sequence[float] | None") -> Cell:
    top = scale.color(upper)
    if lower is None:
        return Cell("▀", Paint(top), scale.glyph(upper))
    return Cell("▀", Paint(top, scale.color(lower)), scale.glyph(upper, lower))


def _cells(
    cells: "NDArray[Any]", marks: "NDArray[Any]", scale: Scale, zoom: tuple[int, int]
) -> Canvas:
    """Draw (down, across, 1 or 3) cells, each so many columns wide and half rows high."""
    across, down = zoom
    values, marked = cells.tolist(), marks.tolist()
    height, width = len(values) * down, len(values[0]) * across
    canvas = Canvas(width, -(-height // 2))
    for row in range(canvas.height):
        upper, lower = 2 * row // down, (2 * row + 1) // down
        for place in range(len(values[0])):
            has_lower = lower < len(values)
            mark = marked[upper][place] or (has_lower and marked[lower][place])
            if mark:
                cell = Cell(MARKS[mark], MARK)
            else:
                cell = _pixel(
                    scale, values[upper][place], values[lower][place] if has_lower else None
                )
            canvas.put(row, place * across, cell.glyph * across, cell.style, cell.plain)
    if across >= _CELL_DIGITS and down >= 2 and len(values[0][0]) == 1:
        _write_values(canvas, values, marked, scale, zoom)
    return canvas


def _write_values(
    canvas: Canvas, values: Any, marked: Any, scale: Scale, zoom: tuple[int, int]
) -> None:
    """Write the value of each cell in its middle."""
    across, down = zoom
    for y, cells in enumerate(values):
        row = (y * down + down // 2 - (down % 4 == 2)) // 2
        for x, (value,) in enumerate(cells):
            mark, ground = marked[y][x], scale.color([value])
            text = MARK_TEXTS.get(mark) or number(value)
            style = MARK if mark else Paint(ink_on(ground), ground)
            if len(text) <= across:
                canvas.put(row, x * across, f"{text:^{across}}", style)


def _sheet(tiles: "Sequence[Canvas]", thumbnail: "Thumbnail") -> Canvas:
    """Put pictures side by side, each with the number of its channel or slice above it."""
    width = max(tiles[0].width, 1)
    across = thumbnail.view.across
    sheet = Canvas((width + 1) * across - 1)
    for place, tile in enumerate(tiles):
        row, column = divmod(place, across)
        top, left = row * (tile.height + 1), column * (width + 1)
        sheet.put(top, left, str(place)[:width], "muted")
        sheet.paste(tile, top + 1, left)
    return sheet


def _lines(thumbnail: "Thumbnail", scale: Scale, room: "Room") -> Canvas:
    """Draw a line for each channel, below each other; of few values, bars."""
    lows = thumbnail.lows if thumbnail.lows is not None else thumbnail.cells
    count = len(thumbnail.cells)
    items, factor = thumbnail.cells.shape[2], thumbnail.view.factors[1]
    marks = thumbnail.marks[:, 0].tolist()
    if count == 1 and factor == 1 and items <= room.rows:
        whole = Scale(min(scale.low, 0.0), max(scale.high, 0.0))  # a bar begins at zero
        return bars(thumbnail.cells[0, 0, :, 0].tolist(), marks[0], whole, room.columns)
    rows = max(min(room.rows // count - 1, 8), 3)
    margin = max(len(number(scale.low)), len(number(scale.high))) + 1
    charts = []
    for place in range(count):
        ends = (lows[place, 0, :, 0].tolist(), thumbnail.cells[place, 0, :, 0].tolist())
        paint = LINE_COLORS[place % len(LINE_COLORS)]
        size = (max(room.columns - margin, 4), rows)
        chart = Canvas(room.columns, rows)
        chart.put(0, 0, f"{number(scale.high):>{margin - 1}}", "muted")
        chart.put(rows - 1, 0, f"{number(scale.low):>{margin - 1}}", "muted")
        if count > 1:
            chart.put(rows // 2, 0, f"{place}"[: margin - 1], paint)
        chart.paste(line(ends, marks[place], scale, size, paint), 0, margin)
        charts.append(chart)
    last = thumbnail.view.cuts[thumbnail.view.axes.x or 0].stop - 1
    axis = Canvas(room.columns, 1)
    axis.put(0, margin, "0", "muted")
    axis.put(0, room.columns - text_width(str(last)), str(last), "muted")
    return stacked(*charts, axis, gap=0)
