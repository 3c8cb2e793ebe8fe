"""Tensors on a stream: standard input, a FIFO, `<(command)`, `/dev/stdin`; read without seeking."""

from __future__ import annotations

import os
import stat
import weakref
from contextlib import contextmanager
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from poolnorm_cli.errors import InputError, OutputError, UsageError, reason_of
from poolnorm_cli.sizes import PIECE_BYTES
from poolnorm_cli.tensors.files import read_exactly, reader, write_all
from poolnorm_cli.tensors.formats import either, format_on_stream, longest_magic
from poolnorm_cli.tensors.header import layout_of, read_header
from poolnorm_cli.tensors.names import no_keys_error
from poolnorm_cli.tensors.tensor import Layout, Tensor


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from poolnorm_cli.tensors.files import ReadInto


_FIX = "pipe a .npy file into it, or name one"


class StreamTensor(Tensor):
    """An array on a stream, which can be read once, or any number of times after `spool`."""

    def __init__(self, name: str, layout: Layout, readinto: ReadInto) -> None:
        """Take the array whose data come next.

        Args:
            name: What messages call it.
            layout: What its header says.
            readinto: Reads what comes.
        """
        super().__init__(name, layout)
        self._readinto = readinto
        self._left = self.nbytes
        self._spooled: int | None = None
        self._closer: Callable[[], object] | None = None

    def spool(self) -> None:
        """Copy the data to a temporary file without a name, so that it can be read repeatedly.

        It is to be called before the first pass, and holds one descriptor until `close`.

        Raises:
            InputError: The stream ends before the array does.
            OutputError: The temporary file cannot be written.
        """
        if self._spooled is not None:
            return
        self._only_whole()
        if self.nbytes > PIECE_BYTES:
            from poolnorm_cli.tensors.spool import require_copy

            require_copy(self.name, self.nbytes)
        descriptor = _unnamed()
        self._closer = weakref.finalize(self, os.close, descriptor)
        try:
            for piece in self._pieces():
                write_all(partial(os.write, descriptor), piece)
        except OSError as error:
            raise _unspooled(error) from error
        self._spooled = descriptor

    def drain(self) -> None:
        """Read and drop the rest of the array, so that the next one can be read.

        Raises:
            InputError: The stream ends before the array does.
        """
        for _ in self._pieces():
            pass

    def close(self) -> None:
        """Remove the temporary file, if there is one."""
        if self._closer is not None:
            self._closer()

    @contextmanager
    def data(self) -> Iterator[ReadInto]:
        """Read on from the stream, or from the start of the temporary file."""
        if self._spooled is None:
            self._only_whole()
            yield self._counted
        else:
            yield _from_start(self._spooled)

    def _only_whole(self) -> None:
        if self._left != self.nbytes:
            message = f"{self.name} was read before: spool() has to come first"
            raise RuntimeError(message)

    def _counted(self, view: memoryview) -> int:
        count = self._readinto(view[: self._left])
        self._left -= count
        return count

    def _pieces(self) -> Iterator[memoryview]:
        memory = memoryview(bytearray(min(self._left, PIECE_BYTES)))
        while self._left:
            count = self._counted(memory)
            if not count:
                raise self.truncated(self.nbytes - self._left)
            yield memory[:count]


def read_stream(
    file: IO[bytes] | None,
    bfloat16: bool = False,  # noqa: FBT001, FBT002
) -> Iterator[StreamTensor]:
    """Return the arrays on a binary stream, called `-`, `-[1]`, `-[2]`.

    Asking for the next one reads and checks what is left of the one before.

    Args:
        file: The stream, without a buffer or with one.
        bfloat16: Whether arrays of two raw bytes are bfloat16.

    Returns:
        The arrays, one after another.

    Raises:
        InputError: The stream is empty, or what is on it is not a `.npy` array, or ends early.
        UsageError: The stream is a terminal.
    """
    if file is None or file.closed:
        raise InputError.at("-", "standard input is closed", _FIX)
    if file.isatty():
        raise UsageError.at("-", "standard input is a terminal", _FIX)
    return read_arrays(readinto_of(file, "-"), "-", bfloat16=bfloat16)


