"""Where results go: a `.npy`, a `.npz` or standard output, complete or not there."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from poolnorm_cli.errors import UsageError
from poolnorm_cli.tensors.messages import fault
from poolnorm_cli.tensors.sources import STDIN, suffix_of
from poolnorm_cli.tensors.space import require_place, require_room
from poolnorm_cli.tensors.writers import ArrayWriter
from poolnorm_cli.urls import is_url


if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from poolnorm_cli.tensors.atomic import AtomicFile
    from poolnorm_cli.tensors.dtypes import DType
    from poolnorm_cli.tensors.sending import RemoteFile
    from poolnorm_cli.tensors.writers import Sink


class Output(ABC):
    """A target that takes arrays, one after another, and keeps them on a clean exit only."""

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

        Raises:
            OutputError: The target cannot be written, or has no room for so much.
            UsageError: A `.npy` has its array already, or a `.npz` one of that name; or the array
                is larger than any file can be.
        """
        if self._writer is not None:
            self._writer.close()
        require_room(self.target, shape, dtype.itemsize, compressed=compressed)
        self._writer = self._begin(key, shape, dtype, compressed=compressed)
        return self._writer

    def commit(self) -> None:
        """End the last array and keep the output.

        Raises:
            OutputError: An array is not complete, or the target cannot be written.
            UsageError: There is no array, or the target has appeared meanwhile.
        """
        if self._writer is None:
            raise fault(UsageError, self.target, "no array to write", "give an input that has one")
        self._writer.close()
        self._publish()

    def discard(self) -> None:  # noqa: B027 - what went to a stream stays there
        """Leave the target as if nothing had been done."""

    @abstractmethod
    def _begin(
        self, key: str | None, shape: tuple[int, ...], dtype: DType, *, compressed: bool
    ) -> ArrayWriter:
        """Begin an array."""

    def _publish(self) -> None:  # noqa: B027 - a stream has no name to be given
        """Give the output its name."""


class NpyOutput(Output):
    """A `.npy` file, of exactly one array."""

    def __init__(self, target: str, file: AtomicFile | RemoteFile) -> None:
        """Write to `file`."""
        super().__init__(target)
        self._file = file

    def discard(self) -> None:
        """Let the unfinished file go."""
        self._file.discard()

    def _begin(
        self,
        key: str | None,  # noqa: ARG002
        shape: tuple[int, ...],
        dtype: DType,
        *,
        compressed: bool,  # noqa: ARG002
    ) -> ArrayWriter:
        if self._writer is not None:
            raise fault(UsageError, self.target, "a .npy holds one array", "write a .npz")
        return ArrayWriter(self.target, shape, dtype, self._file.write, _nothing)

    def _publish(self) -> None:
        self._file.commit()


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
        return ArrayWriter(STDIN, shape, dtype, self._sink, _nothing)


def open_output(
    target: str,
    overwrite: bool,  # noqa: FBT001
    *,
    sync: bool = False,
    keep: Callable[[AtomicFile], None] | None = None,
) -> Output:
    """Open `-`, a `.npy` or a `.npz` for writing; files get their names when all is written.

    Args:
        target: `-`, a file or a URL.
        overwrite: Replace a file that is there.
        sync: A file on this machine is on the disk before it has its name.
        keep: Takes such a file when it is whole, and gives it its name later.

    Raises:
        OutputError: The directory is missing or cannot be written.
        UsageError: The target exists and is not to be overwritten, is a directory or a terminal,
            or has another suffix.
    """
    if target == STDIN:
        from poolnorm_cli.tensors.stdout import standard_output

        return StreamOutput(standard_output())
    suffix = suffix_of(target)
    require_place(target)
    if suffix not in (".npy", ".npz"):
        told = f"neither .npy nor .npz{' (a directory)' if os.path.isdir(target) else ''}"  # noqa: PTH112 - as for other names
        raise fault(UsageError, target, told, "name the output FILE.npy or FILE.npz")
    file: AtomicFile | RemoteFile
    if is_url(target):
        from poolnorm_cli.tensors.sending import RemoteFile

        file = RemoteFile(target, overwrite=overwrite)
    else:
        from poolnorm_cli.tensors.atomic import AtomicFile

        file = AtomicFile(target, overwrite=overwrite, sync=sync, keep=keep)
    if suffix == ".npy":
        return NpyOutput(target, file)
    from poolnorm_cli.tensors.zips import NpzOutput

    return NpzOutput(target, file)


def _nothing() -> None:
    """End an array that needs no ending."""
