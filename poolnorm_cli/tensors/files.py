"""Local files: opening, recognizing, reading and writing completely, and syncing to disk."""

import errno
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from poolnorm_cli.errors import InputError, OutputError, reason_of
from poolnorm_cli.sizes import TRANSFER_BYTES
from poolnorm_cli.tensors.names import directory_of


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    ReadInto = Callable[[memoryview], int]
    ReadAt = Callable[[memoryview, int], int]
    """Reads at most so many bytes from an offset, in any thread, and returns how many."""

Version = tuple[int, int]
"""Size in bytes and time of the last change in nanoseconds, the same wherever a file is seen."""
ABSENT: Version = (-1, -1)
"""The version of what is not there."""


_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO without a writer would block
_SAVE = "save it to one first, and give that"
_UNREAD = {
    errno.ENOENT: ("no such file", "check the name"),
    errno.EACCES: ("permission denied", "make it readable"),
    errno.ENXIO: ("not a regular file", _SAVE),
}
_UNWRITTEN = {
    errno.ENOSPC: "free some, or write elsewhere",
    errno.EDQUOT: "free some, or write elsewhere",
    errno.EFBIG: "raise the limit (ulimit -f), or write elsewhere",
    errno.EACCES: "write to a directory of yours",
    errno.EPERM: "write to a directory of yours",
    errno.EROFS: "write to another file system",
    errno.ENOENT: "create the directory first (mkdir -p)",
    errno.ENOTDIR: "create the directory first (mkdir -p)",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.EIO: "check the disk",
}


class Stamp(NamedTuple):
    """What identifies the state of a file on this machine.

    Attributes:
        device: The file system it is on, on this machine.
        inode: Its number there.
        size: Bytes.
        mtime_ns: Time of the last change of its contents, in nanoseconds.
    """

    device: int
    inode: int
    size: int
    mtime_ns: int

    @property
    def version(self) -> Version:
        """Size and time of the last change, which are the same wherever the file is seen."""
        return self.size, self.mtime_ns


def stamp_of(file: int | str | os.PathLike[str]) -> Stamp:
    """Return the stamp of an open descriptor, or of the file of a name, links followed.

    Raises:
        OSError: There is none.
        ValueError: The name has a NUL in it.
    """
    seen = os.stat(file)  # noqa: PTH116 - also a descriptor
    return Stamp(seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns)


def changed_error(name: str) -> InputError:
    """Return the error for a file that was changed while it was being read."""
    return InputError.at(name, "changed while reading", "wait until its writer is done")


def require_unchanged(fd: int, stamp: Stamp, name: str) -> None:
    """Refuse an open file that has changed.

    Args:
        fd: Its descriptor.
        stamp: Its state when it was first opened.
        name: What messages call it.

    Raises:
        InputError: It has been written or replaced since.
    """
    if stamp_of(fd) != stamp:
        raise changed_error(name)


@contextmanager
def open_regular(path: "Path | str", name: str) -> "Iterator[int]":
    """Open a regular file for reading; system errors while it is open become InputErrors.

    Args:
        path: The file.
        name: What messages call it.

    Yields:
        Its descriptor.

    Raises:
        InputError: There is no such file, it is not a regular one, or reading it failed.
    """
    try:
        fd = os.open(path, _FLAGS)
    except OSError as error:
        reason, fix = _UNREAD.get(error.errno or 0, (reason_of(error), ""))
        raise InputError.at(name, reason, fix) from None
    except UnicodeEncodeError as error:
        what = f"a name that this locale's encoding, {error.encoding}, cannot write"
        raise InputError.at(name, what, "set LC_ALL=C.UTF-8") from None
    except ValueError:
        raise InputError.at(name, "a name with a NUL in it") from None
    try:
        _refuse_irregular(os.fstat(fd).st_mode, name)
        yield fd
    except OSError as error:
        raise InputError.at(name, reason_of(error)) from error
    finally:
        os.close(fd)


def _refuse_irregular(mode: int, name: str) -> None:
    if stat.S_ISDIR(mode):
        raise InputError.at(name, "a directory", "name the files in it")
    if not stat.S_ISREG(mode):
        raise InputError.at(name, "not a regular file", _SAVE)


