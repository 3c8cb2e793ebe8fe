"""Pooling by a sliding window: `MaxPooling1D/2D/3D` and `AveragePooling1D/2D/3D`."""

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, get_args

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.base import positive_ints, require_one_of
from poolnorm_cli.layers.call import INFERENCE, Call
from poolnorm_cli.layers.on_device import PooledOnDevice
from poolnorm_cli.layers.spatial import LARGEST_VALUE, SpatialLayer, average, largest
from poolnorm_cli.shapes import (
    DataFormat,
    Dim,
    Ints,
    Padding,
    Shape,
    Window,
    counted,
    per_axis,
    spatial_axes,
    spatial_rank,
    window,
    window_count,
)
from poolnorm_cli.strips import window_strips
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from poolnorm_cli.kernels.native import LoopCall
    from poolnorm_cli.layers.axis_rules import AxisRule, WindowRule
    from poolnorm_cli.layers.call import Array, Facts, Weights
    from poolnorm_cli.operators.graph import Graph, GraphCall, Value, Values
    from poolnorm_cli.strips import Strip

_MAX_POOL = ("float32", "float64", "int8", "uint8")
"""Dtypes that runtimes have a MaxPool for."""
_MAX_POOL_CELLS = 1024
"""Cells under a window from which on MaxPool, which looks at each of them, is not run."""
_AVERAGE_POOL_CELLS = 6
"""Cells whose sum, one after another in float32, is within 4 epsilons of the exact one."""


@frozen(kw_only=True)
class Pooling(PooledOnDevice, SpatialLayer):
    """Slide a window over every spatial axis and reduce what is under it to one value."""

    pool_size: Annotated[Ints, "Window size: one int, or one per spatial axis."] = (2,)
    strides: Annotated[Ints | None, "Window step: like the pool size, its default."] = None
    padding: Annotated[Padding, "'valid' keeps whole windows, 'same' gives ceil(size/stride)."] = (
        "valid"
    )
    data_format: Annotated[DataFormat, "Where the channels are."] = "channels_last"

    always_shown: ClassVar[tuple[str, ...]] = ("pool_size",)
    averages: ClassVar[bool] = False
    """It divides by the number of real cells under the window."""

    def __post_init__(self) -> None:
        """Validate the parameters, as far as that needs no input."""
        object.__setattr__(self, "pool_size", positive_ints(self.pool_size, "--pool-size"))
        if self.strides is not None:
            object.__setattr__(self, "strides", positive_ints(self.strides, "--strides"))
        require_one_of(self.padding, get_args(Padding), "--padding")
        super().__post_init__()

    def output_shape(self, shape: Shape) -> Shape:
        """Count the places of the window on each spatial axis.

        Raises:
            UsageError: The rank is not 3, 4 or 5; or a window is larger than its axis and the
                padding is 'valid'.
        """
        result: list[Dim] = list(shape)
        for axis, size, stride in self._sizes(shape):
            length = shape[axis]
            if self.padding == "valid" and isinstance(length, int) and length < size:
                raise UsageError(
                    f"axis {axis} has {counted(length, 'cell')}, fewer than the window of {size}",
                    f"give --pool-size {length} or less, or --padding same"
                    if length
                    else "give --padding same",
                )
            result[axis] = window_count(length, size, stride, self.padding)
        return tuple(result)

    def windows(self, shape: Ints, strip: "Strip | None" = None) -> dict[int, Window]:
        """Place the window on each spatial axis, clipped to the cells there are.

        Args:
            shape: Shape of the block, batch first.
            strip: Which rows of a sample the block is; None where it is whole samples.

        Returns:
            Spatial axis -> the window on it; on axis 1 of a strip, the window on its own rows.

        Raises:
            UsageError: The rank is not 3, 4 or 5, or the sizes are not one per spatial axis.
        """
        given = self.pool_size, self.strides or self.pool_size, self.padding, self.data_format
        placed = _windows(shape, *given)
        return placed if strip is None or strip.window is None else placed | {1: strip.window}

    def row_strips(self, shape: Ints, rows: int) -> "list[Strip]":
        """Cut the first spatial axis under the window, with the rows that neighbours share.

        Args:
            shape: All axes of the input, batch first.
            rows: About how many rows go into a strip, 1 or more.

        Returns:
            The strips, in order.
        """
        return window_strips(shape[1], self.windows(shape)[1], rows)

    def block_shape(self, shape: Ints, strip: "Strip | None") -> Ints:
        """Return the shape of what `apply` makes of a block: the places of the window on each axis.

        Args:
            shape: Shape of the block.
            strip: Which rows of a sample the block is; None where it is whole samples.

        Returns:
            The shape, on a strip with the places of its own rows.
        """
        windows = self.windows(shape, strip)
        return tuple(windows[a].count if a in windows else n for a, n in enumerate(shape))

    def loop_call(
        self, shape: Ints, dtype: str, weights: "Mapping[str, memoryview]"
    ) -> "LoopCall | None":
        """Return the call of the loop of windows.

        Args:
            shape: Shape of the block.
            dtype: Name of its dtype.
            weights: Not used: there are none.

        Returns:
            The call; None where no loop serves for these windows, or this dtype.
        """
        from poolnorm_cli.kernels.window_loops import window_call

        del weights
        call = window_call(shape, self.windows(shape), dtype, average=self.averages)
        return None if call is None else call.run

    def _build_plain(
        self, graph: "Graph", kind: str, x: "Value", call: "GraphCall", **attributes: int
    ) -> "Value":
        """Add a pooling operator with explicit pads, the channels brought before space."""
        from poolnorm_cli.operators.graph import channels_first

        windows = self.windows(call.sizes, call.strip)
        moved, back = channels_first(graph, x, tuple(windows), call.rank)
        pooled = graph.op(
            kind,
            moved,
            kernel_shape=[window.size for window in windows.values()],
            strides=[window.stride for window in windows.values()],
            pads=[w.low for w in windows.values()] + [w.high for w in windows.values()],
            **attributes,
        )
        return graph.transpose(pooled, back)

    def explain(self, facts: "Facts") -> list[str]:
        """Describe how the window goes along each axis, and what is made of the cells under it."""
        return self.explain_shape(facts.shape)

    def axis_rules(self, shape: Shape) -> "list[AxisRule]":
        """Return how the window goes along each spatial axis, its sizes as they were given.

        Raises:
            UsageError: The rank is not 3, 4 or 5, or the sizes are not one per spatial axis.
        """
        return [*self._rules(shape)]

    def _rules(self, shape: Shape) -> "list[WindowRule]":
        from poolnorm_cli.layers.axis_rules import WindowRule

        return [
            WindowRule(
                axis=axis,
                length=shape[axis],
                size=size,
                stride=stride,
                padding=self.padding,
                averages=self.averages,
            )
            for axis, size, stride in self._sizes(shape)
        ]

    def _sizes(self, shape: Shape) -> list[tuple[int, int, int]]:
        """List (axis, window size, stride) for every spatial axis."""
        return _sizes(shape, self.pool_size, self.strides or self.pool_size, self.data_format)

    def config(self, shape: Shape | None = None) -> dict[str, Any]:
        """Give sizes and strides per axis of an input of `shape`, as Keras stores them."""
        if shape is None:
            return super().config()
        _, sizes, strides = zip(*self._sizes(shape), strict=True)
        return super().config(shape) | {"pool_size": list(sizes), "strides": list(strides)}


