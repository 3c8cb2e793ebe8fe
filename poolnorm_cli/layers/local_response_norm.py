"""Local response normalization, across neighbouring channels."""

import math
from typing import TYPE_CHECKING, Annotated, ClassVar, get_args

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.base import Layer, positive_ints, require_one_of
from poolnorm_cli.layers.call import INFERENCE, Call
from poolnorm_cli.layers.keras.spelling import flag_of
from poolnorm_cli.layers.normalization import require_rank
from poolnorm_cli.shapes import DataFormat, Ints, Shape
from poolnorm_cli.strips import merge_leading_axes
from poolnorm_cli.values import frozen
from poolnorm_cli.windows import Window


if TYPE_CHECKING:
    from collections.abc import Mapping

    from poolnorm_cli.kernels.native import LoopCall
    from poolnorm_cli.layers.call import Array, Facts, Weights
    from poolnorm_cli.operators.graph import Graph, GraphCall, Value, Values


_LARGE = 600
"""Squares of float64 are in range once values are divided by this power of two."""
_MOST = 1023
"""The largest power of two that float64 holds."""


@frozen(kw_only=True)
class LocalResponseNormalization(Layer):
    """Divide each value by a power of the squares of the channels around its own."""

    size: Annotated[int, "Channels whose squares are added, the value's own in the middle."] = 5
    alpha: Annotated[float, "Factor of the sum of squares; it is divided by the size."] = 1e-4
    beta: Annotated[float, "Power to which the divisor is raised."] = 0.75
    bias: Annotated[float, "Added to the sum: torch's k, ONNX' bias."] = 1.0
    data_format: Annotated[DataFormat, "Where the channels are."] = "channels_last"

    words: ClassVar[str] = "lrn"
    keras_name: ClassVar[str] = "LocalResponseNormalization"
    always_shown: ClassVar[tuple[str, ...]] = ("size",)
    example: ClassVar[str] = "--size 5"
    formula: ClassVar[str] = (
        "y = x / (bias + alpha / size * sum of x**2 over --size channels)**beta"
    )

    def __post_init__(self) -> None:
        """Validate the parameters, as far as that needs no input."""
        positive_ints(self.size, "--size")
        require_one_of(self.data_format, get_args(DataFormat), "--data-format")
        for name in ("alpha", "beta", "bias"):
            if not math.isfinite(getattr(self, name)):
                what = f"{flag_of(name)} is {getattr(self, name)}"
                raise UsageError(what, "give a number, such as 0.75")

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of the input.

        Raises:
            UsageError: The rank is below 2.
        """
        require_rank(shape, 2, "local response normalization")
        return shape

    def channel_axis(self, rank: int) -> int:
        """Return the axis of the channels."""
        return rank - 1 if self.data_format == "channels_last" else 1

    def window(self, channels: int) -> Window:
        """Return the window on the channels: torch's, whose extra cell of an even size is before.

        Args:
            channels: Number of channels.

        Returns:
            The window, no larger than the channels and what is beyond them.
        """
        low, high = self.size // 2, (self.size - 1) // 2
        return Window(self.size, 1, channels, low, high).clipped(channels)

    @property
    def _numbers(self) -> tuple[float, float, float, float, float]:
        """Alpha over size, beta, bias; a scale for large values, and what it leaves to multiply by.

        The response of values times the scale is `scale**(1 - 2 * beta)` times the one wanted.
        """
        power = _LARGE * (1 - 2 * self.beta)
        left = math.inf if power > _MOST else 2.0**power
        return self.alpha / self.size, self.beta, self.bias, 2.0**-_LARGE, left

    def collapse_leading_axes(self, shape: Ints) -> tuple[Layer, Ints]:
        """Merge all axes before the channels where those are last: each place is for itself."""
        if self.data_format == "channels_first":
            return self, shape
        return self, merge_leading_axes(shape, len(shape) - 1)

    def loop_call(
        self, shape: Ints, dtype: str, weights: "Mapping[str, memoryview]"
    ) -> "LoopCall | None":
        """Return the call of the loop for a block.

        Args:
            shape: Shape of the block.
            dtype: Name of its dtype.
            weights: Not used: there are none.

        Returns:
            The call; None where no loop serves.
        """
        from poolnorm_cli.kernels.apart_loops import response_call

        del weights
        axis, around = self.channel_axis(len(shape)), (self.size // 2, (self.size - 1) // 2)
        call = response_call(shape, axis, dtype, around, self._numbers[:3])
        return None if call is None else call.run

    def apply(self, x: "Array", weights: "Weights", call: Call = INFERENCE) -> "Array":
        """Compute `x / (bias + alpha / size * squares)**beta` in float64.

        Args:
            x: The block, float32 or float64.
            weights: Not used: there are none.
            call: Not used.

        Returns:
            The output, in the dtype of `x`, after Krizhevsky, Sutskever and Hinton (2012),
            "ImageNet classification with deep convolutional neural networks", section 3.3; as
            torch's `LocalResponseNorm` and ONNX' LRN have its parameters.
        """
        from poolnorm_cli.kernels.memory import acquire
        from poolnorm_cli.kernels.native import FLOATS, loops_for
        from poolnorm_cli.kernels.responses import divided_by_neighbours

        del weights, call
        own = self.loop_call(x.shape, x.dtype.name, {})
        if own is not None and loops_for(x, FLOATS) is not None:
            y = acquire(x.shape, x.dtype)
            if own(x, y):
                return y
        axis = self.channel_axis(x.ndim)
        return divided_by_neighbours(x, axis, self.window(x.shape[axis]), self._numbers)

    def explain(self, facts: "Facts") -> list[str]:
        """Describe which channels are added, and by which formula."""
        return self.formula_lines(facts.shape)

    def formula_lines(self, shape: Shape) -> list[str]:
        """Describe which channels are added, and by which formula."""
        axis = self.channel_axis(len(shape))
        low, high = self.size // 2, (self.size - 1) // 2
        return [
            f"squares[c] = sum(x[c']**2), c' = c-{low} .. c+{high}, as far as axis {axis} has them",
            f"y = x / ({self.bias:g} + {self.alpha:g} / {self.size} * squares)**{self.beta:g}",
        ]

    def build(self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall") -> "Value":
        """Add LRN, or operators where its size is even, there is no space, or it must be exact.

        Args:
            graph: The graph.
            x: The block, of the shape and dtype in `call`.
            weights: Not used: there are none.
            call: Shape, dtype, and whether every input must be exact.

        Returns:
            The output, in the dtype of `x`.
        """
        from poolnorm_cli.operators.graph import channels_first
        from poolnorm_cli.operators.responses import divided_by_neighbours

        del weights
        axis = self.channel_axis(call.rank)
        plain = call.dtype == "float32" and call.rank == 4 and self.size % 2 == 1
        if not plain or call.exact:
            window = self.window(call.sizes[axis])
            return divided_by_neighbours(graph, x, axis, window, self._numbers, call)
        spatial = tuple(a for a in range(1, call.rank) if a != axis)
        moved, back = channels_first(graph, x, spatial, call.rank)
        numbers_of = {"alpha": self.alpha, "beta": self.beta, "bias": self.bias}
        return graph.transpose(graph.op("LRN", moved, size=self.size, **numbers_of), back)
