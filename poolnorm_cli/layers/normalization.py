"""What the normalization layers share: their axes, statistics, and checks on parameters."""

import math
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.base import Layer, ints
from poolnorm_cli.layers.known_statistics import ByKnownStatistics
from poolnorm_cli.layers.weight_arrays import part_for_block
from poolnorm_cli.shapes import Ints, Shape, format_shape, resolve_axes, within_64_bits
from poolnorm_cli.sizes import SAMPLE_STATISTICS_BYTES
from poolnorm_cli.strips import merge_leading_axes, tile_strips
from poolnorm_cli.values import frozen, replace


if TYPE_CHECKING:
    from collections.abc import Mapping

    from poolnorm_cli.kernels.apart_loops import ApartCall, NormCall
    from poolnorm_cli.kernels.moments import Moments
    from poolnorm_cli.kernels.native import LoopCall, LoopMaker
    from poolnorm_cli.kernels.normalizing_loops import Division, NormalizingCall
    from poolnorm_cli.layers.axis_rules import Statistics
    from poolnorm_cli.layers.call import Array, Call, Weights
    from poolnorm_cli.operators.graph import Graph, GraphCall, GraphMoments, Value
    from poolnorm_cli.strips import Strip


_STATISTIC_SIZE = 16
"""A mean and a sum of squares in float64."""


