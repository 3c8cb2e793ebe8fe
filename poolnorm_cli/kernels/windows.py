"""Reductions under a sliding window: by a compiled loop where one serves, else by NumPy."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from poolnorm_cli.kernels.memory import Array
from poolnorm_cli.kernels.native import FLOATS, loops_for
from poolnorm_cli.kernels.pool_view import FLOAT32_ADDITIONS, PoolView
from poolnorm_cli.shapes import Window


_CHAINED = 8
"""Rows under a window up to which they are combined one after another; more are combined by
doubling, for which a window must not reach over planes as well.
"""
_ONE = Window(1, 1, 1, 0, 0)


def _slide(view: PoolView, *, average: bool = False) -> bool | None:
    """Take the maximum under each place of a window, or the mean, into `view.out`.

    Returns:
        Whether all means are finite; None if no loop serves for these windows, and nothing is done.
    """
    loops = loops_for(view.cells, FLOATS)
    geometry = _geometry(view.cells.shape, view.windows)
    if loops is None or geometry is None:
        return None
    size, wide = view.cells.itemsize, _wide(view.windows) if average else 0
    if not _doubles(view.windows):
        return not loops.windows(view.cells, view.out, average, size, wide, *geometry)
    # Doubling holds the partial results of a whole image: then it has to be a tile.
    lost = False
    for tile in view.tiles():
        part: Any = _geometry(tile.cells.shape, tile.windows)
        lost |= loops.windows(tile.cells, tile.out, average, size, wide, *part)
    return not lost


@lru_cache(maxsize=64)
def _geometry(shape: tuple[int, ...], windows: tuple[Window, ...]) -> tuple[Any, ...] | None:
    """Return shape and windows as a loop takes them; None where none serves for such windows."""
    images, *spatial, items = shape
    plane, row, cell = _three(windows)
    if plane.size > 1 and plane.size * row.size > _CHAINED:
        return None
    sizes = images, *(1,) * (3 - len(spatial)), *spatial, items
    return sizes, plane[:4], row[:4], cell[:4]


@lru_cache(maxsize=64)
def _wide(windows: tuple[Window, ...]) -> int:
    """Decide where means are summed in float64, as float32 would lose too much.

    Returns:
        0 for nowhere, 1 along rows alone, 2 everywhere.
    """
    plane, row, cell = _three(windows)
    is_long = row.size > _CHAINED
    rows = (row.size - 1).bit_length() if is_long else plane.size * row.size - 1
    if rows + (cell.size - 1).bit_length() <= FLOAT32_ADDITIONS:
        return 0
    return 1 if is_long and rows <= FLOAT32_ADDITIONS else 2


def _doubles(windows: tuple[Window, ...]) -> bool:
    """Whether rows are combined by doubling."""
    return len(windows) > 1 and windows[-2].size > _CHAINED


def _three(windows: Sequence[Window]) -> tuple[Window, Window, Window]:
    """View one axis, or two, as the last of three."""
    return (*(_ONE,) * (3 - len(windows)), *windows)  # type: ignore[return-value] # 1 to 3


def max_windows(x: Array, windows: Mapping[int, Window]) -> Array:
    """Take the maximum under each place of the window, as Keras' MaxPooling does.

    Args:
        x: C-contiguous, of any float or integer dtype; bool counts as integer.
        windows: Axis -> window on it. Every window covers at least one real cell.

    Returns:
        The maxima, of the dtype of `x`, with as many places on each of these axes as its window
        has; `x` itself where each window is one cell, at every cell. NaN propagates.
    """
    view = PoolView.of(x, windows)
    if not view.order:
        return x
    if _slide(view) is not None:
        return view.out.reshape(view.shape)
    from poolnorm_cli.kernels.numpy_windows import maximum

    maximum(view)
    return view.out.reshape(view.shape)


def mean_windows(x: Array, windows: Mapping[int, Window]) -> Array:
    """Average the real cells, not padding, under each place of the window.

    As Keras' AveragePooling does.

    The mean is within 4 float32 epsilons of mean(|cells|) of the exact one for float32, and it
    overflows only where the mean itself does.

    Args:
        x: C-contiguous, float32 or float64.
        windows: Axis -> window on it. Every window covers at least one real cell.

    Returns:
        The means, of the dtype of `x`, with as many places on each of these axes as its window
        has; `x` itself where each window is one cell, at every cell.
    """
    view = PoolView.of(x, windows)
    if not view.order:
        return x
    finite = _slide(view, average=True)
    if finite:
        return view.out.reshape(view.shape)
    from poolnorm_cli.kernels.numpy_windows import average

    average(view, overflowed_only=finite is not None)
    return view.out.reshape(view.shape)
