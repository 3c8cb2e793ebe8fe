"""How compiled loops take p-norms: powers of magnitudes, their sums, roots. Without NumPy.

All of it is in float64 and rounded once, tile by tile, so that powers and sums stay in cache.
"""

from collections.abc import Mapping, Sequence
from math import isinf
from typing import TYPE_CHECKING, NamedTuple

from poolnorm_cli.kernels import native
from poolnorm_cli.kernels.fold_loops import FoldCall, three_sizes
from poolnorm_cli.kernels.pool_shapes import PoolShapes, TileShape, pool_shapes
from poolnorm_cli.kernels.window_loops import WindowCall, part_of
from poolnorm_cli.shapes import Ints
from poolnorm_cli.sizes import TILE_BYTES
from poolnorm_cli.windows import Window


if TYPE_CHECKING:
    from poolnorm_cli.kernels.native import Buffer, LoopCall

SAFE_POWER = 6.0
"""Up to this power, magnitudes of float32, subnormal ones too, stay in the range of float64."""
LEAST = 2.0**-900
"""Sums of powers from here on have lost no digit to powers that are too small for float64."""

_ITEM_BYTES = {"float32": 4, "float64": 8}
_DOUBLE = 8
_LETTERS = {4: "f", 8: "d"}


def is_safe(dtype: str, p: float) -> bool:
    """Say whether powers stay in range, whatever the values are.

    Args:
        dtype: Name of the dtype of the values.
        p: The power; a sum of magnitudes, for 1, is the norm itself.

    Returns:
        Whether no sum of powers has to be taken otherwise.
    """
    return p == 1 or (dtype == "float32" and p <= SAFE_POWER)


def norm_call(
    shape: Ints, windows: Mapping[int, Window], dtype: str, p: float
) -> "LoopCall | None":
    """Return what takes the p-norm of the cells under each place of a window.

    Args:
        shape: Shape of the block.
        windows: Axis -> window on it. Every window covers at least one real cell.
        dtype: Name of its dtype.
        p: The power, above 0; infinity for the largest magnitude.

    Returns:
        The call; None where no loop serves for such a dtype, or there are no loops.
    """
    itemsize = _ITEM_BYTES.get(dtype)
    if itemsize is None or not native.compiled():
        return None
    plain = {a: w._replace(before=0, after=0, divisor=1) for a, w in windows.items()}
    return _WindowNorm(pool_shapes(shape, plain), itemsize, p, is_safe(dtype, p)).run


def global_norm_call(shape: Ints, axes: Sequence[int], dtype: str, p: float) -> "LoopCall | None":
    """Return what takes the p-norm over adjacent axes.

    Args:
        shape: Shape of the block.
        axes: Sorted, adjacent axes, none of them empty.
        dtype: Name of its dtype.
        p: The power, above 0; infinity for the largest magnitude.

    Returns:
        The call; None where no loop serves for such a dtype, or there are no loops.
    """
    itemsize = _ITEM_BYTES.get(dtype)
    if itemsize is None or not native.compiled():
        return None
    return _GlobalNorm(three_sizes(shape, axes), itemsize, p, is_safe(dtype, p)).run


