"""INPUTs that are no files: a FIFO, `<(command)`, `/dev/stdin`, known by their first bytes."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from poolnorm_cli.errors import InputError, UsageError, reason_of
from poolnorm_cli.tensors.formats import either, format_on_stream, longest_magic
from poolnorm_cli.tensors.names import no_names
from poolnorm_cli.tensors.spool import of_copy, spooled
from poolnorm_cli.tensors.streams import arrays, told_by


if TYPE_CHECKING:
    from collections.abc import Iterator

    from poolnorm_cli.tensors.tensor import ReadInto, Tensor


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
        readinto = told_by(file, word)
        begun = _exactly(readinto, longest_magic())
        form = format_on_stream(begun)
        if key is not None and not (form and form.keyed):
            raise no_names(word)
        if form is not None and not form.sequential:
            # A file that is already one needs no copy.
            is_file = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            copy = file if is_file else spooled(readinto, word, begun=begun, limit=limit)
            yield from of_copy(copy, form, word, key, bfloat16=bfloat16)
        else:
            yield from arrays(_after(begun, readinto), word, bfloat16=bfloat16)


def _exactly(readinto: ReadInto, count: int) -> bytes:
    data = memoryview(bytearray(count))
    done = 0
    while done < count and (more := readinto(data[done:])):
        done += more
    return bytes(data[:done])


def _after(begun: bytes, readinto: ReadInto) -> ReadInto:
    """Return what reads first what has been read already."""
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
