"""p-norms under a sliding window and over whole axes: roots of sums of powers of magnitudes.

They are computed in float64 and rounded once. Where powers leave the range of float64, and the norm
does not, they are computed again of shares of the largest magnitude.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial, reduce
from typing import Any

import numpy as np

from poolnorm_cli.kernels.memory import Array, acquire
from poolnorm_cli.kernels.norm_loops import LEAST, global_norm_call, is_safe, norm_call
from poolnorm_cli.kernels.reductions import max_over, reduced, sum_of_squares
from poolnorm_cli.kernels.windows import max_windows, mean_windows
from poolnorm_cli.windows import Window


def norm_windows(x: Array, windows: Mapping[int, Window], p: float) -> Array:
    """Take the p-norm of the cells under each place of the window; padding counts as zeros.

    Args:
        x: C-contiguous, float32 or float64.
        windows: Axis -> window on it. Every window covers at least one real cell.
        p: The power, above 0; infinity for the largest magnitude.

    Returns:
        The norms, of the dtype of `x`, with as many places on each of these axes as its window
        has. Where a NaN is under the window, the norm is NaN.
    """
    call = norm_call(x.shape, windows, x.dtype.name, p)
    if call is not None:
        shape = tuple(windows[a].count if a in windows else n for a, n in enumerate(x.shape))
        norms = acquire(shape, x.dtype)
        if call(x, norms):
            return norms
        return _mended(norms, p, lambda: _axis_by_axis(np.abs(x.astype(np.float64)), windows, p))
    if np.isinf(p):
        return max_windows(np.abs(x), windows)
    plain = {axis: w._replace(before=0, after=0, divisor=1) for axis, w in windows.items()}
    with np.errstate(all="ignore"):
        magnitudes = np.abs(x.astype(np.float64))
        powers = power(magnitudes, p)
        sums = mean_windows(powers, plain)
        norms = root(sums, p)
        if x.size and not (is_safe(x.dtype.name, p) or _in_range(magnitudes, powers, sums)):
            lost = ~np.isfinite(sums) | (sums < LEAST)
            norms = np.where(lost, _axis_by_axis(magnitudes, windows, p), norms)
        return np.asarray(norms.astype(x.dtype, copy=False))


def norm_over(
    x: Array, axes: tuple[int, ...], p: float, *, keepdims: bool, dtype: str | None = None
) -> Array:
    """Take the p-norm over `axes`, none of them empty.

    Args:
        x: C-contiguous, float32 or float64.
        axes: Sorted axes.
        p: The power, above 0; infinity for the largest magnitude.
        keepdims: Keep these axes with size 1.
        dtype: Dtype of the norms; None for that of `x`.

    Returns:
        The norms; NaN where a NaN is among the values.
    """
    call = global_norm_call(x.shape, axes, x.dtype.name, p) if dtype is None else None
    if call is not None and x.size:
        norms = acquire(reduced(x.shape, axes, keepdims=keepdims), x.dtype)
        if call(x, norms):
            return norms
        shape = norms.shape
        return _mended(norms, p, lambda: _of_largest(x, axes, p).reshape(shape))
    with np.errstate(all="ignore"):
        safe = is_safe(x.dtype.name, p)
        if safe and p == 2:
            norms = np.sqrt(sum_of_squares(x, axes))
        elif safe or not x.size:
            powers = power(np.abs(x.astype(np.float64)), p)
            norms = root(np.add.reduce(powers, axis=axes, keepdims=True), p)
        else:
            norms = _of_largest(x, axes, p)
        norms = norms if keepdims else np.squeeze(norms, axis=axes)
        return np.asarray(norms.astype(dtype or x.dtype, copy=False))


def zero_outside(x: Array, mask: Array) -> Array:
    """Put 0, which adds nothing to a norm, where a mask lets nothing count.

    Args:
        x: float32 or float64.
        mask: Which cells count; bool, it broadcasts against `x`.

    Returns:
        A new array, C-contiguous, of the shape and dtype of `x`.
    """
    return np.ascontiguousarray(np.where(mask, x, x.dtype.type(0)))


def norm_of_norms(parts: Iterable[Array], p: float) -> Array:
    """Combine p-norms of parts to those of the whole, in float64.

    Args:
        parts: Norms, one or more arrays of the same shape.
        p: The power.

    Returns:
        The norms.
    """
    found, *others = (np.array(part, np.float64) for part in parts)
    with np.errstate(all="ignore"):
        for other in others:
            found = _both(found, other, p)
    return found


def power(magnitudes: Array, p: float) -> Array:
    """Raise magnitudes to a power.

    Args:
        magnitudes: float64, of any shape.
        p: The power.

    Returns:
        The powers.
    """
    if p == 1:
        return magnitudes
    return np.asarray(magnitudes * magnitudes if p == 2 else np.power(magnitudes, p))


def root(sums: Array, p: float) -> Array:
    """Take the root of sums of powers.

    Args:
        sums: float64, of any shape.
        p: The power.

    Returns:
        The norms.
    """
    if p == 1:
        return sums
    return np.asarray(np.sqrt(sums) if p == 2 else np.power(sums, 1 / p))


def _mended(norms: Array, p: float, slowly: Callable[[], Array]) -> Array:
    """Put norms that are computed otherwise where sums of powers have left the range."""
    with np.errstate(all="ignore"):
        lost = ~np.isfinite(norms) | (norms < LEAST ** (1 / p))
        return np.where(lost, slowly().astype(norms.dtype, copy=False), norms)


def _of_largest(x: Array, axes: tuple[int, ...], p: float) -> Array:
    """Take norms over axes, which are kept, of shares of the largest magnitude."""
    magnitudes = np.abs(x.astype(np.float64))
    most = max_over(magnitudes, axes, keepdims=True)
    if np.isinf(p):
        return most
    shares = power(magnitudes / divisor_of(most), p)
    return norm_of_shares(most, np.add.reduce(shares, axis=axes, keepdims=True), p)


def _in_range(magnitudes: Array, powers: Array, sums: Array) -> bool:
    """Whether no power has lost digits, and no sum is infinite."""
    small = ((powers < LEAST) & (magnitudes > 0)).any()
    return bool(np.isfinite(sums).all() and not small)


def _axis_by_axis(magnitudes: Array, windows: Mapping[int, Window], p: float) -> Array:
    """Take norms along one axis of those along the others, cell by cell, of shares."""
    for axis, window in windows.items():
        length = magnitudes.shape[axis]
        reach = (window.count - 1) * window.stride + window.extent
        ends = (window.low, max(reach - window.low - length, 0))
        pads: list[Any] = [ends if a == axis else (0, 0) for a in range(magnitudes.ndim)]
        padded, before = np.pad(magnitudes, pads), (slice(None),) * axis
        span = (window.count - 1) * window.stride + 1
        starts = range(0, window.size * window.dilation, window.dilation)
        taps = (padded[(*before, slice(s, s + span, window.stride))] for s in starts)
        magnitudes = reduce(partial(_both, p=p), taps)
    return magnitudes


def _both(a: Array, b: Array, p: float) -> Array:
    """Take the p-norm of two magnitudes, cell by cell."""
    most, least = np.maximum(a, b), np.minimum(a, b)
    return norm_of_shares(most, 1 + power(least / divisor_of(most), p), p)


def divisor_of(most: Array) -> Array:
    """Return what magnitudes are divided by to be shares of the largest: not by 0 or infinity."""
    return np.where((most > 0) & (most < np.inf), most, 1)


def norm_of_shares(most: Array, sums: Array, p: float) -> Array:
    """Return the norms whose largest magnitude and sum of powers of shares are given.

    Args:
        most: The largest magnitudes, float64.
        sums: Of the powers of shares of it.
        p: The power.

    Returns:
        The norms.
    """
    return np.where((most > 0) & (most < np.inf), most * root(sums, p), most)
