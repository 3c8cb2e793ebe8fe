"""A file in memory as many threads write to it: `write` lets in one of them after another."""

from __future__ import annotations

import os
from mmap import mmap
from typing import NamedTuple

from poolnorm_cli.kernels import native


class MappedFile(NamedTuple):
    """A file whose pages are memory of this process while something is copied into them.

    Attributes:
        map: All of the file.
    """

    map: mmap

    @classmethod
    def of(cls, fd: int, size: int) -> MappedFile | None:
        """Map a file.

        Args:
            fd: The open file.
            size: Bytes that it is going to have.

        Returns:
            The file; None where it is on a disk, or cannot be mapped.

        Raises:
            OSError: It cannot have such a size.
        """
        if not (size and native.compiled() and native.loops().in_memory(fd)):
            return None
        os.ftruncate(fd, size)
        try:
            return cls(mmap(fd, size))
        except (OSError, ValueError, OverflowError):  # no room for it among the addresses
            return None

    def store(self, data: memoryview | bytes, place: int) -> bool:
        """Copy bytes to a place.

        Args:
            data: Single bytes.
            place: Bytes from the start of the file.

        Returns:
            False where nothing was done: there may be no room, which writing tells.
        """
        return bool(native.loops().store(self.map, data, place))
