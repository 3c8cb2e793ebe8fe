"""Calls of loops on samples whose axes need not lie as the loops take them: from shapes alone.

What is reduced together is brought side by side, a few samples at a time, which stay in cache.
Nothing here needs NumPy.
"""

from collections.abc import Sequence
from itertools import groupby
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from poolnorm_cli.kernels import native
from poolnorm_cli.kernels.normalizing_loops import served_kind
from poolnorm_cli.shapes import Ints


if TYPE_CHECKING:
    from poolnorm_cli.kernels.native import Buffer, LoopCall
    from poolnorm_cli.kernels.normalizing_loops import Division, Doubles

_MOST_AXES = 16
"""Axes of a sample that loops bring into another order, those that stay together counted once."""
_ITEM_BYTES = {"float32": 4, "float64": 8}


class Order(NamedTuple):
    """Axes of a sample and their order; none of both where samples are taken as they lie.

    Attributes:
        sizes: Sizes of the axes; those that stay beside each other are one.
        order: Which of them is first, second and so on.
    """

    sizes: Ints = ()
    order: Ints = ()


def order_of(shape: Ints, groups: Sequence[Ints]) -> Order | None:
    """Return the order in which the axes of a sample are as some groups of them name them.

    Args:
        shape: Shape of the block, samples along axis 0.
        groups: Axes that come first, then, and last; each group sorted, together all but axis 0.

    Returns:
        The order; None where there are too many axes.
    """
    place = {axis: number for number, axes in enumerate(groups) for axis in axes}
    runs = [(n, [*axes]) for n, axes in groupby(sorted(place), key=lambda axis: place[axis])]
    sized = [(n, prod(shape[axis] for axis in axes)) for n, axes in runs]
    kept = [(n, size) for n, size in sized if size != 1]
    order = tuple(sorted(range(len(kept)), key=lambda run: (kept[run][0], run)))
    if order == tuple(range(len(kept))):
        return Order()
    return Order(tuple(size for _, size in kept), order) if len(kept) <= _MOST_AXES else None


class ApartCall(NamedTuple):
    """A call of the loop over rows whose items do not lie together.

    Attributes:
        kind: Letter of the type of the items.
        division: What cells are divided by.
        sizes: Samples, rows of each, and groups, channels in each, and cells of each channel.
        order: How a sample lies as rows.
    """

    kind: str
    division: "Division"
    sizes: tuple[int, int, int, int, int]
    order: Order

    def run(self, cells: "Buffer", out: "Buffer", gamma: "Doubles", beta: "Doubles") -> bool:
        """Run the loop.

        Args:
            cells: The items of the block.
            out: Memory of the result.
            gamma: Factors, as many as there are weights; None for ones.
            beta: Addends, likewise; None for zeros.

        Returns:
            True: what leaves the range of the items is computed in a wider type.
        """
        given = cells, out, gamma, beta, self.kind, self.division, self.sizes
        native.loops().normalize_apart(*given, *self.order)
        return True

    def on(self, gamma: "Doubles", beta: "Doubles") -> "LoopCall":
        """Return the call for such weights.

        Args:
            gamma: As for `run`.
            beta: As for `run`.

        Returns:
            What takes cells and memory.
        """
        return lambda cells, out: self.run(cells, out, gamma, beta)


class NormCall(NamedTuple):
    """A call of the loop that divides by norms of any order.

    Attributes:
        itemsize: Bytes of an item.
        norm: The order of the norm, and the least that is divided by.
        sizes: Samples, images of each, their length, and items after it.
        order: How a sample lies as images.
    """

    itemsize: int
    norm: tuple[float, float]
    sizes: tuple[int, int, int, int]
    order: Order

    def run(self, cells: "Buffer", out: "Buffer", *weights: "Doubles") -> bool:
        """Run the loop.

        Args:
            cells: The items of the block.
            out: Memory of the result.
            weights: Not used: there are none.

        Returns:
            True: where powers leave the range of float64, they are taken of shares.
        """
        del weights
        given = cells, out, self.itemsize, *self.norm, self.sizes
        native.loops().divide_by_norms(*given, *self.order)
        return True

    def on(self, *weights: "Doubles") -> "LoopCall":
        """Return the call.

        Args:
            weights: Not used: there are none.

        Returns:
            What takes cells and memory.
        """
        del weights
        return self.run


