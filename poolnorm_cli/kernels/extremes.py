"""Numbers at the edge of their range: what float64 cannot square is squared in more digits.

Squares of float64 leave its range above 1e154 and below 1e-154, though deviations and results may
well be in it. That is looked for afterwards, in the sums, and only what is lost is taken again.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


Array = NDArray[Any]
Axes = tuple[int, ...]

WIDE: Any = np.longdouble
"""Numbers whose range holds the squares of all float64 ones.

So it is on x86-64, and on ARM under Linux; elsewhere they are float64 themselves, and rows beyond
1e154 keep what float64 makes of them.
"""

_SMALL = 2.0**-450
"""Where a mean is no smaller, squares of deviations do not underflow, unless these are 0."""
_SMALL_SQUARES = 2.0**-960
"""Smaller sums of squares may have lost digits."""
_SHIFT = 600
"""Powers of two by which numbers are moved so that their squares are in the range."""
_ITEMS = 1 << 16  # that are taken again at once


def inexact_squares(x: Array, axes: Axes, squares: Array, mean: Array | None = None) -> Any:
    """Say which sums of squares over axes float64 could not hold, though what went in was finite.

    Args:
        x: What they were taken of; other dtypes than float64 lose none.
        axes: Axes that were reduced; kept at size 1 in the others.
        squares: The sums of squares, or of squared deviations from `mean`.
        mean: The mean; None where squares are not of deviations.

    Returns:
        A bool for each of them, or None where there is no such one.
    """
    if x.dtype != np.float64 or not x.size:
        return None
    # Not a number is none of these, so it is looked at as well.
    if squares.min() >= _SMALL_SQUARES and np.isfinite(squares.max()):
        return None
    lost = squares < _SMALL_SQUARES
    if mean is not None:
        lost &= ~(np.abs(mean) >= _SMALL)
    lost |= ~np.isfinite(squares)
    if not lost.any():
        return None
    most, least = (f.reduce(x, axis=axes, keepdims=True) for f in (np.maximum, np.minimum))
    largest = np.maximum(np.abs(most), np.abs(least))
    lost &= np.isfinite(largest) & (largest > 0)
    return lost if lost.any() else None


def recompute_squares(
    x: Array, axes: Axes, lost: Array, *, centered: bool = True, counts: Array | None = None
) -> tuple[Array, Array]:
    """Take means and squared deviations that were lost again, in `WIDE`.

    Args:
        x: float64.
        axes: Axes to reduce.
        lost: Which statistics, with the reduced axes at size 1.
        centered: Take deviations from the mean; otherwise the mean is 0.
        counts: bool, of the shape of `x`: which cells count; None where all do.

    Returns:
        Mean and sum of squares of each, in the order of `lost`.
    """
    places = np.flatnonzero(lost)
    rows = _rows(x, axes, len(lost.reshape(-1)))
    told = None if counts is None else _rows(counts, axes, len(rows))
    step = max(_ITEMS // max(rows.shape[1], 1), 1)
    found = np.empty((2, len(places)), WIDE)
    for start in range(0, len(places), step):
        part = places[start : start + step]
        cells = rows[part].astype(WIDE)
        seen: Any = True if told is None else told[part]
        number = rows.shape[1] if told is None else np.maximum(seen.sum(axis=1), 1)
        mean = np.add.reduce(cells, axis=1, where=seen) / number if centered else np.zeros(1, WIDE)
        cells -= mean[:, None]
        found[0, start : start + step] = mean
        found[1, start : start + step] = np.add.reduce(cells * cells, axis=1, where=seen)
    return found[0], found[1]


def _rows(x: Array, axes: Axes, count: int) -> Array:
    """Bring the axes to the end, and see what is reduced together as a row."""
    last = range(x.ndim - len(axes), x.ndim)
    return np.moveaxis(x, axes, last).reshape(count, math.prod(x.shape[axis] for axis in axes))


def replace_where(values: Array, lost: Array, found: Array) -> Array:
    """Return values with those that were lost replaced, all in `WIDE`."""
    wide: Array = values.astype(WIDE)
    wide[lost] = found
    return wide


def replace_each(found: Sequence[Array], lost: Array, *values: Array) -> tuple[Array, ...]:
    """Do so for several values."""
    return tuple(replace_where(value, lost, new) for value, new in zip(values, found, strict=True))


def in_power_of_two_units(
    mean: Array, variance: Array, epsilon: float
) -> tuple[Array, Array, Array]:
    """Give statistics in units of a power of two, in which float64 holds squares.

    Args:
        mean: float64 or `WIDE`, like the variance.
        variance: Of the same shape.
        epsilon: Added to the variance.

    Returns:
        The mean times the unit; the variance and epsilon times its square; and the unit. float64.
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
    """Return values in the dtype that holds both; they themselves where they are in it."""
    return values.astype(np.result_type(values, other), copy=False)


_EDGES = {
    np.dtype(np.float32): (1e30, float(np.finfo(np.float32).smallest_normal)),
    np.dtype(np.float64): (1e290, float(np.finfo(np.float64).smallest_normal)),
}
"""Dtype -> a magnitude below which what is added or taken off keeps a sum in the range where its
result is, and the least factor that has all digits.
"""
_MODEST = 1e30
"""Smaller numbers are at the edge of the range of no dtype."""
_FEW = 4096  # numbers whose squares are added sooner than the least and the largest are found


def wider(dtype: np.dtype[Any]) -> Any:
    """Return the dtype in which numbers of this one are never at the edge of the range."""
    return np.float64 if dtype == np.float32 else WIDE


def out_of_range(
    dtype: np.dtype[Any], *, factors: Sequence[Array] = (), addends: Sequence[Array] = ()
) -> Any:
    """Say where values by which all cells of an array are computed are at the edge of its range.

    Args:
        dtype: Of the array.
        factors: In float64 or wider; they broadcast, like the others.
        addends: Likewise.

    Returns:
        A bool for each of them together, or None where no value is so. Infinities and NaN are not:
        they make what they make.
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
    """Whether no number of an array is large for any dtype, by the quickest way to tell."""
    if value.size <= _FEW:
        return float(np.vdot(value, value)) < _MODEST**2  # which float32 does not hold
    low, high = (float(f.reduce(value, axis=None)) for f in (np.minimum, np.maximum))
    return low > -_MODEST and high < _MODEST
