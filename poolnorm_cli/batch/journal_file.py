"""The file of a journal: opened only if it is one, closed to others, its lines kept whole."""

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from poolnorm_cli.batch.journal_line import HEAD, Head, Line, parse
from poolnorm_cli.errors import OutputError, UsageError, reason_of
from poolnorm_cli.sizes import LARGEST_LINE_BYTES
from poolnorm_cli.tensors.files import sync_file, sync_folders


_OPEN = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_SECONDS = 0.25
"""Seconds for which lines may be in memory alone, though the outputs are on the disk."""


class JournalFile:
    """A file of lines that is open for a run; a run that is refused leaves it as it was."""

    def __init__(self, path: str, *, sync: bool) -> None:
        """Open the file, or make it.

        Args:
            path: Its name.
            sync: What is written is to be on the disk.

        Raises:
            OutputError: It cannot be written.
            UsageError: Another run writes to it, or it is something else.
        """
        self._path, self._sync = path, sync
        self._synced, self._dirty, self._torn = time.monotonic(), False, False
        self._fd, self._made = self._opened()
        try:
            self._take()
        except BaseException:
            self.close()
            raise

    def lines(self) -> Iterator[Head | Line]:
        """Yield the lines that are whole, and see whether the last one is.

        Raises:
            UsageError: It is no journal.
        """
        first = True
        with open(self._fd, "rb", closefd=False) as file:
            file.seek(0)
            while data := file.readline(LARGEST_LINE_BYTES):
                self._torn = not data.endswith(b"\n")
                line = parse(data)
                if first and line is None and not (self._torn and _begins_a_head(data)):
                    raise self._foreign()
                first = False
                if line is not None:
                    yield line

    def start(self, head: Head) -> None:
        """Write the first line of a run.

        Raises:
            OutputError: There is no room.
        """
        self.write((b"\n" if self._torn else b"") + head.encoded())
        if self._sync:
            self.flush()
            if self._made:
                sync_folders([self._path])

    def write(self, data: bytes) -> None:
        """Append a line.

        Raises:
            OutputError: There is no room.
        """
        self._dirty = self._sync
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError as error:
            raise self._unwritten(error) from error

    def sync_if_due(self) -> None:
        """Have on the disk what was written, unless that was done a moment ago.

        Raises:
            OutputError: The disk fails.
        """
        if self._dirty and time.monotonic() - self._synced > _SECONDS:
            self.flush()

    def flush(self) -> None:
        """Have on the disk what was written, where that is wanted.

        Raises:
            OutputError: The disk fails.
        """
        if not self._dirty:
            return
        try:
            sync_file(self._fd)
        except OSError as error:
            raise self._unwritten(error) from error
        self._synced, self._dirty = time.monotonic(), False

    def close(self) -> None:
        """Close the file; one that was made and has no line is taken away."""
        with suppress(OSError):
            if self._made and not os.fstat(self._fd).st_size:
                Path(self._path).unlink()
        os.close(self._fd)

    def _opened(self) -> tuple[int, bool]:
        """Open the file, and say whether it is new; what is no file is not even opened."""
        try:
            with suppress(FileExistsError):
                return os.open(self._path, _OPEN | os.O_CREAT | os.O_EXCL, 0o666), True
            with suppress(FileNotFoundError):  # a link to nothing
                if not stat.S_ISREG(os.stat(self._path).st_mode):  # noqa: PTH116 - as above
                    raise self._foreign()
            return os.open(self._path, _OPEN | os.O_CREAT, 0o666), False
        except (OSError, ValueError) as error:
            raise self._unwritten(error) from error

    def _take(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fix = "wait for it, or give another --journal"
            raise UsageError.at(self._path, "another run writes to it", fix) from None
        except OSError:
            return  # a file system without locks

    def _foreign(self) -> UsageError:
        fix = "give the name of a journal, or of a new file"
        return UsageError.at(self._path, "not a journal", fix)

    def _unwritten(self, error: Exception) -> OutputError:
        fix = "give a --journal that can be written"
        reason = reason_of(error) if isinstance(error, OSError) else "not a name for a file"
        return OutputError.at(self._path, reason, fix)


def _begins_a_head(data: bytes) -> bool:
    """Whether a line that is torn may be the first one of a journal."""
    return HEAD.startswith(data) or (data.startswith(HEAD) and len(data) < len(HEAD) + 80)
