"""An input of a pooling as images with spatial axes, and its tiles, which stay in cache."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from poolnorm_cli.kernels.memory import Array, acquire
from poolnorm_cli.kernels.pool_shapes import PoolShapes, pool_shapes
from poolnorm_cli.windows import Window


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
        out: Memory of the result, C-contiguous, of shape (images, *places, items).
        shapes: The windows, and the shapes of both.
    """

    cells: Array
    out: Array
    shapes: PoolShapes

    @classmethod
    def of(cls, x: Array, windows: Mapping[int, Window]) -> "PoolView":
        """View an input, and acquire memory for its result.

        Args:
            x: C-contiguous, of any dtype.
            windows: Axis of `x` -> window on it.

        Returns:
            The view.
        """
        shapes = pool_shapes(x.shape, windows)
        return cls(x.reshape(shapes.sizes), acquire(shapes.out, x.dtype), shapes)

    @property
    def windows(self) -> tuple[Window, ...]:
        """One per spatial axis."""
        return self.shapes.windows

    @property
    def result(self) -> Array:
        """The result in the shape in which it is returned."""
        return self.out.reshape(self.shapes.shape)

    @property
    def order(self) -> tuple[int, ...]:
        """The axes along which there is something to reduce, the one that shrinks most first."""
        return self.shapes.order

    def tiles(self) -> Iterator[Tile]:
        """Cut the input into tiles."""
        for tile in self.shapes.tiles(self.cells.itemsize):
            some = slice(tile.first, tile.first + tile.images)
            cells, out = self.cells[some], self.out[some]
            yield Tile(cells[:, slice(*tile.rows)], tile.windows, out[:, slice(*tile.places)])
