"""Reductions over whole axes, and over windows that cover an axis evenly."""

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.kernels.fold_loops import fold_call, three_sizes
from poolnorm_cli.kernels.memory import acquire, silence_floating_point
from poolnorm_cli.kernels.native import FLOATS, INTEGERS, KINDS, loops_for
from poolnorm_cli.strips import Bounds


Array = NDArray[Any]
Float64 = NDArray[np.float64]
Axes = tuple[int, ...]

_ROW = 1024
"""Items in a row of several cells: long enough for a vector loop, short enough for the first-level
cache."""
_GROUP = 7
"""Cells that are added in float32. Six additions, and rounding once, err by 3.5 epsilons of the
sum of magnitudes at most; 4 are allowed.
"""


def three_axes(x: Array, axes: Sequence[int]) -> Array:
    """View an array as (before, length, after): the axes to reduce merged into the middle one.

    Args:
        x: C-contiguous, of any dtype.
        axes: Sorted, adjacent axes.

    Returns:
        A view of three axes.
    """
    return x.reshape(three_sizes(x.shape, axes))


def adjacent(axes: Sequence[int]) -> bool:
    """Whether sorted axes have no other between them."""
    return axes[-1] - axes[0] == len(axes) - 1


def max_middle_axis(x: Array) -> Array:
    """Compute the maximum over the middle axis; NaN propagates.

    Args:
        x: C-contiguous, of shape (before, length, after), the length 1 or more.

    Returns:
        The maxima, of shape (before, after) and the dtype of `x`.
    """
    before, length, after = x.shape
    if loops := loops_for(x, FLOATS + INTEGERS):
        largest: Array = np.empty((before, after), x.dtype)
        loops.fold_max(x, largest, x.shape, KINDS[x.dtype.name])
        return largest
    if after == 1:
        return np.asarray(np.maximum.reduce(x.reshape(before, length), axis=1)).reshape(before, 1)
    rows = min(max(_ROW // after, 1), length)
    whole = length // rows * rows
    long_rows = x[:, :whole].reshape(before, -1, rows * after)
    most: Array = np.maximum.reduce(long_rows, axis=1).reshape(before, rows, after)
    rest = most[:, : length - whole]
    np.maximum(rest, x[:, whole:], out=rest)
    return np.asarray(np.maximum.reduce(_length_last(most), axis=2))


def sum_middle_axis(x: Array) -> Float64:
    """Add over the middle axis, in float64 but for groups of 7 float32 cells.

    A float32 sum may overflow where its mean does not: then it is not finite.

    Args:
        x: float32 or float64, of shape (before, length, after); rows of `after` are contiguous.

    Returns:
        The sums, of shape (before, after).
    """
    before, length, after = x.shape
    if loops := loops_for(x, FLOATS):
        added: Float64 = np.empty((before, after))
        loops.fold_sum(x, added, x.shape, x.itemsize)
        return added
    rows = max(min(_ROW // after, length // _GROUP), 1)
    step = rows * _GROUP
    whole = length // step * step
    groups = x[:, :whole].reshape(before, -1, _GROUP, rows * after)
    partial = np.add.reduce(groups, axis=2)
    sums = np.add.reduce(partial, axis=1, dtype=np.float64).reshape(before, rows, after)
    total: Float64 = np.add.reduce(_length_last(sums), axis=2)
    if whole < length:
        rest = x[:, whole:].astype(np.float64)
        total += np.add.reduce(_length_last(rest), axis=2)
    return total


def sum_of_squares(x: Array, axes: Sequence[int]) -> Float64:
    """Add the squares over axes, in float64.

    Args:
        x: Any real dtype.
        axes: Non-negative, sorted axes.

    Returns:
        The sums, with `axes` at size 1.
    """
    loops = loops_for(x, FLOATS)
    if loops and x.size and axes and adjacent(axes):
        cells = three_axes(x, axes)
        kept = tuple(1 if axis in axes else size for axis, size in enumerate(x.shape))
        squares: Float64 = np.empty(kept)
        loops.fold_squares(cells, squares, cells.shape, x.itemsize)
        return squares
    wide = x.astype(np.float64, copy=False)
    total: Float64 = np.add.reduce(wide * wide, axis=tuple(axes), keepdims=True)
    return total


def _length_last(x: Array) -> Array:
    """Copy (before, length, after) to (before, after, length), to reduce contiguous items."""
    return np.ascontiguousarray(x.swapaxes(1, 2))


def lowest_outside(x: Array, mask: Array) -> Array:
    """Put the lowest value of the dtype where a mask lets nothing count.

    Args:
        x: Any float or integer dtype; bool counts as integer.
        mask: Which cells count; bool, it broadcasts against `x`.

    Returns:
        A new array, C-contiguous, of the shape and dtype of `x`.
    """
    from poolnorm_cli.kernels.window_programs import Combine

    lowest = Combine.maximum(x.dtype).identity
    return np.ascontiguousarray(np.where(mask, x, x.dtype.type(lowest)))


def max_over(x: Array, axes: Axes, *, keepdims: bool) -> Array:
    """Take the maximum over `axes`, none of them empty; NaN propagates.

    Args:
        x: C-contiguous, of any float or integer dtype; bool counts as integer.
        axes: Sorted axes.
        keepdims: Keep these axes with size 1.

    Returns:
        The maxima, in the dtype of `x`.
    """
    shape = reduced(x.shape, axes, keepdims=keepdims)
    if x.size == 0:
        return np.empty(shape, x.dtype)
    with silence_floating_point():
        if adjacent(axes):
            return max_middle_axis(three_axes(x, axes)).reshape(shape)
        return np.asarray(np.maximum.reduce(x, axis=axes)).reshape(shape)


def largest_of(parts: Iterable[Array]) -> Array:
    """Compute the maximum of several arrays item by item; NaN propagates.

    Args:
        parts: One or more arrays of the same shape and dtype, whose memory may be used again.

    Returns:
        A new array.
    """
    return max_over(np.stack([part.copy() for part in parts]), (0,), keepdims=False)


def mean_of_means(parts: Iterable[tuple[Array, int]]) -> Array:
    """Average means, each weighted by its number of rows, in float64.

    It overflows only where they do. Where no row counts at all, the mean is NaN.
    """
    whole, rows = np.empty(0), 0
    with silence_floating_point():
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
    """Compute the mean over `axes`; it overflows only where the mean itself does.

    For float32 it is within 4 float32 epsilons of mean(|cells|) of the exact one.

    Args:
        x: C-contiguous, float32 or float64.
        axes: Sorted axes to average over, none of them empty.
        keepdims: Keep these axes with size 1.
        mask: Which cells count; bool, it broadcasts against `x`. Where none does, the mean is NaN.
        dtype: Dtype of the mean; None for that of `x`.

    Returns:
        The mean, with `axes` at size 1 or without them.
    """
    cells = prod(x.shape[axis] for axis in axes)
    shape = reduced(x.shape, axes, keepdims=keepdims)
    if not x.size:
        return np.empty(shape, dtype or x.dtype)
    if mask is None and dtype is None and adjacent(axes) and loops_for(x, FLOATS):
        call = fold_call(x.shape, axes, x.dtype.name, "mean")
        means: Array = np.empty(shape, x.dtype)
        if call is not None and call.run(x, means):
            return means
    count: Any = float(cells)
    if mask is not None:
        x = np.where(mask, x, x.dtype.type(0))
        count = np.add.reduce(mask, axis=axes, dtype=np.float64, keepdims=True).reshape(
            reduced(mask.shape, axes, keepdims=keepdims)
        )
    with silence_floating_point():
        if adjacent(axes):
            mean: Array = sum_middle_axis(three_axes(x, axes)).reshape(shape) / count
        else:
            mean = np.add.reduce(x, axis=axes, dtype=np.float64).reshape(shape) / count
        if not np.isfinite(mean).all():
            power = cells.bit_length()
            scaled = np.ldexp(x.astype(np.float64), -power)
            halves = np.add.reduce(scaled, axis=axes).reshape(shape)
            mean = np.where(np.isfinite(mean), mean, halves / np.ldexp(count, -power))
            mean[np.isnan(mean)] = np.nan  # the sign of a sum of NaNs depends on the loop
        return mean.astype(dtype or x.dtype, copy=False)


def reduced(shape: tuple[int, ...], axes: Axes, *, keepdims: bool) -> tuple[int, ...]:
    """Return the shape of what is left where some axes are reduced.

    Args:
        shape: Shape of an array.
        axes: Its axes that are reduced.
        keepdims: They are kept with size 1.

    Returns:
        The shape.
    """
    if keepdims:
        return tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    return tuple(size for axis, size in enumerate(shape) if axis not in axes)


def max_adaptive(x: Array, bounds: Mapping[int, Bounds]) -> Array:
    """Compute the maximum under each window of adaptive pooling; NaN propagates.

    Args:
        x: Any float or integer dtype; bool counts as integer. No reduced axis is empty.
        bounds: Axis -> first cell and end of each window on it.

    Returns:
        A new array of the dtype of `x`, with one cell per window on each of these axes.
    """
    found = _adaptive(x, bounds, average=False)
    if found is not None:
        return found[0]
    with np.errstate(invalid="ignore"):
        for axis, each in _smallest_first(x.shape, bounds):
            x = _reduce_axis(x, axis, each, np.maximum)
    return x


def mean_adaptive(x: Array, bounds: Mapping[int, Bounds]) -> Array:
    """Average the cells under each window of adaptive pooling, in float64.

    It overflows only where a mean does.

    Args:
        x: float32 or float64. No reduced axis is empty.
        bounds: Axis -> first cell and end of each window on it.

    Returns:
        A new array of the dtype of `x`, with one cell per window on each of these axes.
    """
    found = _adaptive(x, bounds, average=True)
    if found is not None and found[1]:
        return found[0]
    wide = x.astype(np.float64, copy=False)
    counts = np.ones((1,) * x.ndim)
    for axis, each in bounds.items():
        cells = np.array([end - first for first, end in each])
        counts = counts * cells.reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    with np.errstate(over="ignore", invalid="ignore"):
        mean: Array = _sums(wide, bounds) / counts
        if x.dtype == np.float64 and not np.isfinite(mean).all():
            # A sum can overflow where its mean does not. Powers of two scale without rounding.
            power = prod(x.shape[axis] for axis in bounds).bit_length()
            scaled = _sums(np.ldexp(wide, -power), bounds) / np.ldexp(counts, -power)
            mean = np.where(np.isfinite(mean), mean, scaled)
        return mean.astype(x.dtype, copy=False)


def _adaptive(
    x: Array, bounds: Mapping[int, Bounds], *, average: bool
) -> tuple[Array, bool] | None:
    """Reduce under each window by a compiled loop.

    Returns:
        What comes out, and whether that is right; None where there is no loop.
    """
    if loops_for(x, FLOATS if average else FLOATS + INTEGERS) is None:
        return None
    from poolnorm_cli.kernels.adaptive import AdaptiveCall, covers

    covered = covers(x.shape, bounds)
    out = acquire(covered.out, x.dtype)
    return out, AdaptiveCall(covered, KINDS[x.dtype.name], average).run(x, out)


def _sums(x: Array, bounds: Mapping[int, Bounds]) -> Array:
    for axis, each in _smallest_first(x.shape, bounds):
        x = _reduce_axis(x, axis, each, np.add)
    return x


def _smallest_first(
    shape: tuple[int, ...], bounds: Mapping[int, Bounds]
) -> list[tuple[int, Bounds]]:
    """Order the axes so that the pass that shrinks the block most comes first."""
    return sorted(bounds.items(), key=lambda item: len(item[1]) / shape[item[0]])


def _reduce_axis(x: Array, axis: int, each: Bounds, combine: "np.ufunc") -> Array:
    """Reduce one axis under windows whose sizes differ by 1 at most."""
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
