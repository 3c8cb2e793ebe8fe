"""Scale, shift, weights, and instances of channels as operators: see `kernels.scaling`."""

import math

from poolnorm_cli.operators.device import zeros_of
from poolnorm_cli.operators.graph import Graph, GraphCall, GraphMoments, Value, Values
from poolnorm_cli.operators.moments import centered
from poolnorm_cli.shapes import Ints


def center_and_scale(
    graph: Graph, x: Value, dtype: str, mean: Value, scale: Value, shift: Value | None = None
) -> Value:
    """Compute `(x - mean) * scale + shift`.

    In float32 the mean is taken off in two parts, so that a large one costs no digits.

    Args:
        graph: The graph.
        x: The input, in `dtype`.
        dtype: float32 or float64.
        mean: Float64; like the others it broadcasts against `x`.
        scale: Float64.
        shift: Float64; None for none.

    Returns:
        The result, in `dtype`.
    """
    graph.note(f"{dtype}: statistics and factors in float64, as exact as NumPy's")
    graph.monitor("mean", mean)
    near = graph.cast(mean, dtype)
    addend = shift
    if dtype != "float64":
        rest = graph.op("Sub", mean, graph.cast(near, "float64"))
        lost = graph.op("Mul", rest, scale)
        addend = graph.op("Neg", lost) if shift is None else graph.op("Sub", shift, lost)
    y = graph.op("Mul", graph.op("Sub", x, near), graph.cast(scale, dtype))
    return y if addend is None else graph.op("Add", y, graph.cast(addend, dtype))


def deviations(graph: Graph, x: Value, dtype: str, moments: GraphMoments, epsilon: float) -> Value:
    """Compute `(x - mean) / sqrt(variance + epsilon)`.

    Args:
        graph: The graph.
        x: The input, in `dtype`.
        dtype: float32 or float64.
        moments: The statistics; those in units take the input in these units, too.
        epsilon: Added to the variance, where the statistics have none in them.

    Returns:
        The result, in `dtype`.
    """
    if moments.unit is None:
        inverse = inverse_deviation(graph, moments.variance, epsilon)
        return center_and_scale(graph, x, dtype, moments.mean, inverse)
    graph.note("numbers at the edge of their range: in units of a power of two, in float64")
    away = graph.op("Sub", graph.op("Mul", x, moments.unit), moments.mean)
    return graph.op("Mul", away, inverse_deviation(graph, moments.variance, 0.0))


def multiply_add_in_quarters(
    graph: Graph, y: Value, factor: Value | None, addend: Value | None
) -> Value:
    """Compute `y * factor + addend`, finite where that is though `y * factor` is not.

    Args:
        graph: The graph.
        y: Float64, like the others.
        factor: It broadcasts against `y`; None for 1.
        addend: It broadcasts against `y`; None for 0.

    Returns:
        The result, float64.
    """
    for name, weight in (("Mul", factor), ("Add", addend)):
        part = graph.constant(0.25, "float64") if weight is None and name == "Mul" else weight
        if part is not None and weight is not None:
            part = graph.op("Mul", weight, graph.constant(0.25, "float64"))
        y = y if part is None else graph.op(name, y, part)
    return graph.op("Mul", y, graph.constant(4.0, "float64"))


