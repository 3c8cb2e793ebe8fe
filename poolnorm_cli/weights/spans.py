"""A part of a file as a file of its own, so that a library never opens anything by a name."""

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from poolnorm_cli.tensors.npy import opened


if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Span(io.RawIOBase):
    """Bytes `start` to `start + size` of an open file, read-only; closing it closes the file."""

    def __init__(self, descriptor: int, start: int, size: int) -> None:
        """Take over a descriptor."""
        super().__init__()
        self._descriptor, self._start, self._size, self._place = descriptor, start, size, 0

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return self._size

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move to a place, counted from the start, from here or from the end."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        self._place = max(base + offset, 0)
        return self._place

    def tell(self) -> int:
        """Return the place."""
        return self._place

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fill a buffer from here on, and return how many bytes that were."""
        view = memoryview(buffer).cast("B")[: max(self._size - self._place, 0)]
        count = os.preadv(self._descriptor, [view], self._start + self._place) if view else 0
        self._place += count
        return count

    def at(self, place: int, count: int) -> bytes:
        """Return bytes at a place, fewer where the file has ended."""
        place, count = max(place, 0), min(count, self._size - place)
        data = os.pread(self._descriptor, max(count, 0), self._start + place)
        while len(data) < count and (
            more := os.pread(self._descriptor, count - len(data), self._start + place + len(data))
        ):
            data += more
        return data

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            os.close(self._descriptor)
        super().close()


def whole(file: str) -> Span:
    """Open all of a regular file.

    Raises:
        InputError: There is no such file, or it is not a regular one.
    """
    with opened(Path(file), file) as descriptor:
        return Span(os.dup(descriptor), 0, os.fstat(descriptor).st_size)
