"""From the words of the command line to the inputs of a run: files, directories, lists."""

import os
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from poolnorm_cli.errors import InputError, UsageError
from poolnorm_cli.shapes import whole_number
from poolnorm_cli.tensors.sources import STDIN, source_path
from poolnorm_cli.urls import fit_to_show, is_hidden, is_url
from poolnorm_cli.values import frozen


SUFFIXES = (".npy", ".npz")


class Source(NamedTuple):
    """An input, and where below the output directory its result belongs.

    Attributes:
        word: `-`, a file, or `file.npz::NAME`.
        folder: Sub-directory of the output directory; empty for the directory itself.
    """

    word: str
    folder: str = ""


def expand(
    words: Iterable[str],
    *,
    recursive: bool = False,
    relative_to: str | None = None,
    without: str | None = None,
) -> Iterator[Source]:
    """Replace every directory by the tensor files in it, in the order of their names.

    Args:
        words: Files, directories, `file.npz::NAME` or `-`.
        recursive: Take the files of sub-directories too; links to directories are not followed.
        relative_to: The directory whose tree the outputs mirror; None for each directory's own.
        without: A directory to leave out: that of the outputs, which may lie inside.

    Raises:
        InputError: A directory has no tensor file, or cannot be read.
        UsageError: An input is not below `relative_to`.
    """
    left_out = os.path.realpath(without) if without is not None else None
    for word in words:
        if is_url(word) and word.endswith("/"):
            yield from _remote(word, recursive=recursive)
            continue
        if word == STDIN or not os.path.isdir(word):  # noqa: PTH112 - for each of many
            yield Source(word, _folder(word, relative_to) if relative_to is not None else "")
            continue
        found, parent, folder = False, None, ""
        for path in _walk(word, recursive=recursive, left_out=left_out):
            found = True
            if (directory := path.rpartition("/")[0]) != parent:
                root = word if relative_to is None else relative_to
                parent, folder = directory, _folder(path, root)
            yield Source(path, folder)
        if not found:
            fix = "name the files" if recursive else "-r looks into its sub-directories"
            raise InputError(f"{word}: a directory without .npy or .npz files", fix)


def listed(file: str, *, null: bool) -> list[str]:
    """Read the names of inputs from a file or, with `-`, from standard input.

    Args:
        file: The list.
        null: Names end with NUL, as `find -print0` writes them; otherwise with a newline.

    Raises:
        InputError: The list cannot be read.
    """
    try:
        if file == STDIN:
            data = sys.stdin.buffer.read()
        else:
            with open(file, "rb") as stream:  # noqa: PTH123 - also /dev/fd and pipes
                data = stream.read()
    except OSError as error:
        raise InputError(f"--files-from {file}: {error.strerror}", "give a readable list") from None
    lines = data.split(b"\0") if null else data.splitlines()
    return [os.fsdecode(line) for line in lines if line]


@frozen
class Shard:
    """A part of the inputs, which depends on their names alone.

    Attributes:
        number: From 1 to `count`.
        count: The number of parts.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read `2/8`.

        Raises:
            UsageError: It is something else, or there is no such part.
        """
        number, count = (whole_number(part) for part in (*text.split("/", 1), "")[:2])
        if number is None or count is None:
            raise UsageError(f"--shard {text!r} is not i/n", "give one part of several, as 1/8")
        if not 1 <= number <= count:
            raise UsageError(f"--shard {text}: there is no such part", f"give 1/{count} or more")
        return cls(number, count)

    def holds(self, word: str) -> bool:
        """Whether an input belongs to this part: by a checksum of its name as it was given.

        Passwords and signatures do not count, which may be others next time.
        """
        import zlib

        return zlib.crc32(os.fsencode(fit_to_show(word))) % self.count == self.number - 1


def _walk(directory: str, *, recursive: bool, left_out: str | None) -> Iterator[str]:
    """List the tensor files of a directory, its own first, hidden ones left out."""
    try:
        with os.scandir(directory) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"{directory}: {error.strerror}", "make it readable") from None
    visible = [entry for entry in found if not entry.name.startswith(".")]
    for entry in visible:
        if entry.name.lower().endswith(SUFFIXES) and not entry.is_dir():
            yield entry.path
    for entry in visible if recursive else ():
        if entry.is_dir(follow_symlinks=False) and os.path.realpath(entry.path) != left_out:
            yield from _walk(entry.path, recursive=True, left_out=left_out)


def _remote(url: str, *, recursive: bool) -> Iterator[Source]:
    """List the tensor files below a URL that ends with a slash."""
    from poolnorm_cli.tensors.cloud import list_at

    found = 0
    for each in list_at(url, recursive=recursive):
        below = each.removeprefix(url)
        if not each.lower().endswith(SUFFIXES) or is_hidden(below):
            continue
        found += 1
        yield Source(each, below.rpartition("/")[0])
    if not found:
        raise InputError(f"{url}: no .npy or .npz files there", "check the name")


def _folder(word: str, root: str) -> str:
    """Return the directory of an input below a root."""
    path = source_path(word)
    if path is None:
        return ""
    folder = os.path.relpath(os.path.dirname(path) or ".", root)  # noqa: PTH120 - as relpath
    if folder == ".." or folder.startswith("../"):
        raise UsageError(f"{word}: not below --relative-to {root}", "give a directory above it")
    return "" if folder == "." else folder
