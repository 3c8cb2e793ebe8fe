"""Where results go: a file of a format, or standard output; a file is complete or absent."""

from __future__ import annotations

import os
import select
import sys
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import OutputError, UsageError, reason_of
from poolnorm_cli.tensors.array_writer import ArrayWriter
from poolnorm_cli.tensors.files import write_all
from poolnorm_cli.tensors.formats import (
    NPY,
    either,
    format_of,
    keyed_suffixes,
    neither,
    output_suffixes,
)
from poolnorm_cli.tensors.names import STDIN
from poolnorm_cli.tensors.space import require_file_target, require_free_space
from poolnorm_cli.urls import is_url


if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Protocol, Self

    from numpy.typing import NDArray

    from poolnorm_cli.tensors.array_writer import Sink
    from poolnorm_cli.tensors.atomic import AtomicFile
    from poolnorm_cli.tensors.cloud import RemoteFile
    from poolnorm_cli.tensors.dtypes import DType

    class ArraySink(Protocol):
        """What takes the items of an array, in blocks, in order."""

        def write(self, block: NDArray[Any]) -> None:
            """Take the next items; no reference is kept."""

        def close(self) -> None:
            """Be told that there are no more."""


_FIX = "redirect it, or give a file with -o"


def standard_output() -> Sink:
    """Return a function that writes bytes to standard output at once, without a buffer.

    A reader that went away raises BrokenPipeError, other faults OutputError.

    Raises:
        OutputError: Standard output is closed.
        UsageError: It is a terminal.
    """
    if sys.stdout is None or sys.stdout.closed:
        raise OutputError.at("-", "standard output is closed", _FIX)
    if sys.stdout.isatty():
        raise UsageError.at("-", "standard output is a terminal", _FIX)
    sys.stdout.flush()
    raw = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)

    def write(piece: memoryview) -> int:
        count: int | None = raw.write(piece)
        if count is None:  # a pipe that somebody has set not to block
            select.select([], [raw], [])
        return count or 0

    return lambda data: _write_all(write, data)


def _write_all(write: Callable[[memoryview], int], data: memoryview | bytes) -> None:
    try:
        write_all(write, data)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError.at("-", f"standard output: {reason_of(error)}", _FIX) from error


class Output(ABC):
    """A target that takes arrays one after another, and is kept only if its block ends normally."""

    def __init__(self, target: str) -> None:
        """Remember the name that messages use."""
        self.target = target
        self._writer: ArrayWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.discard()
            return
        try:
            self.commit()
        except BaseException:
            self.discard()
            raise

    def add(
        self,
        key: str | None,
        shape: tuple[int, ...],
        dtype: DType,
        compressed: bool = False,  # noqa: FBT001, FBT002
    ) -> ArrayWriter:
        """Begin an array; the one before is closed.

        Args:
            key: Its name in a `.npz`, or None for `arr_0`, `arr_1`; not used elsewhere.
            shape: The shape of the whole array.
            dtype: The type to write; blocks are rounded to it.
            compressed: Whether a `.npz` deflates it.

        Returns:
            What takes its blocks.

        Raises:
            OutputError: The target cannot be written, or has no room for so much.
            UsageError: A `.npy` has its array already, or a `.npz` one of that name; or the array
                is larger than any file can be.
        """
        if self._writer is not None:
            self._writer.close()
        require_free_space(self.target, shape, dtype.itemsize, compressed=compressed)
        self._writer = self._begin(key, shape, dtype, compressed=compressed)
        return self._writer

    def commit(self) -> None:
        """End the last array and keep the output.

        Raises:
            OutputError: An array is not complete, or the target cannot be written.
            UsageError: There is no array, or the target has appeared meanwhile.
        """
        if self._writer is None:
            raise UsageError.at(self.target, "no array to write", "give an input that has one")
        self._writer.close()
        self._publish()

    def discard(self) -> None:  # noqa: B027 - what went to a stream stays there
        """Leave the target as it was."""

    @abstractmethod
    def _begin(
        self, key: str | None, shape: tuple[int, ...], dtype: DType, *, compressed: bool
    ) -> ArrayWriter:
        """Begin an array."""

    def _publish(self) -> None:  # noqa: B027 - a stream has no name to be given
        """Give the output its name."""


