"""What takes the items of one array, in blocks: in order, or each at its place."""

from __future__ import annotations

from _thread import allocate_lock  # `threading` is not imported by a short run
from math import prod
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import OutputError
from poolnorm_cli.sizes import SMALL_FIRST_BLOCK_BYTES
from poolnorm_cli.tensors.dtypes import descr_of
from poolnorm_cli.tensors.header import build_header


if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from poolnorm_cli.tensors.dtypes import DType

    Sink = Callable[[memoryview | bytes], None]


MAPPED_THREADS = 4
"""Threads from which on it pays that a file in memory is mapped: its pages take longer to come."""


class ArrayWriter:
    """Writes one array of a known shape: a header, then its items in C order, little-endian.

    Its blocks come in order along axis 0.
    """

    def __init__(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: DType,
        sink: Sink,
        on_end: Callable[[], None] | None = None,
        header: bytes | None = None,
        patch: Callable[[memoryview, int], None] | None = None,
        share: Callable[[int], None] | None = None,
    ) -> None:
        """Prepare an array; nothing is written yet.

        Args:
            name: What messages call it.
            shape: The shape of the whole array.
            dtype: The type to write; blocks are rounded to it.
            sink: Takes the bytes.
            on_end: Called once all items are there.
            header: What comes before the items; None for the header of a `.npy`.
            patch: Takes bytes and their place in a file that begins with the header, from any
                thread; None where bytes go in order.
            share: Is told how many bytes the file will have, where many threads patch it.
        """
        self.name, self.shape, self.dtype = name, shape, dtype
        self._sink, self._on_end = sink, on_end
        self._left = self._items = prod(shape)
        self._closed = False
        self._header = build_header(shape, descr_of(dtype)) if header is None else header
        self._share = share
        self._patch, self._data_place, self._counting = patch, len(self._header), allocate_lock()

    @property
    def closed(self) -> bool:
        """Whether the array is complete and ended."""
        return self._closed

    def write(self, block: NDArray[Any]) -> None:
        """Append a block of any shape, rounded to the dtype of the array.

        Raises:
            OutputError: There is no room, or there are more items than the shape has.
            TypeError: An integer or bool array is given blocks of another type.
        """
        from poolnorm_cli.tensors.codecs import encode

        data = encode(block, self.dtype).reshape(-1).view("u1").data if block.size else b""
        self.write_bytes(memoryview(data))

    def write_bytes(self, data: memoryview) -> None:
        """Append items as they are in the file.

        Args:
            data: Single bytes of whole items.

        Raises:
            OutputError: There is no room, or there are more items than the shape has.
        """
        self._left -= len(data) // self.dtype.itemsize
        if self._left < 0 or self._closed:
            raise self._miscounted()
        if not data:
            return
        if len(data) <= SMALL_FIRST_BLOCK_BYTES and self._header:
            data, self._header = memoryview(self._header + bytes(data)), b""
        self._begin()
        self._sink(data)

    def _begin(self) -> None:
        """Write the header, if that has not been done."""
        if self._header:
            self._sink(self._header)
            self._header = b""

    def write_at(self, data: memoryview, start: int) -> None:
        """Write items where they belong, in any order and from any thread; `begin_at` came first.

        Args:
            data: Single bytes of whole items, as they are in the file.
            start: Bytes of items that are before them.

        Raises:
            OutputError: There is no room, or there are more items than the shape has.
        """
        with self._counting:
            self._left -= len(data) // self.dtype.itemsize
            if self._left < 0 or self._closed:
                raise self._miscounted()
        assert self._patch is not None  # noqa: S101 - asked of `begin_at`
        self._patch(data, self._data_place + start)

    def begin_at(self, threads: int = 1) -> bool:
        """Write the header for items in any order.

        Args:
            threads: How many write items.

        Returns:
            False where items have to be in order, and nothing was done.
        """
        if self._patch is None:
            return False
        self._begin()
        if threads >= MAPPED_THREADS and self._share is not None:
            self._share(self._data_place + self._items * self.dtype.itemsize)
        return True

    def close(self) -> None:
        """End the array.

        Raises:
            OutputError: Items are missing, or cannot be written.
        """
        if self._closed:
            return
        if self._left:
            raise self._miscounted()
        self._begin()
        self._closed = True
        if self._on_end is not None:
            self._on_end()

    def _miscounted(self) -> OutputError:
        what = f"{self._items - self._left} items written where the shape has {self._items}"
        return OutputError.at(self.name, what, "nothing was kept")
