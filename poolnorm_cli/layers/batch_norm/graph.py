"""Batch normalization as ONNX operators."""

import math
from typing import TYPE_CHECKING

from poolnorm_cli.layers.batch_norm.statistics import BATCHES, STEPS
from poolnorm_cli.layers.call import Call
from poolnorm_cli.operators.graph import (
    Graph,
    GraphCall,
    GraphMoments,
    Value,
    Values,
    channels_first,
)
from poolnorm_cli.operators.scaling import (
    broadcast_weight,
    by_channels,
    center_and_scale,
    inverse_deviation,
    multiply_add_in_quarters,
)
from poolnorm_cli.values import replace


if TYPE_CHECKING:
    from collections.abc import Mapping

    from poolnorm_cli.layers.batch_norm.parameters import BatchParameters

_FEW = 64
"""Channels below which loops over them are too short."""
_DEFAULTS = {"gamma": 1.0, "beta": 0.0, "moving_mean": 0.0, "moving_variance": 1.0}


def build(
    layer: "BatchParameters", graph: Graph, x: Value, weights: Values, call: GraphCall
) -> Value:
    """Add BatchNormalization, or operators in training, for several axes and to be exact.

    Args:
        layer: The layer.
        graph: The graph.
        x: The block or the whole input, of the shape and dtype in `call`.
        weights: All weights of the layer, each of its own dtype.
        call: Shape, dtype, training, statistics, and whether every input must be exact.

    Returns:
        The output, in the dtype of `x`.
    """
    axes = layer.axes(call.rank)
    single = len(axes) == 1 and axes[0] and call.moments is None
    if single and call.dtype == "float32" and not call.exact:
        return _plain(layer, graph, x, weights, call)
    mean, variance, *affine = (
        broadcast_weight(graph, weights, name, call, axes)
        for name in ("moving_mean", "moving_variance", "gamma", "beta")
    )
    terms, unit = dict(zip(("gamma", "beta"), affine, strict=True)), None
    if call.moments is not None:
        mean, variance, unit = call.moments.mean, call.moments.variance, call.moments.unit
        terms |= call.extra_inputs or _training_terms(layer, graph, weights, call)
    epsilon = layer.epsilon if unit is None else 0.0
    inverse = inverse_deviation(graph, str(variance), epsilon)
    scale, shift = _scale_and_shift(graph, inverse, terms)
    if unit is not None:
        away = graph.op("Sub", graph.op("Mul", x, unit), str(mean))
        return multiply_add_in_quarters(graph, away, scale, shift)
    one_vector = axes == (call.rank - 1,) and not (layer.has_ghost_batches or layer.adjustment)
    if call.exact and one_vector and call.rank > 2 and call.sizes[-1] < _FEW:
        return by_channels(graph, x, call, str(mean), scale, shift)
    return center_and_scale(graph, x, call.dtype, str(mean), scale, shift)


def build_updated(
    layer: "BatchParameters", graph: Graph, weights: Values, call: GraphCall
) -> dict[str, Value]:
    """Move the moving statistics, renorm's among them, by those of the batch.

    Args:
        layer: The layer.
        graph: The graph.
        weights: All weights of the layer, each of its own dtype.
        call: Shape, dtype and statistics of the batch.

    Returns:
        The weights that change, by name, each in its own dtype.
    """
    if call.moments is None:
        return {}
    mean, variance = _batch(layer, graph, call)
    if layer.moves_unbiased:
        variance = _unbiased(graph, variance, call.moments.count)
    if not layer.renorm:
        batch = {"moving_mean": mean, "moving_variance": variance}
        return _moved(graph, weights, batch, layer.momentum)
    assert layer.momentum is not None  # noqa: S101 - renorm takes no average of all batches
    epsilon = graph.constant(layer.epsilon, "float64")
    stddev = graph.op("Sqrt", graph.op("Add", variance, epsilon))
    moving = {"moving_mean": mean, "moving_stddev": stddev}
    own = {"renorm_mean": mean, "renorm_stddev": stddev}
    moved = _moved(graph, weights, moving, layer.momentum)
    wide = graph.cast(moved["moving_stddev"], "float64")
    square = graph.op("Sub", graph.op("Mul", wide, wide), epsilon)
    positive = graph.op("Max", square, graph.constant(0.0, "float64"))
    kept = graph.cast(positive, graph.dtype(weights["moving_variance"]))
    renormed = _moved(graph, weights, own, layer.renorm_momentum)
    return moved | {"moving_variance": kept} | renormed