class FileOutput(Output):
    """An output in a file, which gets its name when all of it is written."""

    def __init__(self, target: str, file: AtomicFile | RemoteFile) -> None:
        """Write to an open file.

        Args:
            target: The name that it is to have.
            file: The file.
        """
        super().__init__(target)
        self._file = file

    def discard(self) -> None:
        """Delete the unfinished file."""
        self._file.discard()

    def _publish(self) -> None:
        self._file.commit()


class NpyOutput(FileOutput):
    """A `.npy` file, of exactly one array."""

    def _begin(
        self,
        key: str | None,  # noqa: ARG002
        shape: tuple[int, ...],
        dtype: DType,
        *,
        compressed: bool,  # noqa: ARG002
    ) -> ArrayWriter:
        if self._writer is not None:
            fix = f"write a {either(keyed_suffixes())}"
            raise UsageError.at(self.target, f"a {NPY.suffix} holds one array", fix)
        file = self._file
        share = getattr(file, "share", None)  # a file that is sent has no use for it
        return ArrayWriter(self.target, shape, dtype, file.write, patch=file.patch, share=share)


class StreamOutput(Output):
    """Standard output: a `.npy` for every array, one after another."""

    def __init__(self, sink: Sink) -> None:
        """Write to `sink`."""
        super().__init__(STDIN)
        self._sink = sink

    def _begin(
        self,
        key: str | None,  # noqa: ARG002
        shape: tuple[int, ...],
        dtype: DType,
        *,
        compressed: bool,  # noqa: ARG002
    ) -> ArrayWriter:
        return ArrayWriter(STDIN, shape, dtype, self._sink)


def open_output(
    target: str,
    overwrite: bool,  # noqa: FBT001
    *,
    sync: bool = False,
    keep: Callable[[AtomicFile], None] | None = None,
) -> Output:
    """Open `-` or a file of a format for writing; files get their names when all is written.

    Args:
        target: `-`, a file or a URL.
        overwrite: Replace a file that is there.
        sync: A file on this machine is on the disk before it has its name.
        keep: Takes such a file when it is whole, and gives it its name later.

    Returns:
        The output, of the format that the name says.

    Raises:
        OutputError: The directory is missing or cannot be written.
        UsageError: The target exists and is not to be overwritten, is a directory or a terminal,
            or has another suffix.
    """
    if target == STDIN:
        return StreamOutput(standard_output())
    form = format_of(target)
    require_file_target(target)
    if form is None or not form.writer:
        raise _unwritable(target)
    file: AtomicFile | RemoteFile
    if is_url(target):
        from poolnorm_cli.tensors.cloud import RemoteFile

        file = RemoteFile(target, overwrite=overwrite)
    else:
        from poolnorm_cli.tensors.atomic import AtomicFile

        file = AtomicFile(target, overwrite=overwrite, sync=sync, keep=keep)
    output: Output = form.writing.open_writer(target, file)
    return output


def open_writer(target: str, file: AtomicFile | RemoteFile) -> Output:
    """Return what writes a `.npy` to an open file.

    Args:
        target: The name that the file is to have.
        file: The file.

    Returns:
        The output.
    """
    return NpyOutput(target, file)


def exists(target: str) -> bool:
    """Whether there is an output of this name: a file, or a link, or an object at this URL.

    Raises:
        OutputError: That cannot be found out.
    """
    if not is_url(target):
        return os.path.lexists(target)
    from poolnorm_cli.tensors.cloud import exists_at

    return exists_at(target)


def _unwritable(target: str) -> UsageError:
    suffixes = output_suffixes()
    is_directory = " (a directory)" if os.path.isdir(target) else ""  # noqa: PTH112 - as for other names
    fix = f"name the output {either(tuple(f'FILE{suffix}' for suffix in suffixes))}"
    return UsageError.at(target, f"{neither(suffixes)}{is_directory}", fix)
