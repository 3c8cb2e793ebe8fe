"""An input of a pooling as images with spatial axes, and its tiles, which stay in cache."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

from numpy.typing import NDArray

from poolnorm_cli.kernels.memory import acquire
from poolnorm_cli.shapes import Window
from poolnorm_cli.sizes import TILE_BYTES


Array = NDArray[Any]

FLOAT32_ADDITIONS = 6
"""Additions in float32 after which a mean is still within 4 epsilons of the exact one.

Each addition and the division by the count err by half an epsilon of the sum of magnitudes.
"""

_HALO = 8
"""Rows of a strip for each row that it shares with its neighbours, at least."""


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
    """An input below windows, seen as images of one or more spatial axes.

    Attributes:
        cells: The input, of shape (images, *spatial, items).
        windows: One per spatial axis.
        out: The result, likewise.
        shape: The shape of the result as it is asked for.
        order: The axes on which there is something to do, the one that shrinks most first.
    """

    cells: Array
    windows: tuple[Window, ...]
    out: Array
    shape: tuple[int, ...]
    order: tuple[int, ...]

    @classmethod
    def of(cls, x: Array, windows: Mapping[int, Window]) -> "PoolView":
        """See an input so, and make room for its result."""
        seen, spatial, out, shape, order = _seen(x.shape, tuple(windows.items()))
        return cls(x.reshape(seen), spatial, acquire(out, x.dtype), shape, order)

    def tiles(self) -> Iterator[Tile]:
        """Cut the input: into groups of images, or an image too large for that into strips."""
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
def _seen(
    shape: tuple[int, ...], given: tuple[tuple[int, Window], ...]
) -> tuple[tuple[int, ...], tuple[Window, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Give what a view needs: shape and windows, then the result as made and as asked for."""
    windows = dict(given)
    first, last = min(windows), max(windows) + 1
    images, items = prod(shape[:first]), prod(shape[last:])
    spatial = tuple(
        windows.get(axis, Window(1, 1, shape[axis], 0, 0)) for axis in range(first, last)
    )
    counts = tuple(window.count for window in spatial)
    axes = [axis for axis, w in enumerate(spatial, start=1) if (w.size, w.stride) != (1, 1)]
    order = sorted(axes, key=lambda a: spatial[a - 1].count / max(shape[first + a - 1], 1))
    seen, out = (images, *shape[first:last], items), (images, *counts, items)
    return seen, spatial, out, (*shape[:first], *counts, *shape[last:]), tuple(order)


def _strip(window: Window, row_bytes: int) -> int:
    """Return how many places of a window make a strip."""
    shared = max(window.size - window.stride, 0)
    rows = max(TILE_BYTES // max(row_bytes, 1) - shared, _HALO * shared)
    return max(rows // window.stride, 1)
