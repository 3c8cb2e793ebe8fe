"""What one output of several layers depends on: its cells in the input and after each step.

Each line has the cells of one tensor along an axis, each at the middle of what it depends on in the
input, as textbooks draw receptive fields.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from itertools import chain
from typing import NamedTuple

from poolnorm_cli.pictures.canvas import Canvas
from poolnorm_cli.pictures.cut import Cut, shortened, whole
from poolnorm_cli.pictures.marks import AWAY, FIELD, OUTPUT, PADDING, Mark, put_mark
from poolnorm_cli.pictures.places import Places, within


_BESIDE = 2
"""Cells of the input on either side of the field that are drawn too."""


class Line(NamedTuple):
    """One tensor along an axis.

    Attributes:
        name: What made it: `input`, or the step.
        length: Its cells.
        places: What each of its cells reads of the line above; None for the input.
    """

    name: str
    length: int
    places: Places | None = None


def field_of(lines: Sequence[Line], output: int) -> list[range]:
    """Return what one output depends on in each line, from its first cell to its last.

    Args:
        lines: The input and what each step makes of it.
        output: The output's place in the last line.

    Returns:
        A range of cells for each line; those of padding are not among the cells of the line.
    """
    found = [range(output, output + 1)]
    for line in reversed(lines):
        if line.places is not None:
            first, last = line.places.span(found[-1][0]), line.places.span(found[-1][-1])
            found.append(range(first[0], last[1]))
    return found[::-1]


def field_picture(lines: Sequence[Line], output: int, width: int) -> tuple[Canvas, set[Mark]]:
    """Draw what one output depends on.

    Args:
        lines: The input and what each step makes of it, 2 or more.
        output: The output's place in the last line.
        width: Columns that there are, 24 or more.

    Returns:
        A picture of at most this width, with a line of cells for each of `lines`; and its marks.
    """
    fields = field_of(lines, output)
    layout = _layout(lines, fields[0], width)
    canvas = Canvas(min(layout.width, width))
    middle, depends = _middles(lines), _dependence(lines, fields)
    seen = set[Mark]()
    for row, line in enumerate(lines):
        name = line.name[: layout.label - 1]
        canvas.put(row, 0, name.rjust(layout.label - 1), "muted")
        # What it depends on comes last: windows of adaptive pooling may share their middle.
        for cell in sorted(_near(fields[row], layout), key=partial(depends, row)):
            column = layout.column_at(middle(row, cell))
            if column is None:
                continue
            mark = OUTPUT if row == len(lines) - 1 else FIELD
            if not depends(row, cell):
                mark = AWAY
            if not 0 <= cell < line.length:
                mark = PADDING
                if not depends(row, cell):
                    continue
            put_mark(canvas, row, column, layout.tile, mark, layout.text(cell))
            seen.add(mark)
        if layout.tail and row == len(lines) - 1 and OUTPUT not in seen:  # in what is left out
            gap = layout.ellipsis
            put_mark(canvas, row, gap[0], min(layout.tile, len(gap)), OUTPUT)
            seen.add(OUTPUT)
        elif layout.tail:
            canvas.put(row, layout.ellipsis[1], "…", "muted")
    return canvas, seen


def _near(field: range, layout: Cut) -> Iterable[int]:
    """List the cells in and around a field of which some may be drawn."""
    most = len(layout.head) + len(layout.tail) + 1
    if field.stop - field.start <= 2 * most:
        return range(field.start - most, field.stop + most)
    return chain(
        range(field.start - most, field.start + most), range(field.stop - most, field.stop + most)
    )


def _layout(lines: Sequence[Line], field: range, width: int) -> Cut:
    """Find the widest cells with which the field and some more fits; else leave its middle out."""
    source, first = lines[0], lines[1].places
    low, high = (first.low, first.high) if first is not None else (0, 0)
    cells = range(
        max(field.start - _BESIDE, min(-low, field.start)),
        min(field.stop + _BESIDE, max(source.length + high, field.stop)),
    )
    label = min(max(len(line.name) for line in lines), 2 * width // 5) + 1
    return whole(cells, width, label) or shortened(cells, width, label)


def _middles(lines: Sequence[Line]) -> Callable[[int, int], float]:
    """Return what finds the middle of what a cell of a line depends on, in cells of the input."""

    @cache
    def middle(row: int, cell: int) -> float:
        places = lines[row].places
        if places is None:
            return cell + 0.5
        first, end = places.span(cell)
        return (middle(row - 1, first) + middle(row - 1, end - 1)) / 2

    return middle


def _dependence(lines: Sequence[Line], fields: Sequence[range]) -> Callable[[int, int], bool]:
    """Return what says whether the output depends on a cell of a line: strides may pass over it."""

    @cache
    def depends(row: int, cell: int) -> bool:
        if cell not in fields[row]:
            return False
        if row == len(lines) - 1:
            return True
        places, below = lines[row + 1].places, fields[row + 1]
        assert places is not None  # noqa: S101 - of every line but the first
        reading = within(places.readers(cell), below)
        return any(depends(row + 1, place) for place in reading)

    return depends
