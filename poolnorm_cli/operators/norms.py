"""Division by norms that are no sums of squares, as operators: see `kernels.norms`."""

import math

from poolnorm_cli.operators.graph import Graph, GraphCall, Value, is_finite
from poolnorm_cli.operators.powers import divisor_of, is_safe, norm_of_shares, power, root
from poolnorm_cli.operators.reductions import max_over
from poolnorm_cli.shapes import Ints
from poolnorm_cli.values import replace


def divided_by_norm(
    graph: Graph, x: Value, axes: Ints, least: float, call: GraphCall, order: float
) -> Value:
    """Compute `x / max(norm, least)` in float64.

    Args:
        graph: The graph.
        x: float32 or float64.
        axes: Sorted axes over which the norm is taken, the batch not among them.
        least: Norms below it count as it.
        call: Shape and dtype of `x`.
        order: That of the norm.

    Returns:
        The output, in the dtype of `x`.
    """
    wide = graph.cast(x, "float64")
    magnitudes, inside = graph.op("Abs", wide), replace(call, dtype="float64")
    if order == 0:
        equal = graph.op("Equal", wide, graph.constant(0.0, "float64"))
        there = graph.cast(graph.op("Not", equal), "float64")
        norm = graph.reduce("ReduceSum", there, axes)
    elif order > 0 and is_safe(call, order):
        norm = root(graph, graph.reduce("ReduceSum", power(graph, magnitudes, order), axes), order)
    else:
        norm = _of_extreme(graph, magnitudes, axes, inside, order)
    floor = graph.op("Max", norm, graph.constant(least, "float64"))
    y = graph.op("Div", wide, floor)
    if call.exact and call.dtype == "float64" and order and not math.isinf(order):
        most = divisor_of(graph, _extreme(graph, magnitudes, axes, inside, "Max"))
        shares = graph.op("Div", wide, most)
        slow = _of_extreme(graph, graph.op("Abs", shares), axes, inside, order)
        finite = is_finite(graph, norm, "float64")
        y = graph.op("Where", finite, y, graph.op("Div", shares, slow))
    return graph.cast(y, call.dtype)


def _of_extreme(
    graph: Graph, magnitudes: Value, axes: Ints, call: GraphCall, order: float
) -> Value:
    """Take norms of shares of the largest magnitude, or for an order below 0 of the smallest."""
    base = _extreme(graph, magnitudes, axes, call, "Max" if order > 0 else "Min")
    if math.isinf(order):
        return base
    shares = power(graph, graph.op("Div", magnitudes, divisor_of(graph, base)), order)
    return norm_of_shares(graph, base, graph.reduce("ReduceSum", shares, axes), order)


def _extreme(graph: Graph, magnitudes: Value, axes: Ints, call: GraphCall, kind: str) -> Value:
    """Take the maximum, or the minimum, axis by axis; NaN propagates."""
    shape = list(call.shape)
    for axis in axes:
        here = replace(call, shape=tuple(shape))
        magnitudes = max_over(graph, magnitudes, (axis,), here, keepdims=True, kind=kind)
        shape[axis] = 1
    return magnitudes