def _scale_and_shift(
    graph: Graph, scale: Value, terms: "Mapping[str, Value | None]"
) -> "tuple[Value, Value | None]":
    """Put all factors and addends of the normalized value into one of each."""
    shift: Value | None = None
    for factor, addend in ((terms.get(a), terms.get(b)) for a, b in STEPS):
        if factor is not None:
            scale = graph.op("Mul", scale, factor)
            shift = shift and graph.op("Mul", shift, factor)
        if addend is not None:
            shift = graph.op("Add", shift, addend) if shift else addend
    return scale, shift


def _plain(
    layer: "BatchParameters", graph: Graph, x: Value, weights: Values, call: GraphCall
) -> Value:
    (axis,) = layer.axes(call.rank)
    return _along(layer, graph, x, weights, call, axis)


def _along(
    layer: "BatchParameters", graph: Graph, x: Value, weights: Values, call: GraphCall, axis: int
) -> Value:
    """Add BatchNormalization of the channels on an axis."""
    spatial = tuple(other for other in range(1, call.rank) if other != axis)
    moved, back = channels_first(graph, x, spatial, call.rank)
    vectors = (
        graph.cast(weights[name], call.dtype)
        if name in weights
        else graph.full((call.sizes[axis],), value, call.dtype)
        for name, value in _DEFAULTS.items()
    )
    y = graph.op("BatchNormalization", moved, *vectors, epsilon=layer.epsilon)
    return graph.transpose(y, back)


def build_for_device(
    layer: "BatchParameters", graph: Graph, x: Value, weights: Values, call: GraphCall
) -> Value | None:
    """Add BatchNormalization over four axes, as devices have it for channels first and last.

    Args:
        layer: The layer.
        graph: The graph.
        x: The block, float32.
        weights: All weights of the layer.
        call: Shape, and statistics where these are given.

    Returns:
        The output; None in training, for several axes, and for channels in the middle.
    """
    axes, rank = layer.axes(call.rank), call.rank
    if call.moments is not None or axes not in ((rank - 1,), (1,)) or rank < 3:
        return None
    (axis,), sizes = axes, call.sizes
    channels, inner = sizes[axis], [size for a, size in enumerate(sizes) if a not in (0, axis)]
    pair = [math.prod(inner[:-1]), inner[-1]]
    four = (call.shape[0], *((channels, *pair) if axis == 1 else (*pair, channels)))
    seen = x if rank == 4 else graph.reshape(x, [0, *(int(size) for size in four[1:] if size)])
    view = replace(call, shape=four)
    y = _along(layer, graph, seen, weights, view, 1 if axis == 1 else 3)
    return y if rank == 4 else graph.reshape(y, [0, *sizes[1:]])


def build_batch_for_device(
    layer: "BatchParameters", graph: Graph, x: Value, weights: Values, call: GraphCall
) -> tuple[Value, GraphMoments] | None:
    """Add BatchNormalization by the statistics of the batch, which are taken of it there.

    Args:
        layer: The layer.
        graph: The graph.
        x: The whole batch, float32.
        weights: All weights of the layer.
        call: Shape, and the mask if there is one.

    Returns:
        The output and the statistics; None where there is more to it, and for other axes.
    """
    from poolnorm_cli.operators.device_norms import batch_moments

    axes, rank = layer.axes(call.rank), call.rank
    more = layer.renorm or layer.has_ghost_batches or layer.adjustment is not None
    if more or call.mask is not None or axes not in ((rank - 1,), (1,)) or rank < 3:
        return None
    moments = batch_moments(graph, x, axes[0], call)
    if moments is None:
        return None
    batch = {"moving_mean": moments.mean, "moving_variance": moments.variance}
    sizes = [call.sizes[axes[0]]]
    own = {name: graph.reshape(value, sizes) for name, value in batch.items()}
    y = build_for_device(layer, graph, x, {**weights, **own}, call)
    return None if y is None else (y, moments)


