"""Cells of a small picture, in which the items of rows of a tensor are gathered."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.engine.view import Cut, View
from poolnorm_cli.shapes import Ints


_HUGE = 2.0**800
"""Above it, sums of float64 might overflow; such values are summed at a small scale."""


Places = Sequence[NDArray[np.intp] | None]
"""The index of each row along each leading axis; None where all have the index 0."""


def unraveled(row: int, rows: int, shape: Ints) -> Places:
    """Return the index along each leading axis of consecutive rows.

    Args:
        row: The first row of all.
        rows: How many there are.
        shape: Sizes of the leading axes.

    Returns:
        Their places.
    """
    index = np.arange(row, row + rows, dtype=np.intp)
    places: list[NDArray[np.intp] | None] = []
    outer = prod(shape)
    for size in reversed(shape):
        outer //= max(size, 1)
        if size == 1:
            places.append(None)
            continue
        places.append(index % size if outer > 1 else index)
        index = index // size if outer > 1 else index
    return places[::-1]


def selected(
    block: NDArray[Any], places: Places, outer: Sequence[Cut], inner: Sequence[Cut]
) -> tuple[NDArray[Any], Places]:
    """Return what cuts take of a block of rows, and where the rows that are left stand.

    Args:
        block: Rows of any shape.
        places: Where they stand.
        outer: What is taken of the leading axes.
        inner: What is taken of the axes of a row.

    Returns:
        The items, and the places of the rows that are left.
    """
    keep: NDArray[np.bool_] | None = None
    for place, cut in zip(places, outer, strict=True):
        if place is None or (place.min() >= cut.start and place.max() < cut.stop):
            continue
        own = (place >= cut.start) & (place < cut.stop)
        keep = own if keep is None else keep & own
    if keep is not None:
        block = block[keep]
        places = [None if place is None else place[keep] for place in places]
    return block[(slice(None), *(slice(cut.start, cut.stop) for cut in inner))], places


def runs_of(
    places: Places, cuts: Sequence[Cut], rows: int
) -> tuple[NDArray[np.intp], tuple[NDArray[np.intp], ...]]:
    """Return where rows of another cell begin, and the cell of each such run.

    Args:
        places: Where the rows stand.
        cuts: What is taken of the leading axes.
        rows: How many rows there are, 1 or more.

    Returns:
        The first row of each run, and its cell along each axis.
    """
    begins = np.zeros(rows, bool)
    begins[0] = True
    cells: list[NDArray[np.intp] | None] = []
    for place, cut in zip(places, cuts, strict=True):
        if place is None or cut.cells == 1:
            cells.append(None)
            continue
        cell = (place - cut.start) // cut.factor if cut.factor > 1 else place - cut.start
        begins[1:] |= cell[1:] != cell[:-1]
        cells.append(cell)
    runs = np.flatnonzero(begins)
    zeros = np.zeros_like(runs)
    return runs, tuple(zeros if cell is None else cell[runs] for cell in cells)


_FEW_ROWS = 4
"""Rows to a run up to which one call for all runs is faster than one for each."""


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
    if len(runs) * _FEW_ROWS < len(block) and block.ndim > 1:
        ends = [*runs[1:].tolist(), len(block)]
        pairs = zip(runs.tolist(), ends, strict=True)
        block = np.stack([ufunc.reduce(block[start:end], axis=0) for start, end in pairs])
    elif len(runs) < len(block):
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
