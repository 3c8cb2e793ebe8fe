"""Temporary copies of what can be read only once, in files without a name."""

from __future__ import annotations

import os
import tempfile
import weakref
from functools import partial
from typing import IO, TYPE_CHECKING

from poolnorm_cli.errors import InputError, OutputError, reason_of
from poolnorm_cli.sizes import LARGEST_UNSIZED_BYTES, PIECE_BYTES
from poolnorm_cli.tensors.files import write_all
from poolnorm_cli.tensors.space import free_space_in


if TYPE_CHECKING:
    from collections.abc import Sequence

    from poolnorm_cli.tensors.files import ReadInto
    from poolnorm_cli.tensors.formats import Format
    from poolnorm_cli.tensors.tensor import Tensor


_TMPDIR = "set TMPDIR to a directory with room"


def require_copy(name: str, nbytes: int) -> None:
    """Refuse what is larger than the free space for temporary files.

    Args:
        name: What messages call it.
        nbytes: Its size.

    Raises:
        OutputError: It is.
    """
    try:
        free = free_space_in(tempfile.gettempdir())
    except OSError as error:
        raise OutputError.at(name, f"no temporary copy: {reason_of(error)}", _TMPDIR) from error
    if nbytes > free:
        what = f"a temporary copy needs {nbytes} bytes, and {free} are free there"
        raise OutputError.at(name, what, _TMPDIR)


def copy_to_temporary(
    readinto: ReadInto,
    name: str,
    *,
    begun: bytes = b"",
    size: int | None = None,
    limit: int | None = None,
    fix: str = "save it to a file first, and give that",
) -> IO[bytes]:
    """Copy a stream to a temporary file without a name.

    Args:
        readinto: Reads what comes.
        name: What messages call it.
        begun: What has been read of it already.
        size: Bytes of all, where that is known; more are refused.
        limit: Bytes that are allowed where the size is not known; None for
            `LARGEST_UNSIZED_BYTES`, or half of what is free, whichever is less.
        fix: What to do about too many.

    Returns:
        The copy, at its end.

    Raises:
        InputError: More comes than is allowed.
        OutputError: There is no room for a copy.
    """
    allowed = _allowed(name, limit) if size is None else size
    if size is not None:
        require_copy(name, size)
    try:
        copy: IO[bytes] = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - held by who reads it
        done, piece = copy.write(begun), memoryview(bytearray(PIECE_BYTES))
        while count := readinto(piece):
            done += count
            if done > allowed:
                copy.close()
                what = f"more than {allowed} bytes came, of no known size"
                if size is not None:
                    what = f"goes on after the {size} bytes that it should have"
                raise InputError.at(name, what, fix)
            write_all(partial(os.write, copy.fileno()), piece[:count])
    except OSError as error:
        raise OutputError.at(name, f"no temporary copy: {reason_of(error)}", _TMPDIR) from error
    return copy


def _allowed(name: str, limit: int | None) -> int:
    require_copy(name, 0)
    free = free_space_in(tempfile.gettempdir()) // 2
    return min(free, LARGEST_UNSIZED_BYTES if limit is None else limit)


def open_copy(
    copy: IO[bytes], form: Format, name: str, key: str | None, *, bfloat16: bool
) -> Sequence[Tensor]:
    """Return the tensors in a file without a name, which stays open as long as they are there.

    Args:
        copy: The open file, which is closed.
        form: Its format.
        name: What messages call it.
        key: The one array that is wanted of a file in which arrays have names.
        bfloat16: Whether arrays of two raw bytes are bfloat16.

    Returns:
        The tensors, their headers read and checked.

    Raises:
        InputError: It is not of that format, or is damaged or not supported.
    """
    descriptor = _Descriptor(copy)
    tensors: Sequence[Tensor] = form.reading.open_file(
        f"/dev/fd/{descriptor.fd}", name, key, bfloat16=bfloat16
    )
    for tensor in tensors:
        tensor.source = descriptor
    return tensors


class _Descriptor:
    """A file descriptor that is closed when the last reference to it is gone."""

    def __init__(self, file: IO[bytes]) -> None:
        """Take over what `file` has open."""
        self.fd = os.dup(file.fileno())
        weakref.finalize(self, os.close, self.fd)
        file.close()