@frozen(kw_only=True)
class Normalization(Layer, ByKnownStatistics):
    """Divide values by a statistic of theirs along one axis or several; mostly center them too.

    The shape stays, and each sample is treated like the others.
    """

    axis: Annotated[Ints, "Axis or axes, counted from the end if negative."] = (-1,)

    always_shown: ClassVar[tuple[str, ...]] = ("axis",)
    centered: ClassVar[bool] = True
    """The mean is subtracted."""

    def __post_init__(self) -> None:
        """Validate the parameters, as far as that needs no input."""
        axes = ints(self.axis)
        if not axes:
            raise UsageError("--axis is empty", "give an axis, such as --axis -1")
        object.__setattr__(self, "axis", within_64_bits(axes, "--axis"))

    @property
    def added(self) -> float:
        """What is added to the square of what the layer divides by: its epsilon, if it has one."""
        return float(getattr(self, "epsilon", 0.0))

    @property
    def least_power(self) -> float:
        """Lower bound of the square of what the layer divides by, whatever is added."""
        return 0.0

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of the input.

        Raises:
            UsageError: An axis is out of range, or has no known size.
        """
        if not shape:
            raise UsageError("the input has rank 0", "give a tensor of rank 1 or more")
        self.weight_shapes(shape)
        self.axes(len(shape))
        return shape

    def axes(self, rank: int) -> Ints:
        """Return the axes of the weights, non-negative and sorted."""
        return resolve_axes(self.axis, rank)

    def reduced_axes(self, rank: int) -> Ints:
        """Return the axes over which statistics are taken, non-negative and sorted."""
        return self.axes(rank)

    def statistics_axes(self, rank: int, *, training: bool, in_strips: bool = False) -> Ints:
        """Return the axes of the statistics where no block knows its own alone.

        So it is if the first axis is among them, or if samples are worked on in strips.

        Args:
            rank: Axes of the input.
            training: Makes no difference here.
            in_strips: Samples are worked on in strips, so that no strip knows the statistics of its
                sample.

        Returns:
            The axes, sorted; () where each block has all cells of its statistics.
        """
        del training
        return self.reduced_axes(rank) if in_strips or 0 in self.axes(rank) else ()

    def normalizing_call(
        self, shape: Ints, dtype: str
    ) -> "NormalizingCall | ApartCall | NormCall | None":
        """Return the call of the loop that takes a block's own statistics and normalizes it.

        Args:
            shape: Shape of the block.
            dtype: Name of its dtype.

        Returns:
            The call; None where no loop serves.
        """
        from poolnorm_cli.kernels.normalizing_loops import over_axes

        axes = self.axes(len(shape))
        count = math.prod(shape[axis] for axis in axes)
        own = over_axes(shape, axes, dtype, self.division(count))
        if own is not None or len(axes) == 1:
            return own
        from poolnorm_cli.kernels.apart_loops import rows_apart

        return rows_apart(shape, axes, dtype, self.division(count))

    def division(self, cells: int) -> "Division":
        """Return what cells are divided by that have a statistic together.

        Args:
            cells: How many these are.

        Returns:
            What a loop takes.
        """
        from poolnorm_cli.kernels.normalizing_loops import Division

        return Division(self.centered, 1 / max(cells, 1), self.added, self.least_power)

    def loop_call(
        self, shape: Ints, dtype: str, weights: "Mapping[str, memoryview]"
    ) -> "LoopCall | None":
        """Return the call of the loop for a block and the weights.

        Args:
            shape: Shape of the block.
            dtype: Name of its dtype.
            weights: gamma or scale, and beta, as far as the layer has them, in float64.

        Returns:
            The call; None where no loop serves.
        """
        return self.loop_maker(shape, dtype)(weights)

    def loop_maker(self, shape: Ints, dtype: str) -> "LoopMaker":
        """Return `loop_call` of any weights.

        Args:
            shape: Shape of the block.
            dtype: Name of its dtype.

        Returns:
            What takes weights.
        """
        call = self.normalizing_call(shape, dtype)

        def make(weights: "Mapping[str, memoryview]") -> "LoopCall | None":
            gamma = weights.get("gamma", weights.get("scale"))
            return None if call is None else call.on(gamma, weights.get("beta"))

        return make

    def block_statistics(
        self, moments: "Moments", origin: Ints, shape: Ints
    ) -> "tuple[Array, Array]":
        """Return the mean and variance by which a block is normalized.

        Args:
            moments: Statistics over all blocks.
            origin: Index at which the block starts in its tensor.
            shape: Shape of the block.

        Returns:
            Both in float64, of a shape that broadcasts against the block.
        """
        part = self.block_moments(moments, origin, shape)
        return part.mean, part.variance

    def call_statistics(self, call: "Call", shape: Ints) -> "tuple[Array, Array] | None":
        """Return the mean and variance for a block that come with a call, if any do.

        Args:
            call: The call.
            shape: Shape of the block.

        Returns:
            Both in float64, of shapes that broadcast against the block; None where none come.
        """
        if call.moments is None:
            return None
        return self.block_statistics(call.moments, call.origin(len(shape)), shape)

    def known_statistics(
        self, weights: "Weights", call: "Call", shape: Ints
    ) -> "tuple[Array, Array] | None":
        """Return the mean and variance for a block that are known before it is, if any are.

        Args:
            weights: The weights, moving statistics among them.
            call: The call.
            shape: Shape of the block.

        Returns:
            Both in float64, of shapes that broadcast against the block; None where none are known.
        """
        del weights
        return self.call_statistics(call, shape)

    def build_moments(
        self, graph: "Graph", x: "Value", axes: Ints, call: "GraphCall"
    ) -> "GraphMoments":
        """Add the statistics of the whole input, for a graph that gathers for itself.

        Args:
            graph: The graph.
            x: The whole input.
            axes: What `statistics_axes` returned.
            call: Shape, dtype and mask.

        Returns:
            What is `call.moments` when the output is built; it may have a row for each sample.
        """
        from poolnorm_cli.operators.moments import moments_of

        mask = call.mask
        if mask is not None:  # of all axes but the last
            column = graph.op("Unsqueeze", mask, graph.constant([call.rank - 1], "int64"))
            mask = graph.op("Expand", column, graph.op("Shape", x))
        return moments_of(graph, x, axes, mask)

    def collapse_leading_axes(self, shape: Ints) -> "tuple[Layer, Ints]":
        """Merge all axes before the first one of the layer."""
        axes = self.axes(len(shape))
        before = axes[0] - 1
        if before < 1:
            return self, shape
        axis = tuple(axis - before for axis in axes)
        return replace(self, axis=axis), merge_leading_axes(shape, axes[0])

    def output_limit(self, limit: float, shape: Shape, weights: "Weights") -> float:
        """Return what a value can be at most that is divided by the deviation of N cells.

        That is the root of N, before gamma and beta, whatever the input.

        Args:
            limit: Makes no difference.
            shape: Shape of the input.
            weights: gamma or scale, and beta, as far as the layer has them.

        Returns:
            Twice that; infinity where nothing keeps the layer from dividing by 0.
        """
        del limit
        if not max(self.added, self.least_power) > 0:
            return math.inf
        cells = math.prod(size for size in shape if isinstance(size, int))
        factors = [w for name, w in weights.items() if name != "beta"]
        addends = [w for name, w in weights.items() if name == "beta"]
        factor = _largest(factors) if factors else 1.0
        return 2 * math.sqrt(cells) * factor + _largest(addends)

    def strips(self, shape: Ints, items: int) -> "list[Strip]":
        """Cut samples anywhere: with its statistics known, each item is for itself.

        Not where these take as much memory as some samples.

        Args:
            shape: All axes of the input, batch first.
            items: About how many items of a sample go into a strip, 1 or more.

        Returns:
            The strips, in order; [] where the statistics take as much memory as some samples.
        """
        rank = len(shape)
        own = self.statistics_axes(rank, training=False, in_strips=True)
        if own and 0 not in own:
            statistics = math.prod(size for axis, size in enumerate(shape) if axis not in own)
            if statistics * _STATISTIC_SIZE > SAMPLE_STATISTICS_BYTES:
                return []
        return tile_strips(shape, items)

    def block_shape(self, shape: Ints, strip: "Strip | None") -> Ints:
        """Return the shape of the block: a normalization keeps it.

        Args:
            shape: Shape of the block.
            strip: Not used.

        Returns:
            `shape`.
        """
        del strip
        return shape

    def statistics(self, shape: Shape) -> "Statistics | None":
        """Return over which cells the statistics are taken that values are normalized by."""
        from poolnorm_cli.formulas import product
        from poolnorm_cli.layers.axis_rules import Statistics

        axes = self.reduced_axes(len(shape))
        others = (size for axis, size in enumerate(shape) if axis not in axes)
        return Statistics(axes, product(shape[axis] for axis in axes), product(others))

    def weights_at(self, weights: "Weights", origin: Ints, shape: Ints) -> "Weights":
        """Return the part of the weights that is for a block.

        Args:
            weights: The weights.
            origin: Index at which the block starts in its tensor.
            shape: Shape of the block.

        Returns:
            Views of the weights, by name.
        """
        part = part_for_block(self.axes(len(shape)), origin, shape)
        return {name: weight[part] for name, weight in weights.items()}

    def config(self, shape: Shape | None = None) -> dict[str, Any]:
        """Give a single axis as a number, as Keras stores it."""
        axis: Any = self.axis[0] if len(self.axis) == 1 else list(self.axis)
        return super().config(shape) | {"axis": axis}


def splits_weights(layer: Layer, rank: int) -> bool:
    """Whether weights run along axis 0, so that each block has a part of them.

    Args:
        layer: The layer.
        rank: Axes of its input.

    Returns:
        False too for a layer that is no normalization.
    """
    return isinstance(layer, Normalization) and 0 in layer.axes(rank)


def _largest(weights: "list[Array]") -> float:
    """Return the largest magnitude in arrays; 0 where there are none."""
    return max((float(abs(weight).max(initial=0.0)) for weight in weights), default=0.0)


def require_epsilon(epsilon: float) -> None:
    """Refuse an epsilon that is negative or not finite.

    Raises:
        UsageError: It is.
    """
    if not (math.isfinite(epsilon) and epsilon >= 0):
        raise UsageError(
            f"--epsilon must not be negative, and is {epsilon}", "give --epsilon 0.001"
        )


def require_rank(shape: Shape, lowest: int, layer: str) -> None:
    """Refuse an input of too low a rank.

    Args:
        shape: Shape of the input.
        lowest: The lowest rank that is taken.
        layer: What messages call the layer.

    Raises:
        UsageError: The rank is below `lowest`.
    """
    if len(shape) < lowest:
        raise UsageError(
            f"the input has rank {len(shape)}, shape ({format_shape(shape)})",
            f"{layer} takes rank {lowest} or more",
        )
