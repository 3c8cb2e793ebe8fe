"""Tensors in files that can only be read whole: pictures and tables."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import InputError
from poolnorm_cli.machine import memory_allowance
from poolnorm_cli.tensors.files import open_regular, require_unchanged
from poolnorm_cli.tensors.tensor import Layout, Tensor


if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from poolnorm_cli.tensors.files import ReadInto, Stamp


class WholeTensor(Tensor):
    """The one array of a file that is read whole for each pass."""

    path: Path | str
    file: Stamp

    def __init__(self, path: Path | str, name: str, layout: Layout, stamp: Stamp) -> None:
        """Take over what is known of a file.

        Args:
            path: The file.
            name: What messages call it.
            layout: The array that it becomes.
            stamp: What the file was when that was read.

        Raises:
            InputError: Its size cannot be.
        """
        super().__init__(name, layout, path=path)
        self.file = stamp

    @abstractmethod
    def read(self, fd: int) -> NDArray[Any]:
        """Read the array from the open file; the bytes of its items are those of its layout.

        Raises:
            InputError: The file is damaged.
        """

    @contextmanager
    def data(self) -> Iterator[ReadInto]:
        """Read the file for one pass, unless there is no memory for it."""
        limit = memory_allowance() if self.limit is None else self.limit
        if self.nbytes > limit:
            what = f"it is read whole: {self.nbytes} bytes, {limit} allowed"
            raise InputError.at(self.name, what, "save it as .npy")
        with open_regular(self.path, self.name) as fd:
            require_unchanged(fd, self.file, self.name)
            items = self.read(fd)
            require_unchanged(fd, self.file, self.name)
        yield _from_memory(items)


def _from_memory(items: NDArray[Any]) -> ReadInto:
    """Return what reads the bytes of an array, which is not copied as a whole."""
    import numpy as np

    left = np.ascontiguousarray(items).reshape(-1).view(np.uint8).data

    def readinto(view: memoryview) -> int:
        nonlocal left
        count = min(len(view), len(left))
        view[:count] = left[:count]
        left = left[count:]
        return count

    return readinto
