"""Pooling over all of space: `GlobalMaxPooling1D/2D/3D` and `GlobalAveragePooling1D/2D/3D`."""

import math
from typing import TYPE_CHECKING, Annotated, ClassVar

from poolnorm_cli.layers.call import INFERENCE, Call
from poolnorm_cli.layers.maskable import Maskable
from poolnorm_cli.layers.spatial import LARGEST_VALUE, SpatialLayer, average, largest, require_cells
from poolnorm_cli.shapes import DataFormat, Ints, Shape, spatial_axes, spatial_rank
from poolnorm_cli.strips import Strip, partial_strips
from poolnorm_cli.values import frozen
from poolnorm_cli.windows import Reduction


if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from poolnorm_cli.kernels.native import LoopCall
    from poolnorm_cli.kernels.strip_loops import StripCall
    from poolnorm_cli.layers.axis_rules import AxisRule
    from poolnorm_cli.layers.call import Array, Facts, Weights
    from poolnorm_cli.operators.graph import Graph, GraphCall, Value, Values


_REDUCE_MAX = ("float32", "float64", "int8", "int32", "int64", "uint8")
"""Dtypes that runtimes have a ReduceMax for."""


@frozen(kw_only=True)
class GlobalPooling(SpatialLayer):
    """Reduce every spatial axis to one value."""

    data_format: Annotated[DataFormat, "Where the channels are."] = "channels_last"
    keepdims: Annotated[bool, "Keep the spatial axes, with size 1."] = False

    averages: ClassVar[bool] = False
    """It takes the mean, not the maximum."""
    reduces_by: ClassVar[Reduction] = "max"
    """What its compiled loop makes of the cells."""
    reduction: ClassVar[str]
    """What is made of all cells, in words."""

    def output_shape(self, shape: Shape) -> Shape:
        """Drop the spatial axes, or give them size 1.

        Raises:
            UsageError: The rank is not 3, 4 or 5; or a spatial axis has no cell.
        """
        spatial_rank(shape)
        axes = spatial_axes(len(shape), self.data_format)
        require_cells(shape, axes)
        kept = [1 if axis in axes else size for axis, size in enumerate(shape)]
        dropped = [size for axis, size in enumerate(shape) if axis not in axes]
        return tuple(kept if self.keepdims else dropped)

    def loop_call(
        self, shape: Ints, dtype: str, weights: "Mapping[str, memoryview]"
    ) -> "LoopCall | None":
        """Return the call of the loop over all of space.

        Args:
            shape: Shape of the block.
            dtype: Name of its dtype.
            weights: Not used: there are none.

        Returns:
            The call; None where no loop serves for this dtype.
        """
        from poolnorm_cli.kernels.fold_loops import fold_call

        del weights
        axes = spatial_axes(len(shape), self.data_format)
        call = fold_call(shape, axes, dtype, self.reduces_by)
        return None if call is None else call.run

    def strip_call(self, shape: Ints, strip: Strip, dtype: str) -> "StripCall | None":
        """Return the call of the loop over a part of space.

        Args:
            shape: Shape of the rows of the strip.
            strip: Not used: all of these rows are reduced.
            dtype: Name of their dtype.

        Returns:
            The call; None where no loop serves for this dtype.
        """
        from poolnorm_cli.kernels.strip_loops import fold_strip_call

        del strip
        axes = spatial_axes(len(shape), self.data_format)
        return fold_strip_call(shape, axes, dtype, self.reduces_by)

    def combining_call(self, rows: Ints, width: int, dtype: str) -> "LoopCall | None":
        """Return what puts the parts of one row together.

        Args:
            rows: Rows of each strip.
            width: Items that each of them made.
            dtype: Name of the dtype of the sample.

        Returns:
            The call; None where NumPy is sooner.
        """
        from poolnorm_cli.kernels.strip_loops import combining_call

        return combining_call(rows, width, dtype, self.reduces_by)

    def row_strips(self, shape: Ints, rows: int) -> list[Strip]:
        """Cut the first spatial axis; each strip has a part of the one row of the output.

        Args:
            shape: All axes of the input, batch first.
            rows: About how many rows go into a strip, 1 or more.

        Returns:
            The strips, in order.
        """
        return partial_strips(shape[1], [(0, shape[1])], rows)

    def _shaped(self, graph: "Graph", y: "Value | None", call: "GraphCall") -> "Value | None":
        """Give one value for each channel the shape of the output."""
        if y is None or not self.keepdims:
            return y
        sizes = self.output_shape(call.sizes)
        return graph.reshape(y, [0, *(int(size or 0) for size in sizes[1:])])

    def explain(self, facts: "Facts") -> list[str]:
        """Describe which cells become one."""
        return self.formula_lines(facts.shape, masked=facts.masked)

    def axis_rules(self, shape: Shape) -> "list[AxisRule]":
        """Return that each spatial axis becomes one value."""
        from poolnorm_cli.layers.axis_rules import WholeRule

        axes = spatial_axes(len(shape), self.data_format)
        return [WholeRule(axis=axis, length=shape[axis]) for axis in axes]

    def formula_lines(self, shape: Shape, *, masked: bool = False) -> list[str]:
        """Describe which cells become one.

        Args:
            shape: Shape of the input.
            masked: A mask says which steps count.

        Returns:
            The lines.
        """
        from poolnorm_cli.formulas import cell_count_text

        axes = spatial_axes(len(shape), self.data_format)
        kept = "keep size 1" if self.keepdims else "are dropped"
        counted = ", of which those count that the mask lets," if masked else ""
        over = f"{cell_count_text(shape, axes)}{counted}"
        return [
            f"y = {self.reduction} over {over} of each sample and channel",
            f"the axes {kept}",
        ]


