"""What the compiled loop of windows is called with: made of shapes alone, without NumPy."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from poolnorm_cli.kernels import native
from poolnorm_cli.kernels.native import KIND_BYTES
from poolnorm_cli.kernels.pool_shapes import FLOAT32_ADDITIONS, PoolShapes, pool_shapes
from poolnorm_cli.shapes import Ints
from poolnorm_cli.windows import Reduction, Window


if TYPE_CHECKING:
    from collections.abc import Iterator

    from poolnorm_cli.kernels.adaptive import Covers
    from poolnorm_cli.kernels.native import Buffer


_CHAINED = 8
"""Rows under a window up to which they are combined one after another; more are combined by
doubling, and those of several planes plane by plane first.
"""
_LONG = 8 * _CHAINED
"""Cells of a window in a row above which it is reduced alone, where it shares none with others."""
_WIDE_EVERYWHERE = 2
_ONE = Window(1, 1, 1, 0, 0)


class WindowCall(NamedTuple):
    """A call of the loop: what is made of the cells under each place of some windows.

    Attributes:
        shapes: Windows and cells.
        letter: Of the type of the items.
        reduction: What is made of the cells.
    """

    shapes: PoolShapes
    letter: str
    reduction: Reduction

    @property
    def itemsize(self) -> int:
        """Bytes of an item."""
        return KIND_BYTES[self.letter]

    def run(self, cells: "Buffer", out: "Buffer") -> bool:
        """Run the loop.

        Args:
            cells: The items, C-contiguous and aligned.
            out: Memory of the result.

        Returns:
            Whether all means are finite, or there are none; others are to be computed again.
        """
        loops, shapes = native.loops(), self.shapes
        if not shapes.order:  # every window is one cell
            memoryview(out).cast("B")[:] = memoryview(cells).cast("B")
            return True
        if self.reduction != "min" and _stand_apart(shapes.windows):
            return self._run_adaptive(cells, out)
        if _reaches_over_planes(shapes.windows):
            return self._run_apart(memoryview(cells), memoryview(out))
        wide = _wide(shapes.windows) if self.reduction == "mean" else 0
        kind = native.REDUCTIONS[self.reduction], self.letter, wide
        if not _doubles(shapes.windows):
            return not loops.windows(cells, out, *kind, *_geometry(shapes.sizes, shapes.windows))
        # Doubling holds the partial results of a whole image: then it has to be a tile.
        lost = False
        for source, target, geometry in self._tiles(memoryview(cells), memoryview(out)):
            lost |= loops.windows(source, target, *kind, *geometry)
        return not lost

    def _run_adaptive(self, cells: "Buffer", out: "Buffer") -> bool:
        """Reduce large windows that share no cell by the loop that takes each of them alone."""
        call = _alone(self.shapes.sizes, self.shapes.windows)
        kind = self.reduction == "mean", self.letter
        return not native.loops().adaptive(cells, out, call.bounds, *kind, call.shape, call.counts)

    def _run_apart(self, cells: memoryview, out: memoryview) -> bool:
        """Reduce along planes first, and what comes out along rows and cells.

        Of means this takes means, each of equally many cells, whose sums are taken in float64: so
        rounding those in between costs half an epsilon more.
        """
        lost, middle = False, memoryview(b"")
        wide = _WIDE_EVERYWHERE if self.reduction == "mean" else 0
        kind = native.REDUCTIONS[self.reduction], self.letter, wide
        for source, target, (sizes, plane, row, cell) in self._tiles(cells, out):
            images, planes, rows, width, items = sizes
            places, one = plane[2], _fields(_ONE)
            size = images * places * rows * width * items * self.itemsize
            if len(middle) < size:
                middle = memoryview(bytearray(size))
            each = _fields(Window(1, 1, rows * width, 0, 0))
            along = (images, 1, planes, rows * width, items), one, plane, each
            across = (images * places, 1, rows, width, items), one, row, cell
            lost |= native.loops().windows(source, middle[:size], *kind, *along)
            lost |= native.loops().windows(middle[:size], target, *kind, *across)
        return not lost

    def _tiles(
        self, cells: memoryview, out: memoryview
    ) -> "Iterator[tuple[memoryview, memoryview, tuple[Any, ...]]]":
        sizes, places = self.shapes.sizes, self.shapes.out
        if 0 in sizes or 0 in places:
            return
        cells, out = cells.cast("B"), out.cast("B")
        for tile in self.shapes.tiles(self.itemsize):
            source = part_of(cells, sizes, tile.first, tile.images, tile.rows, self.itemsize)
            target = part_of(out, places, tile.first, tile.images, tile.places, self.itemsize)
            part = (tile.images, tile.rows[1] - tile.rows[0], *sizes[2:])
            yield source, target, _geometry(part, tile.windows)


def window_call(
    shape: Ints, windows: Mapping[int, Window], dtype: str, reduction: Reduction = "max"
) -> WindowCall | None:
    """Return the call of the loop for the windows on a block.

    Args:
        shape: Shape of the block.
        windows: Axis -> window on it.
        dtype: Name of its dtype.
        reduction: What is made of the cells.

    Returns:
        The call; None where no loop serves for such a dtype, or there are no loops.
    """
    return call_for(pool_shapes(shape, windows), dtype, reduction)


def call_for(shapes: PoolShapes, dtype: str, reduction: Reduction) -> WindowCall | None:
    """Return the call of the loop for a block that is viewed as images.

    Args:
        shapes: The view.
        dtype: As for `window_call`.
        reduction: As for `window_call`.

    Returns:
        As `window_call`.
    """
    # Between planes and rows, means would be rounded to two bytes.
    halves = not (reduction == "mean" and _reaches_over_planes(shapes.windows))
    letter = native.served_kind(dtype, reduction, halves=halves)
    return None if letter is None else WindowCall(shapes, letter, reduction)


def part_of(
    whole: memoryview, shape: Ints, first: int, images: int, rows: tuple[int, int], itemsize: int
) -> memoryview:
    """Return the bytes of some images, or of some rows of one.

    Args:
        whole: The bytes of all.
        shape: Their shape: (images, rows, ...).
        first: Index of the first image.
        images: How many there are.
        rows: Of one image, the first row and the one after the last.
        itemsize: Bytes of an item.

    Returns:
        The bytes.
    """
    row = prod(shape[2:]) * itemsize
    image = shape[1] * row
    if images > 1:
        return whole[first * image : (first + images) * image]
    return whole[first * image + rows[0] * row : first * image + rows[1] * row]


@lru_cache(maxsize=64)
def _geometry(shape: Ints, windows: tuple[Window, ...]) -> tuple[Any, ...]:
    """Return shape and windows as the loop takes them."""
    images, *spatial, items = shape
    plane, row, cell = _three(windows)
    sizes = images, *(1,) * (3 - len(spatial)), *spatial, items
    return sizes, _fields(plane), _fields(row), _fields(cell)


def _fields(window: Window) -> tuple[int, ...]:
    """Return a window as the loop takes it: all but `high`, which follows from the others."""
    return (*window[:4], *window[5:])


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


@lru_cache(maxsize=16)
def _alone(sizes: Ints, windows: tuple[Window, ...]) -> "Covers":
    """Return the call of the loop that takes each window alone."""
    from poolnorm_cli.kernels.adaptive import covers

    bounds = {
        axis: [
            (max(start, 0), min(start + each.size, sizes[axis]))
            for start in range(-each.low, each.count * each.stride - each.low, each.stride)
        ]
        for axis, each in enumerate(windows, start=1)
    }
    return covers(sizes, bounds)


def _stand_apart(windows: tuple[Window, ...]) -> bool:
    """Whether windows are large, share no cell, and count what is under them."""
    if any(w.stride < w.size or w != Window(*w[:5]) for w in windows):
        return False
    return prod(w.size for w in windows[:-1]) > _CHAINED or windows[-1].size > _LONG


def _reaches_over_planes(windows: tuple[Window, ...]) -> bool:
    """Whether a window has more rows than are combined one after another, of several planes."""
    plane, row, _ = _three(windows)
    return plane.size > 1 and plane.size * row.size > _CHAINED


def _doubles(windows: tuple[Window, ...]) -> bool:
    """Whether rows are combined by doubling."""
    return len(windows) > 1 and windows[-2].size > _CHAINED


def _three(windows: Sequence[Window]) -> tuple[Window, Window, Window]:
    """View one axis, or two, as the last of three."""
    return (*(_ONE,) * (3 - len(windows)), *windows)  # type: ignore[return-value] # 1 to 3
