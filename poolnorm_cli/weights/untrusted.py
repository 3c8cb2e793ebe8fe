"""A part of a file as a file of its own, so that a library never opens anything by a name."""

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
from poolnorm_cli.tensors.npy import opened


if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Span(io.RawIOBase):
    """Bytes `start` to `start + size` of an open file, read-only; closing it closes the file."""

    def __init__(self, descriptor: int, start: int, size: int) -> None:
        """Take over a descriptor."""
        super().__init__()
        self._descriptor, self._start, self._size, self._place = descriptor, start, size, 0

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return self._size

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move to a place, counted from the start, from here or from the end."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        self._place = max(base + offset, 0)
        return self._place

    def tell(self) -> int:
        """Return the place."""
        return self._place

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fill a buffer from here on, and return how many bytes that were."""
        view = memoryview(buffer).cast("B")[: max(self._size - self._place, 0)]
        count = os.preadv(self._descriptor, [view], self._start + self._place) if view else 0
        self._place += count
        return count

    def at(self, place: int, count: int) -> bytes:
        """Return bytes at a place, fewer where the file has ended."""
        place, count = max(place, 0), min(count, self._size - place)
        data = os.pread(self._descriptor, max(count, 0), self._start + place)
        while len(data) < count and (
            more := os.pread(self._descriptor, count - len(data), self._start + place + len(data))
        ):
            data += more
        return data

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            os.close(self._descriptor)
        super().close()


def whole(file: str) -> Span:
    """Open all of a regular file.

    Raises:
        InputError: There is no such file, or it is not a regular one.
    """
    with opened(Path(file), file) as descriptor:
        return Span(os.dup(descriptor), 0, os.fstat(descriptor).st_size)


def needed(module: str, extra: str, file: str) -> Any:
    """Return a package that is not always installed.

    Raises:
        UnavailableError: It is not; the message says what to type.
    """
    try:
        return import_module(module)
    except ImportError:
        told = f"reading it needs {module}, which is not installed"
        raise UnavailableError.at(file, told, f"pip install 'poolnorm-cli[{extra}]'") from None


@contextmanager
def bounded_memory(more: int) -> Iterator[None]:
    """Let the process take only `more` bytes meanwhile; whatever asks for more fails.

    A few altered bytes can make libhdf5 ask for gigabytes and clear them for minutes, in C, where
    no signal stops it. Systems that do not say how much a process has, or have no such limit, are
    left as they are.
    """
    bound = _taken() + more if os.path.exists("/proc/self/statm") else 0  # noqa: PTH110
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


def _taken() -> int:
    """Count the bytes of address space that this process has."""
    pages = os.pread(_statm(os.getpid()), 64, 0).split()[0]
    return int(pages) * os.sysconf("SC_PAGESIZE")


@cache
def _statm(pid: int) -> int:
    """Open the kernel's account of this process, once."""
    del pid
    return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)


LARGEST = 8 << 20
"""Bytes of a model's config; that of NASNetLarge, of 1041 layers, has one eighth of them."""

_DEEPEST = 100
_DIGITS = 20
_FIX = "save the file again"


def parse(text: bytes | str, place: str, *, largest: int = LARGEST) -> Any:
    """Return what a JSON text says.

    Args:
        text: The text; as bytes it must be UTF-8.
        place: What messages call it.
        largest: Bytes or characters that it may have.

    Raises:
        InputError: It is too long or too deep, is not JSON, has a key twice, a number that is not
            finite or has more than 20 digits.
    """
    if len(text) > largest:
        raise InputError.at(place, f"{len(text)} bytes of JSON, at most {largest} are read", _FIX)
    try:
        value = json.loads(
            text.decode() if isinstance(text, bytes) else text,
            parse_constant=_refuse,
            parse_int=_integer,
            parse_float=_number,
            object_pairs_hook=_object,
        )
        _require_shallow(value)
    except RecursionError:
        raise InputError.at(place, f"JSON nested more than {_DEEPEST} deep", _FIX) from None
    except ValueError as error:
        told = str(error) if isinstance(error, _RefusedError) else "damaged"
        raise InputError.at(place, f"its JSON is not readable ({told})", _FIX) from None
    return value


def _require_shallow(value: Any) -> None:
    """Refuse depth that Python's own parser lets through."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise RecursionError


def _inside(value: Any) -> list[Any]:
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [inner for inner in values if isinstance(inner, dict | list)]


class _RefusedError(ValueError):
    """JSON that Python reads and a checkpoint must not have."""


def _refuse(constant: str) -> Any:
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


def plain_name(name: str) -> bool:
    """Whether a word that a file gives is the name of a file, and no path to one."""
    return bool(name) and name.isprintable() and not set(name) & set("/\\:") and name[0] != "."


@contextmanager
def opened_beside(file: str, name: str, place: str) -> Iterator[Span]:
    """Open a file of raw bytes that belongs to another, beside which it is.

    A file that names a second one could have anything read. So this must bear its name, as
    `model.onnx.data` bears that of `model.onnx`, and be no link to elsewhere.

    Args:
        file: The file that it belongs to.
        name: What that calls it.
        place: What messages call the part of `file` that is in it.

    Raises:
        InputError: It is called otherwise, is a link, or cannot be read.
    """
    stem = os.path.basename(file).rpartition(".")[0]  # noqa: PTH119 - text, not a path
    if not plain_name(name) or not name.startswith((f"{stem}.", f"{stem}_", f"{stem}-")):
        told = f"its values are in another file, {shown(name, 40)!r}, not named after this one"
        raise InputError.at(place, told, "save it in one file, or as FILE.onnx.data beside it")
    path = os.path.join(os.path.dirname(file), name)  # noqa: PTH118, PTH120 - as above
    try:
        seen = os.lstat(path)
    except OSError as error:
        told = f"its values are in {shown(path, 80)}: {error.strerror}"
        raise InputError.at(place, told, "copy that file too") from None
    if not stat.S_ISREG(seen.st_mode) or seen.st_nlink > 1:
        told = f"its values are in {shown(path, 80)}, which is a link, or no file"
        raise InputError.at(place, told, "put a copy there")
    span = whole(path)
    try:
        yield span
    finally:
        span.close()
