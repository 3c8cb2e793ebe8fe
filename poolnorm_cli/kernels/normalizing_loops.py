"""Calls of the loops that normalize, derived from shapes alone: nothing here needs NumPy.

Arrays and plain memory go through the same calls, and so come out as the same bytes.
"""

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from poolnorm_cli.kernels import native
from poolnorm_cli.shapes import Ints


if TYPE_CHECKING:
    from poolnorm_cli.kernels.native import Buffer, LoopCall

    Doubles = Any
    """float64 items that lie one after the other; None where there are none."""


class Division(NamedTuple):
    """What cells are divided by: `sqrt(max(squares * weight + epsilon, least))`.

    Attributes:
        centered: The mean is subtracted, and squares are of distances from it.
        weight: Factor of the sum of squares.
        epsilon: Added to that product.
        least: The smallest number that is divided by, squared.
    """

    centered: bool
    weight: float
    epsilon: float
    least: float = 0.0


class NormalizingCall(NamedTuple):
    """A call of a loop over rows that lie one after the other, or over columns.

    Attributes:
        kind: Letter of the type of the items.
        division: What cells are divided by.
        sizes: Of rows: how many, and groups, channels in each, and cells of each channel. Of
            columns: before, length, width, and columns that have their statistics together.
        along: Weights run down the columns; None of rows.
    """

    kind: str
    division: Division
    sizes: tuple[int, int, int, int]
    along: bool | None = None

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
        loops, given = native.loops(), (cells, out, gamma, beta, self.kind, self.division)
        if self.along is None:
            loops.normalize_rows(*given, self.sizes)
        else:
            loops.normalize_columns(*given, self.sizes, self.along)
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


def over_axes(shape: Ints, axes: Ints, dtype: str, division: Division) -> NormalizingCall | None:
    """Return the call for a block in which each statistic is over some axes, as weights are.

    Args:
        shape: Shape of the block.
        axes: Sorted axes.
        dtype: Name of the dtype of the block.
        division: What cells are divided by.

    Returns:
        The call; None where no loop serves for such axes or such a dtype, or there are no loops.
    """
    kind = served_kind(shape, axes, dtype)
    if kind is None or not _are_adjacent(axes):
        return None
    before, length, after = _three_sizes(shape, axes)
    if after == 1:
        return NormalizingCall(kind, division, (before, 1, length, 1))
    return NormalizingCall(kind, division, (before, length, after, 1), along=True)


def over_groups(
    shape: Ints, axis: int, groups: int, dtype: str, division: Division
) -> NormalizingCall | None:
    """Return the call for a block in which each statistic is over a group of channels of a sample.

    Args:
        shape: Shape of the block, of rank 2 or more.
        axis: Axis of the channels, not the first.
        groups: How many groups they are divided into.
        dtype: Name of the dtype of the block.
        division: What cells are divided by.

    Returns:
        The call; None where no loop serves for such an axis or such a dtype, or there are none.
    """
    kind = served_kind(shape, (axis,), dtype)
    if kind is None:
        return None
    samples, channels = shape[0], shape[axis]
    if axis == 1:
        sizes = samples * groups, groups, channels // groups, prod(shape[2:])
        return NormalizingCall(kind, division, sizes)
    if axis < len(shape) - 1:
        return None
    sizes = samples, prod(shape[1:-1]), channels, channels // groups
    return NormalizingCall(kind, division, sizes, along=False)


class ScalingCall(NamedTuple):
    """A call of the loop that normalizes by statistics that are known.

    Attributes:
        kind: Letter of the type of the items.
        sizes: Before the channels, of them, and after them.
        epsilon: Added to the variance.
    """

    kind: str
    sizes: tuple[int, int, int]
    epsilon: float

    def run(self, cells: "Buffer", out: "Buffer", *weights: "Doubles") -> bool:
        """Run the loop.

        Args:
            cells: The items of the block.
            out: Memory of the result.
            weights: As for `on`.

        Returns:
            True: what leaves the range of the items is computed in a wider type.
        """
        return self.on(*weights)(cells, out)

    def on(
        self, mean: "Doubles", variance: "Doubles", gamma: "Doubles", beta: "Doubles"
    ) -> "LoopCall":
        """Return the call for such weights, one value of each per channel.

        Args:
            mean: What is subtracted.
            variance: Of whose root, after epsilon, the inverse is a factor.
            gamma: Another factor; None for ones.
            beta: What is added; None for zeros.

        Returns:
            What takes cells and memory.
        """
        loops, length = native.loops(), self.sizes[1]
        scale, shift = bytearray(8 * length), bytearray(8 * length)
        loops.fold_weights(gamma, beta, variance, scale, shift, self.epsilon, length)

        def run(cells: "Buffer", out: "Buffer") -> bool:
            loops.center(cells, out, mean, scale, shift, self.kind, self.sizes)
            return True

        return run


def by_channel(shape: Ints, axes: Ints, dtype: str, epsilon: float) -> ScalingCall | None:
    """Return the call for a block whose channels have known statistics.

    Args:
        shape: Shape of the block.
        axes: Sorted axes of the channels.
        dtype: Name of the dtype of the block.
        epsilon: Added to the variance.

    Returns:
        The call; None where no loop serves for such axes or such a dtype, or there are no loops.
    """
    kind = served_kind(shape, axes, dtype)
    if kind is None or not _are_adjacent(axes):
        return None
    return ScalingCall(kind, _three_sizes(shape, axes), epsilon)


def _three_sizes(shape: Ints, axes: Sequence[int]) -> tuple[int, int, int]:
    """Return how many items are before adjacent axes, along them, and after them."""
    first, last = axes[0], axes[-1] + 1
    return prod(shape[:first]), prod(shape[first:last]), prod(shape[last:])


def _are_adjacent(axes: Ints) -> bool:
    """Whether no axis is between some that are sorted."""
    return axes[-1] - axes[0] == len(axes) - 1


def served_kind(shape: Ints, axes: Ints, dtype: str) -> str | None:
    """Return the letter of the type of a block for which there are loops that normalize.

    Args:
        shape: Shape of the block.
        axes: Sorted axes that have their statistics together.
        dtype: Name of the dtype of the block.

    Returns:
        The letter; None where there are no loops.
    """
    if not native.compiled() or 0 in shape or axes[0] == 0:
        return None
    kind = native.KINDS.get(dtype, "?")
    return None if kind in native.INTEGERS else kind
