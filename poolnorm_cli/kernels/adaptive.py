"""Reductions below windows that cover an axis evenly, one axis after another.

A reduction takes as many steps as there are windows, or as there are cells in one, whichever is
fewer; a step handles all that it can at once. The cells that are read are those of the input, and
one more for each window.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


Array = NDArray[Any]
Bounds = Mapping[int, Sequence[tuple[int, int]]]
"""Axis -> first cell and end of each window on it; these have two sizes at most, n and n + 1."""


def max_adaptive(x: Array, bounds: Bounds) -> Array:
    """Take the maximum below each window; NaN propagates.

    Args:
        x: Any float or integer dtype; bool counts as integer. No reduced axis is empty.
        bounds: Axis -> first cell and end of each window on it.

    Returns:
        A new array with that number of cells on each of these axes.
    """
    with np.errstate(invalid="ignore"):
        for axis, each in _smallest_first(x.shape, bounds):
            x = _reduce_axis(x, axis, each, np.maximum)
    return x


def mean_adaptive(x: Array, bounds: Bounds) -> Array:
    """Average the cells below each window, summed in float64; overflows only where a mean does.

    Args:
        x: float32 or float64. No reduced axis is empty.
        bounds: Axis -> first cell and end of each window on it.

    Returns:
        A new array of the dtype of `x`, with that number of cells on each of these axes.
    """
    wide = x.astype(np.float64, copy=False)
    counts = np.ones((1,) * x.ndim)
    for axis, each in bounds.items():
        cells = np.array([end - first for first, end in each])
        counts = counts * cells.reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    with np.errstate(over="ignore", invalid="ignore"):
        mean: Array = _sums(wide, bounds) / counts
        if x.dtype == np.float64 and not np.isfinite(mean).all():
            # A sum can overflow where its mean does not. Powers of two scale without rounding.
            power = math.prod(x.shape[axis] for axis in bounds).bit_length()
            scaled = _sums(np.ldexp(wide, -power), bounds) / np.ldexp(counts, -power)
            mean = np.where(np.isfinite(mean), mean, scaled)
        return mean.astype(x.dtype, copy=False)


def _sums(x: Array, bounds: Bounds) -> Array:
    for axis, each in _smallest_first(x.shape, bounds):
        x = _reduce_axis(x, axis, each, np.add)
    return x


def _smallest_first(
    shape: tuple[int, ...], bounds: Bounds
) -> list[tuple[int, Sequence[tuple[int, int]]]]:
    """Order the axes so that the pass that shrinks the block most comes first."""
    return sorted(bounds.items(), key=lambda item: len(item[1]) / shape[item[0]])


def _reduce_axis(
    x: Array, axis: int, each: Sequence[tuple[int, int]], combine: "np.ufunc"
) -> Array:
    bounds, count = np.array(each), len(each)
    first, cells = bounds[:, 0], bounds[:, 1] - bounds[:, 0]
    fewest = int(cells.min())
    if count <= fewest:
        return _by_window(x, axis, bounds, combine)
    out = x.take(first, axis=axis)
    for offset in range(1, fewest):
        combine(out, x.take(first + offset, axis=axis), out=out)
    longer = np.flatnonzero(cells > fewest)
    if len(longer):
        place = (slice(None),) * axis + (longer,)
        out[place] = combine(out[place], x.take(first[longer] + fewest, axis=axis))
    return out


def _by_window(x: Array, axis: int, bounds: NDArray[np.int_], combine: "np.ufunc") -> Array:
    before = (slice(None),) * axis
    pieces = [
        combine.reduce(x[(*before, slice(first, end))], axis=axis, keepdims=True)
        for first, end in bounds
    ]
    return np.concatenate(pieces, axis=axis)