def _sizes(
    shape: Shape, pool_size: Ints, strides: Ints, data_format: DataFormat
) -> list[tuple[int, int, int]]:
    rank = spatial_rank(shape)
    sizes = per_axis(pool_size, rank, "--pool-size"), per_axis(strides, rank, "--strides")
    return list(zip(spatial_axes(len(shape), data_format), *sizes, strict=True))


@lru_cache(maxsize=64)
def _windows(
    shape: Ints, pool_size: Ints, strides: Ints, padding: Padding, data_format: DataFormat
) -> dict[int, Window]:
    sizes = _sizes(shape, pool_size, strides, data_format)
    whole = {axis: window(shape[axis], size, stride, padding) for axis, size, stride in sizes}
    return {axis: each.clipped(shape[axis]) for axis, each in whole.items()}


@frozen(kw_only=True)
class MaxPooling(Pooling):
    """Slide a window over every spatial axis and keep its largest value."""

    words: ClassVar[str] = "pool max"
    keras_name: ClassVar[str] = "MaxPooling"
    stays_in_range: ClassVar[bool] = True
    example: ClassVar[str] = "--pool-size 2"
    formula: ClassVar[str] = "y[i] = max of x[i*strides - pad + k], k = 0 .. pool_size-1"
    keeps_integers: ClassVar[bool] = True
    device_kind: ClassVar[str] = "MaxPool"

    def apply(self, x: "Array", weights: "Weights", call: Call = INFERENCE) -> "Array":
        """Take the maximum; NaN propagates and a window of -inf gives -inf.

        Args:
            x: The block, of any numeric dtype.
            weights: Not used: there are none.
            call: Which strip of a sample the block is.

        Returns:
            The maxima, in the dtype of `x`, as Keras' `MaxPooling1D/2D/3D` gives them.
        """
        from poolnorm_cli.kernels.windows import max_windows

        del weights
        return max_windows(x, self.windows(x.shape, call.strip))

    def combine(self, parts: "Iterable[tuple[Call, Array]]") -> "Array":
        """Take the maximum of the maxima of strips."""
        return largest(parts)

    def formula_lines(self, shape: Shape) -> list[str]:
        """Describe the reduction of the cells under the window."""
        del shape
        return ["y = max of the cells under the window; NaN wins, padding is never looked at"]

    def plain_op_limit(self, shape: Ints, dtype: str) -> float:
        """Return the largest finite value: runtimes lose a NaN, and a window of -inf.

        Args:
            shape: Shape of the block.
            dtype: Name of its dtype.

        Returns:
            That magnitude; 0 where there is no MaxPool of such a dtype, or it would be slow.
        """
        slow = math.prod(w.size for w in self.windows(shape).values()) > _MAX_POOL_CELLS
        return LARGEST_VALUE.get(dtype, math.inf) if dtype in _MAX_POOL and not slow else 0.0

    def build(self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall") -> "Value":
        """Add MaxPool, or the maximum of slices where that must be exact or has no such dtype.

        Args:
            graph: The graph.
            x: The block, of the shape and dtype in `call`.
            weights: Not used: there are none.
            call: Shape, dtype, strip, and whether every input must be exact.

        Returns:
            The maxima, in the dtype of `x`.
        """
        from poolnorm_cli.operators.windows import max_windows

        del weights
        if call.exact or call.dtype not in _MAX_POOL:
            return max_windows(graph, x, self.windows(call.sizes, call.strip), call)
        return self._build_plain(graph, "MaxPool", x, call)


@frozen(kw_only=True)
class AveragePooling(Pooling):
    """Slide a window over every spatial axis and average its real cells; padding is not counted."""

    words: ClassVar[str] = "pool average"
    keras_name: ClassVar[str] = "AveragePooling"
    stays_in_range: ClassVar[bool] = True
    example: ClassVar[str] = "--pool-size 3 --padding same"
    formula: ClassVar[str] = (
        "y[i] = mean of x[i*strides - pad + k], k = 0 .. pool_size-1, without padding"
    )
    averages: ClassVar[bool] = True
    device_kind: ClassVar[str] = "AveragePool"

    def apply(self, x: "Array", weights: "Weights", call: Call = INFERENCE) -> "Array":
        """Average the cells of the input under the window; padding is not counted.

        Args:
            x: The block, float32 or float64.
            weights: Not used: there are none.
            call: Which strip of a sample the block is.

        Returns:
            The means, in the dtype of `x`, as Keras' `AveragePooling1D/2D/3D` gives them.
        """
        from poolnorm_cli.kernels.windows import mean_windows

        del weights
        return mean_windows(x, self.windows(x.shape, call.strip))

    def combine(self, parts: "Iterable[tuple[Call, Array]]") -> "Array":
        """Average the means of strips."""
        return average(parts)

    def formula_lines(self, shape: Shape) -> list[str]:
        """Describe the reduction of the cells under the window."""
        from poolnorm_cli.layers.explain import divisor_text

        return [f"y = sum of the cells under the window / {divisor_text(self._rules(shape))}"]

    def plain_op_limit(self, shape: Ints, dtype: str) -> float:
        """Return up to where the sum of AveragePool, a float32, is exact and cannot overflow.

        Args:
            shape: Shape of the block.
            dtype: Name of its dtype.

        Returns:
            The largest float32 over the cells of a window; 0 for many cells, or another dtype.
        """
        cells = math.prod(window.size for window in self.windows(shape).values())
        exact = dtype == "float32" and cells <= _AVERAGE_POOL_CELLS
        return LARGEST_VALUE["float32"] / cells if exact else 0.0

    def build(self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall") -> "Value":
        """Add AveragePool, or sums of slices where that must be exact or has no such dtype.

        Args:
            graph: The graph.
            x: The block, of the shape and dtype in `call`.
            weights: Not used: there are none.
            call: Shape, dtype, strip, and whether every input must be exact.

        Returns:
            The means, in the dtype of `x`.
        """
        from poolnorm_cli.operators.windows import mean_windows

        del weights
        if call.exact or call.dtype != "float32":
            return mean_windows(graph, x, self.windows(call.sizes, call.strip), call)
        return self._build_plain(graph, "AveragePool", x, call, count_include_pad=0)
