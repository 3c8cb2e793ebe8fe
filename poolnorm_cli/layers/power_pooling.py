"""Pooling by the p-norm, under a sliding window or over all of space."""

import math
from typing import TYPE_CHECKING, Annotated, ClassVar

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.call import INFERENCE, Call
from poolnorm_cli.layers.global_pooling import MaskedPooling
from poolnorm_cli.layers.sliding import Pooling, is_plain
from poolnorm_cli.shapes import Ints, Shape, spatial_axes
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from poolnorm_cli.kernels.native import LoopCall
    from poolnorm_cli.kernels.strip_loops import StripCall
    from poolnorm_cli.layers.call import Array, Weights
    from poolnorm_cli.operators.graph import Graph, GraphCall, Value, Values
    from poolnorm_cli.strips import Strip
    from poolnorm_cli.windows import Window


_DILATED_FROM = 18
"""Version of the operators from which on LpPool has dilations."""
_REDUCTIONS = {2.0: "ReduceL2"}
"""Operators of norms that all runtimes have: some have no GlobalLpPool of late sets, and OpenVINO
takes ReduceL1 over all axes.
"""


@frozen(kw_only=True)
class OfPower(Layer):
    """A layer that takes p-norms."""

    p: Annotated[float, "Power of the norm, above 0; inf for the largest magnitude."] = 2.0

    def __post_init__(self) -> None:
        """Validate the power."""
        power = float(self.p)
        if not power > 0:
            raise UsageError(f"--p is {self.p:g}", "give a number above 0, such as 2, or inf")
        object.__setattr__(self, "p", power)
        super().__post_init__()  # type: ignore[misc] # the layer beside it has one

    def combine(self, parts: "Iterable[tuple[Call, Array]]") -> "Array":
        """Take the norm of the norms of strips."""
        from poolnorm_cli.kernels.powers import norm_of_norms

        return norm_of_norms((part for _, part in parts), self.p)

    @property
    def text(self) -> str:
        """The norm of cells, in words."""
        if math.isinf(self.p):
            return "max(|x|)"
        if self.p == 1:
            return "sum(|x|)"
        return "sqrt(sum(x**2))" if self.p == 2 else f"sum(|x|**{self.p:g})**(1/{self.p:g})"

    def is_plain(self, call: "GraphCall") -> bool:
        """Whether operators of the standard have such a power, and may be used."""
        return not call.exact and call.dtype == "float32" and self.p.is_integer()


