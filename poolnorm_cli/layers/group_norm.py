"""Group and instance normalization as Keras 3 computes them."""

from abc import abstractmethod
from math import prod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.affine import AffineNormalization
from poolnorm_cli.layers.call import INFERENCE, Call
from poolnorm_cli.layers.maskable import Maskable
from poolnorm_cli.layers.normalization import require_rank
from poolnorm_cli.layers.weight_arrays import affine_arrays, apply_affine
from poolnorm_cli.shapes import Ints, Shape, counted, format_shape, known_sizes, within_64_bits
from poolnorm_cli.values import frozen, replace


if TYPE_CHECKING:
    from poolnorm_cli.kernels.apart_loops import ApartCall
    from poolnorm_cli.kernels.known_loops import Pair
    from poolnorm_cli.kernels.moments import Moments
    from poolnorm_cli.kernels.normalizing_loops import NormalizingCall
    from poolnorm_cli.layers.axis_rules import Statistics
    from poolnorm_cli.layers.base import Layer
    from poolnorm_cli.layers.call import Array, Facts, Weights
    from poolnorm_cli.operators.graph import Graph, GraphCall, Value, Values
    from poolnorm_cli.strips import Strip


_TRIED = 10_000
"""Numbers of groups that are tried for one to recommend."""


@frozen(kw_only=True)
class GroupedNormalization(AffineNormalization, Maskable):
    """Normalize each group of channels of each sample, by the statistics of its cells."""

    keras_name: ClassVar[str] = "GroupNormalization"
    mask_may_lack_axes: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Validate the parameters, as far as that needs no input."""
        super().__post_init__()
        if len(self.axis) > 1:
            given = ",".join(map(str, self.axis))
            raise UsageError(f"--axis {given} names several", "give the one of the channels")

    @abstractmethod
    def group_count(self, channels: int) -> int:
        """Return the number of groups of so many channels.

        Raises:
            UsageError: The channels cannot be grouped so.
        """

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of the input.

        Raises:
            UsageError: The rank is below 2; the axis is out of range, is the batch's, or has no
                known size; or its channels cannot be grouped.
        """
        require_rank(shape, 2, "group normalization")
        axes = self.axes(len(shape))
        if axes == (0,):
            raise UsageError(
                "--axis 0 is the batch, and each sample is normalized by itself", "give --axis -1"
            )
        self.group_count(*known_sizes(shape, axes))
        return super().output_shape(shape)

    def mask_shape(self, shape: Shape) -> Shape:
        """Return the shape of the input: as in Keras 2, a mask says of each cell if it counts.

        A group without a cell that counts has mean and variance 0 there.
        """
        return shape

    def collapse_leading_axes(self, shape: Ints) -> "tuple[Layer, Ints]":
        """Leave samples whole: a group has cells of all of it."""
        return self, shape

    def strips(self, shape: Ints, items: int) -> "list[Strip]":
        """Cut samples anywhere, if they have more axes than the channels'.

        Args:
            shape: All axes of the input, batch first.
            items: About how many items of a sample go into a strip, 1 or more.

        Returns:
            The strips, in order; [] where samples are worked on whole.
        """
        return super().strips(shape, items) if len(shape) > 2 else []

    def reduced_axes(self, rank: int) -> Ints:
        """Return all axes of a sample but the channels', whose statistics are joined later."""
        axes = self.axes(rank)
        return tuple(axis for axis in range(1, rank) if axis not in axes)

    def joined_channels(self, shape: Ints) -> int:
        """Return how many channels a group has."""
        (axis,) = self.axes(len(shape))
        return shape[axis] // self.group_count(shape[axis])

    def sample_statistics(self, found: "Pair", cells: int) -> "tuple[Pair, int] | None":
        """Return for each channel the statistics of its group.

        Args:
            found: Means and sums of squared deviations of each channel.
            cells: Cells of each.

        Returns:
            Both, and the cells of each; None where float64 does not hold them.
        """
        from array import array

        from poolnorm_cli.kernels.known_loops import merged_groups

        channels = len(found[0])
        groups = self.group_count(channels)
        size = channels // groups
        both = memoryview(array("d", found[0])), memoryview(array("d", found[1]))
        own = merged_groups(both, (groups, size, 1), cells)
        if own is None:
            return None
        mean, squares = ([each for each in values for _ in range(size)] for values in own)
        return (mean, squares), cells * size

    def block_moments(self, moments: "Moments", origin: Ints, shape: Ints) -> "Moments":
        """Return the statistics for a block: for each channel those of its group.

        Args:
            moments: Statistics of each sample and channel.
            origin: Index at which the block starts in its tensor.
            shape: Shape of the block.

        Returns:
            Its part of them.
        """
        from poolnorm_cli.kernels.partial_moments import group_moments

        (axis,) = self.axes(len(shape))
        samples = slice(origin[0], origin[0] + shape[0])
        groups = self.group_count(moments.mean.shape[axis])
        own = group_moments(moments, samples, axis, groups)
        return super().block_moments(own, (0, *origin[1:]), shape)

    def normalizing_call(self, shape: Ints, dtype: str) -> "NormalizingCall | ApartCall | None":
        """Return the call of the loop that normalizes each group of a block.

        Args:
            shape: Shape of the block.
            dtype: Name of its dtype.

        Returns:
            The call; None where no loop serves.
        """
        from poolnorm_cli.kernels.normalizing_loops import over_groups

        (axis,) = self.axes(len(shape))
        groups = self.group_count(shape[axis])
        cells = prod(shape[1:]) // max(groups, 1)
        own = over_groups(shape, axis, groups, dtype, self.division(cells))
        if own is not None or axis in (1, len(shape) - 1):
            return own
        from poolnorm_cli.kernels.apart_loops import groups_apart

        return groups_apart(shape, axis, groups, dtype, self.division(cells))

    def apply(self, x: "Array", weights: "Weights", call: Call = INFERENCE) -> "Array":
        """Compute `(x - mean) / sqrt(variance + epsilon) * gamma + beta`, the variance biased.

        Args:
            x: The block, float32 or float64.
            weights: `gamma` and `beta`, as far as the layer has them, one value per channel.
            call: Where the block starts, its mask, and the statistics, where they were gathered
                before.

        Returns:
            The output, in the dtype of `x`, as Keras 3's `GroupNormalization` (Wu and He, 2018,
            arXiv:1803.08494) gives it.
        """
        from poolnorm_cli.kernels.partial_moments import strip_moments
        from poolnorm_cli.kernels.rows import run_loop
        from poolnorm_cli.kernels.scaling import center_and_scale, inverse_deviation

        (axis,) = axes = self.axes(x.ndim)
        origin = call.origin(x.ndim)
        found = self.by_known_statistics(x, weights, call)
        if found is not None:
            return found
        given = self.call_statistics(call, x.shape)
        if given is not None:
            y = center_and_scale(x, given[0], inverse_deviation(given[1], self.epsilon), 0.0)
            return apply_affine(y, weights, axes, origin)
        if call.mask is None:
            own = self.normalizing_call(x.shape, x.dtype.name)
            found = run_loop(own, x, *affine_arrays(weights, x.shape, axes, origin))
            if found is not None:
                return found
        grouped = x.reshape(self._grouped(x.shape, axis))
        reduced = tuple(a for a in range(1, grouped.ndim) if a != axis)
        mask = None if call.mask is None else call.mask.reshape(grouped.shape)
        moments = strip_moments(grouped, mask, reduced)
        inverse = inverse_deviation(moments.variance, self.epsilon)
        y = center_and_scale(grouped, moments.mean, inverse, 0.0)
        return apply_affine(y.reshape(x.shape), weights, axes, origin)

    def explain(self, facts: "Facts") -> list[str]:
        """Describe how the channels are grouped, and over which cells the statistics are taken."""
        from poolnorm_cli.layers.explain import first_cells, moments_lines

        what, over, inside = self._split(facts.shape, masked=facts.masked)
        first = None if facts.masked else facts.first
        (axis,) = self.axes(len(facts.shape))
        grouped = self._grouped(facts.shape, axis)
        sample = None if first is None else first.reshape((1, *grouped[1:]))
        return [what, *moments_lines(self.epsilon, facts, over, first_cells(sample, inside))]

    def formula_lines(self, shape: Shape) -> list[str]:
        """Describe how the channels are grouped, and over which cells the statistics are taken."""
        from poolnorm_cli.layers.explain import normalization_lines

        what, over, _ = self._split(shape)
        return [what, *normalization_lines(self.epsilon, self.weight_shapes(shape), over)]

    def _split(self, shape: Shape, *, masked: bool = False) -> tuple[str, str, Ints]:
        """Say how channels are grouped, and what a statistic is over; with axes of the groups."""
        from poolnorm_cli.formulas import cell_count_text

        (axis,) = self.axes(len(shape))
        (channels,) = known_sizes(shape, (axis,))
        count = self.group_count(channels)
        size = channels // max(count, 1)
        grouped = (*shape[:axis], count, size, *shape[axis + 1 :])
        inside = tuple(a for a in range(1, len(grouped)) if a != axis)
        split = f"{counted(count * size, 'channel')} in {counted(count, 'group')} of {size}"
        that = ", of which those count that the mask lets," if masked else ""
        over = f"{cell_count_text(grouped, inside)}{that} of each sample and group"
        return f"{split}, split as ({format_shape(grouped)})", over, inside

    def statistics(self, shape: Shape) -> "Statistics | None":
        """Return over which cells the statistics of a group are taken."""
        from poolnorm_cli.formulas import product
        from poolnorm_cli.layers.axis_rules import Statistics

        (axis,) = self.axes(len(shape))
        (channels,) = known_sizes(shape, (axis,))
        groups = self.group_count(channels)
        axes = tuple(range(1, len(shape)))
        inside = [shape[a] for a in axes if a != axis]
        cells = product([*inside, channels // max(groups, 1)])
        return Statistics(axes, cells, product([shape[0], groups]))

    def build(self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall") -> "Value":
        """Add InstanceNormalization or GroupNormalization, or operators where it must be exact.

        Args:
            graph: The graph.
            x: The block, of the shape and dtype in `call`.
            weights: `gamma` and `beta`, as far as the layer has them.
            call: Shape, dtype, mask, statistics, and whether every input must be exact.

        Returns:
            The output, in the dtype of `x`.
        """
        from poolnorm_cli.operators.moments import moments_of
        from poolnorm_cli.operators.scaling import apply_affine, deviations

        (axis,) = axes = self.axes(call.rank)
        if call.moments is not None:
            y = deviations(graph, x, call.dtype, call.moments, self.epsilon)
            return apply_affine(graph, y, weights, call, axes)
        if call.dtype == "float32" and call.rank > 2 and not call.exact and call.mask is None:
            return self._plain(graph, x, weights, call)
        sizes = self._grouped(call.sizes, axis)
        grouped = graph.reshape(x, [0, *sizes[1:]])
        reduced = tuple(a for a in range(1, call.rank + 1) if a != axis)
        mask = call.mask and graph.reshape(call.mask, [0, *sizes[1:]])
        moments = moments_of(graph, grouped, reduced, mask, keras_3=False)
        y = deviations(graph, grouped, call.dtype, moments, self.epsilon)
        return apply_affine(graph, graph.reshape(y, [0, *call.sizes[1:]]), weights, call, axes)

    def build_for_device(
        self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall"
    ) -> "Value | None":
        """Add a factor and an addend by sums in float32, and whether these keep their digits.

        Args:
            graph: The graph.
            x: The block, float32.
            weights: `gamma` and `beta`, as far as the layer has them.
            call: Shape and dtype, and statistics where they are given.

        Returns:
            The output; None where nothing is sooner than the exact graph.
        """
        from poolnorm_cli.operators.device_norms import LEAST_EPSILON, checked_groups

        (axis,) = self.axes(call.rank)
        if call.moments is not None or self.epsilon < LEAST_EPSILON:
            return None
        groups = self.group_count(call.sizes[axis])
        return checked_groups(graph, x, weights, call, axis, groups, self.epsilon)

    def fits_device(self, weights: "Weights") -> bool:
        """Whether weights are small enough that only results leave the range."""
        from poolnorm_cli.operators.device_norms import LARGEST_WEIGHT

        return all((abs(w) <= LARGEST_WEIGHT).all() for w in weights.values())

    def _grouped(self, shape: Ints, axis: int) -> Ints:
        """Return the shape in which the channels are split into groups and what is in them."""
        groups = self.group_count(shape[axis])
        return (*shape[:axis], groups, shape[axis] // max(groups, 1), *shape[axis + 1 :])

    def _plain(self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall") -> "Value":
        """Add the operator of the standard, the channels brought before space."""
        from poolnorm_cli.operators.graph import channels_first
        from poolnorm_cli.operators.scaling import normalize_groups, normalize_instances

        (axis,) = self.axes(call.rank)
        spatial = tuple(a for a in range(1, call.rank) if a != axis)
        moved, back = channels_first(graph, x, spatial, call.rank)
        channels = call.sizes[axis]
        groups = self.group_count(channels)
        call = replace(call, shape=(call.shape[0], channels, *(call.sizes[a] for a in spatial)))
        if groups == channels:
            y = normalize_instances(graph, moved, weights, call, self.epsilon)
        else:
            y = normalize_groups(graph, moved, weights, call, groups, self.epsilon)
        return graph.transpose(y, back)


@frozen(kw_only=True)
class GroupNormalization(GroupedNormalization):
    """Normalize groups of channels of each sample, each group by the statistics of its cells."""

    groups: Annotated[int, "Groups of channels; -1 is one for each channel."] = 32

    words: ClassVar[str] = "gn"
    always_shown: ClassVar[tuple[str, ...]] = ("groups", "axis", "epsilon")
    example: ClassVar[str] = "--groups 3"
    formula: ClassVar[str] = (
        "y = gamma * (x - mean) / sqrt(variance + epsilon) + beta, over each group"
    )

    def __post_init__(self) -> None:
        """Validate the parameters, as far as that needs no input."""
        super().__post_init__()
        if self.groups < 1 and self.groups != -1:
            fix = "give 1 or more, or -1 for one group per channel"
            raise UsageError(f"--groups must be positive, not {self.groups}", fix)
        within_64_bits((self.groups,), "--groups")

    def group_count(self, channels: int) -> int:
        """Return `groups`, or for -1 the number of channels.

        Raises:
            UsageError: There are more groups than channels, or they do not divide them.
        """
        groups = channels if self.groups == -1 else self.groups
        if channels % max(groups, 1):
            most = min(groups, channels)
            near = range(most, max(most - _TRIED, 0), -1)
            fitting = next((count for count in near if channels % count == 0), 1)
            raise UsageError(
                f"--groups {groups} does not divide {counted(channels, 'channel')}",
                f"give --groups {fitting}, or another divisor of {channels}",
            )
        return groups


@frozen(kw_only=True)
class InstanceNormalization(GroupedNormalization):
    """Normalize each channel of each sample by its own statistics: one group per channel."""

    words: ClassVar[str] = "in"
    fixed: ClassVar[dict[str, Any]] = {"groups": -1}
    example: ClassVar[str] = "--axis -1"
    formula: ClassVar[str] = (
        "y = gamma * (x - mean) / sqrt(variance + epsilon) + beta, over each channel"
    )

    def group_count(self, channels: int) -> int:
        """Return the number of channels."""
        return channels
