"""Cells of a small picture, in which the items of rows of a tensor are gathered."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.engine.view import Cut, View
from poolnorm_cli.shapes import Ints


_HUGE = 2.0**800
"""Above it, sums of float64 might overflow; such values are summed at a small scale."""


def unraveled(row: int, rows: int, shape: Ints) -> Sequence[NDArray[np.intp]]:
    """Return the index along each leading axis of consecutive rows.

    Args:
        row: The first row of all.
        rows: How many there are.
        shape: Sizes of the leading axes.

    Returns:
        An index for each axis and row.
    """
    index = np.arange(row, row + rows, dtype=np.intp)
    places = []
    for size in reversed(shape):
        places.append(index % size if size > 1 else np.zeros_like(index))
        index = index // size if size > 1 else index
    return places[::-1]


def selected(
    block: NDArray[Any],
    places: Sequence[NDArray[np.intp]],
    outer: Sequence[Cut],
    inner: Sequence[Cut],
) -> tuple[NDArray[Any], Sequence[NDArray[np.intp]]]:
    """Return what cuts take of a block of rows, and where the rows that are left stand.

    Args:
        block: Rows of any shape.
        places: The index of each row along each leading axis.
        outer: What is taken of the leading axes.
        inner: What is taken of the axes of a row.

    Returns:
        The items, and the places of the rows that are left.
    """
    keep: NDArray[np.bool_] | None = None
    for place, cut in zip(places, outer, strict=True):
        own = (place >= cut.start) & (place < cut.stop)
        if own.all():
            continue
        keep = own if keep is None else keep & own
    if keep is not None:
        block, places = block[keep], [place[keep] for place in places]
    return block[(slice(None), *(slice(cut.start, cut.stop) for cut in inner))], places


def runs_of(
    cells: Sequence[NDArray[np.intp]], rows: int
) -> tuple[NDArray[np.intp], tuple[NDArray[np.intp], ...]]:
    """Return where rows of another cell begin, and the cell of each such run.

    Args:
        cells: The cell of each row along each leading axis.
        rows: How many rows there are, 1 or more.

    Returns:
        The first row of each run, and its cell along each axis.
    """
    begins = np.zeros(rows, bool)
    begins[0] = True
    for cell in cells:
        begins[1:] |= cell[1:] != cell[:-1]
    runs = np.flatnonzero(begins)
    return runs, tuple(cell[runs] for cell in cells)


def reduced(
    ufunc: np.ufunc, block: NDArray[Any], runs: NDArray[np.intp], factors: Sequence[int]
) -> NDArray[Any]:
    """Reduce rows to the cells of runs, and the other axes by their factors.

    Args:
        ufunc: What reduces, as `np.add`.
        block: Rows.
        runs: The first row of each run.
        factors: Items to a cell along each axis of a row.

    Returns:
        An array with a row for each run.
    """
    if len(runs) < len(block):
        block = ufunc.reduceat(block, runs, axis=0)
    for axis, factor in enumerate(factors, start=1):
        if factor > 1 and block.shape[axis] > 1:
            block = ufunc.reduceat(block, np.arange(0, block.shape[axis], factor), axis=axis)
    return block


class Cells:
    """Cells of a picture in which items are gathered."""

    def __init__(self, ufunc: np.ufunc, size: Ints, start: float) -> None:
        """Begin with empty cells.

        Args:
            ufunc: What gathers items, as `np.add`.
            size: Cells along each axis.
            start: The value of an empty cell.
        """
        self._ufunc, self.cells = ufunc, np.full(size, start)
        self._start = start

    def add(
        self,
        block: NDArray[Any],
        finite: NDArray[np.bool_] | None,
        runs: NDArray[np.intp],
        where: tuple[NDArray[np.intp], ...],
        factors: Sequence[int],
    ) -> None:
        """Add rows of a block, of which those items that are not finite do not count.

        Args:
            block: The rows.
            finite: Which items are finite; None where all are.
            runs: The first row of each run of rows of one cell.
            where: The cell of each run along each leading axis.
            factors: Items to a cell along each axis of a row.
        """
        if finite is not None:
            block = np.where(finite, block, block.dtype.type(self._start))
        block = self.scaled(block)
        self._ufunc.at(self.cells, where, reduced(self._ufunc, block, runs, factors))

    def scaled(self, block: NDArray[Any]) -> NDArray[np.float64]:
        """Return the values as they are gathered."""
        return block.astype(np.float64)

    def result(self, marked: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the cells; 0 where nothing is finite."""
        del marked
        return np.where(np.isfinite(self.cells), self.cells, 0.0)


class _Means(Cells):
    """Means of items, which are summed at a smaller scale once there are huge ones."""

    def __init__(self, view: View, size: Ints) -> None:
        super().__init__(np.add, size, 0.0)
        self._view, self._scale = view, 1.0

    def scaled(self, block: NDArray[Any]) -> NDArray[np.float64]:
        values = block.astype(np.float64)
        if self._scale == 1.0 and block.dtype == np.float64 and np.abs(values).max() > _HUGE:
            self._scale = 1 / _HUGE
            self.cells *= self._scale
        return values if self._scale == 1.0 else values * self._scale

    def result(self, marked: NDArray[np.int64]) -> NDArray[np.float64]:
        counts = np.ones((), np.int64)
        for cut in self._view.cuts:
            counts = np.multiply.outer(
                counts, np.diff([*range(cut.start, cut.stop, cut.factor), cut.stop])
            )
        means: NDArray[np.float64] = self.cells / np.maximum(counts - marked, 1)
        return means / self._scale


def cells_for(view: View, size: Ints, *, largest: bool) -> list[Cells]:
    """Return the empty cells of a view: of lines the greatest and the least, else one kind.

    Args:
        view: What is shown.
        size: Cells along each axis of the tensor.
        largest: They have the largest of their items, not the mean.

    Returns:
        What gathers them.
    """
    if view.kind == "line":
        return [Cells(np.maximum, size, -np.inf), Cells(np.minimum, size, np.inf)]
    if largest:
        return [Cells(np.maximum, size, -np.inf)]
    return [_Means(view, size)]
