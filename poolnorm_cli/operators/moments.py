"""Means and variances as operators, in float64 and in two passes: see `kernels.moments`."""

from poolnorm_cli.operators.graph import Graph, GraphCall, GraphMoments, Value
from poolnorm_cli.shapes import Ints


KERAS_EPSILON = 1e-7
FEW_CELLS = 4096
"""Cells up to which a runtime's mean in float32 is as near as its digits; a second one mends it."""


def moments_of(
    graph: Graph, x: Value, axes: Ints, mask: Value | None = None, *, keras_3: bool = True
) -> GraphMoments:
    """Take the moments of a tensor over `axes`.

    Args:
        graph: The graph.
        x: The tensor.
        axes: Axes to reduce.
        mask: Which cells count; bool, of the shape of `x`.
        keras_3: Divide by the number of cells that count and 1e-7, as batch normalization does; by
            that number, or 1, otherwise.

    Returns:
        The moments, float64, with `axes` kept at size 1.
    """
    wide = graph.cast(x, "float64")
    if mask is not None:
        return _masked(graph, wide, axes, mask, keras_3=keras_3)
    mean = graph.reduce("ReduceMean", wide, axes)
    distance = graph.op("Sub", wide, mean)
    variance = graph.reduce("ReduceMean", graph.op("Mul", distance, distance), axes)
    cells, statistics = (graph.cast(graph.op("Size", v), "float64") for v in (wide, mean))
    return GraphMoments(mean, variance, graph.op("Div", cells, statistics))


def centered(graph: Graph, x: Value, axes: Ints, cells: int) -> Value:
    """Take the mean over `axes` off, before an operator that would take it off itself.

    Some runtimes take a variance as the mean of squares less the square of the mean, and lose to a
    large mean as many digits as it has; others round it. What is left of one here costs nothing.

    Args:
        graph: The graph.
        x: The input, float32.
        axes: Axes over which the operator normalizes.
        cells: Cells on these axes.

    Returns:
        The input less its mean, float32.
    """
    for _ in range(2 if cells > FEW_CELLS else 1):
        x = graph.op("Sub", x, graph.reduce("ReduceMean", x, axes))
    return x


def _masked(graph: Graph, x: Value, axes: Ints, mask: Value, *, keras_3: bool) -> GraphMoments:
    zero = graph.constant(0.0, "float64")
    count = graph.reduce("ReduceSum", graph.cast(mask, "float64"), axes)
    kind, more = ("Add", KERAS_EPSILON) if keras_3 else ("Max", 1.0)
    divisor = graph.op(kind, count, graph.constant(more, "float64"))
    total = graph.reduce("ReduceSum", graph.op("Where", mask, x, zero), axes)
    mean = graph.op("Div", total, divisor)
    distance = graph.op("Where", mask, graph.op("Sub", x, mean), zero)
    squares = graph.reduce("ReduceSum", graph.op("Mul", distance, distance), axes)
    return GraphMoments(mean, graph.op("Div", squares, divisor), count)


def ghost_moments(graph: Graph, x: Value, axes: Ints, call: GraphCall, size: int) -> GraphMoments:
    """Take the moments of interleaved ghost batches, and give each sample those of its own.

    With G ghost batches of `size` samples, sample i is in ghost batch i % G: as an array of
    `(size, G, ...)` the batch is reduced along the first axis.

    Args:
        graph: The graph.
        x: The tensor; axis 0 holds any multiple of `size` samples.
        axes: Axes to reduce, 0 among them.
        call: Shape of the tensor.
        size: Samples of a ghost batch.

    Returns:
        The moments, float64: a row for each sample, the other `axes` kept at size 1.
    """
    grouped = graph.reshape(x, [size, -1, *call.sizes[1:]])
    inner = (0, *(axis + 1 for axis in axes if axis))
    moments = moments_of(graph, grouped, inner)
    kept = [1 if axis in axes else size for axis, size in enumerate(call.sizes)]
    spread = graph.constant([size, *(1 for _ in call.sizes)], "int64")

    def for_each_sample(value: Value) -> Value:
        return graph.reshape(graph.op("Expand", value, spread), [-1, *kept[1:]])

    mean, variance = (for_each_sample(v) for v in (moments.mean, moments.variance))
    return GraphMoments(mean, variance, moments.count)


def mean_square(graph: Graph, x: Value, axes: Ints, moments: GraphMoments | None) -> Value:
    """Return the mean of squares over `axes`, from moments where there are any.

    It is `variance + mean**2`. Where the moments are in units, it is in the square of these, with
    the epsilon in it.

    Args:
        graph: The graph.
        x: The tensor.
        axes: Axes to reduce.
        moments: The statistics of `x` over `axes`; None to take the mean of its squares.

    Returns:
        The mean of squares, float64, with `axes` kept at size 1.
    """
    if moments is not None:
        return graph.op("Add", moments.variance, graph.op("Mul", moments.mean, moments.mean))
    graph.note(f"{graph.dtype(x)}: the mean of squares in float64, as exact as NumPy's")
    wide = graph.cast(x, "float64")
    return graph.reduce("ReduceMean", graph.op("Mul", wide, wide), axes)
