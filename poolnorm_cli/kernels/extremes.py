"""Numbers near overflow or underflow: what float64 cannot square is squared in long double.

Squares of float64 leave its range above 1e154 and below 1e-154, though deviations and results may
well be in it. The sums tell afterwards, and only those that are lost are computed again.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.kernels.grain_loops import SMALL_SQUARES


Array = NDArray[Any]
Axes = tuple[int, ...]

WIDE: Any = np.longdouble
"""A dtype whose range holds the squares of all float64 numbers.

It is one on x86-64, and on ARM under Linux; elsewhere it is float64 itself, and rows beyond 1e154
keep what float64 makes of them.
"""

_SMALL = 2.0**-450
"""Where a mean is no smaller, squares of deviations do not underflow, unless these are 0."""
_SHIFT = 600
"""Exponent of the power of two that brings numbers to where their squares are in the range."""
_ITEMS = 1 << 16  # that are computed again at once


def inexact_squares(x: Array, axes: Axes, squares: Array, mean: Array | None = None) -> Any:
    """Find the sums of squares that float64 could not hold, though their cells are finite.

    Args:
        x: The cells, of any real dtype; other dtypes than float64 lose none.
        axes: Axes that were reduced; kept at size 1 in `squares` and `mean`.
        squares: The sums of squares, or of squared deviations from `mean`, in float64.
        mean: The mean, float64; None where squares are not of deviations.

    Returns:
        A bool for each sum, in the shape of `squares`; None where none is lost.
    """
    if not x.size or are_exact_squares(x.dtype, squares):
        return None
    lost = squares < SMALL_SQUARES
    if mean is not None:
        lost &= ~(np.abs(mean) >= _SMALL)
    lost |= ~np.isfinite(squares)
    if not lost.any():
        return None
    most, least = (f.reduce(x, axis=axes, keepdims=True) for f in (np.maximum, np.minimum))
    largest = np.maximum(np.abs(most), np.abs(least))
    lost &= np.isfinite(largest) & (largest > 0)
    return lost if lost.any() else None


def are_exact_squares(dtype: np.dtype[Any], squares: Array) -> bool:
    """Whether sums of squares are such that float64 has lost nothing of them.

    Args:
        dtype: Dtype of the cells.
        squares: The sums, not empty.

    Returns:
        False where the cells are to be looked at.
    """
    # A NaN fails both comparisons, so it is looked at as well.
    return dtype != np.float64 or bool(
        squares.min() >= SMALL_SQUARES and np.isfinite(squares.max())
    )


def recompute_squares(
    x: Array, axes: Axes, lost: Array, *, centered: bool = True, counts: Array | None = None
) -> tuple[Array, Array]:
    """Compute means and sums of squares that were lost again, in `WIDE`.

    Args:
        x: The cells, float64.
        axes: Axes to reduce.
        lost: bool: which statistics, with the reduced axes at size 1.
        centered: Square deviations from the mean; otherwise the cells, and the mean is 0.
        counts: bool, of the shape of `x`: which cells count; None where all do.

    Returns:
        Mean and sum of squares of each, 1-D in the order of `lost`, in `WIDE`.
    """
    places = np.flatnonzero(lost)
    rows = _rows(x, axes, len(lost.reshape(-1)))
    counted = None if counts is None else _rows(counts, axes, len(rows))
    step = max(_ITEMS // max(rows.shape[1], 1), 1)
    found = np.empty((2, len(places)), WIDE)
    for start in range(0, len(places), step):
        part = places[start : start + step]
        cells = rows[part].astype(WIDE)
        some: Any = True if counted is None else counted[part]
        number = rows.shape[1] if counted is None else np.maximum(some.sum(axis=1), 1)
        mean = np.add.reduce(cells, axis=1, where=some) / number if centered else np.zeros(1, WIDE)
        cells -= mean[:, None]
        found[0, start : start + step] = mean
        found[1, start : start + step] = np.add.reduce(cells * cells, axis=1, where=some)
    return found[0], found[1]


def _rows(x: Array, axes: Axes, count: int) -> Array:
    """View what is reduced together as a row: move the axes to the end and merge them."""
    last = range(x.ndim - len(axes), x.ndim)
    return np.moveaxis(x, axes, last).reshape(count, math.prod(x.shape[axis] for axis in axes))


def replace_where(values: Array, lost: Array, found: Array) -> Array:
    """Replace the values that were lost.

    Args:
        values: Statistics, float64 or `WIDE`.
        lost: bool, of their shape: which are replaced.
        found: What replaces them, 1-D in their order.

    Returns:
        A copy in `WIDE`.
    """
    wide: Array = values.astype(WIDE)
    wide[lost] = found
    return wide


def replace_each(found: Sequence[Array], lost: Array, *values: Array) -> tuple[Array, ...]:
    """Replace the values that were lost in several arrays.

    Args:
        found: For each array what replaces them, 1-D.
        lost: bool, of the shape of each array: which are replaced.
        values: The arrays, float64 or `WIDE`.

    Returns:
        Copies in `WIDE`, in the order of `values`.
    """
    return tuple(replace_where(value, lost, new) for value, new in zip(values, found, strict=True))


def in_power_of_two_units(
    mean: Array, variance: Array, epsilon: float
) -> tuple[Array, Array, Array]:
    """Scale statistics by a power of two with which float64 holds their squares.

    Args:
        mean: float64 or `WIDE`, like the variance.
        variance: Of the same shape.
        epsilon: Added to the variance.

    Returns:
        The mean times the power; variance plus epsilon, times its square; and the power; float64.
    """
    mean, power = mean.astype(WIDE), variance.astype(WIDE) + epsilon
    deviation, away = np.sqrt(power), np.abs(mean)
    # A large mean alone needs room for a difference, no more: with cells that are all alike,
    # epsilon is all that there is to divide by, and has to stay in the range.
    exponent = np.where(away > 2.0**1000, -2, 0)
    exponent = np.where(deviation > 2.0**480, -_SHIFT, exponent)
    exponent = np.where((deviation < 2.0**-450) & (away < 2.0**-300), _SHIFT, exponent)
    unit = np.ldexp(1.0, np.where(deviation + away > 0, exponent, 0))
    return (mean * unit).astype(np.float64), (power * unit * unit).astype(np.float64), unit


def promote(values: Array, other: Array) -> Array:
    """Convert values to the dtype that holds those of two arrays.

    Args:
        values: The values, float64 or `WIDE`.
        other: The other array, likewise.

    Returns:
        The values in that dtype; `values` itself where it has it.
    """
    return values.astype(np.result_type(values, other), copy=False)


_EDGES = {
    np.dtype(np.float32): (1e30, float(np.finfo(np.float32).smallest_normal)),
    np.dtype(np.float64): (1e290, float(np.finfo(np.float64).smallest_normal)),
}
"""Dtype -> a magnitude below which an addend keeps a sum in the range if the result is in it, and
the smallest factor that has all its digits.
"""
_MODEST = 1e30
"""Smaller numbers are near the end of no dtype's range."""
_FEW = 4096  # numbers whose squares are added sooner than their extremes are found


