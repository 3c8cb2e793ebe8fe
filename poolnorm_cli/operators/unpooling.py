"""Values put where their indices say, as operators."""

from collections.abc import Sequence

from poolnorm_cli.operators.graph import Graph, GraphCall, Value, cut


_SCATTER_ELEMENTS = 11
"""The first operator set in which Scatter has this name."""


def put_back(
    graph: Graph,
    x: Value,
    call: GraphCall,
    axis: int,
    shapes: tuple[Sequence[int], Sequence[int], Sequence[int]],
) -> Value:
    """Put values into zeros, along the axis of cells.

    Args:
        graph: The graph.
        x: The values.
        call: Their dtype, and the indices.
        axis: The axis of cells, once the spatial axes are one.
        shapes: That of `x` then, 0 for the batch; that of the output then, without the batch; and
            that of the output, 0 for the batch.

    Returns:
        The output, in the dtype of `x`.
    """
    flat, sizes, shape = shapes
    batch = cut(graph, graph.op("Shape", x), 0, 0, 1)
    whole = graph.op("Concat", batch, graph.constant(list(sizes), "int64"), axis=0)
    zeros = graph.op("Expand", graph.constant(0, call.dtype), whole)
    values, indices = graph.reshape(x, flat), graph.reshape(str(call.mask), flat)
    kind = "ScatterElements" if graph.opset >= _SCATTER_ELEMENTS else "Scatter"
    return graph.reshape(graph.op(kind, zeros, indices, values, axis=axis), shape)
