"""Normalization of trailing axes: each row is brought to mean 0 and deviation 1 while in cache."""

from math import isfinite, prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.kernels.known_loops import MOST_STATISTICS
from poolnorm_cli.kernels.memory import acquire, release, scratch, silence_floating_point
from poolnorm_cli.kernels.native import FLOATS, loops_for
from poolnorm_cli.sizes import TILE_BYTES


if TYPE_CHECKING:
    from poolnorm_cli.kernels.apart_loops import ApartCall, NormCall
    from poolnorm_cli.kernels.known_loops import KnownCall
    from poolnorm_cli.kernels.moments import Moments
    from poolnorm_cli.kernels.normalizing_loops import NormalizingCall, ScalingCall

Array = NDArray[Any]
Vector = NDArray[Any] | None

LONGEST = 512
"""Items in a row up to which this pays, and a plain float32 sum is exact enough."""

_FEW = 16
"""Items in a row below which it pays to transpose a tile, so that loops run over the rows."""
_LEAST = 1e-12
"""The epsilon from which on squares that underflow in float32 make no difference."""
_LARGE = 1e30
"""Sums of squares above this may have left the range of float32, and so may an epsilon."""


def can_normalize_rows(x: Array, axes: tuple[int, ...], epsilon: float) -> bool:
    """Say whether `normalize_rows` serves for an array.

    Args:
        x: The array, of any dtype and order.
        axes: Sorted axes to normalize over.
        epsilon: Added to the variance.

    Returns:
        Whether the axes are the last ones, and rows and numbers such that float32 loses nothing.
    """
    trailing = axes == tuple(range(axes[0], x.ndim)) and axes[0] > 0
    short = 0 < prod(x.shape[axes[0] :]) <= LONGEST
    return trailing and short and x.dtype == np.float32 and _LEAST <= epsilon <= _LARGE


