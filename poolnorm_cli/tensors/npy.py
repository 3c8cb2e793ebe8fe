"""Tensors in `.npy` files: exactly one header and its data, in a regular file."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from io import BytesIO
from math import prod
from typing import TYPE_CHECKING

from poolnorm_cli.errors import InputError, reason_of
from poolnorm_cli.sizes import SMALL_FILE_BYTES
from poolnorm_cli.tensors.header import Header, known_header, read_header
from poolnorm_cli.tensors.tensor import Tensor, reader


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from poolnorm_cli.shapes import Ints
    from poolnorm_cli.tensors.tensor import Cut, ReadInto


Stamp = tuple[int, int, int, int]  # device, inode, size and time of change

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO without a writer would block
_SAVE = "save it to one first, and give that"
_REASONS = {
    errno.ENOENT: ("no such file", "check the name"),
    errno.EACCES: ("permission denied", "make it readable"),
    errno.ENXIO: ("not a regular file", _SAVE),
}


@contextmanager
def opened(path: Path | str, name: str) -> Iterator[int]:
    """Open a regular file for reading and give its descriptor; errors while it is open are told.

    Raises:
        InputError: There is no such file, it is not a regular one, or reading it failed.
    """
    try:
        fd = os.open(path, _FLAGS)
    except OSError as error:
        reason, fix = _REASONS.get(error.errno or 0, (reason_of(error), ""))
        raise InputError.at(name, reason, fix) from None
    except UnicodeEncodeError as error:
        told = f"a name that this locale's encoding, {error.encoding}, has not"
        raise InputError.at(name, told, "set LC_ALL=C.UTF-8") from None
    except ValueError:
        raise InputError.at(name, "a name with a NUL in it") from None
    try:
        _refuse_irregular(os.fstat(fd).st_mode, name)
        yield fd
    except OSError as error:
        raise InputError.at(name, reason_of(error)) from error
    finally:
        os.close(fd)


def stamp_of(fd: int) -> Stamp:
    """Return what tells whether an open file is still the same."""
    seen = os.fstat(fd)
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns


def same_file(fd: int, stamp: Stamp, name: str) -> None:
    """Refuse a file that is not what it was at `stamp`.

    Raises:
        InputError: It has been written or replaced since.
    """
    if stamp_of(fd) != stamp:
        raise InputError.at(name, "changed while reading", "wait until its writer is done")


class NpyTensor(Tensor):
    """The array of a `.npy` file."""

    path: Path | str

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
        """Check that the file at `stamp` holds exactly the array that `header` announces.

        `whole` is all that the file holds, where that has been read; None where it is large.
        """
        super().__init__(name, header, path=path, bfloat16=bfloat16)
        self._stamp, self._whole = stamp, whole
        found = stamp[2] - header.size
        if found < self.nbytes:
            raise self.truncated(found)
        if found > self.nbytes:
            told = f"trailing bytes: {found} where the header says {self.nbytes}"
            raise InputError.at(name, told, "save it again, one array in a file")

    @property
    def file(self) -> Stamp:
        """What tells, on this machine, whether the file is still the same."""
        return self._stamp

    @property
    def stamp(self) -> tuple[int, int]:
        """Size and time of the last change, which are the same wherever the file is seen."""
        return self._stamp[2:]

    def slices(
        self, cuts: Iterable[Cut], shape: Ints, max_in_flight: int = 1
    ) -> Iterator[NDArray[Any]]:
        """Return slices as `Tensor.slices`; a small file was read whole and is not copied again."""
        if self._whole is None or self._is_turned():
            return super().slices(cuts, shape, max_in_flight)
        from poolnorm_cli.tensors.codecs import decode

        # What is swapped in place would be swapped again by the next pass.
        whole = bytearray(self._whole) if self.swapped else self._whole
        items = decode(memoryview(whole)[self.header.size :], self.dtype, self.swapped)
        cells = items.reshape(shape)
        return (cells[start:stop] for start, stop in cuts)

    @contextmanager
    def data(self) -> Iterator[ReadInto]:
        """Open the file for one pass; leaving checks that nobody changed it meanwhile."""
        if self._whole is not None:
            file = BytesIO(self._whole)
            file.seek(self.header.size)
            yield file.readinto
            return
        with opened(self.path, self.name) as fd:
            same_file(fd, self._stamp, self.name)
            os.lseek(fd, self.header.size, os.SEEK_SET)
            yield lambda view: os.readv(fd, [view])
            same_file(fd, self._stamp, self.name)


def open_file(
    path: Path | str,
    name: str,
    key: str | None = None,  # noqa: ARG001 - one array, without a name
    *,
    bfloat16: bool = False,
) -> list[NpyTensor]:
    """Return the array of a `.npy` file, as a reader of files of tensors does.

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
    return [open_npy(path, name, bfloat16)]


def open_npy(path: Path | str, name: str, bfloat16: bool = False) -> NpyTensor:  # noqa: FBT001, FBT002
    """Read the header of a `.npy` file and check the size of the file against it.

    Raises:
        InputError: It is not a `.npy` file, or is truncated, or goes on after the array.
    """
    with opened(path, name) as fd:
        stamp, whole = stamp_of(fd), None
        if stamp[2] <= SMALL_FILE_BYTES:
            whole = _read(fd, stamp[2])
            header = known_header(whole) or read_header(BytesIO(whole).read, name)
            same_file(fd, stamp, name)
        else:
            header = read_header(reader(lambda view: os.readv(fd, [view])), name)
    return NpyTensor(path, name, header, stamp, bfloat16=bfloat16, whole=whole)


def _read(fd: int, size: int) -> bytes:
    data = b""
    while len(data) < size and (piece := os.read(fd, size - len(data))):
        data += piece
    return data


def _refuse_irregular(mode: int, name: str) -> None:
    if stat.S_ISDIR(mode):
        raise InputError.at(name, "a directory", "name the files in it")
    if not stat.S_ISREG(mode):
        raise InputError.at(name, "not a regular file", _SAVE)


class RangeTensor(Tensor):
    """Consecutive samples of the array of a C-ordered `.npy` file, as a tensor of their own."""

    def __init__(
        self, whole: NpyTensor, shape: Ints, samples: tuple[int, int], stamp: tuple[int, int]
    ) -> None:
        """Take some samples.

        Args:
            whole: The array.
            shape: A shape of as many items in which it is seen, samples first.
            samples: The first one, and the one after the last.
            stamp: What `whole.stamp` was where the range was decided on.

        Raises:
            InputError: The file is another one by now.
        """
        if whole.stamp != stamp:
            raise InputError.at(
                whole.name, "changed while reading", "wait until its writer is done"
            )
        bfloat16 = whole.dtype.name == "bfloat16"
        super().__init__(whole.name, whole.header, path=whole.path, bfloat16=bfloat16)
        start, stop = samples
        row = prod(shape[1:]) * whole.dtype.itemsize
        self.shape = (stop - start, *shape[1:])
        self.nbytes = (stop - start) * row
        self._whole, self._place = whole, whole.header.size + start * row

    @contextmanager
    def data(self) -> Iterator[ReadInto]:
        """Open the file for one pass over the samples."""
        whole = self._whole
        with opened(whole.path, self.name) as fd:
            same_file(fd, whole.file, self.name)
            os.lseek(fd, self._place, os.SEEK_SET)
            yield lambda view: os.readv(fd, [view])
            same_file(fd, whole.file, self.name)
