"""Output files that appear under their final name complete, or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import suppress
from functools import cache, partial
from typing import TYPE_CHECKING

from poolnorm_cli.errors import OutputError, PoolnormError, UsageError
from poolnorm_cli.machine import reserve
from poolnorm_cli.tensors.files import (
    sync_directories,
    sync_file,
    write_all,
    write_all_at,
    write_error,
)
from poolnorm_cli.tensors.formats import either
from poolnorm_cli.tensors.names import directory_of
from poolnorm_cli.tensors.space import require_file_target


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from poolnorm_cli.tensors.mapped import MappedFile


PREFIX = ".poolnorm-"
SUFFIX = ".tmp"


def lock(fd: int) -> bool:
    """Lock an unfinished file for as long as it is open; False where another process has it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # also where the file system knows no locks: such a file is left
        return False
    return True


def remove_leftovers(directories: Iterable[str]) -> int:
    """Remove the unfinished files in these directories that nobody writes any more.

    A file whose writer lives, here or on another machine that shares the directory, is locked. The
    process in its name must be gone too, because a writer is without the lock for a moment.

    Returns:
        How many there were.
    """
    count = 0
    for directory in directories:
        with suppress(OSError):
            for name in os.listdir(directory):  # noqa: PTH208 - of many files, only names
                if name.startswith(PREFIX) and name.endswith(SUFFIX):
                    count += _removed(f"{directory}/{name}")
    return count


def _removed(path: str) -> bool:
    number = path.rpartition("/")[2].removeprefix(PREFIX).partition("-")[0]
    if not number.isdecimal() or _alive(int(number)):
        return False
    with suppress(OSError):
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            if lock(fd):
                os.unlink(path)  # noqa: PTH108 - a Path takes long to import
                return True
        finally:
            os.close(fd)
    return False


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


_MODE = 0o666  # less the umask, which the kernel takes off
_NEW = os.O_RDWR | os.O_CLOEXEC
_UNNAMED = getattr(os, "O_TMPFILE", 0)
_WITHOUT_UNNAMED = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT}
_WITHOUT_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_LINKS = "/proc/self/fd"


