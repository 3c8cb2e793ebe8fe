"""Scale, shift and weights as operators: see `kernels.scaling`."""

from poolnorm_cli.operators.graph import Graph, GraphCall, GraphMoments, Value, Values
from poolnorm_cli.shapes import Ints


def center_and_scale(
    graph: Graph, x: Value, dtype: str, mean: Value, scale: Value, shift: Value | None = None
) -> Value:
    """Compute `(x - mean) * scale + shift` in `dtype`, the others being float64.

    In float32 the mean is taken off in two parts, so that a large one costs nothing.
    """
    graph.note(f"{dtype}: statistics and factors in float64, as exact as NumPy's")
    graph.watch("mean", mean)
    near = graph.cast(mean, dtype)
    addend = shift
    if dtype != "float64":
        rest = graph.op("Sub", mean, graph.cast(near, "float64"))
        lost = graph.op("Mul", rest, scale)
        addend = graph.op("Neg", lost) if shift is None else graph.op("Sub", shift, lost)
    y = graph.op("Mul", graph.op("Sub", x, near), graph.cast(scale, dtype))
    return y if addend is None else graph.op("Add", y, graph.cast(addend, dtype))


def deviations(graph: Graph, x: Value, dtype: str, moments: GraphMoments, epsilon: float) -> Value:
    """Compute `(x - mean) / sqrt(variance + epsilon)` in `dtype`, in units if there are any."""
    if moments.unit is None:
        inverse = inverse_deviation(graph, moments.variance, epsilon)
        return center_and_scale(graph, x, dtype, moments.mean, inverse)
    graph.note("numbers at the edge of their range: in units of a power of two, in float64")
    away = graph.op("Sub", graph.op("Mul", x, moments.unit), moments.mean)
    return graph.op("Mul", away, inverse_deviation(graph, moments.variance, 0.0))


def in_quarters(graph: Graph, y: Value, factor: Value | None, addend: Value | None) -> Value:
    """Compute `y * factor + addend` in float64, finite where that is though `y * factor` is not."""
    for name, weight in (("Mul", factor), ("Add", addend)):
        part = graph.constant(0.25, "float64") if weight is None and name == "Mul" else weight
        if part is not None and weight is not None:
            part = graph.op("Mul", weight, graph.constant(0.25, "float64"))
        y = y if part is None else graph.op(name, y, part)
    return graph.op("Mul", y, graph.constant(4.0, "float64"))


def by_channels(
    graph: Graph, x: Value, call: GraphCall, mean: Value, scale: Value, shift: Value | None
) -> Value:
    """Do what `center_and_scale` does by values along the last axis, in rows of the last two.

    Runtimes go over few channels in loops as short as that, which cost more than the arithmetic.
    """
    width, channels = call.sizes[-2:]
    outer = [0] * (call.rank - 2)
    vectors = [
        graph.op("Tile", graph.reshape(vector, [-1]), graph.constant([width], "int64"))
        for vector in (mean, scale, shift)
        if vector is not None
    ]
    rows = graph.reshape(x, [*outer, width * channels])
    y = center_and_scale(graph, rows, call.dtype, *vectors)
    return graph.reshape(y, [*outer, width, channels])


def inverse_deviation(graph: Graph, variance: Value, epsilon: float) -> Value:
    """Compute `1 / sqrt(variance + epsilon)` in float64."""
    total = graph.op("Add", variance, graph.constant(epsilon, "float64"))
    graph.watch("power", total)
    return graph.op("Reciprocal", graph.op("Sqrt", total))


def along(graph: Graph, weights: Values, name: str, call: GraphCall, axes: Ints) -> Value | None:
    """Return a weight so that it broadcasts against the input, in float64.

    Args:
        graph: The graph.
        weights: The weights of the layer.
        name: One of them; None is returned where the layer has none of that name.
        call: Shape of the input.
        axes: Sorted axes along which the weight runs.
    """
    if name not in weights:
        return None
    weight = graph.cast(weights[name], "float64")
    if axes == tuple(range(call.rank))[-len(axes) :]:
        return weight  # trailing axes broadcast as they are
    sizes = [size if axis in axes else 1 for axis, size in enumerate(call.sizes)]
    return graph.reshape(weight, sizes)


def weighted(graph: Graph, y: Value, weights: Values, call: GraphCall, axes: Ints) -> Value:
    """Multiply by gamma or scale, and add beta: what there is of them.

    Args:
        graph: The graph.
        y: The normalized input, in the dtype of `call`.
        weights: The weights of the layer.
        call: Shape and dtype of the input.
        axes: Sorted axes along which the weights run.
    """
    if call.moments is not None and call.moments.unit is not None:
        factor = along(graph, weights, "gamma", call, axes)
        factor = factor or along(graph, weights, "scale", call, axes)
        return in_quarters(graph, y, factor, along(graph, weights, "beta", call, axes))
    for name, combine in (("gamma", "Mul"), ("scale", "Mul"), ("beta", "Add")):
        weight = along(graph, weights, name, call, axes)
        if weight is not None:
            y = graph.op(combine, y, graph.cast(weight, call.dtype))
    return y