@frozen(kw_only=True)
class LpPooling(OfPower, Pooling):
    """Slide a window over every spatial axis and take the p-norm of the cells under it."""

    words: ClassVar[str] = "pool lp"
    keras_name: ClassVar[str] = "LpPooling"
    example: ClassVar[str] = "--pool-size 2 --p 3"
    formula: ClassVar[str] = "y[i] = (sum of |x|**p)**(1/p) over the cells under the window"

    def _window_call(
        self, shape: Ints, windows: "Mapping[int, Window]", dtype: str
    ) -> "LoopCall | None":
        """Return the calls of loops that take powers, sums and roots."""
        from poolnorm_cli.kernels.norm_loops import norm_call

        return norm_call(shape, windows, dtype, self.p)

    def apply(self, x: "Array", weights: "Weights", call: Call = INFERENCE) -> "Array":
        """Take the p-norm of the cells of the input under the window, in float64.

        Args:
            x: The block, float32 or float64.
            weights: Not used: there are none.
            call: Which strip of a sample the block is.

        Returns:
            The norms, in the dtype of `x`, as ONNX' LpPool means them; as torch's LPPool does
            where no value is negative, or p is even.
        """
        from poolnorm_cli.kernels.powers import norm_windows

        del weights
        return norm_windows(x, self.windows(x.shape, call.strip), self.p)

    def formula_lines(self, shape: Shape) -> list[str]:
        """Describe the reduction of the cells under the window."""
        del shape
        return [f"y = {self.text} of the cells under the window; padding adds nothing"]

    def build(self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall") -> "Value":
        """Add LpPool, or sums of powers of slices where it must be exact or has no such windows.

        Args:
            graph: The graph.
            x: The block, of the shape and dtype in `call`.
            weights: Not used: there are none.
            call: Shape, dtype, strip, and whether every input must be exact.

        Returns:
            The norms, in the dtype of `x`.
        """
        from poolnorm_cli.operators.powers import norm_windows

        del weights
        windows = self.windows(call.sizes, call.strip)
        dilated = any(window.dilation > 1 for window in windows.values())
        plain = self.is_plain(call) and is_plain(windows.values())
        if plain and (graph.opset >= _DILATED_FROM or not dilated):
            return self.build_plain(graph, "LpPool", x, call, p=int(self.p))
        return norm_windows(graph, x, windows, self.p, call)


@frozen(kw_only=True)
class GlobalLpPooling(OfPower, MaskedPooling):
    """Take the p-norm of each channel."""

    words: ClassVar[str] = "gpool lp"
    keras_name: ClassVar[str] = "GlobalLpPooling"
    example: ClassVar[str] = "--p 3"
    formula: ClassVar[str] = "y[n, c] = (sum of |x[n, ..., c]|**p)**(1/p) over all spatial axes"

    @property
    def reduction(self) -> str:  # type: ignore[override] # it depends on p
        """What is made of all cells, in words."""
        return self.text

    def loop_call(
        self, shape: Ints, dtype: str, weights: "Mapping[str, memoryview]"
    ) -> "LoopCall | None":
        """Return the calls of loops that take powers, sums and roots.

        Args:
            shape: Shape of the block.
            dtype: Name of its dtype.
            weights: Not used: there are none.

        Returns:
            The call; None where no loop serves for this dtype.
        """
        from poolnorm_cli.kernels.norm_loops import global_norm_call

        del weights
        return global_norm_call(shape, spatial_axes(len(shape), self.data_format), dtype, self.p)

    def strip_call(self, shape: Ints, strip: "Strip", dtype: str) -> "StripCall | None":
        """Return no call: norms of strips are put together in NumPy.

        Args:
            shape: Shape of the rows of the strip.
            strip: Which rows of a sample they are.
            dtype: Name of their dtype.

        Returns:
            None.
        """
        del shape, strip, dtype
        return None

    def apply(self, x: "Array", weights: "Weights", call: Call = INFERENCE) -> "Array":
        """Take the p-norm over space, in float64. Under a mask, of the places that count.

        Args:
            x: The block, float32 or float64.
            weights: Not used: there are none.
            call: The mask, and whether the block is a strip of a sample.

        Returns:
            The norms, in the dtype of `x`; those of a strip in float64, to be combined later.
        """
        from poolnorm_cli.kernels.powers import norm_over, zero_outside

        del weights
        if call.mask is not None:
            x = zero_outside(x, self._placed(call.mask))
        axes = spatial_axes(x.ndim, self.data_format)
        dtype = None if call.strip is None else "float64"
        return norm_over(x, axes, self.p, keepdims=self.keepdims, dtype=dtype)

    def build(self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall") -> "Value":
        """Add ReduceL2, or sums of powers of another p or where it must be exact.

        Args:
            graph: The graph.
            x: The block, of the shape and dtype in `call`.
            weights: Not used: there are none.
            call: Shape, dtype, mask, and whether every input must be exact.

        Returns:
            The norms, in the dtype of `x`.
        """
        from poolnorm_cli.operators.powers import norm_over

        del weights
        if call.mask is not None:
            mask = self._placed_in(graph, call.mask, call.rank)
            x = graph.op("Where", mask, x, graph.constant(0.0, call.dtype))
        axes = spatial_axes(call.rank, self.data_format)
        if self.is_plain(call) and self.p in _REDUCTIONS:
            return graph.reduce(_REDUCTIONS[self.p], x, axes, keepdims=self.keepdims)
        return norm_over(graph, x, axes, self.p, call, keepdims=self.keepdims)
