"""Division by norms that are no sums of squares, as operators: see `kernels.norms`."""

from poolnorm_cli.operators.graph import Graph, GraphCall, Value, is_finite
from poolnorm_cli.operators.reductions import max_over
from poolnorm_cli.shapes import Ints
from poolnorm_cli.values import replace


_SCALE = 2.0**-64


def divided_by_norm(
    graph: Graph, x: Value, axes: Ints, least: float, call: GraphCall, *, largest: bool
) -> Value:
    """Compute `x / max(norm, least)` in float64.

    Args:
        graph: The graph.
        x: float32 or float64.
        axes: Sorted axes over which the norm is taken, the batch not among them.
        least: Norms below it count as it.
        call: Shape and dtype of `x`.
        largest: The norm is the largest magnitude, otherwise their sum.

    Returns:
        The output, in the dtype of `x`.
    """
    wide = graph.cast(x, "float64")
    if largest:
        norm = _largest(graph, graph.op("Abs", wide), axes, replace(call, dtype="float64"))
        return _divided(graph, wide, norm, least, call.dtype)
    norm = graph.reduce("ReduceSum", graph.op("Abs", wide), axes)
    y = _divided(graph, wide, norm, least, "float64")
    if call.exact and call.dtype == "float64":
        small = graph.op("Mul", wide, graph.constant(_SCALE, "float64"))
        sums = graph.reduce("ReduceSum", graph.op("Abs", small), axes)
        finite = is_finite(graph, norm, "float64")
        y = graph.op("Where", finite, y, graph.op("Div", small, sums))
    return graph.cast(y, call.dtype)


def _largest(graph: Graph, magnitudes: Value, axes: Ints, call: GraphCall) -> Value:
    """Take the maximum axis by axis; NaN propagates."""
    shape = list(call.shape)
    for axis in axes:
        here = replace(call, shape=tuple(shape))
        magnitudes = max_over(graph, magnitudes, (axis,), here, keepdims=True)
        shape[axis] = 1
    return magnitudes


def _divided(graph: Graph, wide: Value, norm: Value, least: float, dtype: str) -> Value:
    floor = graph.op("Max", norm, graph.constant(least, "float64"))
    return graph.cast(graph.op("Div", wide, floor), dtype)
