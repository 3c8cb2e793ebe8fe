"""Normalizations for a device, in float32, and what shows where these lose digits.

A mean of squares less the square of the mean loses to a large mean as many digits as it has. It is
taken all the same, as it needs no further way through the tensor, where means are small beside the
deviation; others fail the check, and so does what leaves the range of float32.
"""

from poolnorm_cli.operators.device import wide_mean, zeros_of
from poolnorm_cli.operators.graph import Graph, GraphCall, GraphMoments, Value, Values
from poolnorm_cli.operators.moments import FEW_CELLS
from poolnorm_cli.shapes import Ints


LEAST_EPSILON = 1e-12
"""Epsilon beside which squares that float32 does not hold are nothing."""
LARGEST_WEIGHT = 1e30
"""Weights up to which what they make leaves the range of float32 with the result alone."""
_LEAST_FLOOR, _MOST_FLOOR = 1e-15, 1e15
"""Floors of a norm whose squares float32 holds, and beside which smaller squares are nothing."""
_RATIO = 16.0
"""Square of a mean beside the variance up to which the difference costs few digits: with sums of
16 cells in float32 it is within 40 epsilons."""


def has_few_trailing_cells(axes: Ints, cells: int, call: GraphCall) -> bool:
    """Whether axes are the last ones, without the batch, with no more cells than float32 can sum.

    Args:
        axes: Sorted axes.
        cells: Cells on them.
        call: Shape of the input, and statistics where they are given.

    Returns:
        False, too, where statistics are given.
    """
    trailing = axes == tuple(range(axes[0], call.rank))
    return trailing and axes[0] > 0 and call.moments is None and 0 < cells <= FEW_CELLS


def checked_rms(
    graph: Graph, x: Value, scale: Value, call: GraphCall, axis: int, epsilon: float
) -> Value:
    """Divide by the root of the mean square by one operator; is every mean finite?

    It is the runtime's RMSNormalization, by the name that it had before it was of the standard.

    Args:
        graph: The graph.
        x: float32.
        scale: What the quotients are multiplied by.
        call: Shape of `x`.
        axis: The first one to normalize over; the others follow it.
        epsilon: Added to the mean square.

    Returns:
        The normalized input, float32.
    """
    given = x, graph.cast(scale, "float32")
    named = {"axis": axis, "epsilon": epsilon, "stash_type": 1}
    y, inverse = graph.outputs("SimplifiedLayerNormalization", 2, *given, **named)
    graph.note("one operator; a block with a mean square that is not finite is done again")
    kept = (*call.sizes[:axis], *(1 for _ in call.sizes[axis:]))
    graph.check(zeros_of(graph, graph.op("Reciprocal", inverse), kept))
    return y


def checked_unit(graph: Graph, x: Value, axes: Ints, call: GraphCall, least: float) -> Value | None:
    """Divide by the Euclidean norm in float32; is every sum of squares finite?

    Args:
        graph: The graph.
        x: float32.
        axes: The last axes, of few cells.
        call: Shape of `x`.
        least: Norms below it count as it.

    Returns:
        The output, float32; None where float32 does not hold the square of `least`.
    """
    if not _LEAST_FLOOR <= least <= _MOST_FLOOR:
        return None
    graph.note("norms in float32; a block with one that is not finite is done again")
    squares = graph.reduce("ReduceSumSquare", x, axes)
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(call.sizes))
    graph.check(zeros_of(graph, squares, kept))
    floor = graph.op("Max", squares, graph.constant(least * least, "float32"))
    return graph.op("Div", x, graph.op("Sqrt", floor))


