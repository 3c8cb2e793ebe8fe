"""Division by norms that are no sums of squares: of any order, infinite ones included."""

import math

import numpy as np

from poolnorm_cli.kernels.memory import Array
from poolnorm_cli.kernels.norm_loops import is_safe
from poolnorm_cli.kernels.powers import divisor_of, norm_of_shares, power, root


def divided_by_norm(x: Array, axes: tuple[int, ...], least: float, order: float) -> Array:
    """Compute `x / max(norm, least)` in float64, rounded once.

    Args:
        x: float32 or float64.
        axes: Sorted axes over which the norm is taken.
        least: Norms below it count as it.
        order: That of the norm, as `numpy.linalg.norm` has it for vectors: the root of the sum of
            powers of magnitudes; inf and -inf for the largest and the smallest one, 0 for the
            number of those that are not 0.

    Returns:
        A new array, of the shape and dtype of `x`; NaN where one is under the norm, but that of
        order 0.
    """
    if not x.size:
        return np.empty_like(x)
    wide = x.astype(np.float64)
    with np.errstate(all="ignore"):
        magnitudes = np.abs(wide)
        if order == 0:
            norm = np.count_nonzero(wide, axis=axes, keepdims=True)
        elif order > 0 and is_safe(x.dtype.name, order):
            sums = np.sum(power(magnitudes, order), axis=axes, keepdims=True)
            norm = root(sums, order)
        else:
            norm = _of_extreme(magnitudes, axes, order)
        y = wide / np.maximum(norm, least)
        if order != 0 and not np.isfinite(norm).all():  # shares are in range where norms are not
            most = divisor_of(magnitudes.max(axis=axes, keepdims=True))
            shares = wide / most
            y = np.where(np.isfinite(norm), y, shares / _of_extreme(np.abs(shares), axes, order))
        return np.asarray(y.astype(x.dtype, copy=False))


def _of_extreme(magnitudes: Array, axes: tuple[int, ...], order: float) -> Array:
    """Take norms of shares of the largest magnitude, or for an order below 0 of the smallest."""
    extreme = np.max if order > 0 else np.min
    base: Array = extreme(magnitudes, axis=axes, keepdims=True)
    if math.isinf(order):
        return base
    shares = power(magnitudes / divisor_of(base), order)
    return norm_of_shares(base, np.sum(shares, axis=axes, keepdims=True), order)