def _training_terms(
    layer: "BatchParameters", graph: Graph, weights: Values, call: GraphCall
) -> dict[str, Value]:
    """Add renorm's corrections and the adjustment, for a graph that gathers for itself."""
    if not call.training:
        return {}
    terms = _corrections(layer, graph, weights, call) if layer.renorm else {}
    if layer.adjustment is not None:
        given = layer.adjustment.block_terms(call.sizes, layer.axes(call.rank), Call(training=True))
        terms |= {name: graph.constant(value, "float64") for name, value in given.items()}
    return terms


def _corrections(
    layer: "BatchParameters", graph: Graph, weights: Values, call: GraphCall
) -> dict[str, Value]:
    """Add what `renorm.corrections` computes."""

    def number(value: float) -> Value:
        return graph.constant(value, "float64")

    mean, variance = _batch(layer, graph, call)
    old = {name: graph.cast(value, "float64") for name, value in weights.items()}
    divisor = graph.op("Max", old["renorm_stddev"], number(layer.epsilon**0.5))
    deviation = graph.op("Sqrt", graph.op("Add", variance, number(layer.epsilon)))
    r = graph.op("Div", deviation, divisor)
    d = graph.op("Div", graph.op("Sub", mean, old["renorm_mean"]), divisor)
    limits = layer.renorm_clipping.config() if layer.renorm_clipping else {}
    if "rmin" in limits:
        r = graph.op("Max", r, number(limits["rmin"]))
    if "rmax" in limits:
        r = graph.op("Min", r, number(limits["rmax"]))
    if "dmax" in limits:
        d = graph.op("Max", graph.op("Min", d, number(limits["dmax"])), number(-limits["dmax"]))
    axes = layer.axes(call.rank)
    spread = {
        name: broadcast_weight(graph, {name: v}, name, call, axes)
        for name, v in {"r": r, "d": d}.items()
    }
    return {name: value for name, value in spread.items() if value is not None}


def _batch(layer: "BatchParameters", graph: Graph, call: GraphCall) -> tuple[Value, Value]:
    """Return mean and variance of the batch, of the shape of a weight; ghosts are averaged."""
    assert call.moments is not None  # noqa: S101 - the callers have looked
    pair = [call.moments.mean, call.moments.variance]
    if layer.virtual_batch_size is not None:
        pair = [graph.reduce("ReduceMean", value, (0,)) for value in pair]
    sizes = [call.sizes[axis] for axis in layer.axes(call.rank)]
    mean, variance = (graph.reshape(value, sizes) for value in pair)
    return mean, variance


def _one(graph: Graph) -> Value:
    """Add a constant 1 in float64."""
    return graph.constant(1.0, "float64")


def _unbiased(graph: Graph, variance: Value, count: Value) -> Value:
    one = graph.constant(1.0, "float64")
    less = graph.op("Max", graph.op("Sub", count, one), one)
    return graph.op("Mul", variance, graph.op("Div", count, less))


def _moved(
    graph: Graph, weights: Values, batch: Values, momentum: float | None
) -> dict[str, Value]:
    """Add `weight * momentum + batch * (1 - momentum)` in float64, for each name in `batch`.

    Without a momentum the new share is 1 / the number of batches, which counts one more.
    """
    moved = {}
    if momentum is None:
        counted = graph.op("Add", graph.cast(weights[BATCHES], "float64"), _one(graph))
        moved[BATCHES] = graph.cast(counted, graph.dtype(weights[BATCHES]))
        share = graph.op("Div", _one(graph), counted)
        keep = graph.op("Sub", _one(graph), share)
    else:
        share = graph.constant(1 - momentum, "float64")
        keep = graph.constant(momentum, "float64")
    for name, value in batch.items():
        old = graph.cast(weights[name], "float64")
        kept = graph.op("Mul", old, keep)
        new = graph.op("Mul", value, share)
        moved[name] = graph.cast(graph.op("Add", kept, new), graph.dtype(weights[name]))
    return moved
