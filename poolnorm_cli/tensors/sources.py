"""From a word on the command line to the tensors it names."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from poolnorm_cli.errors import InputError, UsageError
from poolnorm_cli.tensors.formats import either, format_of, neither
from poolnorm_cli.tensors.names import STDIN, is_stream, no_names, split_word
from poolnorm_cli.urls import is_url


if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from poolnorm_cli.tensors.tensor import Tensor


def open_tensors(
    word: str,
    key: str | None = None,
    bfloat16: bool = False,  # noqa: FBT001, FBT002
    limit: int | None = None,
) -> Iterator[Tensor]:
    """Return the tensors that `word` names, their headers read and checked.

    Args:
        word: `-`, a file with the suffix of a format, or `FILE::NAME` where no file is called so.
        key: The one array that is wanted of a file in which arrays have names; without it all
            numeric ones.
        bfloat16: Whether arrays of two raw bytes are bfloat16.
        limit: Bytes that a copy of what does not say its size may take; None for what is usual.

    Returns:
        The tensors, one after another; those on standard input as they come.

    Raises:
        InputError: There is no such file or array, or it is damaged or not supported.
        UsageError: `key` is given for a file of one array without a name, or twice.
    """
    name, inner = split_word(word)
    if inner is not None and key not in (None, inner):
        raise UsageError.at(word, "two keys", f"leave out --key or ::{inner}")
    wanted = key if inner is None else inner
    form = None if name == STDIN else format_of(name)
    if wanted is not None and (form is None or not form.keyed):
        raise no_names(name)
    if name == STDIN:
        return _standard_input(bfloat16=bfloat16)
    if form is None:
        raise _unknown(name)
    if is_url(name):
        from poolnorm_cli.tensors.cloud import open_remote

        return open_remote(name, form, wanted, bfloat16=bfloat16, limit=limit)
    found: Sequence[Tensor] = form.reading.open_file(name, name, wanted, bfloat16=bfloat16)
    return iter(found)


def open_input(
    word: str,
    key: str | None = None,
    bfloat16: bool = False,  # noqa: FBT001, FBT002
    limit: int | None = None,
) -> Iterator[Tensor]:
    """Return the tensors that the word of an INPUT names: as `open_tensors`, or of a stream.

    Args:
        word: As for `open_tensors`, or a FIFO, a device or an open file of this process.
        key: As for `open_tensors`.
        bfloat16: Whether arrays of two raw bytes are bfloat16.
        limit: Bytes that a copy of what does not say its size may take; None for what is usual.

    Returns:
        The tensors, one after another; those on a stream as they come.

    Raises:
        InputError: There is no such file or array, or it is damaged or not supported.
        UsageError: `key` is given for what has no names of arrays, or twice; or it is a terminal.
    """
    if not is_stream(word):
        return open_tensors(word, key, bfloat16, limit)
    from poolnorm_cli.tensors.streams import open_stream

    return open_stream(word, key, bfloat16=bfloat16, limit=limit)


def _standard_input(*, bfloat16: bool) -> Iterator[Tensor]:
    from poolnorm_cli.tensors.streams import read_stream

    return read_stream(sys.stdin.buffer if sys.stdin else None, bfloat16)


def _unknown(name: str) -> Exception:
    if not os.path.lexists(name):
        return InputError.at(name or "''", "no such file", f"give a {either()} file, or `-`")
    if os.path.isdir(name):  # noqa: PTH112 - a Path takes long to import
        return InputError.at(name, "a directory", "name the files in it")
    if is_stream(name):
        return InputError.at(name, "not a regular file", "save it to one first, and give that")
    return InputError.at(name, f"{neither()} by its name", "rename it if it is one")