class MaskedPooling(GlobalPooling, Maskable):
    """Global pooling under a mask of places, which Keras has for averages in 1-D alone."""

    def mask_shape(self, shape: Shape) -> Shape:
        """Return (batch, *space): which places of each sample count, for all channels."""
        return shape[0], *(shape[axis] for axis in spatial_axes(len(shape), self.data_format))

    def mask_note(self, mask: Ints) -> str | None:
        """Say that a mask of one step makes sums."""
        if len(mask) != 2 or mask[1] != 1 or not self.averages:
            return None
        return "--mask has one step, by which Keras divides, and so do we: these are sums of steps"

    def mask_factor(self, shape: Ints, mask: Ints) -> int:
        """Return what means are multiplied by to be sums, where a mask has one step for all.

        Args:
            shape: Shape of the input.
            mask: Shape of the mask as it was given: (batch, *space), where each may be 1.

        Returns:
            In 1-D, the steps of the input where the mask has one step: Keras divides by the steps
            that count in the mask as it was given, which are 1 then. Otherwise 1.
        """
        is_one = self.averages and len(mask) == 2 and mask[1] == 1
        return shape[spatial_axes(3, self.data_format)[0]] if is_one else 1

    def _placed(self, mask: "Array") -> "Array":
        """Return a mask with an axis of size 1 where the channels are."""
        return mask[..., None] if self.data_format == "channels_last" else mask[:, None]

    def _placed_in(self, graph: "Graph", mask: "Value", rank: int) -> "Value":
        """Add what `_placed` does."""
        channels = rank - 1 if self.data_format == "channels_last" else 1
        return graph.op("Unsqueeze", mask, graph.constant([channels], "int64"))


