"""Files that nobody vouches for: read in bounded parts, and by nobody but by descriptor.

A library is handed an open part of a file and never a name; JSON is bounded in size and depth; a
library in C gets no more memory than it needs; a file that another names must lie beside it.
"""

import io
import json
import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import InputError, UnavailableError, shown
from poolnorm_cli.packages import pip_install
from poolnorm_cli.sizes import LARGEST_JSON_BYTES
from poolnorm_cli.tensors.files import open_regular


if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Span(io.RawIOBase):
    """Bytes `start` to `start + size` of an open file, read-only; closing it closes the file."""

    def __init__(self, descriptor: int, start: int, size: int) -> None:
        """Take over a descriptor.

        Args:
            descriptor: An open file, which is closed with this one.
            start: Where the part starts, in bytes.
            size: Its size in bytes.
        """
        super().__init__()
        self._descriptor, self._start, self._size, self._offset = descriptor, start, size, 0

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self._size

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that it has an offset that can be moved."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move to an offset.

        Args:
            offset: Bytes from where `whence` says.
            whence: `os.SEEK_SET`, `SEEK_CUR` or `SEEK_END`.

        Returns:
            The new offset from the start.
        """
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._offset, os.SEEK_END: self._size}[whence]
        self._offset = max(base + offset, 0)
        return self._offset

    def tell(self) -> int:
        """Return the offset."""
        return self._offset

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fill a buffer from the offset on, and return how many bytes that were."""
        view = memoryview(buffer).cast("B")[: max(self._size - self._offset, 0)]
        count = os.preadv(self._descriptor, [view], self._start + self._offset) if view else 0
        self._offset += count
        return count

    def read_at(self, offset: int, count: int) -> bytes:
        """Read bytes, wherever the offset of the file is.

        Args:
            offset: Where they begin.
            count: How many.

        Returns:
            The bytes, fewer where the file ends.
        """
        offset, count = max(offset, 0), min(count, self._size - offset)
        data = os.pread(self._descriptor, max(count, 0), self._start + offset)
        while len(data) < count and (
            more := os.pread(self._descriptor, count - len(data), self._start + offset + len(data))
        ):
            data += more
        return data

    def read_exactly(self, offset: int, count: int, place: str) -> bytes:
        """Read bytes that must be there.

        Args:
            offset: Where they begin.
            count: How many.
            place: What messages call what they are.

        Returns:
            The bytes.

        Raises:
            InputError: The file has ended before.
        """
        data = self.read_at(offset, count)
        if len(data) != count:
            raise InputError.at(place, "truncated", "save it again, or copy it again")
        return data

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            os.close(self._descriptor)
        super().close()


def open_span(file: str) -> Span:
    """Open all of a regular file.

    Args:
        file: Its path.

    Returns:
        The open file, to be closed by the caller.

    Raises:
        InputError: There is no such file, or it is not a regular one.
    """
    with open_regular(Path(file), file) as descriptor:
        return Span(os.dup(descriptor), 0, os.fstat(descriptor).st_size)


def optional_module(module: str, extra: str, file: str) -> Any:
    """Import a package that is not always installed.

    Args:
        module: The package.
        extra: The extra of this program that installs it.
        file: What messages call the file that needs it.

    Returns:
        The module.

    Raises:
        UnavailableError: It is not; the message says what to type.
    """
    try:
        return import_module(module)
    except ImportError:
        what = f"reading it needs {module}, which is not installed"
        raise UnavailableError.at(file, what, pip_install(extra)) from None