def by_channels(
    graph: Graph, x: Value, call: GraphCall, mean: Value, scale: Value, shift: Value | None
) -> Value:
    """Center and scale by values along the last axis, with the last two axes viewed as one row.

    Runtimes go over few channels in loops as short as that, which cost more than the arithmetic.

    Args:
        graph: The graph.
        x: The input, channels last.
        call: Shape and dtype of `x`.
        mean: Float64, of one axis, the channels.
        scale: Likewise.
        shift: Likewise; None for none.

    Returns:
        The result, in the shape and dtype of `x`.
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
    """Compute `1 / sqrt(variance + epsilon)`.

    Args:
        graph: The graph.
        variance: Float64.
        epsilon: Added to it.

    Returns:
        The result, float64.
    """
    total = graph.op("Add", variance, graph.constant(epsilon, "float64"))
    graph.monitor("power", total)
    return graph.op("Reciprocal", graph.op("Sqrt", total))


def broadcast_weight(
    graph: Graph, weights: Values, name: str, call: GraphCall, axes: Ints
) -> Value | None:
    """Shape a weight so that it broadcasts against the input.

    Args:
        graph: The graph.
        weights: The weights of the layer.
        name: One of their names.
        call: Shape of the input.
        axes: Sorted axes along which the weight runs.

    Returns:
        The weight, float64; None without one.
    """
    if name not in weights:
        return None
    weight = graph.cast(weights[name], "float64")
    if axes == tuple(range(call.rank))[-len(axes) :]:
        return weight  # trailing axes broadcast as they are
    sizes = [size if axis in axes else 1 for axis, size in enumerate(call.sizes)]
    return graph.reshape(weight, sizes)


def apply_affine(graph: Graph, y: Value, weights: Values, call: GraphCall, axes: Ints) -> Value:
    """Multiply by gamma or scale, and add beta: what there is of them.

    Args:
        graph: The graph.
        y: The normalized input, in the dtype of `call`.
        weights: The weights of the layer.
        call: Shape and dtype of the input.
        axes: Sorted axes along which the weights run.

    Returns:
        `y * gamma + beta`, in the dtype of `call`.
    """
    if call.moments is not None and call.moments.unit is not None:
        factor = broadcast_weight(graph, weights, "gamma", call, axes)
        factor = factor or broadcast_weight(graph, weights, "scale", call, axes)
        return multiply_add_in_quarters(
            graph, y, factor, broadcast_weight(graph, weights, "beta", call, axes)
        )
    for name, combine in (("gamma", "Mul"), ("scale", "Mul"), ("beta", "Add")):
        weight = broadcast_weight(graph, weights, name, call, axes)
        if weight is not None:
            y = graph.op(combine, y, graph.cast(weight, call.dtype))
    return y


def normalize_instances(
    graph: Graph, x: Value, weights: Values, call: GraphCall, epsilon: float
) -> Value:
    """Normalize each channel of each sample.

    Args:
        graph: The graph.
        x: float32, of shape (N, C, ...).
        weights: gamma and beta, if there are any.
        call: Shape and dtype of `x`.
        epsilon: Added to the variance.

    Returns:
        The normalized input, float32, in the shape of `x`.
    """
    given = [
        graph.cast(weights[name], call.dtype)
        if name in weights
        else graph.full(call.sizes[1:2], start, call.dtype)
        for name, start in (("gamma", 1.0), ("beta", 0.0))
    ]
    near = centered(graph, x, tuple(range(2, call.rank)), math.prod(call.sizes[2:]))
    return graph.op("InstanceNormalization", near, *given, epsilon=epsilon)


def checked_layer_norm(
    graph: Graph, x: Value, weights: Values, call: GraphCall, axis: int, epsilon: float
) -> Value:
    """Add LayerNormalization, and whether every variance is finite.

    Args:
        graph: The graph.
        x: float32, without most of its mean.
        weights: gamma and beta, if there are any.
        call: Shape of `x`.
        axis: The first one to normalize over; the others follow it.
        epsilon: Added to the variance; it is what keeps an inverse from overflowing.

    Returns:
        The normalized input, float32.
    """
    gamma = weights.get("gamma") or graph.full(call.sizes[axis:], 1, call.dtype)
    given = [gamma, *([weights["beta"]] if "beta" in weights else [])]
    cast = [graph.cast(weight, call.dtype) for weight in given]
    y, _, inverse = graph.outputs("LayerNormalization", 3, x, *cast, axis=axis, epsilon=epsilon)
    kept = (*call.sizes[:axis], *(1 for _ in call.sizes[axis:]))
    graph.note("LayerNormalization; a block with a variance that is not finite is done again")
    graph.check(zeros_of(graph, graph.op("Reciprocal", inverse), kept))
    return y


def normalize_groups(
    graph: Graph, x: Value, weights: Values, call: GraphCall, groups: int, epsilon: float
) -> Value:
    """Normalize groups of channels of each sample, as the instances of another shape.

    The standard's own GroupNormalization, of operator set 21, loses digits to a large mean in every
    runtime, and the mean of a group cannot be taken off before it without this shape.

    Args:
        graph: The graph.
        x: float32, of shape (N, C, ...).
        weights: gamma and beta, if there are any.
        call: Shape and dtype of `x`.
        groups: Groups of channels.
        epsilon: Added to the variance.

    Returns:
        The normalized input, float32, in the shape of `x`.
    """
    ones, zeros = (graph.full((groups,), start, call.dtype) for start in (1.0, 0.0))
    cells = graph.reshape(x, [0, groups, -1])
    near = centered(graph, cells, (2,), math.prod(call.sizes[1:]) // groups)
    y = graph.op("InstanceNormalization", near, ones, zeros, epsilon=epsilon)
    return apply_affine(graph, graph.reshape(y, [0, *call.sizes[1:]]), weights, call, (1,))
