"""Where the maximum under each place of a window is, an axis at a time.

The first of equal maxima is meant, and the last NaN, as PyTorch has it: it goes through the cells
in their order, and takes one that is larger than those before, or a NaN. That is separable: of the
maxima along the last axis the same is taken along the axis before it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.windows import Window


Array = NDArray[Any]
Indices = NDArray[np.int64]


def max_indices(x: Array, windows: Mapping[int, Window], first_row: int = 0) -> Indices:
    """Find the maximum under each place of the window.

    Args:
        x: Of any float or integer dtype, or bool.
        windows: Axis -> window on it, for neighbouring axes. Every window covers at least one real
            cell.
        first_row: Which row of its sample, along the first of these axes, the first one of `x` is.

    Returns:
        For each place, the index of its maximum among all cells of these axes, counted through in
        C order.
    """
    values, found = x, np.zeros((1,) * x.ndim, np.int64)
    apart = 1
    for axis in sorted(windows, reverse=True):
        first = first_row if axis == min(windows) else 0
        cells = (np.arange(first, first + x.shape[axis]) * apart).astype(np.int64)
        found = found + cells.reshape([-1 if a == axis else 1 for a in range(x.ndim)])
        values, found = _along(axis, values, found, windows[axis])
        apart *= x.shape[axis]
    return np.ascontiguousarray(np.broadcast_to(found, values.shape))


def _along(axis: int, values: Array, found: Indices, window: Window) -> tuple[Array, Indices]:
    """Take the maximum along one axis, with its index.

    Args:
        axis: The axis.
        values: What is compared.
        found: The index of each; of size 1 along axes on which it does not depend.
        window: The window on the axis.

    Returns:
        Both, with the places of the window on the axis.
    """
    length = values.shape[axis]
    starts = np.arange(window.count) * window.stride - window.low
    begin = starts + np.maximum(-(starts // window.dilation), 0) * window.dilation
    best, where = np.take(values, begin, axis), np.take(found, begin, axis)
    if window.size == 1 or not best.size:
        return best, where
    if where.shape != best.shape:
        where = np.broadcast_to(where, best.shape).copy()
    for tap in range(window.size):
        places, cells = _slices(window, tap, length)
        if places.start >= places.stop:
            continue
        at, of = _at(axis, places), _at(axis, cells)
        cell, old = values[of], best[at]
        wins = cell > old
        if cell.dtype.kind == "f":
            wins |= cell != cell  # noqa: PLR0124 - a NaN
        np.copyto(old, cell, where=wins)
        np.copyto(where[at], found[of], where=wins)
    return best, where


def _slices(window: Window, tap: int, length: int) -> tuple[slice, slice]:
    """Return the places at which a tap is on an axis, and its cells there."""
    shift = tap * window.dilation - window.low
    first = max(-(shift // window.stride), 0)
    stop = min((length - 1 - shift) // window.stride + 1, window.count)
    start = first * window.stride + shift
    end = start + (stop - first - 1) * window.stride + 1
    return slice(first, stop), slice(start, max(end, start), window.stride)


def _at(axis: int, part: slice) -> tuple[Any, ...]:
    return (*(slice(None),) * axis, part)
