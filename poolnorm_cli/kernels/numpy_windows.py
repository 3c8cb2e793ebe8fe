"""Reductions under a sliding window in NumPy, an axis at a time.

Both reductions are separable: the maximum of a box is the maximum along one axis of the maxima
along the others, and so is the sum. The cost of a large window grows with its logarithm only.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby, product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from poolnorm_cli.kernels.memory import scratch, silence_floating_point
from poolnorm_cli.kernels.pool_shapes import FLOAT32_ADDITIONS
from poolnorm_cli.kernels.pool_view import PoolView, Tile
from poolnorm_cli.kernels.window_programs import Combine, Program, cached_program, reduce_axis
from poolnorm_cli.windows import Window


Array = NDArray[Any]
Passes = Sequence[tuple[int, DTypeLike]]
"""The axes to reduce, in order, and the dtype in which each is reduced."""

_Segment = tuple[int, int, int]
"""First place, place after the last, and what means divide by at each of them."""


def divide(
    program: Program, sums: Array, windows: Sequence[Window], lengths: Sequence[int]
) -> None:
    """Append to a program the steps that divide sums by the number of their cells.

    Args:
        program: The program.
        sums: C-contiguous, of shape (images, *places, items).
        windows: One per spatial axis.
        lengths: The cells on each of these axes.
    """
    *outer, last = (_segments(w, length) for w, length in zip(windows, lengths, strict=True))
    images, items = sums.shape[0], sums.shape[-1]
    rows = sums.reshape(images, *sums.shape[1:-2], sums.shape[-2] * items)
    if all(len(segments) == 1 for segments in outer):
        rows = sums.reshape(-1, sums.shape[-2] * items)
    row = _row(last, items, sums.dtype)
    for segments in product(*outer):
        cells = 1
        part: Any = (slice(None),)
        for start, stop, count in segments:
            cells *= count
            part += (slice(start, stop),)
        some = rows[part] if rows.ndim > 2 else rows
        program.add(np.divide, some, np.asarray(row * row.dtype.type(cells)), some)


@lru_cache(maxsize=64)
def _segments(window: Window, length: int) -> tuple[_Segment, ...]:
    """Group consecutive places of a window at which means divide by the same number."""
    return tuple(_grouped(window.divisors(length)))


def _grouped(cells: Sequence[int]) -> Iterator[_Segment]:
    start = 0
    for count, group in groupby(cells):
        stop = start + len(list(group))
        yield start, stop, count
        start = stop


@lru_cache(maxsize=8)
def _row(segments: tuple[_Segment, ...], items: int, dtype: np.dtype[Any]) -> Array:
    """Return the counts along a row; a single one where they are all the same."""
    if len(segments) == 1:
        return np.array(segments[0][2], dtype)
    counts, places = [c for _, _, c in segments], [(b - a) * items for a, b, _ in segments]
    return np.repeat(counts, places).astype(dtype)


def maximum(view: PoolView) -> None:
    """Take the maximum under each place of the windows, into `view.out`."""
    passes = [(axis, view.cells.dtype) for axis in view.order]
    with silence_floating_point():  # a signalling NaN is data here, not an incident
        for tile in view.tiles():
            _program(tile, passes, "maximum").run(tile.cells, tile.out)


def average(view: PoolView, *, overflowed_only: bool) -> None:
    """Take the mean under each place of the windows, into `view.out`.

    Args:
        view: The input, float32 or float64.
        overflowed_only: The means are there already, but for those whose sums overflow.
    """
    passes = _sum_passes(view)
    with silence_floating_point():
        for tile in view.tiles():
            if not overflowed_only:
                _program(tile, passes, "average").run(tile.cells, tile.out)
            if not _all_finite(tile.out):
                _rescale(tile, passes)


def _sum_passes(view: PoolView) -> list[tuple[int, np.dtype[Any]]]:
    """Give each pass the dtype it adds in: float64 once float32 would lose too much."""
    additions, passes = 0, []
    for axis in view.order:
        additions += (view.windows[axis - 1].size - 1).bit_length()
        wide = additions > FLOAT32_ADDITIONS
        passes.append((axis, np.dtype(np.float64) if wide else view.cells.dtype))
    return passes


def _program(tile: Tile, passes: Passes, kind: str) -> Program:
    """Return the program for tiles like this one."""
    shape, dtype = tile.cells.shape, tile.cells.dtype
    key = kind, shape, dtype, tile.windows, tuple(passes)

    def make() -> Program:
        program = Program(shape, tile.out.shape, dtype)
        if kind == "maximum":
            _reduce(
                program, program.cells, tile.windows, passes, Combine.maximum(dtype), program.out
            )
            return program
        last = np.dtype(passes[-1][1])
        narrow = last == dtype
        sums = program.out if narrow else scratch("sums", program.out.shape, last)
        _reduce(program, program.cells, tile.windows, passes, Combine.sum(), sums)
        divide(program, sums, tile.windows, shape[1:-1])
        if not narrow:
            program.add(_copy, program.out, sums)
        return program

    return cached_program(key, make)


def _copy(to: Array, cells: Array) -> None:
    np.copyto(to, cells, casting="same_kind")


def _rescale(tile: Tile, passes: Passes) -> None:
    """Compute again the means whose sums overflow: powers of two scale without rounding."""
    power = prod(window.size for window in tile.windows).bit_length()
    wide = np.ldexp(tile.cells.astype(np.float64), -power)
    means = Tile(wide, tile.windows, np.empty(tile.out.shape))
    widely = [(axis, np.dtype(np.float64)) for axis, _ in passes]
    _program(means, widely, "average").run(wide, means.out)
    rescaled = np.ldexp(means.out, power)
    np.copyto(tile.out, rescaled, casting="same_kind", where=~np.isfinite(tile.out))
    tile.out[np.isnan(tile.out)] = np.nan  # the sign of a sum of NaNs depends on the loop


def _reduce(
    program: Program,
    cells: Array,
    windows: Sequence[Window],
    passes: Passes,
    combine: Combine,
    out: Array,
) -> None:
    """Append the steps that reduce along one axis after another, the last time into `out`."""
    for done, (axis, dtype) in enumerate(passes, start=1):
        if cells.dtype != dtype:
            wide = scratch("wide", cells.shape, dtype)
            program.add(np.copyto, wide, cells)
            cells = wide
        shape = list(cells.shape)
        shape[axis] = windows[axis - 1].count
        to = out if done == len(passes) else scratch(f"pass {done}", tuple(shape), dtype)
        merged = _merged(cells, axis), windows[axis - 1], combine, _merged(to, axis)
        reduce_axis(program, *merged)
        cells = to


def _merged(x: Array, axis: int) -> Array:
    """Merge the axes before one, and those after it."""
    return x.reshape(prod(x.shape[:axis]), x.shape[axis], prod(x.shape[axis + 1 :]))


def _all_finite(x: Array) -> bool:
    flat = x.reshape(-1)
    return bool(np.isfinite(np.maximum.reduce(flat)) and np.isfinite(np.minimum.reduce(flat)))
