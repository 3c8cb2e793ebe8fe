"""The files of one command, with the outputs of many inputs."""

import os
from collections.abc import Iterable, Sequence

from poolnorm_cli.batch.inputs import Input
from poolnorm_cli.tensors.file_roles import (
    Role,
    inode_of,
    input_roles,
    refuse,
    refuse_shared_files,
)
from poolnorm_cli.tensors.names import STDIN, folder_of
from poolnorm_cli.tensors.outputs import exists
from poolnorm_cli.tensors.real_names import RealNames
from poolnorm_cli.urls import is_url


class FileTable:
    """The files of one command."""

    def __init__(self) -> None:
        """Begin without files."""
        self._names = RealNames()
        self._roles: list[Role] = []
        self._inputs: Sequence[str] = ()
        self._written: dict[str, Role] = {}

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
        flags = [role for role in self._roles if role.written]
        outputs = [_output_role(each) for each in inputs if each.target not in (None, STDIN)]
        read = [role for role in self._roles if not role.written]
        if flags or outputs:
            read += input_roles(self._inputs)
        existing = [*flags, *map(_output_role, there)]
        self._written = refuse_shared_files([*flags, *outputs], read, existing, self._names)

    def claim(self, item: Input) -> None:
        """Note an output that gets its name only now: of an array on standard input.

        Raises:
            UsageError: It is one of the other files.
        """
        output = _output_role(item)
        key, inode = self._names.of(output.word), inode_of(output.word)
        for role in self._roles:
            if key == self._names.of(role.word) or (inode and inode == inode_of(role.word)):
                refuse(output, role)
        if key in self._written:
            refuse(self._written[key], output)
        self._written[key] = output


def existing(inputs: Sequence[Input]) -> list[Input]:
    """Return the inputs whose output exists; most do not, which costs one look."""
    folders: dict[str, bool] = {}
    return [i for i in inputs if i.target and i.target != STDIN and _is_there(i.target, folders)]


def _output_role(item: Input) -> Role:
    return Role("", str(item.target), written=True, source=item.name)


def _is_there(target: str, folders: dict[str, bool]) -> bool:
    """Whether an output exists; in a directory that does not, none has to be looked for."""
    folder = folder_of(target)
    if folder not in folders:
        folders[folder] = not folder or is_url(folder) or os.path.lexists(folder)
    return folders[folder] and exists(target)