class AtomicFile:
    """A new file in the directory of `path`, which gets its name only from `commit`.

    A process that dies leaves nothing, where the file system can make files without a name;
    elsewhere it may leave `.poolnorm-PID-RANDOM.tmp`. A symbolic or hard link that is overwritten
    is replaced, not written through.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        overwrite: bool,
        shared: bool = False,
        sync: bool = False,
        keep: Callable[[AtomicFile], None] | None = None,
    ) -> None:
        """Create the file, without its name.

        Args:
            path: The name that it is to have.
            overwrite: Whether it may replace a file of that name.
            shared: Other processes write to it too, under the name `unfinished`.
            sync: It is on the disk before it gets its name, and the name after that.
            keep: Takes the file when it is committed, and publishes it later.

        Raises:
            OutputError: The directory is missing or cannot be written.
            UsageError: `path` is there and not to be overwritten, or is no regular file.
        """
        self.path, self._overwrite, self._shared = path, overwrite, shared
        self._sync, self._keep = sync, keep
        self._map: MappedFile | None = None
        self._directory = directory_of(str(path)) or "."
        self._temporary: str | None = None
        self._replaced: int | None = self._mode_there()
        try:
            self._fd: int | None = self._made()
        except (OSError, ValueError) as error:
            raise self.failed(error) from error

    def write(self, data: memoryview | bytes) -> None:
        """Append all of `data`, a bytes-like object of single bytes.

        Raises:
            OutputError: There is no room, or the disk fails.
        """
        try:
            write_all(partial(os.write, self.fileno()), data)
        except OSError as error:
            raise self.failed(error) from error

    def patch(self, data: memoryview | bytes, place: int) -> None:
        """Write all of some bytes over what stands at a place.

        Args:
            data: Single bytes.
            place: Where they go, in bytes from the start of the file.

        Raises:
            OutputError: The disk fails.
        """
        try:
            if self._map is None or not self._map.store(data, place):
                write_all_at(self.fileno(), data, place)
        except OSError as error:
            raise self.failed(error) from error

    def share(self, size: int) -> None:
        """Have many threads patch the file at once, where it is one in memory.

        Args:
            size: Bytes that it is going to have.

        Raises:
            OutputError: There is no room.
        """
        from poolnorm_cli.tensors.mapped import MappedFile

        try:
            self._map = MappedFile.of(self.fileno(), size)
        except OSError as error:
            raise self.failed(error) from error

    @property
    def unfinished(self) -> str:
        """The temporary name of a shared file until it is committed."""
        assert self._temporary is not None  # noqa: S101 - asked of shared files only
        return self._temporary

    def extend(self, size: int) -> None:
        """Give the file its final size, so that parts of it can be written in any order.

        Raises:
            OutputError: There is no room.
        """
        try:
            reserve(self.fileno(), size)
            os.ftruncate(self.fileno(), size)
        except OSError as error:
            raise self.failed(error) from error

    def fileno(self) -> int:
        """Return the descriptor of the open file."""
        if self._fd is None:
            message = f"{self.path} is committed or discarded"
            raise RuntimeError(message)
        return self._fd

    def commit(self) -> None:
        """Finish the file: publish it, or hand it to `keep`, which publishes it later.

        Raises:
            PoolnormError: As from `publish`.
        """
        if self._keep is not None:
            self._keep(self)
        else:
            self.publish()

    def publish(self) -> None:
        """Give the file its name and close it; on an error it is discarded.

        Raises:
            OutputError: The name cannot be given.
            UsageError: A file of that name has appeared and is not to be overwritten.
        """
        try:
            if self._replaced is not None:
                os.fchmod(self.fileno(), self._replaced)
            if self._sync:
                sync_file(self.fileno())
            self._publish()
            if self._sync:
                sync_directories([str(self.path)])
        except FileExistsError:
            raise self._exists() from None
        except OSError as error:
            raise self.failed(error) from error
        finally:
            self.discard()

    def discard(self) -> None:
        """Close the file, and delete it unless it has been published."""
        if self._temporary is not None:
            with suppress(FileNotFoundError):
                os.unlink(self._temporary)  # noqa: PTH108 - a Path takes long to import
            self._temporary = None
        self._map = None
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)

    def failed(self, error: Exception) -> OutputError:
        """Return the error to report when the operating system refuses."""
        return write_error(self.path, error)

    def _mode_there(self) -> int | None:
        try:
            there = os.lstat(self.path)
            require_file_target(self.path)
            if not self._overwrite:
                raise self._exists()
            there = os.stat(self.path)  # noqa: PTH116 - of the file that a link names
        except FileNotFoundError:
            return None  # nor may its directory be there, which making the file will tell
        except (OSError, ValueError) as error:
            raise self.failed(error) from error
        if not stat.S_ISREG(there.st_mode):
            fix = f"give the name of a {either()} file"
            raise UsageError.at(self.path, "a directory", fix)
        return stat.S_IMODE(there.st_mode) & 0o777

    def _exists(self) -> PoolnormError:
        return UsageError.at(self.path, "exists", "--overwrite replaces it")

    def _made(self) -> int:
        if _UNNAMED and not self._shared and _has_links():
            try:
                return os.open(self._directory, _NEW | _UNNAMED, _MODE)
            except OSError as error:
                if error.errno not in _WITHOUT_UNNAMED:
                    raise
        name = self._hidden()
        fd = os.open(name, _NEW | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _MODE)
        self._temporary = name
        lock(fd)
        return fd

    def _hidden(self) -> str:
        # Not made from the final name, which may already be as long as names can be.
        return f"{self._directory}/{PREFIX}{os.getpid()}-{os.urandom(8).hex()}{SUFFIX}"

    def _publish(self) -> None:
        try:
            self._link(self.path)
        except FileExistsError:
            if not self._overwrite:
                raise
            if self._temporary is None:
                hidden = self._hidden()
                lock(self.fileno())
                self._link(hidden)
                self._temporary = hidden
            os.replace(self._temporary, self.path)  # noqa: PTH105 - one call, both spelled out
            self._temporary = None

    def _link(self, name: Path | str) -> None:
        if self._temporary is not None:
            self._rename_to_new(self._temporary, name)
            return
        # Python follows the link in /proc, as linkat has to, only when a directory is given.
        fd = self.fileno()
        os.link(f"{_LINKS}/{fd}", name, src_dir_fd=fd, follow_symlinks=True)

    def _rename_to_new(self, temporary: str, name: Path | str) -> None:
        try:
            os.link(temporary, name)  # fails where a rename would clobber
        except OSError as error:
            if error.errno not in _WITHOUT_LINKS:
                raise
            # FAT and some network file systems have no links, so look first, then rename.
            if os.path.lexists(name):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from error
            os.replace(temporary, name)  # noqa: PTH105 - as above
            self._temporary = None


@cache
def _has_links() -> bool:
    """Whether a file without a name can be given one."""
    return os.path.isdir(_LINKS)  # noqa: PTH112 - as for many files
