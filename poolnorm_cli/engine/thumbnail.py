"""A small picture of a tensor of any size, and what its values are like, made in one pass.

A cell of the picture is the mean of the items that it stands for; of a line it is their range, and
of differences the largest. A NaN or an infinity marks its cell, however many items that has, and is
left out of the mean. Statistics are exact. Quantiles and the histogram are of all values up to a
million of them, and of every k-th of more. All of it follows from the values and the shape: how the
tensor is cut into blocks changes nothing but the last digits of a mean.
"""

from collections.abc import Iterable, Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.engine.cells import (
    Cells,
    Places,
    cells_for,
    reduced,
    runs_of,
    selected,
    unraveled,
)
from poolnorm_cli.engine.distribution import Distribution, Values
from poolnorm_cli.engine.statistics import Counter, Statistics
from poolnorm_cli.engine.view import View
from poolnorm_cli.shapes import Ints
from poolnorm_cli.sizes import BLOCK_BYTES
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.tensors.tensor import RowRange, Tensor

NAN, PLUS_INFINITY, MINUS_INFINITY = 1, 2, 3
"""Marks of cells; 0 is for those of which all items are finite. The first counts before the others.
"""
WORST = 4
"""The mark of the cell with the largest difference."""
ROW_ITEMS = 1 << 16
"""Items that are looked at together at most: rows of a picture have fewer, and of each its place is
computed."""


@frozen(eq=False)
class Thumbnail:
    """A small picture of a tensor.

    Attributes:
        name: What messages call the tensor.
        shape: Its own shape.
        dtype: Name of its dtype.
        view: What is shown.
        cells: Values of shape (pictures, down, across, 1 or 3); the upper ends of lines.
        lows: The lower ends of lines; None for all else.
        marks: Where there is a NaN or an infinity; (pictures, down, across).
        count: Items that the statistics are of.
        statistics: Of the items that were counted.
        distribution: Of the finite ones; None without any.
        largest: Cells are the largest of their items, not the mean.
    """

    name: str
    shape: Ints
    dtype: str
    view: View
    cells: NDArray[np.float64]
    lows: NDArray[np.float64] | None
    marks: NDArray[np.uint8]
    count: int
    statistics: Statistics
    distribution: Distribution | None
    largest: bool = False


