"""From a command-line argument to the tensors it names."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import InputError, PoolnormError, UsageError
from poolnorm_cli.tensors.files import stamp_of
from poolnorm_cli.tensors.formats import either, format_of, neither
from poolnorm_cli.tensors.names import STDIN, is_stream, no_keys_error, source_path, split_word
from poolnorm_cli.tensors.tensor import with_batch_axis
from poolnorm_cli.urls import is_url


if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from poolnorm_cli.shapes import Ints
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
        raise no_keys_error(name)
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
    """Return the tensors that an INPUT argument names: as `open_tensors`, or those of a stream.

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


class FirstInput:
    """The first input of a run, opened once however many parts of the run look at its header.

    It is made where the run begins and handed down to all who ask for the first shape, and to the
    run itself. In another process it is opened there.

    Attributes:
        word: What was typed, or the first file of a directory or list.
        key: The one array that is wanted.
        has_data: It is more than a shape.
    """

    has_data = True

    def __init__(
        self,
        word: str,
        key: str | None = None,
        *,
        bfloat16: bool = False,
        limit: int | None = None,
        unbatched: bool = False,
    ) -> None:
        """Remember what to open.

        Args:
            word: As for `open_input`; empty where no input was typed.
            key: As for `open_input`.
            bfloat16: Whether arrays of two raw bytes are bfloat16.
            limit: Bytes that a copy of what does not say its size may take.
            unbatched: Its tensors have no batch axis, and get one.
        """
        self.word, self.key = word, key
        self._bfloat16, self._limit, self._unbatched = bfloat16, limit, unbatched
        self._found: list[Tensor] | None = None

    def __reduce__(self) -> tuple[partial[FirstInput], tuple[str, str | None]]:
        """Pickle what to open, and nothing that is open: another process opens it again."""
        return partial(FirstInput, **self._options), (self.word, self.key)

    def at(self, word: str) -> FirstInput:
        """Return the first input under this name: this one, or a new one that is not open yet."""
        if word == self.word:
            return self
        return FirstInput(word, self.key, **self._options)

    @property
    def _options(self) -> dict[str, Any]:
        return {"bfloat16": self._bfloat16, "limit": self._limit, "unbatched": self._unbatched}

    def tensors(self) -> Sequence[Tensor]:
        """Return its tensors; they are opened at the first call, and again if the file has changed.

        Raises:
            InputError: There is no such file or array, or it is damaged or not supported.
            UsageError: It has no names of arrays, and one is wanted.
        """
        found = self._found  # which another thread of a worker may forget meanwhile
        if found is None or self._has_changed(found):
            opened = open_tensors(self.word, self.key, self._bfloat16, self._limit)
            found = list(with_batch_axis(opened) if self._unbatched else opened)
            self._found = found
        return found

    def shape(self) -> Ints | None:
        """Return the shape of its first tensor; None where it is no file, or cannot be read."""
        path = source_path(self.word)
        if path is None or format_of(path) is None or is_stream(self.word):
            return None
        with suppress(PoolnormError):  # reported when its turn comes
            return self.tensors()[0].shape
        return None

    def open(self) -> Iterator[Tensor]:
        """Return its tensors for the run itself; it may be a stream, which is read once.

        Raises:
            InputError: There is no such file or array, or it is damaged or not supported.
            UsageError: It has no names of arrays, and one is wanted; or it is a terminal.
        """
        if self.word == STDIN or is_stream(self.word):
            opened = open_input(self.word, self.key, self._bfloat16, self._limit)
            return with_batch_axis(opened) if self._unbatched else opened
        return self.open_file()

    def open_file(self) -> Iterator[Tensor]:
        """Return its tensors for the run itself, where it is known to be no stream.

        Raises:
            InputError: There is no such file or array, or it is damaged or not supported.
            UsageError: It has no names of arrays, and one is wanted.
        """
        found = self.tensors()
        if any(tensor.source is not None for tensor in found):
            self._found = None  # a copy is there as long as somebody holds it
        return iter(found)

    def _has_changed(self, found: Sequence[Tensor]) -> bool:
        stamp, path = found[0].file, source_path(self.word)
        if stamp is None or path is None:
            return False
        try:
            return stamp_of(path) != stamp
        except (OSError, ValueError):
            return True


def _standard_input(*, bfloat16: bool) -> Iterator[Tensor]:
    from poolnorm_cli.tensors.streams import read_stream

    return read_stream(sys.stdin.buffer if sys.stdin else None, bfloat16)


def _unknown(name: str) -> Exception:
    if not os.path.lexists(name):
        if "," in name and format_of(name) is None and "/" not in name:
            fix = f"a shape has no data: type poolnorm shape ... {name}, or give --export FILE.onnx"
            return InputError.at(name, "no such file", fix)
        return InputError.at(name or "''", "no such file", f"give a {either()} file, or `-`")
    if os.path.isdir(name):  # noqa: PTH112 - a Path takes long to import
        return InputError.at(name, "a directory", "name the files in it")
    if is_stream(name):
        return InputError.at(name, "not a regular file", "save it to one first, and give that")
    from poolnorm_cli.tensors.foreign import refusal

    return refusal(name) or InputError.at(
        name, f"{neither()} by its name", "rename it if it is one"
    )
