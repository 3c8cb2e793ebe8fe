"""Tensors in `.npz` archives, each streamed from its member and verified to the end."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from poolnorm_cli.errors import InputError
from poolnorm_cli.tensors.archive import Member, members
from poolnorm_cli.tensors.dtypes import parse_descr
from poolnorm_cli.tensors.header import Header, read_header
from poolnorm_cli.tensors.inflate import MemberReader
from poolnorm_cli.tensors.messages import bad_input, named, shown
from poolnorm_cli.tensors.npy import Stamp, opened, same_file, stamp_of
from poolnorm_cli.tensors.tensor import Tensor, reader


if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from poolnorm_cli.tensors.tensor import ReadInto


class NpzTensor(Tensor):
    """One array of a `.npz` file."""

    path: Path
    key: str

    def __init__(
        self, path: Path, name: str, member: Member, header: Header, stamp: Stamp, *, bfloat16: bool
    ) -> None:
        """Check that `member` holds exactly the array that `header` announces."""
        deflated = member.method != 0
        super().__init__(
            name, header, path=path, key=member.key, bfloat16=bfloat16, compressed=deflated
        )
        self._member, self._stamp = member, stamp
        found = member.size - header.size
        if found < self.nbytes:
            raise self.truncated(found)
        if found > self.nbytes:
            told = f"trailing bytes: {found} where the header says {self.nbytes}"
            raise bad_input(name, told, "save it again with np.savez")

    @contextmanager
    def data(self) -> Iterator[ReadInto]:
        """Open the archive for one pass; leaving checks the checksum and that nobody wrote."""
        with opened(self.path, self.name) as fd:
            same_file(fd, self._stamp, self.name)
            source = MemberReader(fd, self._member, self.name)
            read, left = reader(source.readinto), self.header.size
            while left and (piece := read(left)):
                left -= len(piece)
            yield source.readinto
            source.finish()
            same_file(fd, self._stamp, self.name)


def open_npz(
    path: Path, name: str, key: str | None = None, *, bfloat16: bool = False
) -> list[NpzTensor]:
    """Return the numeric arrays of a `.npz` in their order there, or the one called `key`.

    Arrays of other types (text, objects) are passed over while there is a numeric one.

    Raises:
        InputError: The archive or one of its arrays is damaged, there is no `key`, or nothing in
            it is numeric.
    """
    with opened(path, name) as fd:
        found = members(fd, name)
        if key is not None:
            found = [_chosen(found, key, name)]
        stamp = stamp_of(fd)
        heads = [(member, _header(fd, member, name)) for member in found]
    numeric = [pair for pair in heads if _is_numeric(pair[1], bfloat16=bfloat16)]
    return [
        NpzTensor(path, called(name, member.key), member, header, stamp, bfloat16=bfloat16)
        for member, header in numeric or heads[:1]
    ]


def called(name: str, key: str) -> str:
    """Return what the array `key` of the file `name` is called: `x.npz::key`."""
    return f"{name}::{key}"


def _header(fd: int, member: Member, name: str) -> Header:
    place = called(name, shown(member.key, 40))
    return read_header(reader(MemberReader(fd, member, place).readinto), place)


def _is_numeric(header: Header, *, bfloat16: bool) -> bool:
    try:
        parse_descr(header.descr, bfloat16)
    except InputError:
        return False
    return True


def _chosen(found: list[Member], key: str, name: str) -> Member:
    for member in found:
        if member.key == key:
            return member
    there = shown(", ".join(member.key for member in found[:9]), 60)
    error = InputError(f"no array {shown(key, 30)}", f"there are: {there}")
    raise named(error, name)
