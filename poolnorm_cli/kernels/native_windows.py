"""Sliding windows in compiled loops."""

from collections.abc import Sequence
from typing import Any

from poolnorm_cli.kernels.counts import FLOAT32_ADDITIONS
from poolnorm_cli.kernels.native import FLOATS, loops_for
from poolnorm_cli.kernels.tiles import Sheet, Tile
from poolnorm_cli.shapes import Window


_JOINED = 8
"""Rows below a window up to which they are joined one after another; more are put together from
runs of 1, 2, 4, ... rows, for which a window must not reach over planes as well.
"""
_ONE = Window(1, 1, 1, 0, 0)


def slide(sheet: Sheet, *, average: bool = False) -> bool | None:
    """Take the maximum below each place of a window, or the mean, into `sheet.out`.

    Returns:
        Whether all means are finite; None if no loop serves for these windows, and nothing is done.
    """
    loops = loops_for(sheet.cells, FLOATS)
    plane, row, cell = _three(sheet.windows)
    rows, long = plane.size * row.size, row.size > _JOINED
    if loops is None or (rows > _JOINED and plane.size > 1):
        return None
    additions = (row.size - 1).bit_length() if long else rows - 1
    wide = average and additions + (cell.size - 1).bit_length() > FLOAT32_ADDITIONS
    # Columns that are put together from runs are held for the whole image: then it is a tile.
    tiles = sheet.tiles() if long else [Tile(sheet.cells, sheet.windows, sheet.out)]
    lost = [loops.windows(*_call(tile, average=average, wide=wide)) for tile in tiles]
    return not any(lost)


def _call(tile: Tile, *, average: bool, wide: bool) -> tuple[Any, ...]:
    images, *spatial, items = tile.cells.shape
    shape = images, *(1,) * (3 - len(spatial)), *spatial, items
    windows = ((w.size, w.stride, w.count, w.low) for w in _three(tile.windows))
    return tile.cells, tile.out, average, tile.cells.itemsize, wide, shape, *windows


def _three(windows: Sequence[Window]) -> tuple[Window, Window, Window]:
    """See one axis, or two, as the last of three."""
    first, second, third = (*(_ONE,) * (3 - len(windows)), *windows)
    return first, second, third
