"""Where the maximum under each window is: by a compiled loop where it serves, else by NumPy.

The first of equal maxima is meant, and the last NaN, as PyTorch has it: it goes through the cells
in their order, and takes one that is larger than those before, or a NaN. That is separable: of the
maxima along the last axis the same is taken along the axis before it.
"""

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.kernels.index_loops import index_call
from poolnorm_cli.kernels.memory import acquire
from poolnorm_cli.strips import Bounds
from poolnorm_cli.windows import Window


Array = NDArray[Any]
Indices = NDArray[np.int64]

_LOOPS = {"float32": "f", "float64": "d", "int64": "q"}
"""Types of items that loops take -> the letters by which they know them."""
_IN_ORDER = {
    **dict.fromkeys(("bool", "int8", "uint8", "int16", "uint16", "float16"), "float32"),
    **dict.fromkeys(("int32", "uint32"), "float64"),
}
"""Other types -> those in which all of their numbers are, in the same order."""
_SIGN = 1 << 63


def max_indices(
    x: Array, windows: Mapping[int, Window] | Mapping[int, Bounds], first_row: int = 0
) -> Indices:
    """Find the maximum under each window.

    Args:
        x: Of any float or integer dtype, or bool.
        windows: Axis -> sliding window on it, or first cell and end of each window on it; for
            neighbouring axes. Every window covers at least one real cell.
        first_row: Which row of its sample, along the first of these axes, the first one of `x` is.

    Returns:
        For each place, the index of its maximum among all cells of these axes, counted through in
        C order.
    """
    counts = {a: w.count if isinstance(w, Window) else len(w) for a, w in windows.items()}
    shape = tuple(counts.get(axis, size) for axis, size in enumerate(x.shape))
    if 0 in shape or not x.size:
        return np.zeros(shape, np.int64)
    call = index_call(x.shape, windows)
    if call is not None and (items := _for_loops(x)) is not None:
        out = acquire(shape, np.int64)
        rest = prod(x.shape[min(windows) + 1 : max(windows) + 1])
        call.run(items, _LOOPS[items.dtype.name], out, first_row * rest)
        return out
    values, found = x, np.zeros((1,) * x.ndim, np.int64)
    apart = 1
    for axis in sorted(windows, reverse=True):
        first = first_row if axis == min(windows) else 0
        cells = (np.arange(first, first + x.shape[axis]) * apart).astype(np.int64)
        found = found + cells.reshape([-1 if a == axis else 1 for a in range(x.ndim)])
        values, found = _along(axis, values, found, windows[axis])
        apart *= x.shape[axis]
    return np.ascontiguousarray(np.broadcast_to(found, shape))


def _for_loops(x: Array) -> Array | None:
    """Return items in the same order as those of `x`, of a type for which there is a loop."""
    name = x.dtype.name
    if name == "uint64":
        x, name = (x ^ np.uint64(_SIGN)).view(np.int64), "int64"
    name = _IN_ORDER.get(name, name)
    return np.require(x, name, ("C", "A")) if name in _LOOPS else None


def _along(
    axis: int, values: Array, found: Indices, window: Window | Bounds
) -> tuple[Array, Indices]:
    """Take the maximum along one axis, with its index.

    Args:
        axis: The axis.
        values: What is compared.
        found: The index of each; of size 1 along axes on which it does not depend.
        window: The windows on the axis.

    Returns:
        Both, with the places of the windows on the axis.
    """
    begin, taps, apart = _cells_of(window, values.shape[axis])
    best, where = np.take(values, begin, axis), np.take(found, begin, axis)
    most = int(taps.max())
    if most == 1:
        return best, where
    if where.shape != best.shape:
        where = np.broadcast_to(where, best.shape).copy()
    for tap in range(1, most):
        places = np.flatnonzero(taps > tap)
        at, of = _at(axis, places), _at(axis, begin[places] + tap * apart)
        cell, old = values[of], best[at]
        wins = cell > old
        if cell.dtype.kind == "f":
            wins |= cell != cell  # noqa: PLR0124 - a NaN
        best[at] = np.where(wins, cell, old)
        where[at] = np.where(wins, found[of], where[at])
    return best, where


def _cells_of(window: Window | Bounds, length: int) -> tuple[Indices, Indices, int]:
    """Return the first cell of each place, how many it has, and from one of them to the next."""
    if not isinstance(window, Window):
        bounds = np.array(window, np.int64)
        return bounds[:, 0], bounds[:, 1] - bounds[:, 0], 1
    starts = np.arange(window.count) * window.stride - window.low
    begin = starts + np.maximum(-(starts // window.dilation), 0) * window.dilation
    ends = np.minimum(starts + window.extent, length)
    return begin, (ends - 1 - begin) // window.dilation + 1, window.dilation


def _at(axis: int, part: Indices) -> tuple[Any, ...]:
    return (*(slice(None),) * axis, part)