@frozen(kw_only=True)
class GlobalMaxPooling(MaskedPooling):
    """Keep the largest value of each channel."""

    words: ClassVar[str] = "gpool max"
    keras_name: ClassVar[str] = "GlobalMaxPooling"
    stays_in_range: ClassVar[bool] = True
    reduction: ClassVar[str] = "max"
    example: ClassVar[str] = "--keepdims"
    formula: ClassVar[str] = "y[n, c] = max of x[n, ..., c] over all spatial axes"
    keeps_integers: ClassVar[bool] = True

    def apply(self, x: "Array", weights: "Weights", call: Call = INFERENCE) -> "Array":
        """Take the maximum over space; NaN propagates. Under a mask, over the places that count.

        Args:
            x: The block, of any numeric dtype.
            weights: Not used: there are none.
            call: The mask; where no place counts, the maximum is the lowest number of the dtype.

        Returns:
            The maxima, in the dtype of `x`, as Keras' `GlobalMaxPooling1D/2D/3D` gives them.
        """
        from poolnorm_cli.kernels.reductions import lowest_outside, max_over

        del weights
        if call.mask is not None:
            x = lowest_outside(x, self._placed(call.mask))
        return max_over(x, spatial_axes(x.ndim, self.data_format), keepdims=self.keepdims)

    def combine(self, parts: "Iterable[tuple[Call, Array]]") -> "Array":
        """Take the maximum of the maxima of strips."""
        return largest(parts)

    def plain_op_limit(self, shape: Ints, dtype: str) -> float:
        """Return the largest finite value: runtimes of ReduceMax lose a NaN.

        Args:
            shape: Not used.
            dtype: Name of the dtype of the block.

        Returns:
            That magnitude; 0 where there is no ReduceMax of such a dtype.
        """
        del shape
        return LARGEST_VALUE.get(dtype, math.inf) if dtype in _REDUCE_MAX else 0.0

    def build(self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall") -> "Value":
        """Add ReduceMax, or the maximum of halves where that must be exact or has no such dtype.

        Args:
            graph: The graph.
            x: The block, of the shape and dtype in `call`.
            weights: Not used: there are none.
            call: Shape, dtype, and whether every input must be exact.

        Returns:
            The maxima, in the dtype of `x`.
        """
        from poolnorm_cli.operators.reductions import lowest_outside, max_over

        del weights
        axes = spatial_axes(call.rank, self.data_format)
        if call.mask is not None:
            x = lowest_outside(graph, x, self._placed_in(graph, call.mask, call.rank), call.dtype)
        if call.exact or call.dtype not in _REDUCE_MAX:
            return max_over(graph, x, axes, call, keepdims=self.keepdims)
        return graph.reduce("ReduceMax", x, axes, keepdims=self.keepdims)

    def build_for_device(
        self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall"
    ) -> "Value | None":
        """Add MaxPool after MaxPool, and whether every cell is finite.

        Args:
            graph: The graph.
            x: The block, float32.
            weights: Those of the layer, if it has any.
            call: Shape and dtype, and statistics where they are given.

        Returns:
            The output; None where nothing is sooner than the exact graph.
        """
        from poolnorm_cli.operators.device import max_over

        del weights
        axes = spatial_axes(call.rank, self.data_format)
        return self._shaped(graph, max_over(graph, x, axes, call), call)


@frozen(kw_only=True)
class GlobalAveragePooling(MaskedPooling):
    """Average each channel."""

    words: ClassVar[str] = "gpool average"
    keras_name: ClassVar[str] = "GlobalAveragePooling"
    stays_in_range: ClassVar[bool] = True
    averages: ClassVar[bool] = True
    reduces_by: ClassVar[Reduction] = "mean"
    reduction: ClassVar[str] = "mean"
    formula: ClassVar[str] = "y[n, c] = mean of x[n, ..., c] over all spatial axes"

    def apply(self, x: "Array", weights: "Weights", call: Call = INFERENCE) -> "Array":
        """Take the mean over space, summed in float64; with a mask, over the steps that count.

        Args:
            x: The block, float32 or float64.
            weights: Not used: there are none.
            call: The mask of the steps, and whether the block is a strip of a sample.

        Returns:
            The means, in the dtype of `x`; those of a strip in float64, to be averaged later.
        """
        from poolnorm_cli.kernels.reductions import mean_over

        del weights
        axes, mask = spatial_axes(x.ndim, self.data_format), call.mask
        if mask is not None:
            mask = self._placed(mask)
        dtype = None if call.strip is None else "float64"
        return mean_over(x, axes, keepdims=self.keepdims, mask=mask, dtype=dtype)

    def combine(self, parts: "Iterable[tuple[Call, Array]]") -> "Array":
        """Average the means of strips."""
        return average(parts)

    def build(self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall") -> "Value":
        """Add GlobalAveragePool or ReduceMean; in float64 where that must be exact.

        Args:
            graph: The graph.
            x: The block, of the shape and dtype in `call`.
            weights: Not used: there are none.
            call: Shape, dtype, mask, and whether every input must be exact.

        Returns:
            The means, in the dtype of `x`.
        """
        from poolnorm_cli.operators.reductions import drop_axes, masked_mean, mean_over

        del weights
        axes = spatial_axes(call.rank, self.data_format)
        if call.mask is not None:
            mask = self._placed_in(graph, call.mask, call.rank)
            return masked_mean(graph, x, axes, call, mask, keepdims=self.keepdims)
        if call.exact or call.dtype != "float32":
            return mean_over(graph, x, axes, call, keepdims=self.keepdims)
        if self.data_format == "channels_last":
            return graph.reduce("ReduceMean", x, axes, keepdims=self.keepdims)
        pooled = graph.op("GlobalAveragePool", x)
        return pooled if self.keepdims else drop_axes(graph, pooled, axes, call)

    def build_for_device(
        self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall"
    ) -> "Value | None":
        """Add products of matrices, and whether every mean is finite.

        Args:
            graph: The graph.
            x: The block, float32.
            weights: Those of the layer, if it has any.
            call: Shape and dtype, and statistics where they are given.

        Returns:
            The output; None where nothing is sooner than the exact graph.
        """
        from poolnorm_cli.operators.device import mean_over

        del weights
        axes = spatial_axes(call.rank, self.data_format)
        return self._shaped(graph, mean_over(graph, x, axes, call), call)
