"""Tensors in `.npy` files: exactly one header and its data, in a regular file."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from math import prod
from typing import TYPE_CHECKING

from poolnorm_cli.sizes import SMALL_FILE_BYTES
from poolnorm_cli.tensors.files import (
    Stamp,
    changed_error,
    open_regular,
    opened_at,
    read_exactly,
    reader,
    require_unchanged,
    stamp_of,
)
from poolnorm_cli.tensors.header import Header, known_header, layout_of, read_header
from poolnorm_cli.tensors.tensor import Layout, Tensor


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from poolnorm_cli.shapes import Ints
    from poolnorm_cli.tensors.files import ReadAt, ReadInto, Version
    from poolnorm_cli.tensors.tensor import RowRange


class NpyTensor(Tensor):
    """The array of a `.npy` file.

    Attributes:
        header: What its header says.
    """

    path: Path | str
    file: Stamp

    def __init__(
        self,
        path: Path | str,
        name: str,
        header: Header,
        stamp: Stamp,
        *,
        bfloat16: bool,
        whole: bytes | None = None,
    ) -> None:
        """Check that a file holds exactly the array that its header announces.

        Args:
            path: The file.
            name: What messages call it.
            header: What its header says.
            stamp: What the file was when that was read.
            bfloat16: Whether an array of two raw bytes is bfloat16.
            whole: All that the file holds, where that has been read; None where it is large.

        Raises:
            InputError: Its type is not supported, or it is truncated or goes on after the array.
        """
        super().__init__(name, layout_of(header, name, bfloat16=bfloat16), path=path)
        self.header, self.file, self._whole = header, stamp, whole
        self.require_size(stamp.size - header.size, "save it again, one array in a file")

    @property
    def version(self) -> Version:
        """Size and time of the last change, which are the same wherever the file is seen."""
        return self.file.version

    def slices(
        self, ranges: Iterable[RowRange], shape: Ints, max_in_flight: int = 1
    ) -> Iterator[NDArray[Any]]:
        """Return slices as `Tensor.slices`; a small file was read whole and is not copied again.

        Args:
            ranges: As there.
            shape: As there.
            max_in_flight: As there.

        Returns:
            The slices, C-contiguous, native-endian and decoded.
        """
        if self._whole is None or self.is_transposed:
            return super().slices(ranges, shape, max_in_flight)
        from poolnorm_cli.tensors.codecs import decode

        items = decode(self._whole_data(self._whole), self.dtype, self.swapped)
        cells = items.reshape(shape)
        return (cells[start:stop] for start, stop in ranges)

    def raw_slices(
        self, ranges: Iterable[RowRange], shape: Ints, max_in_flight: int = 1
    ) -> Iterator[memoryview]:
        """Return slices as `Tensor.raw_slices`; a small file is not copied again.

        Args:
            ranges: As there.
            shape: As there.
            max_in_flight: As there.

        Returns:
            The bytes of the slices.
        """
        if self._whole is None or self.is_transposed:
            return super().raw_slices(ranges, shape, max_in_flight)
        data = self._whole_data(self._whole)
        width = prod(shape[1:]) * self.dtype.itemsize
        return (data[start * width : stop * width] for start, stop in ranges)

    def _whole_data(self, whole: bytes) -> memoryview:
        """Return the items of a small file: in new memory where they are to be changed or moved."""
        data = memoryview(whole)[self.header.size :]
        # What is swapped in place would be swapped again by the next pass.
        if self.swapped or self.header.size % self.dtype.itemsize:
            data = memoryview(bytearray(data))
        return data

    @contextmanager
    def data(self) -> Iterator[ReadInto]:
        """Open the file for one pass; on exit, check that it is unchanged."""
        if self._whole is not None:
            file = BytesIO(self._whole)
            file.seek(self.header.size)
            yield file.readinto
            return
        with open_regular(self.path, self.name) as fd:
            require_unchanged(fd, self.file, self.name)
            os.lseek(fd, self.header.size, os.SEEK_SET)
            yield lambda view: os.readv(fd, [view])
            require_unchanged(fd, self.file, self.name)

    def data_at(self) -> AbstractContextManager[ReadAt] | None:
        """Open the file for one pass in any order; None where it was read whole."""
        if self._whole is not None:
            return None
        return opened_at(self.path, self.name, self.file, self.header.size)


def open_file(
    path: Path | str,
    name: str,
    key: str | None = None,  # noqa: ARG001 - one array, without a name
    *,
    bfloat16: bool = False,
) -> list[NpyTensor]:
    """Read the header of a `.npy` file, and check the size of the file against it.

    Args:
        path: The file.
        name: What messages call it.
        key: None: the array has no name.
        bfloat16: Whether an array of two raw bytes is bfloat16.

    Returns:
        The one array.

    Raises:
        InputError: It is not a `.npy` file, or is truncated, or goes on after the array.
    """
    with open_regular(path, name) as fd:
        stamp, whole = stamp_of(fd), None
        if stamp.size <= SMALL_FILE_BYTES:
            whole = read_exactly(partial(os.read, fd), stamp.size)
            header = known_header(whole) or read_header(BytesIO(whole).read, name)
            require_unchanged(fd, stamp, name)
        else:
            header = read_header(reader(lambda view: os.readv(fd, [view])), name)
    return [NpyTensor(path, name, header, stamp, bfloat16=bfloat16, whole=whole)]


class RangeTensor(Tensor):
    """Consecutive samples of the array of a C-ordered `.npy` file, as a tensor of their own."""

    def __init__(
        self, whole: NpyTensor, shape: Ints, samples: tuple[int, int], version: Version
    ) -> None:
        """Take some samples.

        Args:
            whole: The array.
            shape: A shape of as many items in which it is seen, samples first.
            samples: The first one, and the one after the last.
            version: What `whole.version` was where the range was decided on.

        Raises:
            InputError: The file is another one by now.
        """
        if whole.version != version:
            raise changed_error(whole.name)
        start, stop = samples
        layout = Layout((stop - start, *shape[1:]), whole.dtype, whole.swapped)
        super().__init__(whole.name, layout, path=whole.path)
        row = prod(shape[1:]) * whole.dtype.itemsize
        self._whole, self._place = whole, whole.header.size + start * row

    @contextmanager
    def data(self) -> Iterator[ReadInto]:
        """Open the file for one pass over the samples."""
        whole = self._whole
        with open_regular(whole.path, self.name) as fd:
            require_unchanged(fd, whole.file, self.name)
            os.lseek(fd, self._place, os.SEEK_SET)
            yield lambda view: os.readv(fd, [view])
            require_unchanged(fd, whole.file, self.name)

    def data_at(self) -> AbstractContextManager[ReadAt]:
        """Open the file for one pass over the samples in any order."""
        return opened_at(self._whole.path, self.name, self._whole.file, self._place)
