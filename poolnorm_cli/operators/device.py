"""Graphs for a device: its own operators where these are exact, and a check where that depends.

A device computes many times faster than numbers get there, so what counts is how often an operator
goes through the tensor. These graphs use pooling and normalization operators as they come, and take
sums as matrix products. What they may get wrong, NaN, infinities and sums that overflow, shows in a
value that they check; a block whose check fails is computed again by the exact graph.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from poolnorm_cli.operators.graph import Graph, GraphCall, Value
from poolnorm_cli.shapes import Ints
from poolnorm_cli.windows import Window


_TOGETHER = 16
"""Cells that are summed in float32: one after another, they cost at most 4 epsilons."""
_AGAIN = 4
"""Such sums that are added in float32 once more: of one number many times over these are exact. So
what goes on in float64 is a sixty-fourth of the tensor."""
_ROWS = 16
"""Sums of one matrix product, most of whose factors are 0: more take longer than reading cells."""
_FEW_CHANNELS = 8
"""Channels below which products of matrices that are as narrow take longer than the exact graph."""
_WIDE = 64
"""Items of a row that products of matrices read well."""
_SMALL = 4096
"""Items of a sample up to which it is multiplied by 0 and summed, rather than in one step."""
_FACTOR = 4.0
"""What maxima are multiplied by for their check: the lowest number leaves its range by it, also
beside any number that it is added to."""
_STEP = 16
"""Cells from one window of a global maximum to the next: in two steps nothing is left of most."""


class Placed(NamedTuple):
    """A window with the same padding at both ends, and which of its places are wanted.

    Attributes:
        pad: Cells of padding at either end.
        skipped: Places before the first one that is wanted.
        total: Places that there are.
    """

    pad: int
    skipped: int
    total: int


def placed(window: Window, length: int) -> Placed | None:
    """Find a padding that is the same at both ends: cuDNN has one number for both.

    Args:
        window: The window.
        length: Cells on its axis.

    Returns:
        The padding and the places; None where there is no such padding smaller than the window.
    """
    if window[5:] != Window(1, 1, 1, 0, 0)[5:]:
        return None  # there is more to it than size, stride and padding
    after = (window.count - 1) * window.stride + window.size - window.low - length
    skipped = max(-(-(after - window.low) // window.stride), 0)
    pad = window.low + skipped * window.stride
    if pad >= window.size or window.count < 1 or window.low < 0:
        return None
    return Placed(pad, skipped, (length + 2 * pad - window.size) // window.stride + 1)


def pool(
    graph: Graph, kind: str, x: Value, windows: Mapping[int, Window], call: GraphCall
) -> Value | None:
    """Add MaxPool or AveragePool, over two axes at a time.

    Args:
        graph: The graph.
        kind: The operator; it averages real cells only.
        x: float32.
        windows: Axis -> window on it, of consecutive axes behind the batch.
        call: Shape of `x`.

    Returns:
        What the windows make of `x`; None where the operator has no such windows.
    """
    sizes, axes = [*call.sizes], sorted(windows)
    overhangs = kind == "AveragePool" and all(_overhangs(windows[a], sizes[a]) for a in axes)
    if not overhangs and any(placed(windows[a], sizes[a]) is None for a in axes):
        return None
    for pair in (axes[:-2], axes[-2:]) if len(axes) > 2 else (axes,):
        x = _pool_axes(graph, kind, x, [(a, windows[a]) for a in pair], sizes, overhangs=overhangs)
        for axis in pair:
            sizes[axis] = windows[axis].count
    return graph.reshape(x, [-1, *sizes[1:]]) if len(axes) != 2 else x


def _overhangs(window: Window, length: int) -> bool:
    """Whether there is no padding but one cell behind the last window, as rounding up makes it."""
    if window[5:] != Window(1, 1, 1, 0, 0)[5:] or window.low or window.count < 1:
        return False
    after = (window.count - 1) * window.stride + window.size - length
    rounded_up = -(-(length - window.size) // window.stride) + 1
    return after == 1 and length >= window.size and window.count == rounded_up


def _pool_axes(
    graph: Graph,
    kind: str,
    x: Value,
    windows: Sequence[tuple[int, Window]],
    sizes: list[int],
    *,
    overhangs: bool,
) -> Value:
    """Pool one axis or two neighbours, all others merged into batch and channels."""
    first, last = windows[0][0], windows[-1][0]
    height, width = sizes[first], sizes[last] if last > first else 1
    inner = math.prod(sizes[last + 1 :])
    before = math.prod(sizes[1:first])
    as_channels = inner == 1
    # Channels that come first stay there; otherwise all axes before the window's are samples.
    shape = [-1, before, height, width] if as_channels else [-1, height, width, inner]
    keeps_shape = (len(sizes), first, last) in ((4, 1, 2), (4, 2, 3)) and last > first
    x = x if keeps_shape else graph.reshape(x, shape)
    moved = x if as_channels else graph.transpose(x, [0, 3, 1, 2])
    both = [window for _, window in windows]
    both = both if len(both) == 2 else [*both, Window(1, 1, 1, 0, 0)]
    found = [placed(w, n) for w, n in zip(both, (height, width), strict=True)]
    places = [place for place in found if place is not None]
    pads = [place.pad for place in places] * 2
    more = {"count_include_pad": 0} if kind == "AveragePool" else {}
    if overhangs:
        more, pads, places = more | {"ceil_mode": 1}, [0] * 4, []
    y = graph.op(
        kind,
        moved,
        kernel_shape=[window.size for window in both],
        strides=[window.stride for window in both],
        pads=pads,
        **more,
    )
    wanted = {
        axis: (place.skipped, place.skipped + window.count)
        for axis, (window, place) in enumerate(zip(both, places, strict=False), 2)
        if place.total != window.count
    }
    if wanted:
        bounds = ([*part] for part in zip(*wanted.values(), strict=True))
        parts = (graph.constant(part, "int64") for part in (*bounds, [*wanted]))
        y = graph.op("Slice", y, *parts)
    return y if as_channels else graph.transpose(y, [0, 2, 3, 1])


def max_windows(
    graph: Graph, x: Value, windows: Mapping[int, Window], call: GraphCall
) -> Value | None:
    """Take the maximum under each place of the window, if every one is finite.

    A device's MaxPool lets NaN through. For a window of -inf alone it may give the lowest number.

    Args:
        graph: The graph.
        x: float32.
        windows: Axis -> window on it.
        call: Shape of `x`.

    Returns:
        The maxima; None where MaxPool has no such windows.
    """
    y = pool(graph, "MaxPool", x, windows, call)
    if y is not None:
        graph.note("MaxPool; a block with a NaN or an infinity in it is done again, exactly")
        graph.check(zeros_of(graph, y, _counts(windows, call), _FACTOR))
    return y


def _counts(windows: Mapping[int, Window], call: GraphCall) -> tuple[int, ...]:
    """Return the sizes of what windows make of a tensor."""
    return tuple(windows[a].count if a in windows else size for a, size in enumerate(call.sizes))


def mean_windows(
    graph: Graph, x: Value, windows: Mapping[int, Window], call: GraphCall
) -> Value | None:
    """Average the real cells under each place of the window, if every sum is finite.

    Args:
        graph: The graph.
        x: float32.
        windows: Axis -> window on it, of few cells together.
        call: Shape of `x`.

    Returns:
        The means; None where AveragePool has no such windows.
    """
    y = pool(graph, "AveragePool", x, windows, call)
    if y is not None:
        graph.note("AveragePool; a block in which a sum is not finite is done again, exactly")
        graph.check(zeros_of(graph, y, _counts(windows, call)))
    return y


def mean_over(graph: Graph, x: Value, axes: Ints, call: GraphCall) -> Value | None:
    """Take the mean over all spatial axes: a few cells in float32, their sums in float64.

    Args:
        graph: The graph.
        x: float32.
        axes: Consecutive axes; the channels come before or after all of them.
        call: Shape of `x`.

    Returns:
        The means, float32, with one item for each channel; None where products take longer.
    """
    mean = wide_mean(graph, x, axes, call)
    if mean is None:
        return None
    y = graph.cast(mean, "float32")
    cells = math.prod(call.sizes[axis] for axis in axes)
    graph.check(zeros_of(graph, y, (1, math.prod(call.sizes[1:]) // cells)))
    return y


def wide_mean(graph: Graph, x: Value, axes: Ints, call: GraphCall) -> Value | None:
    """Take means over all spatial axes as matrix products, without a check.

    Args:
        graph: The graph.
        x: float32.
        axes: Consecutive axes; the channels come before or after all of them.
        call: Shape of `x`.

    Returns:
        The means, float64, of samples and channels; None where products take longer.
    """
    cells = math.prod(call.sizes[axis] for axis in axes)
    channels = math.prod(call.sizes[1:]) // max(cells, 1)
    together = largest_divisor(cells, _TOGETHER)
    last = axes[-1] == call.rank - 1
    if together < 2 or (channels < _FEW_CHANNELS and not last):
        return None
    graph.note(f"the mean as matrix products: {together} cells in float32, then float64")
    x, left = _sums(graph, x, cells, channels, together, last=last), cells // together
    again = largest_divisor(left, _AGAIN)
    if again > 1:
        x, left = _sums(graph, x, left, channels, again, last=last), left // again
    weights = np.full((1, left), 1 / cells)
    x = graph.reshape(x, [0, channels, left] if last else [0, left, channels])
    factors = graph.constant(weights.T if last else weights, "float64")
    pair = [graph.cast(x, "float64"), factors]
    return graph.reshape(graph.op("MatMul", *(pair if last else pair[::-1])), [0, channels])


def _sums(graph: Graph, x: Value, cells: int, channels: int, together: int, *, last: bool) -> Value:
    """Add some cells of each channel at a time: neighbours where the cells are the last axis.

    Otherwise they are far from each other, so that a product has few long rows.
    """
    left = cells // together
    if last:
        rows = largest_divisor(left, _ROWS)
        sums = np.kron(np.eye(rows), np.ones((1, together)))
        x = graph.reshape(x, [0, channels, left // rows, rows * together])
        return graph.op("MatMul", x, graph.constant(sums.T, "float32"))
    x = graph.reshape(x, [0, together, left * channels])
    return graph.op("MatMul", graph.full((1, together), 1.0, "float32"), x)


def max_over(graph: Graph, x: Value, axes: Ints, call: GraphCall) -> Value | None:
    """Take the maximum over all spatial axes, by MaxPool after MaxPool.

    Args:
        graph: The graph.
        x: float32.
        axes: Consecutive axes; the channels come before or after all of them.
        call: Shape of `x`.

    Returns:
        The maxima, with one item for each channel.
    """
    graph.note("MaxPool, repeated; a block with a NaN or an infinity in it is done again, exactly")
    sizes = [call.sizes[axis] for axis in axes]
    pair = [math.prod(sizes[:-1]), sizes[-1]]  # of one axis or three, two
    channels = math.prod(call.sizes[1:]) // math.prod(sizes)
    if axes[-1] == call.rank - 1:
        x = graph.reshape(x, [0, channels, *pair])
    else:
        x = graph.transpose(graph.reshape(x, [0, *pair, channels]), [0, 3, 1, 2])
    while math.prod(pair) > 1:
        steps = [_covering(length) for length in pair]
        kernel, strides, pair = ([*part] for part in zip(*steps, strict=True))
        x = graph.op("MaxPool", x, kernel_shape=kernel, strides=strides, pads=[0] * 4)
    y = graph.reshape(x, [0, channels])
    graph.check(zeros_of(graph, y, (1, channels), _FACTOR))
    return y


def _covering(length: int) -> tuple[int, int, int]:
    """Return size, stride and number of windows that cover an axis, with no cell left over."""
    if length < 2 * _STEP:
        return length, 1, 1
    count = length // _STEP
    return length - _STEP * (count - 1), _STEP, count


def largest_divisor(number: int, most: int) -> int:
    """Return the largest divisor of a number that is not larger than another.

    Args:
        number: The number, 1 or more.
        most: The other one, 1 or more.

    Returns:
        The divisor, 1 or more.
    """
    return next((d for d in range(min(number, most), 0, -1) if number % d == 0), 1)


def zeros_of(graph: Graph, x: Value, sizes: Iterable[int], factor: float = 0.0) -> Value:
    """Multiply by 0 and sum: the sum is NaN if a value is not finite.

    Args:
        graph: The graph.
        x: float32.
        sizes: Its shape, with any number for the batch.
        factor: What it is multiplied by before: then the sum is NaN for numbers, too, that leave
            their range by it.

    Returns:
        A single float32, 0 or NaN.
    """
    _, *sample = sizes
    items = math.prod(sample)
    if items > _SMALL:
        inner = 1
        for size in reversed(sample):
            inner *= size
            if inner >= _WIDE:
                break
        if inner == items:  # one long axis
            inner = largest_divisor(items, _SMALL)
        rows = graph.reshape(x, [0, items // inner, inner])
        x = graph.op("MatMul", graph.full((1, items // inner), factor, "float32"), rows)
        rank = 3
    else:
        x = graph.op("Mul", x, graph.constant(factor, "float32"))
        rank = len(sample) + 1
    if factor:
        x = graph.op("Mul", x, graph.constant(0.0, "float32"))
    return graph.reduce("ReduceSum", x, tuple(range(rank)), keepdims=False)
