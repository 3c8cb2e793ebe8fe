"""One word of the command line on its way through a run."""

import os
from collections.abc import Sequence
from functools import lru_cache

from poolnorm_cli.errors import InputError
from poolnorm_cli.tensors.sources import STDIN, folder_of
from poolnorm_cli.urls import fit_to_show, is_url
from poolnorm_cli.values import frozen


MANY = 100
"""Items from which on it pays to prepare the values that are made for each."""


@frozen
class Item:
    """A word of the command line, and the output for all tensors it names.

    Attributes:
        word: `-`, a file, or `file.npz::NAME`.
        key: The one array of a `.npz` to use.
        target: `-` or a file; None where nothing is written.
        each: Every array on standard input gets a file of its own, named when it comes.
        stream: It is a FIFO or a device, or the like, which is read as it comes.
        error: Why it cannot be read, where that is known already.
    """

    word: str
    key: str | None = None
    target: str | None = None
    each: bool = False
    stream: bool = False
    error: InputError | None = None

    def __reduce__(self) -> tuple[type["Item"], tuple[str, str | None, str | None, bool]]:
        """Go to another process in less time than the parts of a dataclass take.

        Streams and errors stay in this one.
        """
        return Item, (self.word, self.key, self.target, self.each)

    @property
    def name(self) -> str:
        """What is told of the item, without secrets."""
        word = fit_to_show(self.word)
        return word if self.key is None else f"{word}::{self.key}"

    @property
    def place(self) -> str | None:
        """What is told of its output, likewise."""
        return self.target and fit_to_show(self.target)

    @property
    def streams(self) -> bool:
        """Whether it reads or writes a stream, which only this process can."""
        return self.stream or STDIN in (self.word, self.target)


def directories(items: Sequence[Item]) -> set[str]:
    """Return the directories in which the outputs will be."""
    targets = (i.target for i in items if i.target and not (i.streams or is_url(i.target)))
    return {os.path.dirname(folder) or "." for folder in set(map(folder_of, targets))}  # noqa: PTH120 - a text


@lru_cache(maxsize=16)
def below(directory: str, folder: str) -> str:
    """Return what stands before the names of outputs in a sub-directory."""
    from pathlib import Path

    joined = str(Path(directory, folder))
    return "" if joined == "." else f"{joined.rstrip('/')}/"
