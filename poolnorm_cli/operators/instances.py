"""Instances and groups of channels by the standard's InstanceNormalization, channels first."""

import math

from poolnorm_cli.operators.graph import Graph, GraphCall, Value, Values
from poolnorm_cli.operators.moments import centered
from poolnorm_cli.operators.scaling import weighted


def normalized_instances(
    graph: Graph, x: Value, weights: Values, call: GraphCall, epsilon: float
) -> Value:
    """Normalize each channel of each sample.

    Args:
        graph: The graph.
        x: float32, of shape (N, C, ...).
        weights: gamma and beta, if there are any.
        call: Shape and dtype of `x`.
        epsilon: Added to the variance.
    """
    given = [
        graph.cast(weights[name], call.dtype)
        if name in weights
        else graph.full(call.sizes[1:2], start, call.dtype)
        for name, start in (("gamma", 1.0), ("beta", 0.0))
    ]
    near = centered(graph, x, tuple(range(2, call.rank)), math.prod(call.sizes[2:]))
    return graph.op("InstanceNormalization", near, *given, epsilon=epsilon)


def normalized_groups(
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
    """
    ones, zeros = (graph.full((groups,), start, call.dtype) for start in (1.0, 0.0))
    cells = graph.reshape(x, [0, groups, -1])
    near = centered(graph, cells, (2,), math.prod(call.sizes[1:]) // groups)
    y = graph.op("InstanceNormalization", near, ones, zeros, epsilon=epsilon)
    return weighted(graph, graph.reshape(y, [0, *call.sizes[1:]]), weights, call, (1,))
