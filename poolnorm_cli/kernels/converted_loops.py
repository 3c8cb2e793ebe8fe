"""Loops for types that none is made for: tiles are converted, worked on, and converted, in cache.

float16 and bfloat16 are worked on in float32 and rounded once, integers in float64. Nothing here
needs NumPy.
"""

from contextlib import suppress
from math import prod
from typing import TYPE_CHECKING

from poolnorm_cli.kernels import native
from poolnorm_cli.kernels.native import KIND_BYTES, KINDS
from poolnorm_cli.shapes import Ints
from poolnorm_cli.sizes import CONVERTED_TILE_BYTES
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from collections.abc import Callable

    from poolnorm_cli.kernels.native import Buffer, LoopCall

_INTO = {"float16": "float32", "bfloat16": "float32", "float32": "float64"}
"""What is not worked on in float64 as an integer is."""
_OUT_OF = {"float32": ("float32", "float16", "bfloat16"), "float64": ("float64", "float32")}
"""Dtype of the arithmetic -> those to which a loop rounds results."""


_KEPT = 8  # tiles whose memory is kept
_MOST_TILES = 4  # that one may be as large as
_FREE: list[tuple[bytearray, bytearray]] = []


def converts(dtype: str, compute: str, result: str) -> bool:
    """Whether there are loops from the dtype of a tensor to that of its output.

    Args:
        dtype: Name of the dtype of the tensor.
        compute: Of the arithmetic.
        result: Of the output.

    Returns:
        Whether each step is there, or none is needed.
    """
    if not native.compiled():
        return False
    if dtype == compute == result and KINDS[dtype] in native.INTEGERS:
        return True
    if result not in _OUT_OF.get(compute, ()):
        return False
    return dtype == compute or _INTO.get(dtype, "float64") == compute != dtype


@frozen(eq=False)
class ConvertedCall:
    """The call of a loop on items of another type than its own, a tile of samples at a time.

    Attributes:
        make: Returns the call of the loop for so many samples of a dtype, which is that of the
            output, too; None where there is none.
        sample: Shape of a sample.
        made: Shape of what is made of one.
        dtypes: Names of the dtypes of the cells, of the arithmetic, and of the output.
    """

    make: "Callable[[int, str], LoopCall | None]"
    sample: Ints
    made: Ints
    dtypes: tuple[str, str, str]

    @property
    def rows(self) -> int:
        """Samples of a tile: what goes into it and what comes of it stays in cache."""
        items = max(prod(self.sample), prod(self.made), 1)
        return max(CONVERTED_TILE_BYTES // (items * KIND_BYTES[KINDS[self.dtypes[1]]]), 1)

    def serves(self, samples: int) -> bool:
        """Whether there is a loop for so many samples, or for all tiles of them."""
        if self._whole(samples) is not None:
            return True
        return all(self.make(count, self.dtypes[1]) is not None for count in self._counts(samples))

    def _whole(self, samples: int) -> "LoopCall | None":
        """Return the call of a loop that converts items itself, in cache; None without one."""
        dtype, _, result = self.dtypes
        return self.make(samples, dtype) if dtype == result else None

    def _counts(self, samples: int) -> set[int]:
        return {min(samples, self.rows), samples % self.rows} - {0}

    def run(self, cells: "Buffer", out: "Buffer", samples: int) -> bool:
        """Compute so many samples.

        Args:
            cells: Their items, C-contiguous and aligned.
            out: Memory of the result.
            samples: How many there are.

        Returns:
            Whether the result is right; otherwise NumPy has to compute it.
        """
        whole = self._whole(samples)
        if whole is not None:
            return whole(cells, out)
        kind, wide, narrow = (KINDS[name] for name in self.dtypes)
        size, width, least = (KIND_BYTES[each] for each in (kind, wide, narrow))
        rows, taken, made = self.rows, prod(self.sample), prod(self.made)
        source, target = memoryview(cells).cast("B"), memoryview(out).cast("B")
        items = min(rows, samples) * width
        memory = _memory((items * taken * (kind != wide), items * made * (narrow != wide)))
        before, after = memoryview(memory[0]), memoryview(memory[1])
        loops, right = native.loops(), True
        for start in range(0, samples, rows):
            count = min(rows, samples - start)
            call = self.make(count, self.dtypes[1])
            x = source[start * taken * size : (start + count) * taken * size]
            y = target[start * made * least : (start + count) * made * least]
            if kind != wide:
                tile = before[: count * taken * width]
                loops.convert(x, tile, kind, wide, count * taken)
                x = tile
            into = y if narrow == wide else after[: count * made * width]
            if call is None or not call(x, into):
                right = False
                break
            if narrow != wide:
                loops.convert(into, y, wide, narrow, count * made)
        _keep(memory)
        return right


def _memory(sizes: tuple[int, int]) -> tuple[bytearray, bytearray]:
    """Return memory for what goes into a tile and what comes of it."""
    pair = bytearray(), bytearray()
    with suppress(IndexError):
        pair = _FREE.pop()  # which several threads may do
    if len(pair[0]) >= sizes[0] and len(pair[1]) >= sizes[1]:
        return pair
    return bytearray(sizes[0]), bytearray(sizes[1])


def _keep(pair: tuple[bytearray, bytearray]) -> None:
    if len(_FREE) < _KEPT and sum(map(len, pair)) <= _MOST_TILES * CONVERTED_TILE_BYTES:
        _FREE.append(pair)
