"""Mean and squared deviations along one axis, in float32 where it loses nothing.

What float32 holds of their mean is subtracted from the cells first, which is exact but for cells
far from it. The mean of what is left, in float64, corrects mean and squares: the "corrected
two-pass algorithm" of Chan, Golub and LeVeque (1983), "Algorithms for computing the sample
variance: analysis and recommendations".
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.kernels.memory import scratch
from poolnorm_cli.kernels.native import FLOATS, HALVES, KINDS, loops_for
from poolnorm_cli.kernels.reductions import max_middle_axis, sum_middle_axis
from poolnorm_cli.sizes import TILE_BYTES


Array = NDArray[Any]
Float64 = NDArray[np.float64]
Pair = tuple[Float64, Float64]

_SHORT = 16
"""Cells along an axis below which sums over groups of them do not pay."""
_ROW = 512
"""Cells in a contiguous row up to which a plain float32 sum is near enough to be corrected."""
_TINY = 1e-30
"""Squares below this may have lost digits to underflow in float32."""


def deviations_of(x: Array) -> Pair:
    """Compute the mean over the middle axis and the sum of squared deviations from it.

    Args:
        x: C-contiguous, of shape (before, length, after) and any real dtype, not empty.

    Returns:
        Both in float64, of shape (before, after).
    """
    before, length, after = x.shape
    if length == 1:
        return _in_float64(x)
    if loops := loops_for(x, FLOATS + HALVES):
        return _with_non_finite(x, *_by_loop(loops, x, (before, length, after), length))
    if x.dtype != np.float32:
        return _in_float64(x)
    if length < _SHORT or (after == 1 and length <= _ROW):
        return _of_short(x)
    size = length * after * x.itemsize
    if size <= 2 * TILE_BYTES:
        group = max(TILE_BYTES // size, 1)
        pairs = [_of_tile(x[i : i + group]) for i in range(0, before, group)]
        means, squares = zip(*pairs, strict=True)
        return np.concatenate(means), np.concatenate(squares)
    strips = [_of_strips(sample) for sample in x]
    return np.stack([mean for mean, _ in strips]), np.stack([squares for _, squares in strips])


def deviations_of_parts(x: Array, length: int) -> Pair | None:
    """Compute what `deviations_of` gives for consecutive parts of an axis, in one loop over all.

    Args:
        x: C-contiguous, of shape (cells, after), not empty.
        length: Cells of a part; the last one may be shorter.

    Returns:
        Both in float64, of shape (parts, after); None without loops, or where something is not
        finite.
    """
    loops, (cells, after) = loops_for(x, FLOATS + HALVES), x.shape
    if loops is None or length == 1:
        return None
    parts = -(-cells // length)
    last = cells - (parts - 1) * length
    if last == 1:
        return None
    found = _by_loop(loops, x, (parts, length, after), last)
    return found if np.isfinite(found[1]).all() else None


def _by_loop(loops: Any, x: Array, sizes: tuple[int, int, int], last: int) -> Pair:
    mean, squares = np.empty((2, sizes[0], sizes[2]))
    moments_by_loop(loops, x, (mean, squares), sizes, last)
    return mean, squares


def moments_by_loop(loops: Any, x: Array, pair: Any, sizes: Sequence[int], last: int) -> None:
    """Compute means and sums of squared deviations from them by the compiled loop.

    Args:
        loops: The module of the loops, which serve for `x`.
        x: C-contiguous.
        pair: Where both go, float64.
        sizes: How many there are before the axis that is reduced, cells of it, and items after it.
        last: Cells of the last one, which may be fewer.
    """
    name = x.dtype.name
    items = x.view(np.uint16) if name == "bfloat16" else x  # which is no buffer else
    loops.fold_moments(items, *pair, tuple(sizes), KINDS[name], last)


def _of_short(x: Array) -> Pair:
    """Reduce a short axis, a tile of its rows at a time."""
    before, length, after = x.shape
    means, squares = np.empty((before, after)), np.empty((before, after))
    step = max(TILE_BYTES // (length * after * x.itemsize), 1)
    for start in range(0, before, step):
        part = slice(start, start + step)
        means[part], squares[part] = _of_short_tile(x[part])
    return means, squares


def _of_short_tile(x: Array) -> Pair:
    _, length, after = x.shape
    if after > 1:
        near = np.add.reduce(x, axis=1) / np.float32(length)
        away = np.subtract(x, near[:, None], out=scratch("away", x.shape, np.float32))
        total = np.add.reduce(away, axis=1)
        power = np.add.reduce(np.multiply(away, away, out=away), axis=1)
    elif length < _SHORT:
        near, total, power = (v[:, None] for v in _by_cells(x[:, :, 0]))
    else:
        near = np.einsum("ijk->ik", x) / np.float32(length)
        away = np.subtract(x, near[:, None], out=scratch("away", x.shape, np.float32))
        rows = away[:, :, 0]
        total, power = np.einsum("ij->i", rows)[:, None], np.einsum("ij,ij->i", rows, rows)[:, None]
    shift = total.astype(np.float64) / length
    return _corrected(x, near + shift, power - length * np.square(shift))


def _by_cells(x: Array) -> tuple[Array, Array, Array]:
    """Return means of rows, and sums and sums of squares about them, in loops over all rows.

    Cells are added one after another, for `np.add.reduce` would add a single row in other order.
    """
    rows, items = x.shape
    near, total, power, cell = (np.zeros(rows, np.float32) for _ in range(4))
    for item in range(items):
        np.add(near, x[:, item], out=near)
    near /= np.float32(items)
    for item in range(items):
        np.subtract(x[:, item], near, out=cell)
        total += cell
        np.multiply(cell, cell, out=cell)
        power += cell
    return near, total, power


def _of_strips(sample: Array) -> Pair:
    """Reduce one sample, of shape (length, after), strip by strip."""
    length, after = sample.shape
    step = max(TILE_BYTES // (after * sample.itemsize), _SHORT)
    starts = range(0, length, step)
    pairs = [_of_tile(sample[None, start : start + step]) for start in starts]
    means = np.concatenate([mean for mean, _ in pairs])
    squares = np.concatenate([squares for _, squares in pairs])
    counts = np.array([min(step, length - start) for start in starts], np.float64)[:, None]
    mean = np.add.reduce(means * counts, axis=0) / length
    between = np.add.reduce(np.square(means - mean) * counts, axis=0)
    return mean, np.add.reduce(squares, axis=0) + between


def _of_tile(x: Array) -> Pair:
    length = x.shape[1]
    near = (sum_middle_axis(x) / length).astype(np.float32)
    away = scratch("away", x.shape, np.float32)
    for cells, out, vector in _long_rows(x, away, near):
        np.subtract(cells, vector, out=out)
    shift = sum_middle_axis(away) / length
    np.multiply(away, away, out=away)
    squares = sum_middle_axis(away) - length * np.square(shift)
    mean = near + shift
    return _corrected(x, mean, squares)


def _with_non_finite(x: Array, mean: Float64, squares: Float64) -> Pair:
    """Compute again in NumPy what infinities and NaN went into: it decides what they make."""
    lost = ~np.isfinite(squares)
    if lost.any():
        for found, wide in zip((mean, squares), _in_float64(x), strict=True):
            found[lost] = wide[lost]
            found[np.isnan(found)] = np.nan  # the sign of a sum of NaNs depends on the loop
    return mean, squares


def _corrected(x: Array, mean: Float64, squares: Float64) -> Pair:
    """Compute again in float64 what float32 could not hold."""
    lost = ~(np.isfinite(squares) & np.isfinite(mean))
    tiny = squares < _TINY * x.shape[1]
    if lost.any() or (tiny.any() and not _all_equal(x, tiny)):
        wide_mean, wide_squares = _in_float64(x)
        mean = np.where(lost | tiny, wide_mean, mean)
        squares = np.where(lost | tiny, wide_squares, squares)
        for found in (mean, squares):
            found[np.isnan(found)] = np.nan  # the sign of a sum of NaNs depends on the loop
    return mean, np.maximum(squares, 0)


def _all_equal(x: Array, where: NDArray[np.bool_]) -> bool:
    """Whether all cells of these statistics are the same."""
    most, least = max_middle_axis(x), -max_middle_axis(np.negative(x))
    return bool((most == least)[where].all())


def _long_rows(x: Array, out: Array, vector: Array) -> Iterator[tuple[Array, Array, Array]]:
    """View cells as rows of 1024 items or more, and repeat the vector of items to that length."""
    before, length, after = x.shape
    repeats = max(min(1024 // after, length), 1)
    whole = length // repeats * repeats
    row = repeats * after
    long = np.tile(vector, repeats)[:, None] if after > 1 else vector[:, None]
    yield (
        x[:, :whole].reshape(before, -1, row),
        out[:, :whole].reshape(before, -1, row),
        long,
    )
    if whole < length:
        yield x[:, whole:], out[:, whole:], vector[:, None]


def _in_float64(x: Array) -> Pair:
    """Reduce in float64 throughout, in two passes."""
    wide = x.astype(np.float64)
    mean: Float64 = np.add.reduce(wide, axis=1, keepdims=True) / x.shape[1]
    np.subtract(wide, mean, out=wide)
    np.multiply(wide, wide, out=wide)
    return mean[:, 0], np.add.reduce(wide, axis=1)
