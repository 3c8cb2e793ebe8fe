"""An input of a pooling as images with spatial axes, and its tiles, which stay in cache."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from math import prod
from typing import NamedTuple

from poolnorm_cli.kernels.memory import Array, acquire
from poolnorm_cli.shapes import Window
from poolnorm_cli.sizes import TILE_BYTES


FLOAT32_ADDITIONS = 6
"""Additions in float32 after which a mean is still within 4 epsilons of the exact one.

Each addition and the division by the count err by half an epsilon of the sum of magnitudes.
"""

_HALO = 8
"""Rows of a strip for each row shared with its neighbours, at least: those are read twice."""


class Tile(NamedTuple):
    """Some cells, the windows on their spatial axes, and where the result goes.

    Attributes:
        cells: C-contiguous, of shape (images, *spatial, items).
        windows: One per spatial axis.
        out: C-contiguous, of the same rank.
    """

    cells: Array
    windows: tuple[Window, ...]
    out: Array


class PoolView(NamedTuple):
    """An input under windows, viewed as images of one or more spatial axes.

    Attributes:
        cells: The input, C-contiguous, of shape (images, *spatial, items).
        windows: One per spatial axis.
        out: Memory of the result, C-contiguous, of shape (images, *places, items).
        shape: The shape in which the result is returned.
        order: The axes of `cells` along which there is something to reduce, the one that shrinks
            most first.
    """

    cells: Array
    windows: tuple[Window, ...]
    out: Array
    shape: tuple[int, ...]
    order: tuple[int, ...]

    @classmethod
    def of(cls, x: Array, windows: Mapping[int, Window]) -> "PoolView":
        """View an input, and acquire memory for its result.

        Args:
            x: C-contiguous, of any dtype.
            windows: Axis of `x` -> window on it.

        Returns:
            The view: axes before the first window are merged into images, those after the last one
            into items, and an axis between without a window has one of a single cell.
        """
        sizes, spatial, out, shape, order = _geometry(x.shape, tuple(windows.items()))
        return cls(x.reshape(sizes), spatial, acquire(out, x.dtype), shape, order)

    def tiles(self) -> Iterator[Tile]:
        """Cut the input into groups of images, or an image too large for that into strips."""
        images, length = self.cells.shape[:2]
        size = self.cells[:1].nbytes
        if not self.out.size:
            return
        group = max(TILE_BYTES // max(size, 1), 1)
        if size <= TILE_BYTES:
            for i in range(0, images, group):
                yield Tile(self.cells[i : i + group], self.windows, self.out[i : i + group])
            return
        window = self.windows[0]
        step = _strip(window, size // max(length, 1))
        for image in range(images):
            for first in range(0, window.count, step):
                count = min(step, window.count - first)
                start, stop, part = window.part(first, count, length)
                yield Tile(
                    self.cells[image : image + 1, start:stop],
                    (part, *self.windows[1:]),
                    self.out[image : image + 1, first : first + count],
                )


@lru_cache(maxsize=64)
def _geometry(
    shape: tuple[int, ...], given: tuple[tuple[int, Window], ...]
) -> tuple[tuple[int, ...], tuple[Window, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return shape and windows of a view, both shapes of its result, and the order."""
    windows = dict(given)
    first, last = min(windows), max(windows) + 1
    images, items = prod(shape[:first]), prod(shape[last:])
    spatial = tuple(
        windows.get(axis, Window(1, 1, shape[axis], 0, 0)) for axis in range(first, last)
    )
    counts = tuple(window.count for window in spatial)
    axes = [axis for axis, w in enumerate(spatial, start=1) if (w.size, w.stride) != (1, 1)]
    order = sorted(axes, key=lambda a: spatial[a - 1].count / max(shape[first + a - 1], 1))
    sizes, out = (images, *shape[first:last], items), (images, *counts, items)
    return sizes, spatial, out, (*shape[:first], *counts, *shape[last:]), tuple(order)


def _strip(window: Window, row_bytes: int) -> int:
    """Return how many places of a window make a strip of a tile's size."""
    shared = max(window.size - window.stride, 0)
    rows = max(TILE_BYTES // max(row_bytes, 1) - shared, _HALO * shared)
    return max(rows // window.stride, 1)