@contextmanager
def bounded_memory(more: int) -> Iterator[None]:
    """Let the process allocate only `more` bytes meanwhile; whatever asks for more fails.

    A few altered bytes can make libhdf5 ask for gigabytes and clear them for minutes, in C, where
    no signal stops it. Systems that do not say how much a process has, or have no such limit, are
    left as they are.
    """
    bound = _address_space() + more if os.path.exists("/proc/self/statm") else 0  # noqa: PTH110
    if not bound:
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    least = bound if soft == resource.RLIM_INFINITY else min(bound, soft)
    resource.setrlimit(resource.RLIMIT_AS, (least, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _address_space() -> int:
    """Return the bytes of address space that this process has."""
    pages = os.pread(_statm(os.getpid()), 64, 0).split()[0]
    return int(pages) * os.sysconf("SC_PAGESIZE")


@cache
def _statm(pid: int) -> int:
    """Open the kernel's account of this process, once."""
    del pid
    return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)


_DEEPEST = 100
_DIGITS = 20
_FIX = "save the file again"


def parse_json(text: bytes | str, place: str, *, largest: int = LARGEST_JSON_BYTES) -> Any:
    """Parse JSON that nobody vouches for.

    Args:
        text: The text; as bytes it must be UTF-8.
        place: What messages call it.
        largest: Bytes or characters that it may have.

    Returns:
        What it says, as `json.loads` gives it.

    Raises:
        InputError: It is too long or too deep, is not JSON, has a key twice, a number that is not
            finite or has more than 20 digits.
    """
    _require_size(len(text), largest, place)
    try:
        value = json.loads(
            text.decode() if isinstance(text, bytes) else text,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_number,
            object_pairs_hook=_object,
        )
        _require_shallow(value)
    except RecursionError:
        raise InputError.at(place, f"JSON nested more than {_DEEPEST} deep", _FIX) from None
    except ValueError as error:
        reason = str(error) if isinstance(error, _RefusedError) else "damaged"
        raise InputError.at(place, f"its JSON is not readable ({reason})", _FIX) from None
    return value


def read_json(file: str, largest: int = LARGEST_JSON_BYTES) -> Any:
    """Read a file of JSON that nobody vouches for.

    Args:
        file: Its path.
        largest: Bytes that it may have.

    Returns:
        What it says, as `json.loads` gives it.

    Raises:
        InputError: It cannot be read, or `parse_json` refuses it.
    """
    with open_span(file) as span:
        _require_size(span.size, largest, file)
        text = span.read_exactly(0, span.size, file)
    return parse_json(text, file, largest=largest)


def _require_size(size: int, largest: int, place: str) -> None:
    if size > largest:
        raise InputError.at(place, f"{size} bytes of JSON, at most {largest} are read", _FIX)


def _require_shallow(value: Any) -> None:
    """Refuse depth that Python's own parser lets through."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _containers_in(outer)]
        if not level:
            return
    raise RecursionError


def _containers_in(value: Any) -> list[Any]:
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [inner for inner in values if isinstance(inner, dict | list)]


class _RefusedError(ValueError):
    """JSON that Python reads and a checkpoint must not have."""


def _constant(constant: str) -> Any:
    message = f"{constant} in it"
    raise _RefusedError(message)


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS:
        message = f"a number of {len(digits)} digits"
        raise _RefusedError(message)
    return int(digits)


def _number(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        message = f"{digits[:_DIGITS]} in it"
        raise _RefusedError(message)
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        message = "a key twice"
        raise _RefusedError(message)
    return result


def is_plain_file_name(name: str) -> bool:
    """Return whether a name that a file gives is that of a file beside it, and no path."""
    return bool(name) and name.isprintable() and not set(name) & set("/\\:") and name[0] != "."


@contextmanager
def open_external_data(file: str, name: str, place: str) -> Iterator[Span]:
    """Open a file of raw bytes that belongs to another and lies beside it.

    A file that names a second one could have anything read. So this must bear its name, as
    `model.onnx.data` bears that of `model.onnx`, and be no link to elsewhere.

    Args:
        file: The file that it belongs to.
        name: What that calls it.
        place: What messages call the part of `file` that is in it.

    Yields:
        The open file.

    Raises:
        InputError: It is called otherwise, is a link, or cannot be read.
    """
    stem = os.path.basename(file).rpartition(".")[0]  # noqa: PTH119 - text, not a path
    if not is_plain_file_name(name) or not name.startswith((f"{stem}.", f"{stem}_", f"{stem}-")):
        what = f"its values are in another file, {shown(name, 40)!r}, not named after this one"
        raise InputError.at(place, what, "save it in one file, or as FILE.onnx.data beside it")
    path = os.path.join(os.path.dirname(file), name)  # noqa: PTH118, PTH120 - as above
    try:
        status = os.lstat(path)
    except OSError as error:
        what = f"its values are in {shown(path, 80)}: {error.strerror}"
        raise InputError.at(place, what, "copy that file too") from None
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        what = f"its values are in {shown(path, 80)}, which is a link, or no file"
        raise InputError.at(place, what, "put a copy there")
    span = open_span(path)
    try:
        yield span
    finally:
        span.close()
