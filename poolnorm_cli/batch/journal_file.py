"""The file of a journal, and its lines, each one JSON object.

It is opened only if it is a journal, and closed to other runs meanwhile.
"""

import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from poolnorm_cli.errors import OutputError, PoolnormError, UsageError, reason_of
from poolnorm_cli.sizes import LARGEST_LINE_BYTES
from poolnorm_cli.tensors.files import Version, sync_directories, sync_file, write_all
from poolnorm_cli.values import frozen


SCHEMA = 1
HEAD = b'{"schema": 1, "run": "'
"""What every journal begins with."""
_LARGEST_INT = 1 << 63
_CODES = range(1, 5)
_STATUS = ("done", "skipped", "failed")
_OPEN = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_SECONDS = 0.25
"""Seconds for which lines may be in memory alone, though the outputs are on the disk."""


@frozen
class JournalHead:
    """The line with which a run begins.

    Attributes:
        params: What `parameters` says of the run.
        inputs: How many inputs it has.
    """

    params: str
    inputs: int

    def encoded(self) -> bytes:
        """Return the line."""
        return _encoded({"run": self.params, "items": self.inputs})


@frozen(kw_only=True)
class JournalEntry:
    """The line of one input: what came of it.

    Attributes:
        input: The word that names it.
        key: The array of a `.npz`; None for all.
        version: Size of the input and time of its last change, before it was read.
        params: What `parameters` says of the run.
        output: The file that was written; None without one.
        status: `done`, `skipped` or `failed`.
        seconds: The time it took.
        output_version: Size of the output and time of its last change.
        sha256: Its checksum, in hexadecimal; empty where there is none.
        error: What failed, what mends it, and the exit code for that.
        tees: Size of the file of each tee, and time of its last change.
    """

    input: str
    key: str | None
    version: Version
    params: str
    output: str | None
    status: str
    seconds: float
    output_version: Version | None = None
    sha256: str = ""
    error: PoolnormError | None = None
    tees: tuple[Version, ...] = ()

    def encoded(self) -> bytes:
        """Return the line."""
        line: dict[str, Any] = {
            "input": self.input,
            "key": self.key,
            "size": self.version[0],
            "mtime_ns": self.version[1],
            "params": self.params,
            "output": self.output,
            "status": self.status,
            "seconds": round(self.seconds, 6),
        }
        if self.output_version is not None:
            size, time = self.output_version
            line |= {"bytes": size, "output_mtime_ns": time, "sha256": self.sha256}
        if self.tees:
            line["tees"] = self.tees
        if self.error is not None:
            line |= _error_fields(self.error)
        return _encoded(line)


def parse(data: bytes) -> JournalHead | JournalEntry | None:
    """Read a line; None for one that is torn, damaged or of something else.

    Args:
        data: The line, with or without the newline at its end.
    """
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict) or fields.get("schema") != SCHEMA:
        return None
    return _head(fields) if "run" in fields else _line(fields)


def _head(fields: dict[str, Any]) -> JournalHead | None:
    params, inputs = fields["run"], fields.get("items", -1)
    return JournalHead(params, inputs) if isinstance(params, str) and _is_count(inputs) else None


def _line(fields: dict[str, Any]) -> JournalEntry | None:
    texts = (fields.get("input"), fields.get("params"), fields.get("status"))
    names = (fields.get("key"), fields.get("output"))
    numbers = (fields.get("size"), fields.get("mtime_ns"))
    if not (
        all(isinstance(text, str) for text in texts)
        and all(name is None or isinstance(name, str) for name in names)
        and all(_is_number(number) for number in numbers)
        and isinstance(fields.get("seconds"), int | float)
        and fields["status"] in _STATUS
    ):
        return None
    error = _error(fields) if fields["status"] == "failed" else None
    if error is None and fields["status"] == "failed":
        return None
    version: Any = (fields.get("bytes"), fields.get("output_mtime_ns", -1))
    sha256 = fields.get("sha256", "")
    written = _is_count(version[0]) and _is_number(version[1]) and isinstance(sha256, str)
    return JournalEntry(
        input=fields["input"],
        key=names[0],
        version=(fields["size"], fields["mtime_ns"]),
        params=fields["params"],
        output=names[1],
        status=fields["status"],
        seconds=fields["seconds"],
        output_version=version if written else None,
        sha256=sha256 if written else "",
        error=error,
        tees=_tees(fields.get("tees")),
    )


def _tees(found: Any) -> tuple[Version, ...]:
    """Read the versions of the files of tees; none of them where one is damaged."""
    if not isinstance(found, list):
        return ()
    pairs = [each if isinstance(each, list) else [] for each in found]
    whole = all(len(pair) == 2 and all(map(_is_number, pair)) for pair in pairs)
    return tuple((size, time) for size, time in pairs) if whole else ()


def _error_fields(error: PoolnormError) -> dict[str, Any]:
    """Return the fields of an error: as it is printed, and its places and reason apart."""
    apart = {"places": list(error.places), "reason": error.reason(*error.places)}
    return {"error": error.message, "fix": error.fix, "code": error.code, **apart}


def _error(fields: dict[str, Any]) -> PoolnormError | None:
    """Read the error of a line; versions before this wrote no places and no reason."""
    error, fix, code = fields.get("error"), fields.get("fix"), fields.get("code")
    if (
        not (isinstance(error, str) and isinstance(fix, str) and isinstance(code, int))
        or code not in _CODES
    ):
        return None
    kinds = {kind.code: kind for kind in PoolnormError.__subclasses__()}
    kind = kinds.get(int(code), PoolnormError)
    places, reason = fields.get("places"), fields.get("reason")
    listed = isinstance(places, list) and all(isinstance(place, str) for place in places)
    if listed and isinstance(reason, str):
        return kind(reason, fix, tuple(places or ()))
    return kind(error, fix)


def _is_number(value: Any) -> bool:
    """Whether a value is a whole number; JSON's true is none."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return whole and -_LARGEST_INT <= value < _LARGEST_INT


def _is_count(value: Any) -> bool:
    return _is_number(value) and value >= 0


def _encoded(line: dict[str, Any]) -> bytes:
    return json.dumps({"schema": SCHEMA, **line}).encode() + b"\n"


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

    def lines(self) -> Iterator[JournalHead | JournalEntry]:
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

    def start(self, head: JournalHead) -> None:
        """Write the first line of a run.

        Raises:
            OutputError: There is no room.
        """
        self.write((b"\n" if self._torn else b"") + head.encoded())
        if self._sync:
            self.flush()
            if self._made:
                sync_directories([self._path])

    def write(self, data: bytes) -> None:
        """Append a line.

        Raises:
            OutputError: There is no room.
        """
        self._dirty = self._sync
        try:
            write_all(partial(os.write, self._fd), data)
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
