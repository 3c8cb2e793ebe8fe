"""Reductions over whole axes."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.kernels.folds import as_fold, fold_max, fold_sum, side_by_side
from poolnorm_cli.kernels.memory import quiet


Array = NDArray[Any]
Axes = tuple[int, ...]


def max_over(x: Array, axes: Axes, *, keepdims: bool) -> Array:
    """Take the maximum over `axes`, none of them empty; NaN propagates.

    Args:
        x: C-contiguous, of any float or integer dtype; bool counts as integer.
        axes: Sorted axes.
        keepdims: Keep these axes with size 1.
    """
    shape = _reduced(x.shape, axes, keepdims=keepdims)
    if x.size == 0:
        return np.empty(shape, x.dtype)
    with quiet():
        if side_by_side(axes):
            return fold_max(as_fold(x, axes)).reshape(shape)
        return np.asarray(np.maximum.reduce(x, axis=axes)).reshape(shape)


def larger(a: Array, b: Array) -> Array:
    """Take the larger of each two items; NaN propagates."""
    with quiet():
        return np.maximum(a, b)


def mean_of_means(parts: Iterable[tuple[Array, int]]) -> Array:
    """Average means of so many rows each, in float64; it overflows only where they do.

    Where no row counts at all, the mean is NaN.
    """
    whole, rows = np.empty(0), 0
    with quiet():
        for part, count in parts:
            mean, rows = np.array(part, dtype=np.float64), rows + count
            if rows == count:
                whole = mean
            elif count:
                both = whole * ((rows - count) / rows) + mean * (count / rows)
                # It lies between the two: what rounding adds may not make it infinite.
                whole = np.clip(both, np.minimum(whole, mean), np.maximum(whole, mean))
        whole[np.isnan(whole)] = np.nan  # the sign of a sum of NaNs depends on the loop
    return whole


def mean_over(
    x: Array,
    axes: Axes,
    *,
    keepdims: bool,
    mask: Array | None = None,
    dtype: str | None = None,
) -> Array:
    """Take the mean over `axes`; it overflows only where the mean does.

    For float32 it is within 4 float32 epsilons of mean(|cells|) of the exact one.

    Args:
        x: C-contiguous, float32 or float64.
        axes: Sorted axes to average over, none of them empty.
        keepdims: Keep these axes with size 1.
        mask: Which cells count; bool, it broadcasts against `x`. Where none does, the mean is NaN.
        dtype: Of the mean; that of `x` where None.

    Returns:
        The mean.
    """
    cells = math.prod(x.shape[axis] for axis in axes)
    shape = _reduced(x.shape, axes, keepdims=keepdims)
    if not x.size:
        return np.empty(shape, dtype or x.dtype)
    count: Any = float(cells)
    if mask is not None:
        x = np.where(mask, x, x.dtype.type(0))
        count = np.add.reduce(mask, axis=axes, dtype=np.float64, keepdims=True).reshape(
            _reduced(mask.shape, axes, keepdims=keepdims)
        )
    with quiet():
        if side_by_side(axes):
            mean: Array = fold_sum(as_fold(x, axes)).reshape(shape) / count
        else:
            mean = np.add.reduce(x, axis=axes, dtype=np.float64).reshape(shape) / count
        if not np.isfinite(mean).all():
            power = cells.bit_length()
            scaled = np.ldexp(x.astype(np.float64), -power)
            halves = np.add.reduce(scaled, axis=axes).reshape(shape)
            mean = np.where(np.isfinite(mean), mean, halves / np.ldexp(count, -power))
            mean[np.isnan(mean)] = np.nan  # the sign of a sum of NaNs depends on the loop
        return mean.astype(dtype or x.dtype, copy=False)


def _reduced(shape: tuple[int, ...], axes: Axes, *, keepdims: bool) -> tuple[int, ...]:
    if keepdims:
        return tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    return tuple(size for axis, size in enumerate(shape) if axis not in axes)
