"""Which cells of an axis are drawn, and how wide: all of them, or the first and the last."""

from collections.abc import Iterator
from typing import NamedTuple


_GAP = 3
"""Columns of the ellipsis between the first and the last cells."""
_WIDEST = 5
"""Columns of a cell at most: larger indexes are written at some of the cells only."""
_READABLE = 6
"""Cells on either side that are wanted wide, where others are left out."""


class Cut(NamedTuple):
    """Cells from left to right.

    Attributes:
        head: The first cells, or all of them.
        tail: The last cells, where some before them are left out.
        step: Columns from one to the next.
        label: Columns before them.
    """

    head: range
    tail: range
    step: int
    label: int

    @property
    def tile(self) -> int:
        """Columns of a cell, without the gap after it."""
        return self.step - 1 if self.step > 2 else self.step

    @property
    def gap(self) -> int:
        """The column at which cells are left out."""
        return self.label + len(self.head) * self.step

    @property
    def ellipsis(self) -> range:
        """The columns where cells are left out; none where none are."""
        return range(self.gap, self.gap + _GAP if self.tail else self.gap)

    @property
    def width(self) -> int:
        """Columns of all."""
        return self.ellipsis.stop + len(self.tail) * self.step - (self.step - self.tile)

    def columns(self) -> Iterator[tuple[int, int]]:
        """Yield the column of each cell, and the cell."""
        for cells, first in ((self.head, self.label), (self.tail, self.ellipsis.stop)):
            for number, cell in enumerate(cells):
                yield first + number * self.step, cell

    def column_at(self, middle: float) -> int | None:
        """Return the column of a tile whose middle is there; None where that is left out.

        Args:
            middle: In cells; that of cell 0 is 0.5.

        Returns:
            Its first column.
        """
        for cells, first in ((self.head, self.label), (self.tail, self.ellipsis.stop)):
            if cells and cells.start <= middle < cells.stop:
                return first + int((middle - cells.start) * self.step - self.tile / 2)
        return None

    def text(self, cell: int) -> str:
        """Return the index of a cell, where its digits do not touch those of the next one."""
        return str(cell) if len(str(cell)) < self.step else ""


def whole(cells: range, width: int, label: int) -> Cut | None:
    """Return cells as wide as a width allows; None where not all of them fit.

    Args:
        cells: The cells, however many.
        width: Columns that there are.
        label: Columns before the cells.

    Returns:
        All of them.
    """
    count, room = cells.stop - cells.start, width - label  # len() fails beyond 64 bits
    for step in (_wide(cells), 2, 1):
        if count * step - (step > 2) <= room:
            return Cut(cells, range(0), step, label)
    return None


def shortened(cells: range, width: int, label: int) -> Cut:
    """Return the first and the last of some cells, as many as fit and can be read.

    Args:
        cells: The cells, too many for the width.
        width: Columns that there are.
        label: Columns before the cells.

    Returns:
        Some of them.
    """
    room = width - label
    step = _wide(cells) if room // _wide(cells) >= 2 * _READABLE else 2
    kept = (room - _GAP) // step
    head = range(cells.start, cells.start + kept - kept // 2)
    return Cut(head, range(cells.stop - kept // 2, cells.stop), step, label)


def _wide(cells: range) -> int:
    return min(max(len(str(abs(cells.stop - 1))) + 1, 3), _WIDEST)