class _WindowNorm(NamedTuple):
    """The norm under each place of a window.

    Attributes:
        shapes: Windows and cells; all cells count as one for the divisor.
        itemsize: Bytes of an item.
        p: The power.
        safe: Powers stay in range.
    """

    shapes: PoolShapes
    itemsize: int
    p: float
    safe: bool

    def run(self, cells: "Buffer", out: "Buffer") -> bool:
        """Take the norms.

        Args:
            cells: The items, C-contiguous and aligned.
            out: Memory of the result.

        Returns:
            Whether no power has left the range: where a sum of powers is infinite, or smaller than
            `LEAST`, it is to be computed otherwise.
        """
        sizes, places = self.shapes.sizes, self.shapes.out
        if 0 in sizes or 0 in places:
            return True
        x, y = memoryview(cells).cast("B"), memoryview(out).cast("B")
        letter = _LETTERS[self.itemsize if isinf(self.p) else _DOUBLE]
        wide = native.KIND_BYTES[letter]
        loops, lost, memory = native.loops(), False, _Memory()
        for tile in self.shapes.tiles(_DOUBLE):
            source = part_of(x, sizes, tile.first, tile.images, tile.rows, self.itemsize)
            target = part_of(y, places, tile.first, tile.images, tile.places, self.itemsize)
            items = len(source) // self.itemsize
            powers = memory.powers(items * wide)
            lost |= loops.powers(source, powers, items, self.itemsize, self.p)
            call = WindowCall(self._tile(tile), letter, "max" if isinf(self.p) else "mean")
            if isinf(self.p):
                call.run(powers, target)
                continue
            items = len(target) // self.itemsize
            sums = memory.sums(items * _DOUBLE)
            call.run(powers, sums)
            lost |= loops.roots(sums, target, items, self.itemsize, self.p)
        return self.safe or isinf(self.p) or not lost

    def _tile(self, tile: TileShape) -> PoolShapes:
        """Return a tile as an input of its own."""
        sizes = tile.images, tile.rows[1] - tile.rows[0], *self.shapes.sizes[2:]
        out = tile.images, tile.places[1] - tile.places[0], *self.shapes.out[2:]
        return PoolShapes(sizes, tile.windows, out, out, self.shapes.order)


class _GlobalNorm(NamedTuple):
    """The norm over the middle of three axes.

    Attributes:
        sizes: The axes: before, length, after.
        itemsize: Bytes of an item.
        p: The power.
        safe: Powers stay in range.
    """

    sizes: tuple[int, int, int]
    itemsize: int
    p: float
    safe: bool

    def run(self, cells: "Buffer", out: "Buffer") -> bool:
        """Take the norms, as `_WindowNorm.run` does."""
        before, length, after = self.sizes
        if 0 in self.sizes:
            return True
        loops, lost, memory = native.loops(), False, _Memory()
        x, y = memoryview(cells).cast("B"), memoryview(out).cast("B")
        letter = _LETTERS[self.itemsize if isinf(self.p) else _DOUBLE]
        wide = native.KIND_BYTES[letter]
        some = max(TILE_BYTES // (length * after * _DOUBLE), 1)
        for first in range(0, before, some):
            count = min(some, before - first)
            sizes, items = (count, length, after), count * length * after
            begin = first * length * after * self.itemsize
            source = x[begin : begin + items * self.itemsize]
            target = y[first * after * self.itemsize :][: count * after * self.itemsize]
            if self.p == 2 and self.safe:
                sums = memory.sums(count * after * _DOUBLE)
                loops.fold_squares(source, sums, sizes, self.itemsize)
            else:
                powers = memory.powers(items * wide)
                lost |= loops.powers(source, powers, items, self.itemsize, self.p)
                if isinf(self.p):
                    FoldCall(sizes, letter, "max").run(powers, target)
                    continue
                sums = memory.sums(count * after * _DOUBLE)
                loops.fold_sum(powers, sums, sizes, _DOUBLE)
            lost |= loops.roots(sums, target, count * after, self.itemsize, self.p)
        return self.safe or isinf(self.p) or not lost


class _Memory:
    """Memory for the powers and sums of a tile, which the next one has again."""

    def __init__(self) -> None:
        self._kept = [memoryview(b""), memoryview(b"")]

    def powers(self, size: int) -> memoryview:
        """Return so many bytes for powers."""
        return self._some(0, size)

    def sums(self, size: int) -> memoryview:
        """Return so many bytes for sums."""
        return self._some(1, size)

    def _some(self, which: int, size: int) -> memoryview:
        if len(self._kept[which]) < size:
            self._kept[which] = memoryview(bytearray(size))
        return self._kept[which][:size]