def read_exactly(read: "Callable[[int], bytes]", count: int) -> bytes:
    """Read a number of bytes, in as many calls as it takes; fewer only at the end.

    Args:
        read: Returns at most so many bytes, and none at the end.
        count: How many are wanted.

    Returns:
        The bytes.
    """
    data = b""
    while len(data) < count and (piece := read(count - len(data))):
        data += piece
    return data


def read_at(fd: int, view: memoryview, place: int) -> int:
    """Read bytes from an offset of a file, without moving its position.

    Args:
        fd: The open file.
        view: Takes as many bytes as there are in it, or fewer.
        place: Bytes from the start of the file.

    Returns:
        How many were read; 0 at the end of the file.

    Raises:
        OSError: The disk fails.
    """
    if hasattr(os, "preadv"):
        return os.preadv(fd, [view], place)
    data = os.pread(fd, len(view), place)
    view[: len(data)] = data
    return len(data)


@contextmanager
def opened_at(path: "Path | str", name: str, stamp: "Stamp", place: int) -> "Iterator[ReadAt]":
    """Open a file for one pass in any order; on exit, check that it is unchanged.

    Args:
        path: The file.
        name: What messages call it.
        stamp: What it was when its header was read.
        place: Bytes from its start to what is meant by offset 0.

    Yields:
        What reads from an offset.

    Raises:
        InputError: It cannot be opened, or is another one by now.
    """
    with open_regular(path, name) as fd:
        require_unchanged(fd, stamp, name)
        yield lambda view, start: read_at(fd, view, place + start)
        require_unchanged(fd, stamp, name)


def reader(readinto: "ReadInto") -> "Callable[[int], bytes]":
    """Return a function that reads at most a given number of bytes through `readinto`."""

    def read(count: int) -> bytes:
        piece = bytearray(count)
        return bytes(piece[: readinto(memoryview(piece))]) if count else b""

    return read


def write_all(write: "Callable[[memoryview], int]", data: memoryview | bytes) -> None:
    """Write all of some bytes, in as many calls as it takes.

    Args:
        write: Writes some of the bytes it is given, and returns how many.
        data: Single bytes.
    """
    left = memoryview(data)
    while left:
        left = left[write(left[:TRANSFER_BYTES]) :]


def write_all_at(fd: int, data: memoryview | bytes, place: int) -> None:
    """Write all of some bytes at an offset of a file, without moving its position.

    Args:
        fd: The open file.
        data: Single bytes.
        place: Bytes from the start of the file.

    Raises:
        OSError: The disk fails, or is full.
    """

    def write(piece: memoryview) -> int:
        nonlocal place
        count = os.pwrite(fd, piece, place)
        place += count
        return count

    write_all(write, data)


def write_error(path: "Path | str", error: Exception) -> OutputError:
    """Return the error to report when the operating system refuses to write a file.

    Args:
        path: Its name.
        error: What the system said.

    Returns:
        The error, with what helps.
    """
    if not isinstance(error, OSError):
        return OutputError.at(path, "not a name for a file", "give another")
    code = error.errno or 0
    reason = "no such directory" if code == errno.ENOENT else reason_of(error)
    return OutputError.at(path, reason, _UNWRITTEN.get(code, ""))


def sync_file(fd: int) -> None:
    """Flush the contents of an open file to disk.

    Raises:
        OSError: The disk fails.
    """
    full = _full_sync_request()
    if full is not None:
        import fcntl

        with suppress(OSError):  # a file system that does not know it
            fcntl.fcntl(fd, full)
            return
    os.fsync(fd)


def sync_directories(names: "Iterable[str]") -> None:
    """Flush the names of files to disk, syncing each of their directories once.

    Raises:
        OSError: The disk fails.
    """
    for directory in {directory_of(name) or "." for name in names}:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with suppress(OSError):  # some file systems cannot, and have no need to
                os.fsync(fd)
        finally:
            os.close(fd)


def _full_sync_request() -> int | None:
    """Return the fcntl request that macOS needs for a real flush; None elsewhere."""
    import fcntl

    return getattr(fcntl, "F_FULLFSYNC", None)
