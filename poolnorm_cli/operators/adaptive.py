"""Reductions under windows that cover an axis evenly, as operators: see `kernels.reductions`.

Partial results of 1, 2, 4, ... cells are computed by doubling, once for the whole axis, and
combined to the windows.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from poolnorm_cli.operators.graph import Graph, GraphCall, Value, cut
from poolnorm_cli.operators.reductions import SMALL, cell_counts, mean_without_overflow
from poolnorm_cli.strips import Bounds


def max_adaptive(graph: Graph, x: Value, bounds: Mapping[int, Bounds], call: GraphCall) -> Value:
    """Take the maximum under each window; NaN propagates.

    Args:
        graph: The graph.
        x: Any float or integer dtype; bool counts as integer.
        bounds: Axis -> first cell and end of each window on it.
        call: Shape and dtype of `x`.

    Returns:
        The maxima, in the dtype of `x`; on each axis of `bounds` one a window.
    """
    x = graph.cast(x, "int32") if call.dtype in SMALL else x
    for axis, each in bounds.items():
        fewest = min(end - first for first, end in each)
        *_, (size, partial) = _partials(graph, x, axis, call.sizes[axis], fewest, "Max")
        # They may overlap in a maximum: three of them cover the longest window.
        starts = [first for first, _ in each]
        ends = [end - size for _, end in each]
        middle = [min(start + size, end) for start, end in zip(starts, ends, strict=True)]
        places = dict.fromkeys(map(tuple, (starts, middle, ends)))
        pieces = [_picked(graph, partial, axis, place) for place in places]
        x = graph.op("Max", *pieces) if len(pieces) > 1 else pieces[0]
    return graph.cast(x, call.dtype)


def mean_adaptive(graph: Graph, x: Value, bounds: Mapping[int, Bounds], call: GraphCall) -> Value:
    """Average the cells under each window, summed in float64.

    An exact graph overflows only where a mean does.

    Args:
        graph: The graph.
        x: float32 or float64.
        bounds: Axis -> first cell and end of each window on it.
        call: Shape and dtype of `x`.

    Returns:
        The means, in the dtype of `x`; on each axis of `bounds` one a window.
    """
    graph.note(f"{call.dtype}: sums by doubling, in float64")
    cells = {axis: [end - first for first, end in each] for axis, each in bounds.items()}
    counts = graph.constant(cell_counts(cells, call.rank), "float64")

    def mean(wide: Value) -> Value:
        for axis, each in bounds.items():
            wide = _sums(graph, wide, axis, call, each)
        return graph.op("Div", wide, counts)

    most = math.prod(call.sizes[axis] for axis in bounds)
    return mean_without_overflow(graph, mean, graph.cast(x, "float64"), most, call)


def _sums(graph: Graph, x: Value, axis: int, call: GraphCall, bounds: Bounds) -> Value:
    """Sum the cells under windows of one axis, whose sizes differ by 1 at most, in float64."""
    fewest = min(end - first for first, end in bounds)
    pieces, done = [], 0
    for size, partial in _partials(graph, x, axis, call.sizes[axis], fewest, "Add"):
        if fewest & size:
            pieces.append(_picked(graph, partial, axis, [first + done for first, _ in bounds]))
            done += size
    longer = [end - first > fewest for first, end in bounds]
    if any(longer):
        last = _picked(graph, x, axis, [end - 1 for _, end in bounds])
        shape = [len(bounds) if a == axis else 1 for a in range(call.rank)]
        counted = graph.constant(np.array(longer).reshape(shape), "bool")
        pieces.append(graph.op("Where", counted, last, graph.constant(0.0, "float64")))
    return graph.op("Sum", *pieces) if len(pieces) > 1 else pieces[0]


def _partials(
    graph: Graph, x: Value, axis: int, length: int, longest: int, kind: str
) -> list[tuple[int, Value]]:
    """Reduce 1, 2, 4, ... consecutive cells, up to `longest`, from each cell on."""
    found, size = [(1, x)], 1
    while 2 * size <= longest:
        stop = length - 2 * size + 1
        pair = [cut(graph, found[-1][1], axis, start, start + stop) for start in (0, size)]
        size *= 2
        found.append((size, graph.op(kind, *pair)))
    return found


def _picked(graph: Graph, x: Value, axis: int, places: Sequence[int]) -> Value:
    return graph.op("Gather", x, graph.constant(list(places), "int64"), axis=axis)
