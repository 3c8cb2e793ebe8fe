"""The files that a command reads and writes: none that is written may be another of them.

This is found out before any work. Most outputs of a run are not there yet, and most inputs have
names of their own, so names are compared first, which costs one look at each directory; only where
a file that is going to be written exists are inputs looked at, for links to it.
"""

import os
import stat
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from poolnorm_cli.errors import UsageError, shown
from poolnorm_cli.tensors.names import STDIN, identity, source_path
from poolnorm_cli.urls import is_url, local_path


if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from poolnorm_cli.tensors.real_names import RealNames

    Inode = tuple[int, int]


class Role(NamedTuple):
    """A file that a flag names, an input, or an output.

    Attributes:
        flag: The flag; empty for an input and for an output.
        word: The file, `FILE::NAME` counted as FILE, or `-`.
        written: It is written, by its name; otherwise it is only read.
        updated: It may be the file of another role that has this mark, if only one of them writes:
            weights in place.
        source: The name of the input of which it is the output; None for all others.
    """

    flag: str
    word: str
    written: bool = False
    updated: bool = False
    source: str | None = None

    def __str__(self) -> str:
        """Return what messages call it."""
        return f"the file of {self.flag}" if self.flag else f"the input {shown(self.word, 40)}"


def input_roles(words: "Iterable[str]") -> list[Role]:
    """Return the roles of inputs: `-`, a file, `file.npz::NAME` or a URL."""
    return [Role("", source_path(word) or word) for word in words]


def refuse_shared_files(
    written: "Sequence[Role]",
    read: "Sequence[Role]",
    there: "Sequence[Role] | None" = None,
    names: "RealNames | None" = None,
) -> dict[str, Role]:
    """Refuse a file that has two roles, one of which is to be written.

    Args:
        written: What is written.
        read: What is only read.
        there: Those of `written` that may exist; all of them where None.
        names: The real names of directories, where some are known already.

    Returns:
        What is written, by its real name; standard output is left out.

    Raises:
        UsageError: There is such a file, or two outputs have one name.
    """
    from poolnorm_cli.tensors.real_names import RealNames, differing_in_case

    names = RealNames() if names is None else names
    known: dict[str, Role] = {}
    for role in written:
        if role.word != STDIN:
            key = names.of(role.word)
            if key in known:
                refuse(known[key], role)
            known[key] = role
    others = {names.of(role.word): role for role in read if role.word != STDIN} if known else {}
    for key in known.keys() & others.keys():
        refuse(known[key], others[key])
    for one, other in differing_in_case({**others, **known}) if known else ():
        if one in known or other in known:
            refuse(known.get(one) or others[one], known.get(other) or others[other])
    if len(known) > 1:
        _check_directories(known)
    there = written if there is None else there
    if there:
        _check_inodes(there, read)
    return known


def are_apart(written: "Sequence[str]", read: "Iterable[str]", names: "RealNames") -> bool:
    """Whether many files that are not there yet are no others, by their names alone.

    Args:
        written: Files that are written.
        read: Files that are read, or `-`.
        names: The real names of directories.

    Returns:
        Whether it is so; where it is not, or is not certain, `refuse_shared_files` tells.
    """
    from poolnorm_cli.tensors.real_names import differing_in_case

    known = set(names.of_all(written))
    others = set(names.of_all(read))
    if len(known) < len(written) or not known.isdisjoint(others):
        return False
    return not differing_in_case(known | others)


def refuse_own_output(output: Role, read: "Sequence[Role]", *, is_there: bool) -> None:
    """Refuse the only file that a command writes if it is one of those it reads.

    One that is not there yet is no other file, unless that has its name and is not there either.

    Args:
        output: It.
        read: What is read.
        is_there: It may exist.

    Raises:
        UsageError: It is.
    """
    if is_url(output.word):
        refuse_shared_files([output], read)
    elif is_there:
        _check_inodes([output], read)
    for role in read:
        if role.word == output.word != STDIN:  # neither may be there
            refuse(output, role)


def refuse(one: Role, other: Role) -> None:
    """Refuse two roles of one file, unless they are reading and writing weights that are updated.

    Args:
        one: A role.
        other: The role that has the same file.

    Raises:
        UsageError: They are others.
    """
    if not (one.updated and other.updated) or (one.written and other.written):
        _raise(one, other)


def inode_of(word: str, stream: int = -1) -> "Inode | None":
    """Return device and inode of a file, also of one that stands for a standard stream.

    Args:
        word: A file, a URL or `-`.
        stream: The file descriptor that `-` means.

    Returns:
        Both numbers; None where there is no such file.
    """
    if word == STDIN:
        try:
            seen = os.fstat(stream)
        except OSError:
            return None
        return (seen.st_dev, seen.st_ino) if stat.S_ISREG(seen.st_mode) else None
    path = local_path(word)
    return None if path is None else identity(path)


def already_exists(target: str, more: str = "") -> UsageError:
    """Return the error for an output that exists.

    Args:
        target: Its name.
        more: What else there is to say of it.

    Returns:
        The error.
    """
    return UsageError.at(target, f"exists{more}", "give --overwrite, or another name")


def _check_directories(known: dict[str, Role]) -> None:
    """Refuse a file of a flag where outputs need a directory."""
    directories = {key[: key.rfind("/") + 1] for key in known}
    for key, role in known.items() if len(directories) > 1 else ():
        if role.flag and any(each.startswith(f"{key}/") for each in directories):
            what = f"{role.flag} is a directory of outputs"
            raise UsageError.at(role.word, what, "give another name")


def _check_inodes(there: "Sequence[Role]", read: "Sequence[Role]") -> None:
    """Compare by device and inode what exists and is going to be written with all others."""
    present: dict[Inode, Role] = {}
    for role in there:
        inode = inode_of(role.word, 1)
        if inode is not None:
            if inode in present:
                refuse(present[inode], role)
            present[inode] = role
    for role in read if present else ():
        inode = inode_of(role.word, 0)
        if inode in present:
            refuse(present[inode], role)


def _raise(one: Role, other: Role) -> NoReturn:
    if one.source is not None and other.source is not None:
        both = f"the output of {shown(one.source, 30)} and of {shown(other.source, 30)}"
        fix = "give --output-name with {parent}, {index} or {key}"
        raise UsageError.at(one.word, both, fix)
    if one.source is None and (other.source is not None or not one.written):
        one, other = other, one
    what = f"{one.flag or 'the output'} is {other}"
    raise UsageError.at(one.word, what, "write to another file")
