"""The lines of a journal: what they say, how they are written, and which are taken for lines."""

import json
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import PoolnormError
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.batch.fingerprints import Stamp


SCHEMA = 1
HEAD = b'{"schema": 1, "run": "'
"""What every journal begins with."""
_LARGEST_INT = 1 << 63
_CODES = range(1, 5)
_STATUS = ("done", "skipped", "failed")


@frozen
class Head:
    """That a run began.

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
class Line:
    """What came of an input.

    Attributes:
        input: The word that names it.
        key: The array of a `.npz`; None for all.
        stamp: Size of the input and time of its last change, before it was read.
        params: What `parameters` says of the run.
        output: The file that was written; None without one.
        status: `done`, `skipped` or `failed`.
        seconds: The time it took.
        output_stamp: Size of the output and time of its last change.
        sha256: Its checksum, in hexadecimal; empty where there is none.
        error: What failed, what mends it, and the exit code for that.
    """

    input: str
    key: str | None
    stamp: "Stamp"
    params: str
    output: str | None
    status: str
    seconds: float
    output_stamp: "Stamp | None" = None
    sha256: str = ""
    error: PoolnormError | None = None

    def encoded(self) -> bytes:
        """Return the line."""
        line: dict[str, Any] = {
            "input": self.input,
            "key": self.key,
            "size": self.stamp[0],
            "mtime_ns": self.stamp[1],
            "params": self.params,
            "output": self.output,
            "status": self.status,
            "seconds": round(self.seconds, 6),
        }
        if self.output_stamp is not None:
            size, time = self.output_stamp
            line |= {"bytes": size, "output_mtime_ns": time, "sha256": self.sha256}
        if self.error is not None:
            line |= _told(self.error)
        return _encoded(line)


def parse(data: bytes) -> Head | Line | None:
    """Read a line; None for one that is torn, damaged or of something else.

    Args:
        data: The line, with or without the newline at its end.
    """
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or told.get("schema") != SCHEMA:
        return None
    return _head(told) if "run" in told else _line(told)


def _head(told: dict[str, Any]) -> Head | None:
    params, inputs = told["run"], told.get("items", -1)
    return Head(params, inputs) if isinstance(params, str) and _is_count(inputs) else None


def _line(told: dict[str, Any]) -> Line | None:
    texts = (told.get("input"), told.get("params"), told.get("status"))
    names = (told.get("key"), told.get("output"))
    numbers = (told.get("size"), told.get("mtime_ns"))
    if not (
        all(isinstance(text, str) for text in texts)
        and all(name is None or isinstance(name, str) for name in names)
        and all(_is_number(number) for number in numbers)
        and isinstance(told.get("seconds"), int | float)
        and told["status"] in _STATUS
    ):
        return None
    error = _error(told) if told["status"] == "failed" else None
    if error is None and told["status"] == "failed":
        return None
    stamp: Any = (told.get("bytes"), told.get("output_mtime_ns", -1))
    sha256 = told.get("sha256", "")
    written = _is_count(stamp[0]) and _is_number(stamp[1]) and isinstance(sha256, str)
    return Line(
        input=told["input"],
        key=names[0],
        stamp=(told["size"], told["mtime_ns"]),
        params=told["params"],
        output=names[1],
        status=told["status"],
        seconds=told["seconds"],
        output_stamp=stamp if written else None,
        sha256=sha256 if written else "",
        error=error,
    )


def _told(error: PoolnormError) -> dict[str, Any]:
    """Return the fields of an error: as it is printed, and its places and reason apart."""
    apart = {"places": list(error.places), "reason": error.reason(*error.places)}
    return {"error": error.message, "fix": error.fix, "code": error.code, **apart}


def _error(told: dict[str, Any]) -> PoolnormError | None:
    """Read the error of a line; versions before this wrote no places and no reason."""
    error, fix, code = told.get("error"), told.get("fix"), told.get("code")
    if (
        not (isinstance(error, str) and isinstance(fix, str) and isinstance(code, int))
        or code not in _CODES
    ):
        return None
    kinds = {kind.code: kind for kind in PoolnormError.__subclasses__()}
    kind = kinds.get(int(code), PoolnormError)
    places, reason = told.get("places"), told.get("reason")
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