def checked_groups(
    graph: Graph, x: Value, weights: Values, call: GraphCall, axis: int, groups: int, epsilon: float
) -> Value | None:
    """Normalize groups of channels of each sample: `x * scale + shift` by sums in two ways.

    Args:
        graph: The graph.
        x: float32.
        weights: gamma and beta, if there are any.
        call: Shape of `x`.
        axis: That of the channels, 1 or the last one.
        groups: Groups of channels.
        epsilon: Added to the variance.

    Returns:
        The normalized input, float32; None where nothing is sooner than the exact graph.
    """
    spatial = tuple(other for other in range(1, call.rank) if other != axis)
    channels = call.sizes[axis]
    if axis not in (1, call.rank - 1) or not spatial or 0 in call.sizes:
        return None
    mean = wide_mean(graph, x, spatial, call)
    square = mean and wide_mean(graph, graph.op("Mul", x, x), spatial, call)
    if mean is None or square is None:
        return None
    if groups < channels:
        mean, square = (_of_groups(graph, value, groups, channels) for value in (mean, square))
    variance = graph.op("Sub", square, graph.op("Mul", mean, mean))
    check_spread(graph, mean, variance, channels)
    raised = graph.op("Add", variance, graph.constant(epsilon, "float64"))
    scale = graph.op("Reciprocal", graph.op("Sqrt", raised))
    if "gamma" in weights:
        scale = graph.op("Mul", scale, graph.cast(weights["gamma"], "float64"))
    shift = graph.op("Neg", graph.op("Mul", mean, scale))
    if "beta" in weights:
        shift = graph.op("Add", shift, graph.cast(weights["beta"], "float64"))
    ones = [1 for _ in spatial]
    kept = [0, channels, *ones] if axis == 1 else [0, *ones, channels]
    factor, addend = (graph.reshape(graph.cast(v, "float32"), kept) for v in (scale, shift))
    return graph.op("Add", graph.op("Mul", x, factor), addend)


def _of_groups(graph: Graph, value: Value, groups: int, channels: int) -> Value:
    """Take the mean of each group of channels, for each of them."""
    parts = graph.reshape(value, [0, groups, channels // groups])
    mean = graph.reduce("ReduceMean", parts, (2,))
    spread = graph.constant([1, 1, channels // groups], "int64")
    return graph.reshape(graph.op("Expand", mean, spread), [0, channels])


def batch_moments(graph: Graph, x: Value, axis: int, call: GraphCall) -> GraphMoments | None:
    """Take the moments of a whole batch by sums of a few cells, and check that they keep digits.

    Args:
        graph: The graph.
        x: float32.
        axis: That of the channels, 1 or the last one.
        call: Shape of `x`, at least three axes.

    Returns:
        The moments, float64, other axes kept at size 1; None where nothing is sooner than the exact
        ones.
    """
    spatial = tuple(other for other in range(1, call.rank) if other != axis)
    channels = call.sizes[axis]
    means = wide_mean(graph, x, spatial, call)
    squares = means and wide_mean(graph, graph.op("Mul", x, x), spatial, call)
    if means is None or squares is None:
        return None
    mean, square = (graph.reduce("ReduceMean", value, (0,)) for value in (means, squares))
    variance = graph.op("Sub", square, graph.op("Mul", mean, mean))
    check_spread(graph, mean, variance, channels)
    kept = [channels if other == axis else 1 for other in range(call.rank)]
    cells, each = (graph.cast(graph.op("Size", v), "float64") for v in (x, mean))
    mean, variance = (graph.reshape(value, kept) for value in (mean, variance))
    return GraphMoments(mean, variance, graph.op("Div", cells, each))


def check_spread(graph: Graph, mean: Value, variance: Value, channels: int) -> None:
    """Check that variances are finite, and that no mean is many times the deviation.

    Args:
        graph: The graph.
        mean: float64, of rows and channels.
        variance: Likewise, the mean of squares less the square of the mean.
        channels: Items of a row.
    """
    graph.note("a block with a mean of many deviations, or a sum that is not finite, is done again")
    most = graph.op("Mul", variance, graph.constant(_RATIO, "float64"))
    over = graph.op("Sub", most, graph.op("Mul", mean, mean))
    root = graph.cast(graph.op("Sqrt", over), "float32")  # NaN below 0
    graph.check(zeros_of(graph, root, (1, channels)))
