"""Lines, bars and histograms of values."""

from collections.abc import Sequence

from poolnorm_cli.pictures.canvas import Canvas, text_width
from poolnorm_cli.pictures.styles import Paint
from poolnorm_cli.pictures.tensor_colors import LINE, MARK, MARKS, Scale, number


_BLOCKS = " ▁▂▃▄▅▆▇█"
_ROW_BLOCKS = " ▏▎▍▌▋▊▉█"
_BRAILLE = 0x2800
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of the dots of a braille character, by row and column."""


MARK_TEXTS = {1: "NaN", 2: "inf", 3: "-inf"}
"""What stands where a value is not finite."""


def histogram(counts: Sequence[int], ends: tuple[float, float], width: int, rows: int) -> Canvas:
    """Draw how many values there are of each size.

    Args:
        counts: How many are in each bin, from the least values to the greatest; of more bins than
            columns, neighbours are put together.
        ends: The least value and the greatest.
        width: Columns.
        rows: Rows of the bars; one more has the ends.

    Returns:
        The picture; a bin that has any value has at least an eighth of a row.
    """
    canvas = Canvas(width, rows + 1)
    together = -(-len(counts) // width)
    counts = [sum(counts[n : n + together]) for n in range(0, len(counts), together)]
    most, each = max(counts), width // len(counts)
    for place, count in enumerate(counts):
        eighths = max(round(count / most * rows * 8), 1) if count else 0
        for row in range(rows):
            level = min(max(eighths - 8 * (rows - 1 - row), 0), 8)
            if level:
                canvas.put(row, place * each, _BLOCKS[level] * each, LINE)
    span = min(each * len(counts), width)
    low, high = number(ends[0]), number(ends[1])
    canvas.put(rows, 0, low, "muted")
    if ends[0] != ends[1]:
        canvas.put(rows, max(span - text_width(high), len(low) + 1), high, "muted")
    return canvas


class _Dots:
    """A grid of dots, 2 x 4 to a character."""

    def __init__(self, columns: int, rows: int) -> None:
        self.width, self.height = 2 * columns, 4 * rows
        self._bits = [[0] * columns for _ in range(rows)]

    def column(self, x: int, upper: int, lower: int) -> None:
        """Set the dots of a column from one row to another."""
        for y in range(min(upper, lower), max(upper, lower) + 1):
            self._bits[y // 4][x // 2] |= _DOTS[y % 4][x % 2]

    def draw(self, paint: Paint) -> Canvas:
        """Return the dots as characters in a colour."""
        canvas = Canvas(self.width // 2)
        for row, cells in enumerate(self._bits):
            text = "".join(chr(_BRAILLE + bits) if bits else " " for bits in cells)
            canvas.put(row, 0, text, paint)
        return canvas


def line(
    values: tuple[Sequence[float], Sequence[float]],
    marks: Sequence[int],
    scale: Scale,
    size: tuple[int, int],
    paint: Paint = LINE,
) -> Canvas:
    """Draw values one after another as a line, or their ranges as a band.

    Args:
        values: The lower and the upper end at each place, from left to right; 1 or more.
        marks: Where there is a NaN or an infinity.
        scale: The values at the lower and at the upper edge.
        size: Columns and rows.
        paint: The colour of the line.

    Returns:
        The picture.
    """
    dots = _Dots(*size)
    lows, highs = values
    count = len(lows)

    def down(value: float) -> int:
        return round((1 - scale.place(value)) * (dots.height - 1))

    def across(place: int) -> int:
        return place * (dots.width - 1) // max(count - 1, 1)

    before: tuple[int, int, int] | None = None
    for place in range(count):
        if marks[place] in MARK_TEXTS:
            before = None
            continue
        x, upper, lower = across(place), down(highs[place]), down(lows[place])
        if before is not None:
            _join(dots, before, (x, upper, lower))
        dots.column(x, upper, lower)
        before = (x, upper, lower)
    canvas = dots.draw(paint)
    for place, mark in enumerate(marks):
        if mark:
            row = {1: canvas.height // 2, 3: canvas.height - 1}.get(mark, 0)
            canvas.put(row, across(place) // 2, MARKS[mark], MARK)
    return canvas


def _join(dots: _Dots, before: tuple[int, int, int], here: tuple[int, int, int]) -> None:
    """Draw the way from the middle of one range to that of the next."""
    first, last = before[0], here[0]
    start, end = (before[1] + before[2]) / 2, (here[1] + here[2]) / 2
    steps = max(last - first, 1)
    previous = start
    for step in range(1, steps + 1):
        y = start + (end - start) * step / steps
        x = first + step
        middle = (previous + y) / 2
        dots.column(x - 1, round(previous), round(middle))
        dots.column(x, round(middle), round(y))
        previous = y


def bars(values: Sequence[float], marks: Sequence[int], scale: Scale, width: int) -> Canvas:
    """Draw a bar for each value, with its place and the value.

    Bars begin at zero, where the scale has it.

    Args:
        values: The values.
        marks: Which of them are NaN or infinite.
        scale: The values at the left and at the right edge.
        width: Columns.

    Returns:
        The picture, of a row for each value.
    """
    texts = [MARK_TEXTS.get(mark) or number(v) for v, mark in zip(values, marks, strict=True)]
    label, wide = len(str(len(values) - 1)) + 1, max(map(len, texts)) + 1
    canvas = Canvas(width, len(values))
    room = max(width - label - wide, 1)
    zero = round(scale.place(0.0) * room)  # a whole column, so that all bars begin there
    for row, (value, mark, text) in enumerate(zip(values, marks, texts, strict=True)):
        canvas.put(row, 0, str(row), "muted")
        canvas.put(row, label, f"{text:>{wide - 1}}", MARK if mark else "text")
        if mark not in MARK_TEXTS:
            end = scale.place(value) * room
            ends = (zero, max(end, zero)) if value >= 0 else (min(round(end), zero), zero)
            _bar(canvas, row, label + wide, ends)
    return canvas


def _bar(canvas: Canvas, row: int, left: int, ends: tuple[int, float]) -> None:
    """Draw a bar from a whole column on; one without any length is a thin line."""
    first, last = ends
    whole = int(last)
    canvas.put(row, left + first, "█" * (whole - first), LINE)
    eighths = round((last - whole) * 8)
    if eighths or whole == first:
        canvas.put(row, left + whole, _ROW_BLOCKS[max(eighths, 1)], LINE)