def rows_apart(shape: Ints, axes: Ints, dtype: str, division: "Division") -> ApartCall | None:
    """Return the call for a block in which each statistic is over axes with others between them.

    Args:
        shape: Shape of the block.
        axes: Sorted axes.
        dtype: Name of the dtype of the block.
        division: What cells are divided by.

    Returns:
        The call; None where no loop serves for such axes or such a dtype, or there are no loops.
    """
    kind = served_kind(shape, axes, dtype)
    kept = tuple(axis for axis in range(1, len(shape)) if axis not in axes)
    order = order_of(shape, (kept, axes))
    if kind is None or order is None:
        return None
    sizes = shape[0], prod(shape[axis] for axis in kept), 1, prod(shape[axis] for axis in axes), 1
    return ApartCall(kind, division, sizes, order)


def groups_apart(
    shape: Ints, axis: int, groups: int, dtype: str, division: "Division"
) -> ApartCall | None:
    """Return the call for groups of channels that have other axes before and behind them.

    Args:
        shape: Shape of the block.
        axis: Axis of the channels, not the first.
        groups: How many groups they are divided into.
        dtype: Name of the dtype of the block.
        division: What cells are divided by.

    Returns:
        The call; None where no loop serves for such axes or such a dtype, or there are no loops.
    """
    kind = served_kind(shape, (axis,), dtype)
    rest = tuple(other for other in range(1, len(shape)) if other != axis)
    order = order_of(shape, ((axis,), rest))
    if kind is None or order is None:
        return None
    sizes = shape[0], groups, groups, shape[axis] // groups, prod(shape[other] for other in rest)
    return ApartCall(kind, division, sizes, order)


def norm_call(shape: Ints, axes: Ints, dtype: str, norm: tuple[float, float]) -> NormCall | None:
    """Return the call that divides cells by the norm of those along some axes.

    Args:
        shape: Shape of the block.
        axes: Sorted axes.
        dtype: Name of the dtype of the block.
        norm: The order of the norm, and the least that is divided by.

    Returns:
        The call; None where no loop serves for such axes or such a dtype, or there are no loops.
    """
    itemsize = _ITEM_BYTES.get(dtype)
    if itemsize is None or not native.compiled() or 0 in shape or axes[0] == 0:
        return None
    length = prod(shape[axis] for axis in axes)
    if all(shape[axis] == 1 for axis in range(axes[0], axes[-1]) if axis not in axes):
        after = prod(shape[axes[-1] + 1 :])
        order: Order | None = Order()
    else:
        after = 1
        order = order_of(shape, (tuple(a for a in range(1, len(shape)) if a not in axes), axes))
    if order is None:
        return None
    images = prod(shape[1:]) // (length * after)
    return NormCall(itemsize, norm, (shape[0], images, length, after), order)


class ResponseCall(NamedTuple):
    """A call of the loop that divides by a power of the squares of neighbours along an axis.

    Attributes:
        itemsize: Bytes of an item.
        sizes: Before the axis, of it, and after it.
        around: Neighbours before and behind an item.
        numbers: The factor of the sum of squares, the power, and what is added.
    """

    itemsize: int
    sizes: tuple[int, int, int]
    around: tuple[int, int]
    numbers: tuple[float, float, float]

    def run(self, cells: "Buffer", out: "Buffer") -> bool:
        """Run the loop.

        Args:
            cells: The items of the block.
            out: Memory of the result.

        Returns:
            Whether the result is right: where squares of float64 leave its range, another scale may
            keep them in it.
        """
        given = cells, out, self.itemsize, self.sizes, self.around, self.numbers
        return not native.loops().respond(*given) or self.itemsize < _ITEM_BYTES["float64"]


def response_call(
    shape: Ints,
    axis: int,
    dtype: str,
    around: tuple[int, int],
    numbers: tuple[float, float, float],
) -> ResponseCall | None:
    """Return the call for a block.

    Args:
        shape: Shape of the block.
        axis: The axis along which neighbours are.
        dtype: Name of the dtype of the block.
        around: Neighbours before and behind an item, as far as there are some.
        numbers: The factor of the sum of squares, the power, and what is added.

    Returns:
        The call; None where no loop serves for such a dtype, or there are no loops.
    """
    itemsize = _ITEM_BYTES.get(dtype)
    if itemsize is None or not native.compiled() or 0 in shape:
        return None
    sizes = prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])
    low, high = (min(cells, sizes[1] - 1) for cells in around)
    return ResponseCall(itemsize, sizes, (low, high), numbers)