class Painter:
    """Makes the picture of a tensor from its blocks, in memory that does not grow with it.

    Attributes:
        view: What is shown.
        row: Items of a row, of which whole ones are looked at together.
        items_wanted: The first item that is shown or counted, and the one after the last, as axis 0
            has them.
    """

    def __init__(self, view: View, *, largest: bool = False) -> None:
        """Prepare for the blocks of a tensor.

        Args:
            view: What is shown of it.
            largest: Cells are the largest of their items, not the mean.
        """
        shape = view.shape
        self.view, self._largest = view, largest
        self._first_inner = max(_first_inner(shape), 1)
        self.row = prod(shape[self._first_inner :])
        each = prod(shape[1:])
        self.items_wanted = view.counted[0].start * each, view.counted[0].stop * each
        self._seen = 0
        self._pending: list[NDArray[Any]] = []
        self._counter = Counter()
        self._values = Values(tuple(cut.cells for cut in view.counted))
        size = tuple(cut.cells for cut in view.cuts)
        self._sums: list[Cells] = cells_for(view, size, largest=largest)
        self._marks = [np.zeros(size, np.int64) for _ in range(3)]

    @property
    def has_all(self) -> bool:
        """Whether all that is shown or counted has been seen."""
        return self._seen >= self.items_wanted[1]

    def skip(self, items: int) -> None:
        """Pass over items that come first and are not shown."""
        self._seen += items

    def add(self, block: NDArray[Any]) -> None:
        """Take the next items, in a block of any shape, of which no reference is kept."""
        start, stop = (min(max(end - self._seen, 0), block.size) for end in self.items_wanted)
        first = max(self._seen, self.items_wanted[0])
        self._seen += block.size
        if stop <= start or not self.row:
            return
        flat = block.reshape(-1)[start:stop]
        if self._pending:
            missing = self.row - sum(piece.size for piece in self._pending)
            self._pending.append(flat[:missing].copy())
            if flat.size < missing:
                return
            row = (first - 1) // self.row
            self._take(row, np.concatenate(self._pending))
            self._pending, flat, first = [], flat[missing:], first + missing
        whole = len(flat) - len(flat) % self.row
        if whole:
            self._take(first // self.row, flat[:whole])
        if whole < len(flat):
            self._pending = [flat[whole:].copy()]

    def _take(self, row: int, flat: NDArray[Any]) -> None:
        """Take whole rows, of which the first is the given one of all."""
        view, inner = self.view, self._first_inner
        block = flat.reshape(-1, *view.shape[inner:])
        if block.dtype.kind == "b":
            block = block.view(np.uint8)
        places = unraveled(row, len(block), view.shape[:inner])
        counted = selected(block, places, view.counted[:inner], view.counted[inner:])
        finite = self._counter.add(counted[0].reshape(-1))
        self._values.add(counted[0].reshape(-1), finite)
        shown, places = selected(block, places, view.cuts[:inner], view.cuts[inner:])
        if shown.size:
            self._paint(shown, places)

    def _paint(self, block: NDArray[Any], places: Places) -> None:
        """Add selected rows to the cells of the picture."""
        inner = self._first_inner
        factors = [cut.factor for cut in self.view.cuts[inner:]]
        runs, where = runs_of(places, self.view.cuts[:inner], len(block))
        finite = np.isfinite(block) if block.dtype.kind == "f" else None
        if finite is not None and not finite.all():
            tests = (np.isnan(block), block == np.inf, block == -np.inf)
            for marks, test in zip(self._marks, tests, strict=True):
                np.add.at(marks, where, reduced(np.add, test.astype(np.int64), runs, factors))
        else:
            finite = None
        for each in self._sums:
            each.add(block, finite, runs, where, factors)

    def thumbnail(self, name: str, shape: Ints, dtype: str) -> Thumbnail:
        """Return the picture, once all blocks have been seen.

        Args:
            name: What messages call the tensor.
            shape: Its own shape.
            dtype: Name of its dtype.

        Returns:
            The picture.
        """
        view = self.view
        nan, plus, minus = (marks > 0 for marks in self._marks)
        marks = np.where(nan, NAN, np.where(plus, PLUS_INFINITY, minus * MINUS_INFINITY))
        marked = sum(self._marks, np.zeros((), np.int64))
        results = [_arranged(each.result(marked), view) for each in self._sums]
        counted = tuple(cut.cells for cut in view.counted)
        statistics = self._counter.statistics(counted, tuple(cut.start for cut in view.counted))
        return Thumbnail(
            name,
            shape,
            dtype,
            view,
            results[0],
            results[1] if len(results) > 1 else None,
            _arranged(marks, view).max(axis=3, initial=0).astype(np.uint8),
            prod(counted),
            statistics,
            self._values.distribution(),
            self._largest,
        )


def thumbnails(tensor: "Tensor", views: Sequence[View]) -> list[Thumbnail]:
    """Read what is shown of a tensor once, and make its pictures.

    Args:
        tensor: The tensor.
        views: What is shown of it, 1 or more; they differ in size alone.

    Returns:
        A picture for each view.

    Raises:
        InputError: The tensor cannot be read.
    """
    painters = [Painter(view) for view in views]
    for block in _blocks(tensor, painters):
        for painter in painters:
            painter.add(block)
        if painters[0].has_all:
            break
    return [each.thumbnail(tensor.name, tensor.shape, tensor.dtype.name) for each in painters]


def _blocks(tensor: "Tensor", painters: Sequence[Painter]) -> Iterator[NDArray[Any]]:
    """Read a tensor in blocks; of a file in which samples can be sought, only those wanted."""
    from poolnorm_cli.tensors.npy import NpyTensor, RangeTensor

    items = prod(tensor.shape)
    if not items:
        return iter(())
    first, stop = painters[0].items_wanted
    if stop - first < items and isinstance(tensor, NpyTensor) and not tensor.fortran_order:
        for painter in painters:
            painter.skip(first)
        part = RangeTensor(tensor, (items,), (first, stop), tensor.version)
        return part.slices(_pieces(stop - first, 1, tensor.dtype.itemsize), (stop - first,))
    return tensor.slices(_pieces(items, painters[0].row, tensor.dtype.itemsize), (items,))


def _pieces(items: int, row: int, itemsize: int) -> "Iterable[RowRange]":
    from poolnorm_cli.tensors.tensor import even_ranges

    rows = max(BLOCK_BYTES // (itemsize * row), 1)
    return even_ranges(items, rows * row)


def _first_inner(shape: Ints) -> int:
    """Return the first axis from which on the items of all axes are few enough for a row."""
    axis = len(shape)
    while axis > 0 and prod(shape[axis - 1 :]) <= ROW_ITEMS:
        axis -= 1
    return axis


def _arranged(cells: NDArray[Any], view: View) -> NDArray[Any]:
    """Put axes in the order (pictures, down, across, colours)."""
    axes = view.axes
    named = [axes.sample, *axes.slices, axes.channel, axes.y, axes.x]
    if view.rgb:
        named = [axes.sample, *axes.slices, axes.y, axes.x, axes.channel]
    order = [axis for axis in named if axis is not None]
    turned = cells.transpose(order)
    down, across = view.cells(axes.y), view.cells(axes.x)
    depth = 3 if view.rgb else 1
    pictures = cells.size // max(down * across * depth, 1)
    return turned.reshape(pictures, down, across, depth)


def cells_at(view: View, place: Ints) -> NDArray[np.bool_]:
    """Return which cell of a picture has an item in it.

    Args:
        view: What is shown.
        place: Index of the item, in the shape of the view.

    Returns:
        Of shape (pictures, down, across): True in one cell, or in none where it is not shown.
    """
    cells = np.zeros(tuple(cut.cells for cut in view.cuts), bool)
    pairs = list(zip(view.cuts, place, strict=True))
    if all(cut.start <= index < cut.stop for cut, index in pairs):
        cells[tuple((index - cut.start) // cut.factor for cut, index in pairs)] = True
    return np.asarray(_arranged(cells, view).any(axis=3))
