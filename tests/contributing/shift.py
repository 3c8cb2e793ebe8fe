"""A toy layer that Keras does not have: adds a number, and a weight for each channel."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.call import INFERENCE, Call
from poolnorm_cli.shapes import Ints, Shape, known_sizes
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.layers.call import Array, Weights
    from poolnorm_cli.operators.graph import Graph, GraphCall, Value, Values


@frozen(kw_only=True)
class Shift(Layer):
    """Add a number to every cell, and an offset to every channel."""

    amount: Annotated[float, "Added to every cell."] = 1.0

    words: ClassVar[str] = "shift"
    keras_name: ClassVar[str] = "Shift"
    example: ClassVar[str] = "--amount 2"
    weight_names: ClassVar[tuple[str, ...]] = ("offset",)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of the input."""
        return shape

    def weight_shapes(self, shape: Shape) -> dict[str, Ints]:
        """Name `offset`, one number for each channel."""
        return {"offset": known_sizes(shape, (len(shape) - 1,))}

    def initial_weight(self, weight: str, shape: Ints) -> "Array":
        """Start `offset` at 0."""
        from poolnorm_cli.kernels.memory import filled

        return filled(shape, 0.0) if weight == "offset" else super().initial_weight(weight, shape)

    def apply(self, x: "Array", weights: "Weights", call: Call = INFERENCE) -> "Array":
        """Compute `x + amount + offset`."""
        del call
        shifted: Array = x + (self.amount + weights["offset"]).astype(x.dtype)
        return shifted

    def plain_op_limit(self, shape: Ints, dtype: str) -> float:
        """Say that the graph gives what `apply` gives, for all values."""
        del shape, dtype
        return float("inf")

    def build(self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall") -> "Value":
        """Add the nodes of `x + (amount + offset)`."""
        offset = graph.cast(weights["offset"], call.dtype)
        amount = graph.constant(self.amount, call.dtype)
        return graph.op("Add", x, graph.op("Add", offset, amount))
