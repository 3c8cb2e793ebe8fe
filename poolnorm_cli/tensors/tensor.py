"""A tensor that is read in blocks of samples, as often as needed, and never all at once."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from math import prod
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import InputError
from poolnorm_cli.tensors.dtypes import DType, parse_descr
from poolnorm_cli.tensors.messages import bad_input, named


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from numpy.typing import NDArray

    from poolnorm_cli.tensors.header import Header

    ReadInto = Callable[[memoryview], int]


PIECE = 16 << 20  # bytes asked for at once, so that an interrupt is never far away
_LARGEST = 2**62  # bytes of a whole array


class Tensor(ABC):
    """An array in a file or a stream, with its header read and its data still to be read.

    Attributes:
        name: What messages call it: `x.npy`, `x.npz::key`, `-`.
        path: The file it is in, or None on standard input.
        key: Its name inside a `.npz`, or None.
        header: What its `.npy` header says.
        shape: The items per axis; axis 0 counts the samples.
        dtype: The type on disk; blocks of bfloat16 are float32, all others have this type.
        swapped: Whether its bytes are in the other order than this machine's.
        nbytes: The size of its data on disk when it is not compressed.
        compressed: Whether it is deflated inside a `.npz`.
        source: What has to stay open for as long as the tensor is there.
        limit: The bytes that a Fortran-ordered array may take, for it is read whole.
    """

    path: Path | str | None
    key: str | None
    dtype: DType

    def __init__(
        self,
        name: str,
        header: Header,
        *,
        path: Path | str | None = None,
        key: str | None = None,
        bfloat16: bool = False,
        compressed: bool = False,
    ) -> None:
        """Take over what `header` says.

        Raises:
            InputError: Its dtype is not supported or its size cannot be.
        """
        self.name, self.header, self.path, self.key = name, header, path, key
        try:
            self.dtype, self.swapped = parse_descr(header.descr, bfloat16)
        except InputError as error:
            raise named(error, name) from None
        self.shape, self.compressed = header.shape, compressed
        if prod(max(dim, 1) for dim in self.shape) * self.dtype.itemsize >= _LARGEST:
            raise bad_input(name, "the shape says 2**62 bytes or more", "save it again")
        self.nbytes = prod(self.shape) * self.dtype.itemsize
        self.limit: int | None = None
        self.source: object = None

    def spool(self) -> None:  # noqa: B027 - files can be read again as they are
        """Make sure that the data can be read more than once."""

    def close(self) -> None:  # noqa: B027 - only streams hold anything
        """Give back what the tensor holds between passes."""

    @abstractmethod
    def data(self) -> AbstractContextManager[ReadInto]:
        """Open the data for one pass, from its first byte; leaving checks that all was read."""

    def blocks(self, rows: int, held: int = 1) -> Iterator[NDArray[Any]]:
        """Return the array in slices of `rows` samples along axis 0; the last may have fewer.

        A block is C-contiguous, native-endian and decoded, of shape `(rows, *shape[1:])`. **Its
        memory is used again** for the block `held` places on: copy what is to be kept. Every call
        is a new pass. An empty batch has no blocks. The bytes are known to be whole and unchanged
        only once the last block has been taken and the iteration has ended.

        Raises:
            InputError: The array has no axes, or its bytes are truncated, altered or unreadable.
        """
        if not self.shape:
            raise bad_input(self.name, "a single number (rank 0)", "layers need a batch axis")
        if rows < 1:
            message = f"a block of {rows} samples"
            raise ValueError(message)
        return self._pass(rows, held)

    def _pass(self, rows: int, held: int) -> Iterator[NDArray[Any]]:
        with self.data() as readinto:
            if self._is_turned():
                yield from self._turned(readinto, rows)
            else:
                yield from self._straight(readinto, rows, held)

    def _is_turned(self) -> bool:
        long_axes = sum(dim > 1 for dim in self.shape)
        return self.header.fortran_order and long_axes > 1 and self.nbytes > 0

    def _straight(self, readinto: ReadInto, rows: int, held: int) -> Iterator[NDArray[Any]]:
        from poolnorm_cli.tensors.codecs import decode

        batch, *sample = self.shape
        width = prod(sample) * self.dtype.itemsize
        held = min(held, -(-batch // rows))
        memories = [self._memory(min(rows, batch) * width) for _ in range(held)]
        for index, start in enumerate(range(0, batch, rows)):
            count = min(rows, batch - start)
            raw = memories[index % held][: count * width]
            self._fill(readinto, raw, start * width)
            yield decode(raw, self.dtype, self.swapped).reshape(count, *sample)

    def _turned(self, readinto: ReadInto, rows: int) -> Iterator[NDArray[Any]]:
        import numpy as np

        from poolnorm_cli.tensors.codecs import decode

        limit = _half_of_memory() if self.limit is None else self.limit
        if self.nbytes > limit:
            told = f"Fortran order is read whole: {self.nbytes} bytes, {limit} allowed"
            raise bad_input(self.name, told, "save it with np.ascontiguousarray")
        raw = self._memory(self.nbytes)
        self._fill(readinto, raw, 0)
        whole = decode(raw, self.dtype, self.swapped).reshape(self.shape, order="F")
        for start in range(0, self.shape[0], rows):
            yield np.ascontiguousarray(whole[start : start + rows])

    def _memory(self, size: int) -> memoryview:
        import numpy as np

        try:
            return np.empty(size, np.uint8).data
        except (MemoryError, ValueError):
            told = f"no memory for a block of {size} bytes"
            raise bad_input(self.name, told, "use smaller blocks") from None

    def _fill(self, readinto: ReadInto, raw: memoryview, start: int) -> None:
        done = 0
        while done < len(raw):
            count = readinto(raw[done : done + PIECE])
            if not count:
                raise self.truncated(start + done)
            done += count

    def truncated(self, found: int) -> InputError:
        """Return the error that says how many bytes of data are there."""
        told = f"truncated: {found} of {self.nbytes} bytes"
        return bad_input(self.name, told, "copy or save it again")


def reader(readinto: ReadInto) -> Callable[[int], bytes]:
    """Return a function that reads at most so many bytes through `readinto`."""

    def read(count: int) -> bytes:
        piece = bytearray(count)
        return bytes(piece[: readinto(memoryview(piece))]) if count else b""

    return read


def _half_of_memory() -> int:
    page = os.sysconf("SC_PAGE_SIZE")
    # Free pages exclude those that only cache files, so a busy machine looks full: keep a floor.
    free, every = os.sysconf("SC_AVPHYS_PAGES"), os.sysconf("SC_PHYS_PAGES")
    return max(free // 2, every // 8) * page
