"""Scale and shift, without the loss that a large mean would bring in float32."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.kernels.extremes import out_of_range, wider
from poolnorm_cli.kernels.halves import widen_float16
from poolnorm_cli.kernels.memory import acquire, scratch, silence_floating_point
from poolnorm_cli.kernels.native import FLOATS, HALF, KINDS, loops_for
from poolnorm_cli.sizes import TILE_BYTES


Array = NDArray[Any]
Float64 = NDArray[np.float64]


def _scale_compiled(x: Array, y: Array, a: Array | None, b: Array, c: Array | None) -> bool:
    """Compute `(x - a) * b + c` into `y`, if a compiled loop serves for it; say whether.

    All are of the dtype of `x`, against which the three broadcast; None for 0.
    """
    loops = loops_for(x, FLOATS + HALF)
    if loops is None or not x.size:
        return loops is not None
    given = [v for v in (a, b, c) if v is not None]
    shape = np.broadcast_shapes(*(v.shape for v in given), (1,) * x.ndim)
    vectors = [None if v is None else np.broadcast_to(v, shape) for v in (a, b, c)]
    _scale(loops, x, y, vectors)
    return True


def _scale(loops: Any, x: Array, y: Array, vectors: Sequence[Array | None]) -> None:
    """Call the loop where the vectors run along adjacent axes, else do so sample by sample."""
    shape = next(v.shape for v in vectors if v is not None)
    axes = [axis for axis, size in enumerate(shape) if size > 1]
    first, last = (axes[0], axes[-1] + 1) if axes else (0, 0)
    if shape[first:last] == x.shape[first:last]:
        sizes = prod(x.shape[:first]), prod(shape[first:last]), prod(x.shape[last:])
        rows = [None if v is None else np.ascontiguousarray(v).reshape(-1) for v in vectors]
        loops.scale(x, y, *rows, KINDS[x.dtype.name], sizes)
        return
    for i in range(len(x)):
        part = [None if v is None else v[min(i, len(v) - 1)] for v in vectors]
        _scale(loops, x[i], y[i], part)


_FEW = 16
"""Items in a row below which NumPy's loops over rows do not pay."""
_ROW = 4096
"""Items to which short vectors of channels are repeated, so that inner loops are long."""

_LARGEST_INVERSE = 1e140
"""Deviations whose inverse is below this and above 1 over it have squares that float64 holds."""


def center_and_scale(x: Array, mean: Float64, scale: Float64, shift: Float64 | float) -> Array:
    """Compute `(x - mean) * scale + shift` in the dtype of `x`.

    In float32 the mean is subtracted in two parts: what float32 can hold of it, and the rest, which
    goes into the shift. So a mean of 1e6 with a deviation of 1 costs no digits. Where one of them
    is near the end of the range of that dtype, the result is computed again in a wider one.

    Args:
        x: C-contiguous, float32 or float64, or float16, which is computed in float32; not modified.
        mean: float64 or wider; it broadcasts against `x`, like the others.
        scale: Factor, float64 or wider.
        shift: Addend, float64; a number, if it is small.

    Returns:
        The result, in the dtype of `x`; that of float16 in float32 where it takes a wider one.
    """
    if not x.size:
        return np.empty_like(x)
    kind = np.dtype(np.float32) if x.dtype.char == HALF else x.dtype
    with silence_floating_point():
        near = mean.astype(kind)
        rest = np.where(np.isfinite(mean), mean - near, 0.0)
        vectors = near, scale.astype(kind), np.asarray(shift - rest * scale).astype(kind)
        addends = [mean, shift] if isinstance(shift, np.ndarray) else [mean]
        beyond = out_of_range(kind, factors=[scale], addends=addends)
        if kind != x.dtype and (beyond is not None or not loops_for(x, HALF)):
            x = widen_float16(x)
        y = acquire(x.shape, x.dtype)
        _center_and_scale(x, y, vectors)
        if beyond is not None:
            for cells, out, (a, b, c, lost) in _tiles(
                x, y, (mean, scale, np.asarray(shift), beyond)
            ):
                if lost.any():
                    wide = (cells.astype(wider(x.dtype)) - a) * b + c
                    np.copyto(out, wide, casting="same_kind", where=lost)
    return y


def _center_and_scale(x: Array, y: Array, vectors: tuple[Array, Array, Array]) -> None:
    """Compute `(x - a) * b + c` into `y`, all of one dtype."""
    if _scale_compiled(x, y, *vectors):
        return
    if x.shape[-1] < _FEW and {v.shape for v in vectors} == {(*x.shape[:-1], 1)}:
        _by_columns(x.reshape(-1, x.shape[-1]), y.reshape(-1, x.shape[-1]), vectors)
        return
    for cells, out, (a, b, c) in _tiles(x, y, vectors):
        np.subtract(cells, a, out=out)
        np.multiply(out, b, out=out)
        np.add(out, c, out=out)


