"""What has been done, one JSON object a line, so that a run can be taken up where it ended.

A line is appended with one write, after the output has its name. A line that is torn, because its
writer was killed, is passed over.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from poolnorm_cli.errors import OutputError, PoolnormError, UnavailableError, UsageError
from poolnorm_cli.runs.fingerprints import Stamp, stamp_of
from poolnorm_cli.runs.item import Item
from poolnorm_cli.runs.steps import Ending
from poolnorm_cli.tensors.sources import is_url
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from types import TracebackType


SCHEMA = 1


@frozen
class _Line:
    """What the journal last said of an item."""

    stamp: Stamp
    params: str
    target: str
    stored: int | None
    error: tuple[str, str, int] | None


class Journal:
    """A journal that is open for a run, and closed to others meanwhile."""

    def __init__(self, path: str, params: str, *, resume: bool, retry_failed: bool = False) -> None:
        """Open a journal, and with `resume` read what it says.

        Args:
            path: The file; it is made where there is none.
            params: What `parameters` says of the run.
            resume: Heed what is done.
            retry_failed: But not what failed.

        Raises:
            OutputError: It cannot be written.
            UsageError: Another run writes to it, or it is something else.
        """
        self._path, self._params, self._retry = path, params, retry_failed
        self._lines: dict[tuple[str, str | None], _Line] = {}
        self._started, self._stamps = False, dict[int, Stamp | None]()
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise self._unwritten(error) from error
        try:
            self._take()
            for line in self._read():
                if resume:
                    self._note(line)
        except BaseException:
            os.close(self._fd)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: "TracebackType | None",
    ) -> None:
        with suppress(OSError):  # a run that was refused leaves no new file
            if not os.fstat(self._fd).st_size:
                Path(self._path).unlink()
        os.close(self._fd)

    def start(self, items: int) -> None:
        """Write that a run begins: none of its outputs existed, or all were its own.

        Raises:
            OutputError: There is no room.
        """
        self._append({"run": self._params, "items": items})

    def ours(self, item: Item) -> bool:
        """Whether an output that exists is of an earlier part of this run.

        The run was begun when its outputs did not exist, so what has no line was written just
        before the run was killed.
        """
        return self._started or (item.word, item.key) in self._lines

    def ending(self, item: Item) -> Ending | None:
        """Return what came of an item earlier; None where it is to be done."""
        line = self._lines.get((item.word, item.key))
        if line is None or (line.params, line.target) != (self._params, item.target or ""):
            return None
        if line.stamp != stamp_of(item):
            return None
        if line.error is not None:
            error = _error(*line.error)
            return None if self._retry else Ending(item, error=error, resumed=True)
        if item.target is not None and _size(item.target) != line.stored:
            return None
        return Ending(item, skipped=True, resumed=True)

    def began(self, item: Item) -> bool:
        """Remember an input as it is before it is read; say whether its output may be replaced."""
        self._stamps[id(item)] = stamp_of(item)
        return self.ours(item)

    def write(self, ending: Ending) -> None:
        """Write down what came of an item.

        Raises:
            OutputError: There is no room.
        """
        item, error = ending.item, ending.error
        stamp = self._stamps.pop(id(item), None) or stamp_of(item) or (-1, -1)
        line: dict[str, Any] = {
            "input": item.word,
            "key": item.key,
            "size": stamp[0],
            "mtime_ns": stamp[1],
            "params": self._params,
            "output": item.target,
            "status": "failed" if error else "skipped" if ending.skipped else "done",
            "seconds": round(ending.seconds, 6),
        }
        if ending.stored is not None:
            line |= {"bytes": ending.stored.size, "sha256": ending.stored.sha256}
        if error is not None:
            line |= {"error": error.what, "fix": error.fix, "code": error.code}
        self._append(line)

    def _take(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fix = "wait for it, or give another --journal"
            raise UsageError(f"{self._path}: another run writes to it", fix) from None
        except OSError:
            return  # a file system without locks

    def _read(self) -> Iterator[dict[str, Any]]:
        """Yield the lines that are whole; end the last one where it was torn."""
        data, first = b"\n", True
        with Path(self._path).open("rb") as file:
            for data in file:
                line = _parsed(data)
                if first and line is None and data.endswith(b"\n"):
                    fix = "give the name of a journal, or of a new file"
                    raise UsageError(f"{self._path}: not a journal", fix)
                first = False
                if line is not None:
                    yield line
        if not data.endswith(b"\n"):
            self._write(b"\n")

    def _note(self, line: dict[str, Any]) -> None:
        if "run" in line:
            self._started |= line["run"] == self._params
            return
        if line.get("status") not in {"done", "failed"}:
            return
        error = None
        if line["status"] == "failed":
            if line["code"] == UnavailableError.code:
                self._lines.pop((line["input"], line["key"]), None)
                return  # nothing is wrong with the input
            error = (line["error"], line["fix"], line["code"])
        stamp = line["size"], line["mtime_ns"]
        key, target = (line["input"], line["key"]), line["output"] or ""
        self._lines[key] = _Line(stamp, line["params"], target, line.get("bytes"), error)

    def _append(self, line: dict[str, Any]) -> None:
        self._write(json.dumps({"schema": SCHEMA} | line).encode() + b"\n")

    def _write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError as error:
            raise self._unwritten(error) from error

    def _unwritten(self, error: OSError) -> OutputError:
        fix = "give a --journal that can be written"
        return OutputError(f"{self._path}: {error.strerror}", fix)


def _parsed(data: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(data)
    except ValueError:
        return None
    known = isinstance(line, dict) and line.get("schema") == SCHEMA
    return line if known and ("run" in line or line.keys() >= _LINE) else None


_LINE = {"input", "key", "size", "mtime_ns", "params", "output", "status", "seconds"}


def _error(what: str, fix: str, code: int) -> PoolnormError:
    kinds = {kind.code: kind for kind in PoolnormError.__subclasses__()}
    return kinds.get(code, PoolnormError)(what, fix)


def _size(path: str) -> int:
    if is_url(path):
        from poolnorm_cli.tensors.cloud import stamp_at

        return stamp_at(path)[0]
    try:
        return os.stat(path).st_size  # noqa: PTH116 - for each of many files
    except (OSError, ValueError):
        return -1
