"""Reductions below windows that cover an axis evenly, one axis after another.

A reduction takes as many steps as there are windows, or as there are cells in one, whichever is
fewer; a step handles all that it can at once. The cells that are read are those of the input, and
one more for each window.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.shapes import adaptive_bounds


Array = NDArray[Any]
Sizes = Mapping[int, int]
"""Axis -> number of windows on it."""


def max_adaptive(x: Array, sizes: Sizes) -> Array:
    """Take the maximum below each window; NaN propagates.

    Args:
        x: Any float or integer dtype; bool counts as integer. No reduced axis is empty.
        sizes: Axis -> number of windows on it.

    Returns:
        A new array with that number of cells on each of these axes.
    """
    with np.errstate(invalid="ignore"):
        for axis, count in _smallest_first(x.shape, sizes):
            x = _reduce_axis(x, axis, count, np.maximum)
    return x


def mean_adaptive(x: Array, sizes: Sizes) -> Array:
    """Average the cells below each window, summed in float64; overflows only where a mean does.

    Args:
        x: float32 or float64. No reduced axis is empty.
        sizes: Axis -> number of windows on it.

    Returns:
        A new array of the dtype of `x`, with that number of cells on each of these axes.
    """
    wide = x.astype(np.float64, copy=False)
    counts = np.ones((1,) * x.ndim)
    for axis, count in sizes.items():
        cells = np.array([end - first for first, end in adaptive_bounds(x.shape[axis], count)])
        counts = counts * cells.reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    with np.errstate(over="ignore", invalid="ignore"):
        mean: Array = _sums(wide, sizes) / counts
        if x.dtype == np.float64 and not np.isfinite(mean).all():
            # A sum can overflow where its mean does not. Powers of two scale without rounding.
            power = math.prod(x.shape[axis] for axis in sizes).bit_length()
            scaled = _sums(np.ldexp(wide, -power), sizes) / np.ldexp(counts, -power)
            mean = np.where(np.isfinite(mean), mean, scaled)
        return mean.astype(x.dtype, copy=False)


def _sums(x: Array, sizes: Sizes) -> Array:
    for axis, count in _smallest_first(x.shape, sizes):
        x = _reduce_axis(x, axis, count, np.add)
    return x


def _smallest_first(shape: tuple[int, ...], sizes: Sizes) -> list[tuple[int, int]]:
    """Order the axes so that the pass that shrinks the block most comes first."""
    return sorted(sizes.items(), key=lambda item: item[1] / shape[item[0]])


def _reduce_axis(x: Array, axis: int, count: int, combine: "np.ufunc") -> Array:
    bounds = np.array(adaptive_bounds(x.shape[axis], count))
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