def _by_columns(x: Array, y: Array, vectors: tuple[Array, ...]) -> None:
    """Scale short rows, each with values of its own: column by column, in long loops."""
    rows = max(TILE_BYTES // 2 // x.itemsize, 1)
    a, b, c = (np.broadcast_to(v.reshape(-1), len(x)) for v in vectors)
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        column = scratch("column", (len(x[part]),), x.dtype)
        for j in range(x.shape[1]):
            np.subtract(x[part, j], a[part], out=column)
            np.multiply(column, b[part], out=column)
            np.add(column, c[part], out=column)
            np.copyto(y[part, j], column)


def _tiles(x: Array, y: Array, vectors: tuple[Array, ...]) -> Any:
    """Yield parts of `x` and `y` that stay in cache, with what broadcasts against each."""
    shape = np.broadcast_shapes(*(v.shape for v in vectors), (1,) * x.ndim)
    wide = [np.broadcast_to(v, shape) for v in vectors]
    lead = next((axis for axis, size in enumerate(shape) if size > 1), x.ndim - 1)
    if prod(shape) == prod(x.shape[lead:]):  # the vectors lie along the last axes alone
        yield from _rows(x.reshape(-1), y.reshape(-1), [np.ravel(v) for v in wide])
        return
    yield from _slabs(x, y, wide)


def _rows(x: Array, y: Array, vectors: list[Array]) -> Any:
    """Cut flat arrays into rows as long as the vectors, or as long as many copies of them."""
    size = max(len(vectors[0]), 1)
    repeats = max(_ROW // size, 1)
    row = size * repeats
    long = [_repeated(v, repeats) for v in vectors] if len(x) >= row else vectors
    step = max(TILE_BYTES // 2 // (row * x.itemsize), 1) * row
    whole = len(x) // row * row
    for start in range(0, whole, step):
        part = slice(start, min(start + step, whole))
        yield x[part].reshape(-1, row), y[part].reshape(-1, row), long
    if whole < len(x):
        yield x[whole:].reshape(-1, size), y[whole:].reshape(-1, size), vectors


def _repeated(vector: Array, times: int) -> Array:
    """Repeat a vector; `np.tile` takes longer to begin."""
    long = np.empty((times, len(vector)), vector.dtype)
    long[...] = vector
    return long.reshape(-1)


def _slabs(x: Array, y: Array, vectors: list[Array]) -> Any:
    """Cut along the first axis, and an entry too large for a tile along the next."""
    step = max(TILE_BYTES // 2 // max(x[:1].nbytes, 1), 1)
    if step == 1 and x.ndim > 1 and x[:1].nbytes > TILE_BYTES:
        for i in range(len(x)):
            yield from _slabs(x[i], y[i], [v[min(i, len(v) - 1)] for v in vectors])
        return
    for start in range(0, len(x), step):
        part = slice(start, start + step)
        yield x[part], y[part], [v[part] if len(v) > 1 else v for v in vectors]


def inverse_deviation(variance: Float64, epsilon: float) -> Float64:
    """Compute `1 / sqrt(variance + epsilon)`.

    Args:
        variance: float64, or `WIDE` where float64 cannot hold all of them.
        epsilon: Added to it.

    Returns:
        The inverse deviations, in the dtype of `variance`.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        inverse = np.asarray(1.0 / np.sqrt(variance.astype(np.float64, copy=False) + epsilon))
        if variance.dtype == np.float64:
            return inverse
        inside = (inverse < _LARGEST_INVERSE) & (inverse > 1 / _LARGEST_INVERSE)
        return np.asarray(np.where(inside, inverse, 1 / np.sqrt(variance + epsilon)))


def scaled(x: Array, factor: Float64) -> Array:
    """Compute `x * factor`.

    Args:
        x: C-contiguous, float32 or float64; not modified.
        factor: float64 or wider; it broadcasts against `x`.

    Returns:
        The product, in the dtype of `x`.
    """
    y = acquire(x.shape, x.dtype)
    with silence_floating_point():
        narrow = factor.astype(x.dtype)
        if not _scale_compiled(x, y, None, narrow, None):
            np.multiply(x, narrow, out=y)
        beyond = out_of_range(x.dtype, factors=[factor])
        if beyond is not None and x.size:
            for cells, out, (by, lost) in _tiles(x, y, (factor, beyond)):
                if lost.any():
                    wide = cells.astype(wider(x.dtype)) * by
                    np.copyto(out, wide, casting="same_kind", where=lost)
    return y


def multiply_and_add(y: Array, factor: Float64 | None, addend: Float64 | None) -> None:
    """Compute `y * factor + addend` in place.

    Args:
        y: C-contiguous, float32 or float64.
        factor: float64; it broadcasts against `y`. None for 1.
        addend: float64, likewise. None for 0.
    """
    if factor is None and addend is None:
        return
    with silence_floating_point():
        b, c = (None if v is None else v.astype(y.dtype) for v in (factor, addend))
        factors, addends = ([] if v is None else [v] for v in (factor, addend))
        if out_of_range(y.dtype, factors=factors, addends=addends) is not None:
            wide = y.astype(wider(y.dtype)) * (1 if factor is None else factor)
            np.copyto(y, wide + (0 if addend is None else addend), casting="same_kind")
            return
        if _scale_compiled(y, y, None, np.ones((1,) * y.ndim, y.dtype) if b is None else b, c):
            return
        if b is not None:
            np.multiply(y, b, out=y)
        if c is not None:
            np.add(y, c, out=y)
