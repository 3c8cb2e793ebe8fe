"""Division by norms that are no sums of squares: the sum of magnitudes, and the largest one."""

from typing import Any

import numpy as np

from poolnorm_cli.kernels.memory import Array


_SCALE = 2.0**-64
"""Brings a sum of float64 magnitudes that leaves the range back into it."""


def divided_by_norm(x: Array, axes: tuple[int, ...], least: float, *, largest: bool) -> Array:
    """Compute `x / max(norm, least)` in float64, rounded once.

    Args:
        x: float32 or float64.
        axes: Sorted axes over which the norm is taken.
        least: Norms below it count as it.
        largest: The norm is the largest magnitude, otherwise their sum.

    Returns:
        A new array, of the shape and dtype of `x`; NaN where one is under the norm.
    """
    if not x.size:
        return np.empty_like(x)
    wide = x.astype(np.float64)
    reduce: Any = np.max if largest else np.sum
    with np.errstate(all="ignore"):
        norm = reduce(np.abs(wide), axis=axes, keepdims=True)
        y = wide / np.maximum(norm, least)
        if not largest and not np.isfinite(norm).all():
            scaled = wide * _SCALE
            small = scaled / np.sum(np.abs(scaled), axis=axes, keepdims=True)
            y = np.where(np.isfinite(norm), y, small)
        return np.asarray(y.astype(x.dtype, copy=False))
