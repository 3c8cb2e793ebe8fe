"""p-norms as operators: see `kernels.powers`."""

import math
from collections.abc import Mapping

from poolnorm_cli.operators.graph import Graph, GraphCall, Value, is_finite
from poolnorm_cli.operators.reductions import drop_axes, max_over
from poolnorm_cli.operators.windows import fold_windows, max_windows, mean_windows
from poolnorm_cli.shapes import Ints
from poolnorm_cli.values import replace
from poolnorm_cli.windows import Window


_SAFE_POWER = 6.0
_LEAST = 2.0**-900


def norm_windows(
    graph: Graph, x: Value, windows: Mapping[int, Window], p: float, call: GraphCall
) -> Value:
    """Take the p-norm of the cells under each place of the window; padding counts as zeros.

    Args:
        graph: The graph.
        x: float32 or float64.
        windows: Axis -> window on it. Every window covers at least one real cell.
        p: The power, above 0; infinity for the largest magnitude.
        call: Shape and dtype of `x`.

    Returns:
        The norms, in the dtype of `x`; on each axis of `windows` one a place.
    """
    if math.isinf(p):
        return max_windows(graph, graph.op("Abs", x), windows, call)
    graph.note(f"{call.dtype}: sums of powers in float64, as exact as NumPy's")
    inside = replace(call, dtype="float64", exact=False)
    plain = {axis: w._replace(before=0, after=0, divisor=1) for axis, w in windows.items()}
    magnitudes = graph.op("Abs", graph.cast(x, "float64"))
    sums = mean_windows(graph, power(graph, magnitudes, p), plain, inside)
    norms = root(graph, sums, p)
    if call.exact and not is_safe(call, p):

        def both(a: Value, b: Value) -> Value:
            most, least = graph.op("Max", a, b), graph.op("Min", a, b)
            shares = power(graph, graph.op("Div", least, divisor_of(graph, most)), p)
            return norm_of_shares(graph, most, graph.op("Add", _number(graph, 1), shares), p)

        slow = fold_windows(graph, magnitudes, windows, call, both)
        large = graph.op("Greater", sums, _number(graph, _LEAST))
        kept = graph.op("And", is_finite(graph, sums, "float64"), large)
        norms = graph.op("Where", kept, norms, slow)
    return graph.cast(norms, call.dtype)


def norm_over(
    graph: Graph, x: Value, axes: Ints, p: float, call: GraphCall, *, keepdims: bool
) -> Value:
    """Take the p-norm over consecutive axes.

    Args:
        graph: The graph.
        x: float32 or float64.
        axes: Consecutive axes, the batch not among them.
        p: The power, above 0; infinity for the largest magnitude.
        call: Shape and dtype of `x`.
        keepdims: Keep these axes with size 1.

    Returns:
        The norms, in the dtype of `x`.
    """
    wide = graph.op("Abs", graph.cast(x, "float64"))
    if is_safe(call, p):
        norms = root(graph, graph.reduce("ReduceSum", power(graph, wide, p), axes), p)
    else:
        norms = most = max_over(graph, wide, axes, replace(call, dtype="float64"), keepdims=True)
        if not math.isinf(p):
            shares = graph.op("Div", wide, divisor_of(graph, most))
            sums = graph.reduce("ReduceSum", power(graph, shares, p), axes)
            norms = norm_of_shares(graph, most, sums, p)
    norms = graph.cast(norms, call.dtype)
    return norms if keepdims else drop_axes(graph, norms, axes, call)


def is_safe(call: GraphCall, p: float) -> bool:
    """Say whether powers stay in range, whatever the values are.

    Args:
        call: The dtype of the values.
        p: The power; a sum of magnitudes, for 1, is the norm itself.

    Returns:
        Whether no sum of powers has to be taken otherwise.
    """
    return p == 1 or (call.dtype == "float32" and p <= _SAFE_POWER)


def _number(graph: Graph, value: float) -> Value:
    return graph.constant(value, "float64")


def power(graph: Graph, magnitudes: Value, p: float) -> Value:
    """Raise magnitudes to a power.

    Args:
        graph: The graph.
        magnitudes: float64.
        p: The power.

    Returns:
        The powers.
    """
    if p == 1:
        return magnitudes
    if p == 2:
        return graph.op("Mul", magnitudes, magnitudes)
    return graph.op("Pow", magnitudes, _number(graph, p))


def root(graph: Graph, sums: Value, p: float) -> Value:
    """Take the root of sums of powers.

    Args:
        graph: The graph.
        sums: float64.
        p: The power.

    Returns:
        The norms.
    """
    if p == 1:
        return sums
    return graph.op("Sqrt", sums) if p == 2 else graph.op("Pow", sums, _number(graph, 1 / p))


def _divisible(graph: Graph, most: Value) -> Value:
    """Say where the largest magnitude is neither 0 nor infinite."""
    positive = graph.op("Greater", most, _number(graph, 0))
    return graph.op("And", positive, is_finite(graph, most, "float64"))


def divisor_of(graph: Graph, most: Value) -> Value:
    """Return what magnitudes are divided by to be shares of the largest: not by 0 or infinity.

    Args:
        graph: The graph.
        most: The largest magnitudes, float64.

    Returns:
        The divisors.
    """
    return graph.op("Where", _divisible(graph, most), most, _number(graph, 1))


def norm_of_shares(graph: Graph, most: Value, sums: Value, p: float) -> Value:
    """Return the norms whose largest magnitude and sum of powers of shares are given.

    Args:
        graph: The graph.
        most: The largest magnitudes, float64.
        sums: Sums of powers of the magnitudes' shares of it.
        p: The power.

    Returns:
        The norms.
    """
    norms = graph.op("Mul", most, root(graph, sums, p))
    return graph.op("Where", _divisible(graph, most), norms, most)