def read_arrays(readinto: ReadInto, called: str, *, bfloat16: bool) -> Iterator[StreamTensor]:
    """Return the arrays that come one after another, called `NAME`, `NAME[1]`, `NAME[2]`.

    Args:
        readinto: Reads what comes.
        called: The name of the first one.
        bfloat16: Whether arrays of two raw bytes are bfloat16.

    Yields:
        Each array, of which the data come next.

    Raises:
        InputError: Nothing comes, or what comes is not a `.npy` array, or ends early.
    """
    index, read = 0, reader(readinto)
    while first := read(1):
        name = f"{called}[{index}]" if index else called
        header = read_header(_from_first(first, read), name)
        tensor = StreamTensor(name, layout_of(header, name, bfloat16=bfloat16), readinto)
        yield tensor
        tensor.drain()
        index += 1
    if not index:
        place = "standard input" if called == "-" else "it"
        raise InputError.at(called, f"nothing on {place}", _FIX)


def open_stream(
    word: str, key: str | None, *, bfloat16: bool, limit: int | None = None
) -> Iterator[Tensor]:
    """Return the tensors that come on a stream; one without a writer is waited for, as cat does.

    What cannot be read from its first byte to its last is copied to a file without a name first.

    Args:
        word: The stream.
        key: The one array that is wanted of what holds arrays by name.
        bfloat16: Whether arrays of two raw bytes are bfloat16.
        limit: Bytes that such a copy may take; None for what is usual.

    Yields:
        The tensors, one after another.

    Raises:
        InputError: It cannot be read, or is neither.
        UsageError: It is a terminal, or `key` is given for what has no names of arrays.
    """
    try:
        file = open(word, "rb", buffering=0)  # noqa: PTH123, SIM115 - open as long as it is read
    except OSError as error:
        raise InputError.at(word, reason_of(error), "give a file, or `-`") from None
    with file:
        if file.isatty():
            raise UsageError.at(word, "a terminal", f"pipe a {either()} file into it")
        readinto = readinto_of(file, word)
        begun = read_exactly(reader(readinto), longest_magic())
        form = format_on_stream(begun)
        if key is not None and not (form and form.keyed):
            raise no_keys_error(word)
        if form is not None and not form.sequential:
            from poolnorm_cli.tensors.spool import copy_to_temporary, open_copy

            # A file that is already one needs no copy.
            is_file = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            copy = file if is_file else copy_to_temporary(readinto, word, begun=begun, limit=limit)
            yield from open_copy(copy, form, word, key, bfloat16=bfloat16)
        else:
            yield from read_arrays(_with_prefix(begun, readinto), word, bfloat16=bfloat16)


def _with_prefix(begun: bytes, readinto: ReadInto) -> ReadInto:
    """Return a `readinto` that begins with bytes that were read already."""
    left = memoryview(begun)

    def both(view: memoryview) -> int:
        nonlocal left
        if not left:
            return readinto(view)
        count = min(len(left), len(view))
        view[:count] = left[:count]
        left = left[count:]
        return count

    return both


def _from_first(first: bytes, read: Callable[[int], bytes]) -> Callable[[int], bytes]:
    kept = [first]
    return lambda count: kept.pop() if kept else read(count)


def readinto_of(file: Any, name: str) -> ReadInto:
    """Return what reads from a binary stream, with its name in errors.

    Args:
        file: The stream, with `readinto`.
        name: What messages call it.

    Returns:
        A function that fills a view as far as data have come, and returns how many bytes that were.

    Raises:
        InputError: Reading fails, when that function is called.
    """

    def readinto(view: memoryview) -> int:
        try:
            return file.readinto(view) or 0
        except OSError as error:
            raise InputError.at(name, reason_of(error), _FIX) from error

    return readinto


def _unnamed() -> int:
    import tempfile

    try:
        with tempfile.TemporaryFile(buffering=0) as file:
            return os.dup(file.fileno())
    except OSError as error:
        raise _unspooled(error) from error


def _unspooled(error: OSError) -> OutputError:
    what = f"no temporary copy of standard input: {reason_of(error)}"
    return OutputError.at("-", what, "set TMPDIR to a directory with room")


def _from_start(fd: int) -> ReadInto:
    place = 0

    def readinto(view: memoryview) -> int:
        nonlocal place
        count = os.preadv(fd, [view], place)
        place += count
        return count

    return readinto
