"""All files that a command reads and writes: none that is written may be another of them.

This is found out before any work. Most outputs of a run are not there yet, and most inputs have
names of their own, so that names are compared first, which costs one look at each directory; only
where a file that is going to be written exists are inputs looked at, for links to it.
"""

import os
import stat
from collections.abc import Iterable, Sequence
from typing import NamedTuple, NoReturn

from poolnorm_cli.batch.inputs import Input
from poolnorm_cli.errors import UsageError
from poolnorm_cli.tensors.messages import fault, shown
from poolnorm_cli.tensors.names import STDIN, folder_of, identity, source_path
from poolnorm_cli.tensors.outputs import exists
from poolnorm_cli.tensors.real_names import RealNames, differing_in_case, local_path
from poolnorm_cli.urls import is_url


_Inode = tuple[int, int]


class Role(NamedTuple):
    """A file that a flag names, or an input.

    Attributes:
        flag: The flag; empty for an input.
        word: The file, `FILE::NAME` counted as FILE.
        written: It is written, by its name; otherwise it is only read.
        updated: It may be the file of another role that has this mark: weights in place.
    """

    flag: str
    word: str
    written: bool = False
    updated: bool = False

    def __str__(self) -> str:
        """Return what messages call it."""
        return f"the file of {self.flag}" if self.flag else f"the input {shown(self.word, 40)}"


class FileTable:
    """The files of one command."""

    def __init__(self) -> None:
        """Begin without files."""
        self._names = RealNames()
        self._roles: list[Role] = []
        self._inputs: Sequence[str] = ()
        self._written: dict[str, Role | Input] = {}

    def add(self, roles: Iterable[Role], inputs: Sequence[str]) -> None:
        """Note what is named by flags, and the inputs.

        Args:
            roles: Files of flags other than inputs and outputs.
            inputs: Words that name inputs: `-`, a file, `file.npz::NAME` or a URL.
        """
        self._roles = [role for role in roles if role.word]
        self._inputs = inputs

    def check(self, inputs: Sequence[Input] = (), there: Sequence[Input] = ()) -> None:
        """Refuse a file that has two roles, one of which is to be written.

        Args:
            inputs: Inputs with their outputs.
            there: Those of them whose output exists.

        Raises:
            UsageError: There is one, or two outputs have one name.
        """
        names, written = self._names, self._written
        for role in self._roles:
            if role.written and role.word != STDIN:
                self._claim(names.of(role.word), role)
        for item in inputs:
            if item.target is not None and item.target != STDIN:
                key = names.of(item.target)
                if key in written:
                    _refuse(item, written[key])
                written[key] = item
        read = {names.of(role.word): role for role in self._read()} if written else {}
        for key, role in read.items():
            if key in written:
                _compare(written[key], role)
        self._check_case({**read, **written})
        self._check_folders()
        self._check_inodes(there)

    def claim(self, item: Input) -> None:
        """Note an output that gets its name only now: of an array on standard input.

        Raises:
            UsageError: It is one of the other files.
        """
        target = str(item.target)
        key, inode = self._names.of(target), _inode(target)
        for role in self._roles:
            if key == self._names.of(role.word) or (inode and inode == _inode(role.word)):
                _refuse(item, role)
        self._claim(key, item)

    def _claim(self, key: str, one: Role | Input) -> None:
        if key in self._written:
            _compare(self._written[key], one)
        self._written[key] = one

    def _read(self) -> Iterable[Role]:
        """List all that is only read, standard input left out."""
        for role in self._roles:
            if not role.written and role.word != STDIN:
                yield role
        for word in self._inputs:
            path = source_path(word)
            if path is not None:
                yield Role("", path)

    def _standard_input(self) -> Iterable[Role]:
        words = {role.word for role in self._roles if not role.written}
        if STDIN in self._inputs or STDIN in words:
            yield Role("", STDIN)

    def _check_case(self, known: dict[str, Role | Input]) -> None:
        """Refuse names that differ in the case of letters alone, where that is no difference."""
        for one, other in differing_in_case(known) if self._written else ():
            if one in self._written or other in self._written:
                _compare(known[one], known[other])

    def _check_folders(self) -> None:
        """Refuse a file of a flag where outputs need a directory."""
        folders = {key[: key.rfind("/") + 1] for key in self._written}
        for role in self._roles if len(folders) > 1 else ():
            below = f"{self._names.of(role.word)}/"
            if role.written and any(each.startswith(below) for each in folders):
                told = f"{role.flag} is a directory of outputs"
                raise fault(UsageError, role.word, told, "give another name")

    def _check_inodes(self, there: Sequence[Input]) -> None:
        """Compare by device and inode what exists and is going to be written with all others."""
        present: dict[_Inode, Role | Input] = {}
        written = [role for role in self._roles if role.written]
        named: list[tuple[str, Role | Input]] = [(role.word, role) for role in written]
        for word, one in (*named, *((str(item.target), item) for item in there)):
            inode = _inode(word, 1)
            if inode is not None:
                if inode in present:
                    _compare(present[inode], one)
                present[inode] = one
        if not present:
            return
        for role in (*self._read(), *self._standard_input()):
            inode = _inode(role.word, 0)
            if inode in present:
                _compare(present[inode], role)


def existing(inputs: Sequence[Input]) -> list[Input]:
    """Return the inputs whose output exists; most do not, which costs one look."""
    folders: dict[str, bool] = {}
    return [i for i in inputs if i.target and i.target != STDIN and _is_there(i.target, folders)]


def _is_there(target: str, folders: dict[str, bool]) -> bool:
    """Whether an output exists; in a directory that does not, none has to be looked for."""
    folder = folder_of(target)
    if folder not in folders:
        folders[folder] = not folder or is_url(folder) or os.path.lexists(folder)
    return folders[folder] and exists(target)


def _inode(word: str, stream: int = -1) -> _Inode | None:
    """Return device and inode of a file, also of one that stands for a standard stream."""
    if word == STDIN:
        try:
            seen = os.fstat(stream)
        except OSError:
            return None
        return (seen.st_dev, seen.st_ino) if stat.S_ISREG(seen.st_mode) else None
    path = local_path(word)
    return None if path is None else identity(path)


def _compare(one: Role | Input, other: Role | Input) -> None:
    """Refuse two roles of one file, unless they are those of weights that are updated."""
    if isinstance(one, Role) and isinstance(other, Role) and one.updated and other.updated:
        return
    _refuse(one, other)


def _refuse(one: Role | Input, other: Role | Input) -> NoReturn:
    if isinstance(one, Input) and isinstance(other, Input):
        both = f"the output of {shown(other.name, 30)} and of {shown(one.name, 30)}"
        fix = "give --output-name with {parent}, {index} or {key}"
        raise fault(UsageError, str(one.target), both, fix)
    if not isinstance(one, Input) and (isinstance(other, Input) or not one.written):
        one, other = other, one
    what = "the output" if isinstance(one, Input) else one.flag
    word = str(one.target) if isinstance(one, Input) else one.word
    raise fault(UsageError, word, f"{what} is {other}", "write to another file")