def wider(dtype: np.dtype[Any]) -> Any:
    """Return the dtype in which numbers of this one are never near the end of the range."""
    return np.float64 if dtype == np.float32 else WIDE


def out_of_range(
    dtype: np.dtype[Any], *, factors: Sequence[Array] = (), addends: Sequence[Array] = ()
) -> Any:
    """Find where factors and addends of an array are near the end of the range of its dtype.

    Args:
        dtype: Dtype of the array.
        factors: What its cells are multiplied by, in float64 or wider; they broadcast against each
            other and against the addends.
        addends: What is added to its cells, likewise.

    Returns:
        A bool for each place, in the shape that they broadcast to; None where no value is near.
        Infinities and NaN are not: arithmetic with them loses nothing.
    """
    large, least = _EDGES[dtype]
    found = None
    for value in factors:
        if not (_modest(value) and value.size and np.minimum.reduce(value, axis=None) >= least):
            size = np.abs(value)
            extreme = np.isfinite(size) & ((size >= large) | ((size < least) & (size > 0)))
            found = extreme if found is None else found | extreme
    for value in addends:
        if not _modest(value):
            extreme = np.isfinite(value) & (np.abs(value) >= large)
            found = extreme if found is None else found | extreme
    return found if found is not None and found.any() else None


def _modest(value: Array) -> bool:
    """Whether no number of an array is large for any dtype, found in the quickest way."""
    if value.size <= _FEW:
        return float(np.vdot(value, value)) < _MODEST**2  # which float32 does not hold
    low, high = (float(f.reduce(value, axis=None)) for f in (np.minimum, np.maximum))
    return low > -_MODEST and high < _MODEST