def normalize_rows(x: Array, epsilon: float, gamma: Vector, beta: Vector) -> Array:
    """Compute `(x - mean) / sqrt(variance + epsilon) * gamma + beta` for each row.

    Float32 holds the rows' deviations from their means with nothing lost, however large the means.
    Rows whose squares are out of its range are computed again in float64. The formula is that of
    Keras' LayerNormalization, after Ba, Kiros and Hinton (2016), "Layer normalization".

    Args:
        x: float32, of shape (rows, items), C-contiguous, for which `can_normalize_rows` holds.
        epsilon: Added to the variance.
        gamma: One factor per item; None for ones.
        beta: One addend per item; None for zeros.

    Returns:
        The normalized rows, float32.
    """
    y = acquire(x.shape, x.dtype)
    items = max(x.shape[1], 1)
    step = max(TILE_BYTES // 4 // (items * x.itemsize), 1)
    normalize = _by_columns if items < _FEW else _by_rows
    with silence_floating_point(2048):
        for start in range(0, len(x), step):
            part = slice(start, start + step)
            squares = normalize(x[part], y[part], epsilon, gamma, beta)
            lost = np.flatnonzero(~(squares < _LARGE))
            if len(lost):
                y[start + lost] = _in_float64(x[start + lost], epsilon, gamma, beta)
    return y


def run_loop(
    call: "NormalizingCall | ApartCall | NormCall | ScalingCall | None",
    x: Array,
    *vectors: Array | None,
) -> Array | None:
    """Run a loop on an array, where one serves for it.

    Args:
        call: What was derived from the shape of `x`.
        x: C-contiguous; not modified.
        vectors: What the loop takes besides: float64, in the order of the axes.

    Returns:
        An array like `x`; None where no loop serves.
    """
    if call is None or loops_for(x, FLOATS) is None:
        return None
    y = acquire(x.shape, x.dtype)
    call.run(x, y, *(v if v is None else np.ascontiguousarray(v, np.float64) for v in vectors))
    return y


def run_known(
    call: "KnownCall", x: Array, moments: "Moments", gamma: Array | None, beta: Array | None
) -> Array | None:
    """Run a loop on a strip whose statistics are known, where it serves.

    Args:
        call: What was derived from the shape of `x`.
        x: C-contiguous; not modified.
        moments: The statistics, of equally many cells each.
        gamma: Factors, float64, in the order of the axes; None for ones.
        beta: Addends, likewise; None for zeros.

    Returns:
        An array like `x`; None where float64 does not hold what is divided by, or there are many.
    """
    pair = moments.mean, moments.squares
    if pair[0].size > MOST_STATISTICS or {each.dtype.name for each in pair} != {"float64"}:
        return None
    if loops_for(x, FLOATS) is None:
        return None
    found = pair[0].ravel().tolist(), pair[1].ravel().tolist()
    if not all(map(isfinite, found[0] + found[1])):
        return None
    weights = (None if w is None else np.ascontiguousarray(w, np.float64) for w in (gamma, beta))
    y = acquire(x.shape, x.dtype)
    if call.run(x, y, found, int(moments.count), *weights):
        return y
    release(y)
    return None


def _by_rows(x: Array, y: Array, epsilon: float, gamma: Vector, beta: Vector) -> Array:
    """Normalize row by row, and return their sums of squares."""
    items = x.shape[1]
    near = np.einsum("ij->i", x) / x.dtype.type(items)
    away = scratch("away", x.shape, x.dtype)
    np.subtract(x, near[:, None], out=away)
    shift = np.einsum("ij->i", away) / x.dtype.type(items)
    squares: Array = np.einsum("ij,ij->i", away, away)
    inverse = _inverse(squares, shift, items, epsilon)
    np.subtract(away, shift[:, None], out=away)
    np.multiply(away, inverse[:, None], out=away if gamma is not None or beta is not None else y)
    if gamma is not None:
        np.multiply(away, gamma, out=away if beta is not None else y)
    if beta is not None:
        np.add(away, beta, out=y)
    return squares


def _by_columns(x: Array, y: Array, epsilon: float, gamma: Vector, beta: Vector) -> Array:
    """Normalize rows column by column, and return their sums of squares."""
    rows, items = x.shape
    columns = scratch("columns", (items, rows), x.dtype)
    vectors = scratch("vectors", (3, rows), x.dtype)
    near, term = vectors[0], vectors[1]
    power: Array = vectors[2]
    for column, cells in zip(columns, x.T, strict=True):
        np.copyto(column, cells)
    _mean_of(columns, near)
    np.subtract(columns, near, out=columns)
    shift = _mean_of(columns, near)
    power[:] = 0
    for column in columns:
        np.multiply(column, column, out=term)
        np.add(power, term, out=power)
    inverse = _inverse(power, shift, items, epsilon)
    for item, column in enumerate(columns):
        np.subtract(column, shift, out=column)
        np.multiply(column, inverse, out=column)
        if gamma is not None:
            np.multiply(column, gamma[item], out=column)
        if beta is not None:
            np.add(column, beta[item], out=column)
        np.copyto(y[:, item], column)
    return power


def _mean_of(columns: Array, out: Array) -> Array:
    """Compute the mean of columns, added in the same order for any number of rows."""
    np.copyto(out, columns[0])
    for column in columns[1:]:
        np.add(out, column, out=out)
    np.multiply(out, out.dtype.type(1 / len(columns)), out=out)
    return out


def _inverse(squares: Array, shift: Array, items: int, epsilon: float) -> Array:
    """Return one over the deviation, from sums of squares about a point `shift` off the mean."""
    kind = squares.dtype.type
    variance: Array = squares * kind(1 / items)
    variance -= shift * shift
    np.maximum(variance, kind(0), out=variance)
    variance += kind(epsilon)
    np.sqrt(variance, out=variance)
    np.divide(kind(1), variance, out=variance)
    return variance


def _in_float64(x: Array, epsilon: float, gamma: Vector, beta: Vector) -> Array:
    wide = x.astype(np.float64)
    wide -= wide.mean(axis=1, keepdims=True)
    wide /= np.sqrt(np.square(wide).mean(axis=1, keepdims=True) + epsilon)
    if gamma is not None:
        wide *= gamma
    if beta is not None:
        wide += beta
    wide[np.isnan(wide)] = np.nan  # the sign of a sum of NaNs depends on the loop
    return wide
