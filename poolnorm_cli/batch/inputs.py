"""From the words of the command line to the inputs of a run: files, directories, lists."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from functools import lru_cache
from itertools import chain
from operator import attrgetter
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from poolnorm_cli.errors import InputError, UsageError, reason_of, shown
from poolnorm_cli.shapes import whole_number
from poolnorm_cli.sizes import LIST_PIECE_BYTES, LONGEST_LISTED_NAME_BYTES
from poolnorm_cli.tensors.formats import either, in_turn
from poolnorm_cli.tensors.names import STDIN, is_stream, shown_input, source_path
from poolnorm_cli.tensors.sources import open_input, open_tensors
from poolnorm_cli.tensors.tensor import with_batch_axis
from poolnorm_cli.urls import is_hidden, is_url, redact_url
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.tensors.sources import FirstInput
    from poolnorm_cli.tensors.tensor import Tensor


MANY = 100
"""Inputs from which on it pays to prepare the values that are made for each."""


@frozen
class Input:
    """An input as it was named, and the output for all tensors in it.

    Attributes:
        word: `-`, a file, or `file.npz::NAME`.
        key: The one array of a `.npz` to use.
        target: `-` or a file; None where nothing is written.
        is_split: Every array on standard input gets a file of its own, named when it comes.
        is_stream: It is a FIFO or a device, or the like, which is read as it comes.
        error: Why it cannot be read, where that is known already.
        tees: Files that something on the way to the output is written to, one for each such step.
        keeps_tees: One that is there is not known to be of this run: it is left if it is the same.
    """

    word: str
    key: str | None = None
    target: str | None = None
    is_split: bool = False
    is_stream: bool = False
    error: InputError | None = None
    tees: tuple[str, ...] = ()
    keeps_tees: bool = False

    def __reduce__(self) -> tuple[type["Input"], tuple[Any, ...]]:
        """Go to another process in less time than the parts of a dataclass take.

        Streams and errors stay in this one.
        """
        own = self.word, self.key, self.target, self.is_split
        return Input, ((*own, False, None, self.tees, self.keeps_tees) if self.tees else own)

    @property
    def name(self) -> str:
        """The input as it is shown, without secrets."""
        return shown_input(self.word, self.key)

    @property
    def shown_target(self) -> str | None:
        """Its output as it is shown, likewise."""
        return self.target and redact_url(self.target)

    @property
    def uses_stream(self) -> bool:
        """Whether it reads or writes a stream, which only this process can."""
        return self.is_stream or STDIN in (self.word, self.target)


@frozen
class Reading:
    """How inputs are read.

    Attributes:
        bfloat16: Arrays of two raw bytes are bfloat16.
        limit: Bytes that a copy of an input which does not say its size may take; None for what
            is usual.
        first: The first input, which may have been opened already.
        unbatched: Their tensors have no batch axis, and get one.
    """

    bfloat16: bool = False
    limit: int | None = None
    first: "FirstInput | None" = None
    unbatched: bool = False

    def open(self, item: Input) -> "Iterator[Tensor]":
        """Open the tensors of an input, one after another.

        Raises:
            InputError: It is missing, damaged or not supported.
        """
        first, is_file = self.first, not (item.is_stream or item.word == STDIN)
        if first is not None and is_file and (item.word, item.key) == (first.word, first.key):
            return first.open_file()
        opening = open_input if item.is_stream else open_tensors
        opened = opening(item.word, item.key, self.bfloat16, self.limit)
        return with_batch_axis(opened) if self.unbatched else opened


def directories(inputs: Sequence[Input]) -> set[str]:
    """Return the directories in which the outputs will be."""
    targets = [i.target for i in inputs if i.target and not i.uses_stream]
    folders = {target[: target.rfind("/") + 1] for target in targets if not is_url(target)}
    return {os.path.dirname(folder) or "." for folder in folders}  # noqa: PTH120 - a text


@lru_cache(maxsize=16)
def output_prefix(directory: str, folder: str) -> str:
    """Return what stands before the names of outputs in a sub-directory.

    Args:
        directory: The directory of all outputs.
        folder: The sub-directory, relative to it; empty for the directory itself.

    Returns:
        The path with a slash at its end; empty for the current directory.
    """
    names = [name for name in f"{directory}/{folder}".split("/") if name not in ("", ".")]
    return "".join(["/" if directory.startswith("/") else "", *(f"{name}/" for name in names)])


_MOST_NAMES = 4_000_000
"""Names in a list, which take about a gigabyte."""


class Source(NamedTuple):
    """An input, and where below the output directory its result belongs.

    Attributes:
        word: `-`, a file, or `file.npz::NAME`.
        folder: Sub-directory of the output directory; empty for the directory itself.
        is_stream: It is a FIFO or a device, or the like, which is read as it comes.
        error: Why it cannot be read, where that is known already.
    """

    word: str
    folder: str = ""
    is_stream: bool = False
    error: InputError | None = None


def expand(
    words: Iterable[str],
    *,
    recursive: bool = False,
    relative_to: str | None = None,
    without: str | None = None,
    listed: Iterable[str] = (),
    on_note: Callable[[str], None] = lambda _: None,
) -> Iterator[Source]:
    """Replace every directory by the tensor files in it, in the order of their names.

    Args:
        words: Files, directories, `file.npz::NAME` or `-`.
        recursive: Take the files of sub-directories too; links to directories are not followed.
        relative_to: The directory whose tree the outputs mirror; None for each directory's own.
        without: A directory to leave out: that of the outputs, which may lie inside.
        listed: More words, of which none is waited for: FIFOs and devices among them are refused.
        on_note: Called with a note on links that are not followed.

    Yields:
        The inputs. A directory that cannot be read is one with an error.

    Raises:
        InputError: A directory has no tensor file.
        UsageError: An input is not below `relative_to`.
    """
    left_out = os.path.realpath(without) if without is not None else None
    for word, is_named in chain(((word, True) for word in words), ((w, False) for w in listed)):
        if is_url(word) and word.endswith("/"):
            yield from _remote(word, recursive=recursive)
        elif word != STDIN and os.path.isdir(word):  # noqa: PTH112 - for each of many
            root = word if relative_to is None else relative_to
            yield from _local(word, root, left_out, on_note, recursive=recursive)
        elif is_named and is_stream(word):
            yield Source(word, is_stream=True)
        else:
            yield Source(word, "" if relative_to is None else _folder(word, relative_to))


def _local(
    directory: str,
    root: str,
    left_out: str | None,
    on_note: Callable[[str], None],
    *,
    recursive: bool,
) -> Iterator[Source]:
    """Yield the tensor files of a directory, with their folders below a root."""
    links: list[str] = []
    found = False
    for paths, error in _walk(directory, links, recursive=recursive, left_out=left_out):
        found = True
        if error is not None:
            yield from [Source(path, error=error) for path in paths]
        else:
            folder = _folder(paths[0], root)
            yield from [Source(path, folder) for path in paths]
    if links:
        several = f"{len(links)} links to directories" if len(links) > 1 else links[0]
        on_note(f"note: {shown(directory)}: {several} not followed")
    if not found:
        fix = "name the files" if recursive else "-r looks into its sub-directories"
        what = f"a directory without {either()} files, pictures or tables"
        raise InputError.at(directory, what, fix)


def read_list(file: str, *, null: bool) -> list[str]:
    """Read the names of inputs from a file, a pipe or, with `-`, from standard input.

    Args:
        file: The list.
        null: Names end with NUL, as `find -print0` writes them; otherwise with a newline.

    Returns:
        The names, in order.

    Raises:
        InputError: The list cannot be read, is none, or has no end.
    """
    names: list[str] = []
    try:
        with nullcontext(sys.stdin.buffer) if file == STDIN else open(file, "rb") as stream:  # noqa: PTH123 - also /dev/fd and pipes
            for name in _names(stream, b"\0" if null else b"\n"):
                if len(name) > LONGEST_LISTED_NAME_BYTES or len(names) >= _MOST_NAMES:
                    raise _endless(file, len(names))
                names.append(os.fsdecode(name))
    except OSError as error:
        raise InputError.at(
            f"--files-from {file}", reason_of(error), "give a readable list"
        ) from None
    return names


def _names(stream: IO[bytes], end: bytes) -> Iterator[bytes]:
    """Yield what stands between the ends of names, empty ones left out; never more than a piece."""
    rest = b""
    while piece := stream.read(LIST_PIECE_BYTES):
        *whole, rest = (rest + piece).split(end)
        if end == b"\n":
            whole = [name.removesuffix(b"\r") for name in whole]
        yield from filter(None, whole)
        if len(rest) > LONGEST_LISTED_NAME_BYTES:
            break
    if rest:
        yield rest


def _endless(file: str, count: int) -> InputError:
    what = f"more than {_MOST_NAMES} names"
    if count < _MOST_NAMES:
        what = f"a name of more than {LONGEST_LISTED_NAME_BYTES} bytes after {count} others"
    return InputError.at(f"--files-from {file}", what, "give a list of files, a name a line")


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

        return zlib.crc32(os.fsencode(redact_url(word))) % self.count == self.number - 1


def _walk(
    directory: str, links: list[str], *, recursive: bool, left_out: str | None
) -> Iterator[tuple[list[str], InputError | None]]:
    """List the tensor files of each directory that has some, its own first, hidden ones left out.

    A directory that cannot be read is listed with its error; links to others are noted in `links`.
    """
    try:
        with os.scandir(directory) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        yield [directory], InputError.at(directory, reason_of(error), "make it readable")
        return
    visible.sort(key=attrgetter("name"))
    folders = [entry for entry in visible if _is_directory(entry)]
    left = set(folders)
    if paths := in_turn([entry.path for entry in visible if entry not in left]):
        yield paths, None
    for entry in folders if recursive else ():
        if entry.is_symlink():
            links.append(entry.path)
        elif os.path.realpath(entry.path) != left_out:
            yield from _walk(entry.path, links, recursive=True, left_out=left_out)


def _is_directory(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to where nobody may look: to read it tells that
        return False


def _remote(url: str, *, recursive: bool) -> Iterator[Source]:
    """List the tensor files below a URL that ends with a slash."""
    from poolnorm_cli.tensors.cloud import list_at

    listed = list_at(url, recursive=recursive)
    found = in_turn([each for each in listed if not is_hidden(each.removeprefix(url))])
    for each in found:
        yield Source(each, each.removeprefix(url).rpartition("/")[0])
    if not found:
        raise InputError.at(url, f"no {either()} files, pictures or tables there", "check the name")


def _folder(word: str, root: str) -> str:
    """Return the directory of an input below a root."""
    path = source_path(word)
    if path is None:
        return ""
    folder = os.path.relpath(os.path.dirname(path) or ".", root)  # noqa: PTH120 - as relpath
    if folder == ".." or folder.startswith("../"):
        raise UsageError.at(word, f"not inside --relative-to {root}", "give a directory above it")
    return "" if folder == "." else folder
