"""What a command-line argument names: standard input, a stream, a file, or an array in one."""

from __future__ import annotations

import os
import stat

from poolnorm_cli.errors import UsageError
from poolnorm_cli.tensors.formats import either, format_of, keyed_suffixes, split_key
from poolnorm_cli.urls import redact_url


STDIN = "-"
"""Standard input where an input is named, standard output where an output is."""
_OPEN_FILES = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")


def split_word(word: str) -> tuple[str, str | None]:
    """Split `FILE::NAME` into the file and the name of an array in it, None without one.

    Args:
        word: An argument that names an input. If a file has this whole name, it is that file.
    """
    split = split_key(word)
    if split is None or ("://" not in word and os.path.lexists(word)):
        return word, None
    return split


def source_path(word: str) -> str | None:
    """Return the file that a word names, also in `FILE::NAME`; None for standard input."""
    return None if word == STDIN else split_word(word)[0]


def shown_input(word: str, key: str | None) -> str:
    """Return what messages call an input, without secrets.

    Args:
        word: The word that names it.
        key: The one array of it that is used; None for all.

    Returns:
        The word, or `x.npz::key`.
    """
    name = redact_url(word)
    return name if key is None else f"{name}::{key}"


def directory_of(name: str) -> str:
    """Return the directory in a name, with the slash at its end; empty where there is none."""
    return name[: name.rfind("/") + 1]


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
    if stat.S_ISREG(mode):
        return word.startswith(_OPEN_FILES)
    return not stat.S_ISDIR(mode)


def names_tensor(word: str) -> bool:
    """Whether a word is `-`, has the suffix of a file of tensors, or names a stream."""
    path = source_path(word)
    return path is None or format_of(path) is not None or is_stream(word)


def no_keys_error(name: str) -> UsageError:
    """Return the error for a key where arrays have no names."""
    what = f"--key names an array in a {either(keyed_suffixes())}"
    return UsageError.at(name, what, "leave it out")


def identity(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """Return device and inode of a file, the same under all its names; None if there is none."""
    try:
        seen = os.stat(path)  # noqa: PTH116 - a Path would be made for every input
    except (OSError, ValueError):
        return None
    return seen.st_dev, seen.st_ino
