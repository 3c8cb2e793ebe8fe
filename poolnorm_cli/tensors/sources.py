"""From a word on the command line to the tensors it names."""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING

from poolnorm_cli.errors import OutputError, UsageError
from poolnorm_cli.tensors.messages import bad_input, fault
from poolnorm_cli.urls import is_url, is_web, without_query


if TYPE_CHECKING:
    from collections.abc import Iterator

    from poolnorm_cli.tensors.tensor import Tensor


STDIN = "-"
_MARK = ".npz::"
_OPEN_FILES = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")


def open_tensors(
    word: str,
    key: str | None = None,
    bfloat16: bool = False,  # noqa: FBT001, FBT002
    limit: int | None = None,
) -> Iterator[Tensor]:
    """Return the tensors that `word` names, their headers read and checked.

    Args:
        word: `-`, a `.npy` or `.npz` file, or `file.npz::NAME` where no file is called so.
        key: The one array of a `.npz` that is wanted; all numeric ones without it.
        bfloat16: Whether arrays of two raw bytes are bfloat16.
        limit: Bytes that a copy of what does not say its size may take; None for what is usual.

    Raises:
        InputError: There is no such file or array, or it is damaged or not supported.
        UsageError: `key` is given for what is not a `.npz`, or twice.
    """
    name, inner = _split(word)
    if inner is not None and key not in (None, inner):
        raise fault(UsageError, word, "two keys", f"leave out --key or ::{inner}")
    wanted = key if inner is None else inner
    suffix = suffix_of(name)
    if is_url(name) and suffix in (".npy", ".npz") and (wanted is None or suffix == ".npz"):
        from poolnorm_cli.tensors.cloud import open_remote

        return open_remote(name, wanted, bfloat16=bfloat16, limit=limit)
    if suffix == ".npz" and name != STDIN:
        from pathlib import Path

        from poolnorm_cli.tensors.npz import open_npz

        return iter(open_npz(Path(name), name, wanted, bfloat16=bfloat16))
    if wanted is not None:
        raise fault(UsageError, name, "--key names an array in a .npz", "leave it out")
    if name == STDIN:
        return _standard_input(bfloat16=bfloat16)
    if suffix != ".npy":
        raise _unknown(name)
    from poolnorm_cli.tensors.npy import open_npy

    return iter([open_npy(name, name, bfloat16)])


def suffix_of(name: str) -> str:
    """Return the suffix of a name in small letters; os.path's way takes long for many files.

    A presigned URL has it before its query: `https://host/x.npy?signature=...`.
    """
    if "://" in name:
        name = without_query(name)
    base = name[name.rfind("/") + 1 :].lstrip(".")
    return base[dot:].lower() if (dot := base.rfind(".")) >= 0 else ""


def open_input(
    word: str,
    key: str | None = None,
    bfloat16: bool = False,  # noqa: FBT001, FBT002
    limit: int | None = None,
) -> Iterator[Tensor]:
    """Return the tensors that the word of an INPUT names: as `open_tensors`, or of a stream.

    Raises:
        InputError: There is no such file or array, or it is damaged or not supported.
        UsageError: `key` is given for what is not a `.npz`, or twice; or it is a terminal.
    """
    if not is_stream(word):
        return open_tensors(word, key, bfloat16, limit)
    from poolnorm_cli.tensors.fifos import open_stream

    return open_stream(word, key, bfloat16=bfloat16, limit=limit)


def is_stream(word: str) -> bool:
    """Whether a word names a FIFO or a device, or an open file of this process, as `/dev/stdin`.

    Such an input is read once, as it comes, and known by its first bytes.
    """
    if word == STDIN or "://" in word:
        return False
    try:
        mode = os.stat(word).st_mode  # noqa: PTH116 - for each word
    except (OSError, ValueError):
        return False
    return is_stream_of(word, mode)


def is_stream_of(word: str, mode: int) -> bool:
    """Whether a word with the mode of its file is such a stream."""
    if stat.S_ISREG(mode):
        return word.startswith(_OPEN_FILES)
    return not stat.S_ISDIR(mode)


def names_tensor(word: str) -> bool:
    """Whether a word is `-`, has the suffix of a file of tensors, or names a stream."""
    suffix = suffix_of(source_path(word) or STDIN)
    return word == STDIN or suffix in (".npy", ".npz") or is_stream(word)


def folder_of(name: str) -> str:
    """Return the directory in a name, with the slash at its end; empty where there is none."""
    return name[: name.rfind("/") + 1]


def exists(word: str) -> bool:
    """Whether there is an output of this name: a file, or a link, or an object at this URL.

    Raises:
        OutputError: That cannot be found out.
    """
    if not is_url(word):
        return os.path.lexists(word)
    from poolnorm_cli.tensors.cloud import stamp_at

    if is_web(word):
        fix = "write to a file, s3:// or gs://"
        raise fault(OutputError, word, "nothing can be written there", fix)
    return stamp_at(word, OutputError)[0] >= 0


def identity(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """Return the device and inode of a file, the same for all its names, or None without one."""
    try:
        seen = os.stat(path)  # noqa: PTH116 - a Path would be made for every input
    except (OSError, ValueError):
        return None
    return seen.st_dev, seen.st_ino


def source_path(word: str) -> str | None:
    """Return the file that a word names, also in `file.npz::NAME`; None for standard input."""
    return None if word == STDIN else _split(word)[0]


def _split(word: str) -> tuple[str, str | None]:
    place = word.lower().find(_MARK) if "::" in word else -1
    if place < 0 and "://" in word:
        name, mark, inner = word.rpartition("::")  # after a query
        return (name, inner) if mark and suffix_of(name) == ".npz" else (word, None)
    if place < 0 or os.path.lexists(word):
        return word, None
    return word[: place + len(".npz")], word[place + len(_MARK) :]


def _standard_input(*, bfloat16: bool) -> Iterator[Tensor]:
    from poolnorm_cli.tensors.streams import read_stream

    return read_stream(sys.stdin.buffer if sys.stdin else None, bfloat16)


def _unknown(name: str) -> Exception:
    if not os.path.lexists(name):
        return bad_input(name or "''", "no such file", "give a .npy or .npz file, or `-`")
    if os.path.isdir(name):  # noqa: PTH112 - a Path takes long to import
        return bad_input(name, "a directory", "name the files in it")
    if is_stream(name):
        return bad_input(name, "not a regular file", "save it to one first, and give that")
    return bad_input(name, "neither .npy nor .npz by its name", "rename it if it is one")
