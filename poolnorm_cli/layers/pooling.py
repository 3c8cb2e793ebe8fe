"""Pooling by a sliding window: `MaxPooling1D/2D/3D` and `AveragePooling1D/2D/3D`."""

import math
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.call import INFERENCE, Call
from poolnorm_cli.layers.sliding import Pooling, is_plain
from poolnorm_cli.layers.spatial import LARGEST_VALUE, average, largest
from poolnorm_cli.shapes import Ints, Shape, spatial_axes, within_64_bits
from poolnorm_cli.values import frozen
from poolnorm_cli.windows import Reduction


if TYPE_CHECKING:
    from collections.abc import Iterable

    from poolnorm_cli.layers.call import Array, Weights
    from poolnorm_cli.operators.graph import Graph, GraphCall, Value, Values
    from poolnorm_cli.windows import Window

_MAX_POOL = ("float32", "float64", "int8", "uint8")
"""Dtypes that runtimes have a MaxPool for."""
_MAX_POOL_CELLS = 1024
"""Cells under a window from which on MaxPool, which looks at each of them, is not run."""
_DILATED_OPSET = 10
"""The first operator set in which MaxPool has dilations."""
_AVERAGE_POOL_CELLS = 6
"""Cells whose sum, one after another in float32, is within 4 epsilons of the exact one."""
_AVERAGE_ON_DEVICE_CELLS = 12
"""The same for an operator that divides once: each sum is rounded by half of its own epsilon, and
sums grow from 1/n of the last, which makes (n + 1) / 4 epsilons, and half of one."""


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
        windows = self.windows(shape).values()
        slow = math.prod(w.size for w in windows) > _MAX_POOL_CELLS
        plain = dtype in _MAX_POOL and not slow and is_plain(windows)
        return LARGEST_VALUE.get(dtype, math.inf) if plain else 0.0

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
        windows = self.windows(call.sizes, call.strip)
        plain = call.dtype in _MAX_POOL and is_plain(windows.values())
        if graph.opset < _DILATED_OPSET:
            plain = plain and all(window.dilation == 1 for window in windows.values())
        if call.exact or not plain:
            return max_windows(graph, x, windows, call)
        return self.build_plain(graph, "MaxPool", x, call)


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
    reduces_by: ClassVar[Reduction] = "mean"
    device_kind: ClassVar[str] = "AveragePool"
    keras_lacks: ClassVar[tuple[str, ...]] = (
        *Pooling.keras_lacks,
        "count_include_pad",
        "divisor_override",
    )

    count_include_pad: Annotated[bool, "Count cells of padding as zeros, as torch by default."] = (
        False
    )
    divisor_override: Annotated[
        int | None, "Divide sums by this number, not by the number of cells."
    ] = None

    def __post_init__(self) -> None:
        """Validate the parameters, as far as that needs no input."""
        super().__post_init__()
        if self.divisor_override == 0:
            raise UsageError("--divisor-override is 0", "give another number")
        if self.divisor_override is not None:
            within_64_bits((self.divisor_override,), "--divisor-override")

    @property
    def divisor_key(self) -> tuple[bool, int]:
        """Whether padding is counted, and what sums are divided by, 0 for the cells."""
        return self.count_include_pad, self.divisor_override or 0

    def rule_details(self, axis: int, shape: Shape) -> dict[str, Any]:
        """Return what a rule of an axis has besides its place.

        Args:
            axis: The axis.
            shape: Shape of the input.

        Returns:
            What an average divides by.
        """
        first = spatial_axes(len(shape), self.data_format)[0]
        given = self.divisor_override and (self.divisor_override if axis == first else 1)
        return {
            "averages": True,
            "counts_padding": self.count_include_pad,
            "divisor": given or 0,
        }

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

        return [f"y = sum of the cells under the window / {divisor_text(self.rules(shape))}"]

    def plain_op_limit(self, shape: Ints, dtype: str) -> float:
        """Return up to where the sum of AveragePool, a float32, is exact and cannot overflow.

        Args:
            shape: Shape of the block.
            dtype: Name of its dtype.

        Returns:
            The largest float32 over the cells of a window; 0 for many cells, or another dtype.
        """
        cells = self._few_cells(shape, dtype, _AVERAGE_POOL_CELLS)
        return LARGEST_VALUE["float32"] / cells if cells else 0.0

    def has_operator(self, shape: Ints, dtype: str) -> bool:
        """Whether AveragePool on a device gives what the exact graph does, where that is finite.

        Args:
            shape: Shape of the block.
            dtype: Name of its dtype.

        Returns:
            Whether windows are small, and it is float32.
        """
        return self._few_cells(shape, dtype, _AVERAGE_ON_DEVICE_CELLS) > 0

    def _few_cells(self, shape: Ints, dtype: str, most: int) -> int:
        """Count the cells of a window that an AveragePool has; 0 for many, or another dtype."""
        windows = self.windows(shape).values()
        cells = math.prod(window.size for window in windows)
        exact = dtype == "float32" and cells <= most
        return cells if exact and self._counted(windows) is not None else 0

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
        windows = self.windows(call.sizes, call.strip)
        counted = self._counted(windows.values())
        if call.exact or call.dtype != "float32" or counted is None:
            return mean_windows(graph, x, windows, call)
        return self.build_plain(graph, "AveragePool", x, call, count_include_pad=counted)

    @staticmethod
    def _counted(windows: "Iterable[Window]") -> int | None:
        """Return the `count_include_pad` of an AveragePool for windows; None where it has none.

        AveragePool counts all padding that is written into it, or none, and has dilation in the
        youngest versions alone.
        """
        windows = list(windows)
        if any(w.dilation > 1 or w.divisor for w in windows) or not is_plain(windows):
            return None
        if all(w.divides_by_cells for w in windows):
            return 0
        return 1 if all(w.low <= w.before and w.high <= w.after for w in windows) else None
