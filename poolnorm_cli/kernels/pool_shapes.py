"""An input of a pooling seen as images with spatial axes, and how that is tiled: shapes alone.

Nothing here needs NumPy: compiled loops are called on bytes by the same shapes as on arrays.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from math import prod
from typing import NamedTuple

from poolnorm_cli.shapes import Ints
from poolnorm_cli.sizes import TILE_BYTES
from poolnorm_cli.windows import Window


FLOAT32_ADDITIONS = 6
"""Additions in float32 after which a mean is still within 4 epsilons of the exact one.

Each addition and the division by the count err by half an epsilon of the sum of magnitudes.
"""

_HALO = 8
"""Rows of a strip for each row shared with its neighbours, at least: those are read twice."""


class TileShape(NamedTuple):
    """Some consecutive images, or some rows of one, and where the result goes.

    Attributes:
        first: Index of the first image.
        images: How many there are.
        rows: First cell along the first spatial axis, and the one after the last.
        places: First place of the window on that axis, and the one after the last.
        windows: The windows on these cells.
    """

    first: int
    images: int
    rows: tuple[int, int]
    places: tuple[int, int]
    windows: tuple[Window, ...]


class PoolShapes(NamedTuple):
    """An input under windows, viewed as images of one or more spatial axes.

    Attributes:
        sizes: Shape of the input: (images, *spatial, items).
        windows: One per spatial axis.
        out: Shape of the result: (images, *places, items).
        shape: The shape in which the result is returned.
        order: The axes of `sizes` along which there is something to reduce, the one that shrinks
            most first.
    """

    sizes: Ints
    windows: tuple[Window, ...]
    out: Ints
    shape: Ints
    order: Ints

    def tiles(self, itemsize: int) -> Iterator[TileShape]:
        """Cut the input into groups of images, or an image too large for that into strips.

        Args:
            itemsize: Bytes of an item.

        Yields:
            The tiles, in order.
        """
        images, length = self.sizes[:2]
        size = prod(self.sizes[1:]) * itemsize
        window = self.windows[0]
        if 0 in self.out:
            return
        if size <= TILE_BYTES:
            group = max(TILE_BYTES // max(size, 1), 1)
            for i in range(0, images, group):
                count = min(group, images - i)
                yield TileShape(i, count, (0, length), (0, window.count), self.windows)
            return
        step = _strip(window, size // max(length, 1))
        for image in range(images):
            for first in range(0, window.count, step):
                count = min(step, window.count - first)
                start, stop, part = window.part(first, count, length)
                windows = (part, *self.windows[1:])
                yield TileShape(image, 1, (start, stop), (first, first + count), windows)


def pool_shapes(shape: Ints, windows: Mapping[int, Window]) -> PoolShapes:
    """View an input under windows as images.

    Args:
        shape: Shape of the input.
        windows: Axis -> window on it.

    Returns:
        The view: axes before the first window are merged into images, those after the last one
        into items, and an axis between without a window has one of a single cell.
    """
    return _pool_shapes(shape, tuple(windows.items()))


@lru_cache(maxsize=64)
def _pool_shapes(shape: Ints, given: tuple[tuple[int, Window], ...]) -> PoolShapes:
    windows = dict(given)
    first, last = min(windows), max(windows) + 1
    images, items = prod(shape[:first]), prod(shape[last:])
    spatial = tuple(
        windows.get(axis, Window(1, 1, shape[axis], 0, 0)) for axis in range(first, last)
    )
    counts = tuple(window.count for window in spatial)
    sizes = (images, *shape[first:last], items)
    axes = [axis for axis, w in enumerate(spatial, start=1) if not _keeps(w, sizes[axis])]
    order = sorted(axes, key=lambda a: spatial[a - 1].count / max(shape[first + a - 1], 1))
    out = (images, *counts, items)
    return PoolShapes(sizes, spatial, out, (*shape[:first], *counts, *shape[last:]), tuple(order))


def _keeps(window: Window, length: int) -> bool:
    """Whether a window has a place on each cell of an axis, and nothing else under it."""
    plain = (window.size, window.stride, window.count) == (1, 1, length)
    return plain and window.divides_by_cells


def _strip(window: Window, row_bytes: int) -> int:
    """Return how many places of a window make a strip of a tile's size."""
    shared = max(window.extent - window.stride, 0)
    rows = max(TILE_BYTES // max(row_bytes, 1) - shared, _HALO * shared)
    return max(rows // window.stride, 1)
