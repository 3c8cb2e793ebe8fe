"""What a layer may ask of the graph that it adds its operators to."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from poolnorm_cli.shapes import Ints, Shape
from poolnorm_cli.values import field, frozen


if TYPE_CHECKING:
    from poolnorm_cli.strips import Strip

Value = str
"""The name of a tensor in a graph: an input, a constant, or the result of an operator."""
Values = Mapping[str, Value]


class Graph(Protocol):
    """A graph that grows by operators of the standard ONNX domain."""

    @property
    def opset(self) -> int:
        """Version of the operator set, 9 or newer."""

    def op(self, kind: str, *inputs: Value, **attributes: Any) -> Value:
        """Add an operator and return its first output."""

    def constant(self, value: Any, dtype: str) -> Value:
        """Return a constant.

        Args:
            value: A number, nested sequences of numbers, or an array.
            dtype: Its NumPy dtype.

        Returns:
            The constant.
        """

    def full(self, shape: Ints, value: float, dtype: str) -> Value:
        """Return a constant of which all cells have one value.

        Args:
            shape: Its shape.
            value: The value.
            dtype: Its NumPy dtype.

        Returns:
            The constant.
        """

    def cast(self, x: Value, dtype: str) -> Value:
        """Convert a value; a constant is converted at once, and one of that dtype is kept.

        Args:
            x: A value.
            dtype: The NumPy dtype to convert it to.

        Returns:
            The value in that dtype.
        """

    def reshape(self, x: Value, shape: Sequence[int]) -> Value:
        """Reshape a value; a constant is reshaped at once.

        Args:
            x: A value.
            shape: Its new shape: 0 keeps the size of that axis, -1 takes what is left.

        Returns:
            The value in that shape.
        """

    def transpose(self, x: Value, axes: Sequence[int]) -> Value:
        """Transpose a value; neighbouring transposes become one, or none.

        Args:
            x: A value.
            axes: The axes of `x` in their new order.

        Returns:
            The transposed value.
        """

    def reduce(self, kind: str, x: Value, axes: Ints, *, keepdims: bool = True) -> Value:
        """Add a reduction.

        Args:
            kind: `ReduceMean`, `ReduceMax`, ...
            x: A value.
            axes: Axes to reduce.
            keepdims: Keep them with size 1.

        Returns:
            The reduced value.
        """

    def dtype(self, x: Value) -> str:
        """Name the dtype of a value."""

    def outputs(self, kind: str, count: int, *inputs: Value, **attributes: Any) -> list[Value]:
        """Add an operator and return its first outputs.

        Args:
            kind: Which one.
            count: How many outputs are used.
            inputs: Its inputs.
            attributes: Its attributes.

        Returns:
            The outputs, all taken to be of the dtype of the first input.
        """

    def check(self, value: Value) -> None:
        """Keep a number that is NaN where this graph does not give what the exact one does.

        Args:
            value: A single float32, otherwise 0.
        """

    def monitor(self, kind: str, value: Value) -> None:
        """Mark a value that blocks are scaled by, so that a run can check it for overflow.

        Args:
            kind: What it is: `mean` or `power`.
            value: The value.
        """

    def note(self, text: str) -> None:
        """Say what this graph does otherwise than the plain operator; shown on request."""


@frozen
class GraphMoments:
    """Statistics over a whole tensor, in float64, as values of a graph.

    Attributes:
        mean: The mean, with the reduced axes kept at size 1.
        variance: The biased variance, in the same shape.
        count: Cells per statistic, a single float64.
        unit: For numbers at the edge of their range: what cells are multiplied by, a power of two;
            the mean is in these units and the variance, with the epsilon in it, in their square.
    """

    mean: Value
    variance: Value
    count: Value
    unit: Value | None = None


@frozen
class GraphCall:
    """How a layer is called in a graph, besides its input and its weights.

    Attributes:
        shape: Shape of the input; its batch axis is a name where the graph takes any batch.
        dtype: Dtype in which the input arrives: the layer's compute dtype.
        training: Use the statistics of the batch.
        moments: Statistics over the whole tensor, for layers that ask for them; None otherwise.
        mask: Which cells count, bool, of the layer's `mask_shape`; None where all do.
        extra_inputs: What the layer's `extra_inputs` gives, where a run feeds it; empty in a graph
            that is exported.
        strip: Which rows of a sample the input is; None where it is whole samples.
        exact: Give what `apply` gives for every input, NaN and infinities included; otherwise the
            operator of the standard where there is one, which other runtimes know.
    """

    shape: Shape
    dtype: str
    training: bool = False
    moments: GraphMoments | None = None
    exact: bool = False
    mask: Value | None = None
    extra_inputs: Values = field(default_factory=dict)
    strip: "Strip | None" = None

    @property
    def rank(self) -> int:
        """Number of axes of the input."""
        return len(self.shape)

    @property
    def sizes(self) -> Ints:
        """The shape with 1 for a batch axis of any size; the other axes are known."""
        return tuple(size if isinstance(size, int) else 1 for size in self.shape)


def cut(graph: Graph, x: Value, axis: int, start: int, stop: int, step: int = 1) -> Value:
    """Cut a range out of one axis.

    Args:
        graph: The graph.
        x: A value.
        axis: The axis.
        start: The first cell.
        stop: The end of the range, one behind the last cell.
        step: Cells from one that is taken to the next.

    Returns:
        `x[..., start:stop:step, ...]`.
    """
    bounds = (graph.constant([bound], "int64") for bound in (start, stop, axis, step))
    return graph.op("Slice", x, *bounds)


def where_finite(graph: Graph, x: Value, other: Value, dtype: str) -> Value:
    """Choose between two values, cell by cell.

    Args:
        graph: The graph.
        x: A value.
        other: Another of the same shape.
        dtype: The dtype of both.

    Returns:
        `x` where it is finite, and `other` elsewhere.
    """
    return graph.op("Where", is_finite(graph, x, dtype), x, other)


def is_finite(graph: Graph, x: Value, dtype: str) -> Value:
    """Say of each cell whether it is finite.

    Args:
        graph: The graph.
        x: A value.
        dtype: Its dtype.

    Returns:
        bool, of the shape of `x`.
    """
    return graph.op("Less", graph.op("Abs", x), graph.constant(float("inf"), dtype))


def channels_first(graph: Graph, x: Value, spatial: Ints, rank: int) -> tuple[Value, list[int]]:
    """Put the channels before the spatial axes.

    Args:
        graph: The graph.
        x: A value of `rank` axes, the batch first.
        spatial: Its spatial axes.
        rank: Number of axes.

    Returns:
        The transposed value, and the order of axes that undoes it.
    """
    others = [axis for axis in range(1, rank) if axis not in spatial]
    order = [0, *others, *spatial]
    back = [order.index(axis) for axis in range(rank)]
    return graph.transpose(x, order), back
