"""Pooling by the smallest value, under a sliding window or over all of space."""

from typing import TYPE_CHECKING, ClassVar

from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.call import INFERENCE, Call
from poolnorm_cli.layers.global_pooling import GlobalMaxPooling
from poolnorm_cli.layers.pooling import MaxPooling
from poolnorm_cli.shapes import Ints, Shape, spatial_axes
from poolnorm_cli.values import frozen
from poolnorm_cli.windows import Reduction


if TYPE_CHECKING:
    from collections.abc import Iterable

    from poolnorm_cli.layers.call import Array, Weights
    from poolnorm_cli.operators.graph import Graph, GraphCall, Value, Values


class OfMinima(Layer):
    """A layer that takes minima."""

    reduces_by: ClassVar[Reduction] = "min"

    def combine(self, parts: "Iterable[tuple[Call, Array]]") -> "Array":
        """Take the minimum of the minima of strips."""
        from poolnorm_cli.kernels.mirrored import smallest

        return smallest(part for _, part in parts)


@frozen(kw_only=True)
class MinPooling(OfMinima, MaxPooling):
    """Slide a window over every spatial axis and keep its smallest value."""

    words: ClassVar[str] = "pool min"
    keras_name: ClassVar[str] = "MinPooling"
    formula: ClassVar[str] = "y[i] = min of x[i*strides - pad + k], k = 0 .. pool_size-1"
    device_kind: ClassVar[str] = ""

    def apply(self, x: "Array", weights: "Weights", call: Call = INFERENCE) -> "Array":
        """Take the minimum; NaN propagates and padding never wins.

        Args:
            x: The block, of any numeric dtype.
            weights: Not used: there are none.
            call: Which strip of a sample the block is.

        Returns:
            The minima, in the dtype of `x`: what -max(-x) is.
        """
        from poolnorm_cli.kernels.windows import min_windows

        del weights
        return min_windows(x, self.windows(x.shape, call.strip))

    def formula_lines(self, shape: Shape) -> list[str]:
        """Describe the reduction of the cells under the window."""
        del shape
        return ["y = min of the cells under the window; NaN wins, padding is never looked at"]

    def build(self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall") -> "Value":
        """Add MaxPool between two negations, or the minimum of slices where that must be exact.

        Args:
            graph: The graph.
            x: The block, of the shape and dtype in `call`.
            weights: Not used: there are none.
            call: Shape, dtype, strip, and whether every input must be exact.

        Returns:
            The minima, in the dtype of `x`.
        """
        from poolnorm_cli.operators.windows import max_windows

        if not call.exact and self.plain_op_limit(call.sizes, call.dtype):
            return graph.op("Neg", super().build(graph, graph.op("Neg", x), weights, call))
        return max_windows(graph, x, self.windows(call.sizes, call.strip), call, "Min")

    def plain_op_limit(self, shape: Ints, dtype: str) -> float:
        """Return the largest finite value: runtimes lose a NaN, and a window of infinities.

        Args:
            shape: Shape of the block.
            dtype: Name of its dtype.

        Returns:
            That magnitude; 0 for integers, whose smallest number has no negative.
        """
        return super().plain_op_limit(shape, dtype) if dtype.startswith("float") else 0.0


@frozen(kw_only=True)
class GlobalMinPooling(OfMinima, GlobalMaxPooling):
    """Keep the smallest value of each channel."""

    words: ClassVar[str] = "gpool min"
    keras_name: ClassVar[str] = "GlobalMinPooling"
    reduction: ClassVar[str] = "min"
    formula: ClassVar[str] = "y[n, c] = min of x[n, ..., c] over all spatial axes"

    def apply(self, x: "Array", weights: "Weights", call: Call = INFERENCE) -> "Array":
        """Take the minimum over space; NaN propagates. Under a mask, over the places that count.

        Args:
            x: The block, of any numeric dtype.
            weights: Not used: there are none.
            call: The mask; where no place counts, the minimum is the highest number of the dtype.

        Returns:
            The minima, in the dtype of `x`: what -max(-x) is.
        """
        from poolnorm_cli.kernels.mirrored import min_over, mirrored

        if call.mask is not None:
            return mirrored(super().apply(mirrored(x), weights, call))
        return min_over(x, spatial_axes(x.ndim, self.data_format), keepdims=self.keepdims)

    def build(self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall") -> "Value":
        """Add ReduceMin, or the minimum of halves where that must be exact or has no such dtype.

        Args:
            graph: The graph.
            x: The block, of the shape and dtype in `call`.
            weights: Not used: there are none.
            call: Shape, dtype, and whether every input must be exact.

        Returns:
            The minima, in the dtype of `x`.
        """
        from poolnorm_cli.operators.reductions import lowest_outside, max_over

        del weights
        axes = spatial_axes(call.rank, self.data_format)
        if call.mask is not None:
            mask = self._placed_in(graph, call.mask, call.rank)
            x = lowest_outside(graph, x, mask, call.dtype, "Min")
        if call.exact or not self.plain_op_limit(call.sizes, call.dtype):
            return max_over(graph, x, axes, call, keepdims=self.keepdims, kind="Min")
        return graph.reduce("ReduceMin", x, axes, keepdims=self.keepdims)

    def build_for_device(
        self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall"
    ) -> "Value | None":
        """Return None: nothing is sooner than the exact graph.

        Args:
            graph: Not used.
            x: Not used.
            weights: Not used.
            call: Not used.

        Returns:
            None.
        """
        del graph, x, weights, call
        return None
