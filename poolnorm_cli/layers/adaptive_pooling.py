"""Pooling to a size: `AdaptiveMaxPooling1D/2D/3D` and `AdaptiveAveragePooling1D/2D/3D`."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from poolnorm_cli.layers.base import positive_ints
from poolnorm_cli.layers.call import INFERENCE, Call
from poolnorm_cli.layers.pooling import AveragePooling, MaxPooling
from poolnorm_cli.layers.sliding import Pooling
from poolnorm_cli.layers.spatial import SpatialLayer, require_cells
from poolnorm_cli.shapes import (
    DataFormat,
    Ints,
    Shape,
    adaptive_bounds,
    per_axis,
    spatial_axes,
    spatial_rank,
)
from poolnorm_cli.strips import bounds_strips
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from poolnorm_cli.kernels.native import LoopCall
    from poolnorm_cli.kernels.strip_loops import StripCall
    from poolnorm_cli.layers.axis_rules import AxisRule
    from poolnorm_cli.layers.call import Array, Facts, Weights
    from poolnorm_cli.operators.graph import Graph, GraphCall, Value, Values
    from poolnorm_cli.strips import Bounds, Strip


@frozen(kw_only=True)
class AdaptivePooling(SpatialLayer):
    """Cover every spatial axis evenly with windows and reduce what is under each to one value.

    Window i of m on an axis of n cells goes from floor(i*n/m) to ceil((i+1)*n/m).
    """

    output_size: Annotated[Ints, "Size of the output: one int, or one per spatial axis."]
    data_format: Annotated[DataFormat, "Where the channels are."] = "channels_last"

    example: ClassVar[str] = "--output-size 7"
    pooling: ClassVar[type[Pooling]]
    """What it is where every window has the same size."""
    reduction: ClassVar[str]
    """What is made of the cells under a window, in words."""

    def __post_init__(self) -> None:
        """Validate the parameters, as far as that needs no input."""
        object.__setattr__(self, "output_size", positive_ints(self.output_size, "--output-size"))
        super().__post_init__()

    def output_shape(self, shape: Shape) -> Shape:
        """Put the output size in place of the spatial axes.

        Raises:
            UsageError: The rank is not 3, 4 or 5; or a spatial axis has no cell.
        """
        sizes = self.window_counts(shape)
        require_cells(shape, tuple(sizes))
        return tuple(sizes.get(axis, size) for axis, size in enumerate(shape))

    def window_counts(self, shape: Shape) -> dict[int, int]:
        """Return the number of windows on each spatial axis of an input of `shape`."""
        rank = spatial_rank(shape)
        axes = spatial_axes(len(shape), self.data_format)
        return dict(zip(axes, per_axis(self.output_size, rank, "--output-size"), strict=True))

    def window_bounds(self, shape: Ints, strip: "Strip | None" = None) -> "dict[int, Bounds]":
        """Return first cell and end of the windows on each spatial axis.

        Args:
            shape: Shape of the block, batch first.
            strip: Which rows of a sample the block is; None where it is whole samples.

        Returns:
            Spatial axis -> (first cell, end) of each window; on axis 1 of a strip, of those on its
            rows.
        """
        found: dict[int, Bounds] = {
            axis: adaptive_bounds(shape[axis], count)
            for axis, count in self.window_counts(shape).items()
        }
        if strip is None:
            return found
        return found | {1: strip.bounds or [(0, shape[1])]}

    def row_strips(self, shape: Ints, rows: int) -> "list[Strip]":
        """Cut the first spatial axis under the windows.

        Args:
            shape: All axes of the input, batch first.
            rows: About how many rows go into a strip, 1 or more.

        Returns:
            The strips, in order.
        """
        pooling = self.as_pooling(shape)
        if pooling is not None:
            return pooling.row_strips(shape, rows)
        return bounds_strips(shape[1], self.window_bounds(shape)[1], rows)

    def block_shape(self, shape: Ints, strip: "Strip | None") -> Ints:
        """Return the shape of what `apply` makes of a block: the windows on each axis.

        Args:
            shape: Shape of the block.
            strip: Which rows of a sample the block is; None where it is whole samples.

        Returns:
            The shape, on a strip with the windows on its own rows.
        """
        sizes = self.window_counts(shape) | ({1: _window_count(strip)} if strip is not None else {})
        return tuple(sizes.get(axis, size) for axis, size in enumerate(shape))

    def as_pooling(self, shape: Ints, strip: "Strip | None" = None) -> Pooling | None:
        """Return the sliding-window pooling that this is where all windows have one size.

        Args:
            shape: Shape of the block, batch first.
            strip: Which rows of a sample the block is; None where it is whole samples.

        Returns:
            The pooling; None where windows differ.
        """
        if strip is not None and strip.bounds is not None:
            return None
        sizes = self.window_counts(shape) | ({1: _window_count(strip)} if strip is not None else {})
        if any(shape[axis] % count for axis, count in sizes.items()):
            return None
        window = tuple(shape[axis] // count for axis, count in sizes.items())
        return self.pooling(pool_size=window, data_format=self.data_format)

    def loop_call(
        self, shape: Ints, dtype: str, weights: "Mapping[str, memoryview]"
    ) -> "LoopCall | None":
        """Return the call of the loop of these windows, or of the sliding one that they are.

        Args:
            shape: Shape of the block.
            dtype: Name of its dtype.
            weights: Not used: there are none.

        Returns:
            The call; None where no loop serves for these windows, or this dtype.
        """
        pooling = self.as_pooling(shape)
        if pooling is not None:
            return pooling.loop_call(shape, dtype, weights)
        return self._adaptive_call(shape, self.window_bounds(shape), dtype)

    def strip_call(self, shape: Ints, strip: "Strip", dtype: str) -> "StripCall | None":
        """Return the call of the loop on a strip, where each window has all of its rows there.

        Args:
            shape: Shape of the rows of the strip that are used.
            strip: Which rows of a sample they are.
            dtype: Name of their dtype.

        Returns:
            The call; None where no loop serves for these windows, or this dtype.
        """
        pooling = self.as_pooling(shape, strip)
        if pooling is not None:
            return pooling.strip_call(shape, strip, dtype)
        if strip.place is not None:
            return None
        from poolnorm_cli.kernels.strip_loops import StripCall

        call = self._adaptive_call(shape, self.window_bounds(shape, strip), dtype)
        return None if call is None else StripCall(call, dtype)

    def _adaptive_call(
        self, shape: Ints, bounds: "Mapping[int, Bounds]", dtype: str
    ) -> "LoopCall | None":
        """Return the call of the loop of windows of different sizes."""
        from poolnorm_cli.kernels.adaptive import adaptive_call

        call = adaptive_call(shape, bounds, dtype, average=self.pooling.averages)
        return None if call is None else call.run

    def apply(self, x: "Array", weights: "Weights", call: Call = INFERENCE) -> "Array":
        """Reduce the cells under each window, as the sliding-window pooling does.

        Args:
            x: The block, float32 or float64; of any numeric dtype where a maximum is taken.
            weights: Not used: there are none.
            call: Which strip of a sample the block is.

        Returns:
            The output, in the dtype of `x`, as Keras 3's adaptive layers give it.
        """
        pooling = self.as_pooling(x.shape, call.strip)
        if pooling is not None:
            return pooling.apply(x, weights, call)
        return self._reduce(x, self.window_bounds(x.shape, call.strip))

    def combine(self, parts: "Iterable[tuple[Call, Array]]") -> "Array":
        """Put the parts of a window together, as the sliding-window pooling does."""
        return self.pooling().combine(parts)

    def build(self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall") -> "Value":
        """Add the pooling operator where all windows have one size, else operators for each.

        Args:
            graph: The graph.
            x: The block, of the shape and dtype in `call`.
            weights: Not used: there are none.
            call: Shape, dtype, strip, and whether every input must be exact.

        Returns:
            The output, in the dtype of `x`.
        """
        pooling = self.as_pooling(call.sizes, call.strip)
        if pooling is not None:
            return pooling.build(graph, x, weights, call)
        return self._build_uneven(graph, x, self.window_bounds(call.sizes, call.strip), call)

    def build_for_device(
        self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall"
    ) -> "Value | None":
        """Add what the pooling has for a device that this is where all windows have one size.

        Args:
            graph: The graph.
            x: The block, float32.
            weights: Those of the layer, if it has any.
            call: Shape and dtype, and statistics where they are given.

        Returns:
            The output; None where nothing is sooner than the exact graph.
        """
        pooling = self.as_pooling(call.sizes, call.strip)
        return None if pooling is None else pooling.build_for_device(graph, x, weights, call)

    @abstractmethod
    def _reduce(self, x: "Array", bounds: "Mapping[int, Bounds]") -> "Array":
        """Reduce the cells under windows that differ in size, by spatial axis."""

    @abstractmethod
    def _build_uneven(
        self, graph: "Graph", x: "Value", bounds: "Mapping[int, Bounds]", call: "GraphCall"
    ) -> "Value":
        """Add operators that reduce the cells under windows that differ in size."""

    def explain(self, facts: "Facts") -> list[str]:
        """Describe which cells each window has, and what is made of them."""
        return self.explain_shape(facts.shape)

    def axis_rules(self, shape: Shape) -> "list[AxisRule]":
        """Return how windows cover each spatial axis."""
        from poolnorm_cli.layers.axis_rules import AdaptiveRule

        counts = self.window_counts(shape).items()
        return [AdaptiveRule(axis=a, length=shape[a], count=count) for a, count in counts]

    def formula_lines(self, shape: Shape) -> list[str]:
        """Describe the reduction of the cells under each window."""
        del shape
        return [f"y = {self.reduction} of the cells under each window"]

    def plain_op_limit(self, shape: Ints, dtype: str) -> float:
        """Return the limit of the pooling that this is where all windows have one size.

        Args:
            shape: Shape of the block.
            dtype: Name of its dtype.

        Returns:
            That magnitude; 0 where windows differ, for which there is no plain operator.
        """
        pooling = self.as_pooling(shape)
        return 0.0 if pooling is None else pooling.plain_op_limit(shape, dtype)

    def config(self, shape: Shape | None = None) -> dict[str, Any]:
        """Give the output size per axis of an input of `shape`, as Keras stores it."""
        config = super().config(shape)
        return config | ({"output_size": list(self.window_counts(shape).values())} if shape else {})


@frozen(kw_only=True)
class AdaptiveMaxPooling(AdaptivePooling):
    """Cover every spatial axis evenly with windows and keep the largest value of each."""

    words: ClassVar[str] = "apool max"
    keras_name: ClassVar[str] = "AdaptiveMaxPooling"
    stays_in_range: ClassVar[bool] = True
    keeps_integers: ClassVar[bool] = True
    pooling: ClassVar[type[Pooling]] = MaxPooling
    reduction: ClassVar[str] = "max"
    formula: ClassVar[str] = (
        "y[i] = max of x[j], j from floor(i*n/m) to ceil((i+1)*n/m) - 1, of n to m"
    )

    def _reduce(self, x: "Array", bounds: "Mapping[int, Bounds]") -> "Array":
        """Take the maximum; NaN propagates and a window of -inf gives -inf."""
        from poolnorm_cli.kernels.reductions import max_adaptive

        return max_adaptive(x, bounds)

    def _build_uneven(
        self, graph: "Graph", x: "Value", bounds: "Mapping[int, Bounds]", call: "GraphCall"
    ) -> "Value":
        """Add the maximum of gathered runs."""
        from poolnorm_cli.operators.adaptive import max_adaptive

        return max_adaptive(graph, x, bounds, call)


@frozen(kw_only=True)
class AdaptiveAveragePooling(AdaptivePooling):
    """Cover every spatial axis evenly with windows and average the cells of each."""

    words: ClassVar[str] = "apool average"
    keras_name: ClassVar[str] = "AdaptiveAveragePooling"
    stays_in_range: ClassVar[bool] = True
    pooling: ClassVar[type[Pooling]] = AveragePooling
    reduction: ClassVar[str] = "mean"
    formula: ClassVar[str] = (
        "y[i] = mean of x[j], j from floor(i*n/m) to ceil((i+1)*n/m) - 1, of n to m"
    )

    def _reduce(self, x: "Array", bounds: "Mapping[int, Bounds]") -> "Array":
        """Average the cells, summed in float64."""
        from poolnorm_cli.kernels.reductions import mean_adaptive

        return mean_adaptive(x, bounds)

    def _build_uneven(
        self, graph: "Graph", x: "Value", bounds: "Mapping[int, Bounds]", call: "GraphCall"
    ) -> "Value":
        """Add the sums of gathered runs."""
        from poolnorm_cli.operators.adaptive import mean_adaptive

        return mean_adaptive(graph, x, bounds, call)


def _window_count(strip: "Strip") -> int:
    """Count the windows on a strip, of the last of which it may have a part only."""
    if strip.bounds is not None:
        return len(strip.bounds)
    return strip.window.count if strip.window is not None else 1
