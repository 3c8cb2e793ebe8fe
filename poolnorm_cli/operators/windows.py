"""Reductions under a sliding window, one axis after another, from slices.

These follow `kernels.windows` step by step, so they agree with it also where pooling operators do
not: NaN propagates, infinities stay, and there is no dtype or asymmetric padding that they lack.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial, reduce
from typing import Literal

from poolnorm_cli.operators.graph import Graph, GraphCall, Value, cut
from poolnorm_cli.operators.reductions import SMALL, cell_counts, mean_without_overflow
from poolnorm_cli.windows import Window


_MOST_PIECES = 8
"""Windows larger than this are reduced by doubling: partial results of 1, 2, 4, ... cells."""

Extreme = Literal["Max", "Min"]
Combine = Callable[..., Value]
"""Adds what makes one value of several, cell by cell."""


def max_windows(
    graph: Graph,
    x: Value,
    windows: Mapping[int, Window],
    call: GraphCall,
    kind: Extreme = "Max",
) -> Value:
    """Take the maximum, or the minimum, under each place of the window; NaN propagates.

    Args:
        graph: The graph.
        x: Any float or integer dtype; bool counts as integer.
        windows: Axis -> window on it. Every window covers at least one real cell.
        call: Shape and dtype of `x`.
        kind: Which of the two.

    Returns:
        The maxima, in the dtype of `x`; on each axis of `windows` one a place.
    """
    word = "maximum" if kind == "Max" else "minimum"
    graph.note(f"{call.dtype}: the {word} of slices, where MaxPool would lose a NaN or the type")
    if call.dtype in SMALL:
        graph.note(f"{call.dtype}: the {word} is taken in int32, which holds every value")
        x = graph.cast(x, "int32")
    for axis, window in _reducing(windows, call).items():
        padded = _with_own_cells(graph, x, axis, call, window)
        x = _reduce_axis(graph, padded, axis, window, partial(graph.op, kind))
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
            wide = _reduce_axis(graph, padded, axis, window, partial(graph.op, "Sum"))
        return graph.op("Div", wide, counts)

    most = math.prod(window.size for window in windows.values())
    return mean_without_overflow(graph, mean, graph.cast(x, "float64"), most, call)


def fold_windows(
    graph: Graph,
    x: Value,
    windows: Mapping[int, Window],
    call: GraphCall,
    both: Callable[[Value, Value], Value],
) -> Value:
    """Make one value of two after another, of the cells under each place, with zeros as padding.

    Args:
        graph: The graph.
        x: float64.
        windows: Axis -> window on it.
        call: Shape of `x`.
        both: Adds what makes one value of two; in any order it gives the same.

    Returns:
        The values, float64; on each axis of `windows` one a place.
    """

    def combine(*pieces: Value) -> Value:
        return reduce(both, pieces)

    zero = graph.constant(0, "float64")
    for axis, window in _reducing(windows, call).items():
        padded = _with_constant(graph, x, axis, call, window, zero)
        x = _reduce_axis(graph, padded, axis, window, combine)
    return x


def _reducing(windows: Mapping[int, Window], call: GraphCall) -> dict[int, Window]:
    """Return the windows that are not one cell, at every cell."""
    one = {axis: (1, 1, call.sizes[axis]) for axis in windows}
    return {a: w for a, w in windows.items() if (w.size, w.stride, w.count) != one[a]}


def _with_own_cells(graph: Graph, x: Value, axis: int, call: GraphCall, window: Window) -> Value:
    """Pad by repeating cells that any window with that padding covers already.

    They lie whole steps of the dilation away: without dilation they are the edges. A window has
    a cell of the axis, so it has the first one that its steps come to.
    """
    length, apart = call.sizes[axis], window.dilation
    low = [min(place % apart, length - 1) for place in range(-window.low, 0)]
    after = _after(window, length)
    high = [max(length - apart + place % apart, 0) for place in range(after)]

    def cells(places: list[int]) -> list[Value]:
        if not places:
            return []
        if len(places) == 1:
            return [cut(graph, x, axis, places[0], places[0] + 1)]
        return [graph.op("Gather", x, graph.constant(places, "int64"), axis=axis)]

    if not (low or high):
        return x
    return graph.op("Concat", *cells(low), x, *cells(high), axis=axis)


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


def _reduce_axis(graph: Graph, x: Value, axis: int, window: Window, combine: Combine) -> Value:
    """Reduce under a window on one axis that has been padded."""
    span, apart = (window.count - 1) * window.stride + 1, window.dilation

    def piece(of: Value, offset: int) -> Value:
        return cut(graph, of, axis, offset, offset + span, window.stride)

    if window.size <= _MOST_PIECES:
        pieces = [piece(x, cell * apart) for cell in range(window.size)]
        return combine(*pieces) if len(pieces) > 1 else pieces[0]
    folded, size, offset, pieces = x, 1, 0, []
    length = span + window.extent - 1
    while True:
        if window.size & size:
            pieces.append(piece(folded, offset))
            offset += size * apart
        if 2 * size > window.size:
            return combine(*pieces) if len(pieces) > 1 else pieces[0]
        length -= size * apart
        shifted = cut(graph, folded, axis, size * apart, size * apart + length)
        first = cut(graph, folded, axis, 0, length)
        folded, size = combine(first, shifted), 2 * size
