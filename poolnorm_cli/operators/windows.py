"""Reductions under a sliding window, one axis after another, from slices.

These follow `kernels.windows` step by step, so they agree with it also where pooling operators do
not: NaN propagates, infinities stay, and there is no dtype or asymmetric padding that they lack.
"""

import math
from collections.abc import Mapping
from typing import Literal

from poolnorm_cli.operators.graph import Graph, GraphCall, Value, cut
from poolnorm_cli.operators.reductions import SMALL, cell_counts, mean_without_overflow
from poolnorm_cli.windows import Window


_MOST_PIECES = 8
"""Windows larger than this are reduced by doubling: partial results of 1, 2, 4, ... cells."""

_LOWEST = {"int32": -(2**31), "int64": -(2**63), "uint32": 0, "uint64": 0}
"""The smallest number of each type that holds integers."""

Kind = Literal["Max", "Sum"]


def max_windows(graph: Graph, x: Value, windows: Mapping[int, Window], call: GraphCall) -> Value:
    """Take the maximum under each place of the window; NaN propagates.

    Args:
        graph: The graph.
        x: Any float or integer dtype; bool counts as integer.
        windows: Axis -> window on it. Every window covers at least one real cell.
        call: Shape and dtype of `x`.

    Returns:
        The maxima, in the dtype of `x`; on each axis of `windows` one a place.
    """
    graph.note(f"{call.dtype}: the maximum of slices, where MaxPool would lose a NaN or the type")
    if call.dtype in SMALL:
        graph.note(f"{call.dtype}: the maximum is taken in int32, which holds every value")
        x = graph.cast(x, "int32")
    dtype = "int32" if call.dtype in SMALL else call.dtype
    lowest = graph.constant(_LOWEST.get(dtype, -math.inf), dtype)
    for axis, window in _reducing(windows, call).items():
        if window.dilation > 1:  # a window that reaches beyond an edge need not cover it
            padded = _with_constant(graph, x, axis, call, window, lowest)
        else:
            padded = _with_edges(graph, x, axis, call, window)
        x = _reduce_axis(graph, padded, axis, window, "Max")
    return graph.cast(x, call.dtype)


def mean_windows(graph: Graph, x: Value, windows: Mapping[int, Window], call: GraphCall) -> Value:
    """Average the cells under each place of the window, summed in float64.

    An exact graph overflows only where a mean does.

    Args:
        graph: The graph.
        x: float32 or float64.
        windows: Axis -> window on it. Every window covers at least one real cell.
        call: Shape and dtype of `x`.

    Returns:
        The means, in the dtype of `x`; on each axis of `windows` one a place.
    """
    graph.note(f"{call.dtype}: sums of slices in float64, as exact as NumPy's")
    cells = {axis: window.divisors(call.sizes[axis]) for axis, window in windows.items()}
    zero = graph.constant(0, "float64")
    counts = graph.constant(cell_counts(cells, call.rank), "float64")

    def mean(wide: Value) -> Value:
        for axis, window in _reducing(windows, call).items():
            padded = _with_constant(graph, wide, axis, call, window, zero)
            wide = _reduce_axis(graph, padded, axis, window, "Sum")
        return graph.op("Div", wide, counts)

    most = math.prod(window.size for window in windows.values())
    return mean_without_overflow(graph, mean, graph.cast(x, "float64"), most, call)


def _reducing(windows: Mapping[int, Window], call: GraphCall) -> dict[int, Window]:
    """Return the windows that are not one cell, at every cell."""
    one = {axis: (1, 1, call.sizes[axis]) for axis in windows}
    return {a: w for a, w in windows.items() if (w.size, w.stride, w.count) != one[a]}


def _with_edges(graph: Graph, x: Value, axis: int, call: GraphCall, window: Window) -> Value:
    """Pad by repeating the edges, which any window that reaches beyond them covers already."""
    length, rank = call.sizes[axis], call.rank

    def edge(place: int, times: int) -> list[Value]:
        if not times:
            return []
        cell = cut(graph, x, axis, place, place + 1)
        sizes = [times if a == axis else 1 for a in range(rank)]
        return [graph.op("Expand", cell, graph.constant(sizes, "int64")) if times > 1 else cell]

    low, high = edge(0, window.low), edge(length - 1, _after(window, length))
    return graph.op("Concat", *low, x, *high, axis=axis) if low or high else x


def _with_constant(
    graph: Graph, x: Value, axis: int, call: GraphCall, window: Window, value: Value
) -> Value:
    after = _after(window, call.sizes[axis])
    if not (window.low or after):
        return x
    pads = [0] * (2 * call.rank)
    pads[axis], pads[call.rank + axis] = window.low, after
    return graph.op("Pad", x, graph.constant(pads, "int64"), value)


def _after(window: Window, length: int) -> int:
    """Count the cells of padding that the last window needs."""
    return max((window.count - 1) * window.stride + window.extent - window.low - length, 0)


def _reduce_axis(graph: Graph, x: Value, axis: int, window: Window, kind: Kind) -> Value:
    """Reduce under a window on one axis that has been padded."""
    span, apart = (window.count - 1) * window.stride + 1, window.dilation

    def piece(partial: Value, offset: int) -> Value:
        return cut(graph, partial, axis, offset, offset + span, window.stride)

    if window.size <= _MOST_PIECES:
        pieces = [piece(x, cell * apart) for cell in range(window.size)]
        return graph.op(kind, *pieces) if len(pieces) > 1 else pieces[0]
    partial, size, offset, pieces = x, 1, 0, []
    length = span + window.extent - 1
    while True:
        if window.size & size:
            pieces.append(piece(partial, offset))
            offset += size * apart
        if 2 * size > window.size:
            return graph.op(kind, *pieces) if len(pieces) > 1 else pieces[0]
        length -= size * apart
        shifted = cut(graph, partial, axis, size * apart, size * apart + length)
        first = cut(graph, partial, axis, 0, length)
        partial, size = graph.op(kind, first, shifted), 2 * size
