"""Tensors in `.npz` archives, each streamed from its member and verified to the end."""

from __future__ import annotations

from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING

from poolnorm_cli.errors import InputError, shown
from poolnorm_cli.tensors.dtypes import parse_descr
from poolnorm_cli.tensors.header import MAGIC, Header, read_header
from poolnorm_cli.tensors.npy import Stamp, opened, same_file, stamp_of
from poolnorm_cli.tensors.passed_over import PassedOver, PassedOvers
from poolnorm_cli.tensors.tensor import Tensor, reader
from poolnorm_cli.tensors.zip_reader import NPZ, Member, MemberReader, listed, require_sound


if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from poolnorm_cli.tensors.tensor import ReadInto


class NpzTensor(Tensor):
    """One array of a `.npz` file."""

    path: Path | str
    key: str

    def __init__(
        self,
        path: Path | str,
        name: str,
        member: Member,
        header: Header,
        stamp: Stamp,
        *,
        bfloat16: bool,
    ) -> None:
        """Check that `member` holds exactly the array that `header` announces."""
        deflated = member.method != 0
        super().__init__(
            name, header, path=path, key=member.key, bfloat16=bfloat16, compressed=deflated
        )
        self._member, self._stamp, self.packed = member, stamp, member.packed
        found = member.size - header.size
        if found < self.nbytes:
            raise self.truncated(found)
        if found > self.nbytes:
            told = f"trailing bytes: {found} where the header says {self.nbytes}"
            raise InputError.at(name, told, "save it again with np.savez")

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


def open_file(
    path: Path | str, name: str, key: str | None = None, *, bfloat16: bool = False
) -> list[NpzTensor]:
    """Return the numeric arrays of a `.npz` in their order there, or the one called `key`.

    A member is an array if its first bytes say so, whatever it is called. Other members, and
    arrays of other types (text, objects), are passed over while there is a numeric one: read to
    their end, so that none is so only because it is damaged, and kept as `beside` of the first
    tensor. With `key` nothing but that member is looked at.

    Args:
        path: The file.
        name: What messages call it.
        key: The key of the one array that is wanted, or the whole name of its member.
        bfloat16: Whether arrays of two raw bytes are bfloat16.

    Returns:
        The arrays, their headers read and checked.

    Raises:
        InputError: The archive or one of its members is damaged, there is no `key`, or nothing in
            it is numeric.
    """
    with opened(path, name) as fd:
        found = listed(fd, name)
        stamp = stamp_of(fd)
        if key is not None:
            member = _chosen(fd, found, key, name)
            require_sound(member, name)
            heads, beside = [(member, _header(fd, member, name))], PassedOvers(fd, name, stamp)
        else:
            heads, beside = _arrays(fd, found, name, stamp, bfloat16=bfloat16)
    tensors = [
        NpzTensor(path, called(name, member.key), member, header, stamp, bfloat16=bfloat16)
        for member, header in heads
    ]
    tensors[0].beside = tuple(beside.found)
    return tensors


def called(name: str, key: str) -> str:
    """Return what the array `key` of the file `name` is called: `x.npz::key`."""
    return f"{name}::{key}"


def _arrays(
    fd: int, found: list[Member], name: str, stamp: Stamp, *, bfloat16: bool
) -> tuple[list[tuple[Member, Header]], PassedOvers]:
    """Return the numeric arrays, and what is passed over.

    Raises:
        InputError: A member is at fault, two arrays have one key, or none is numeric.
    """
    arrays: dict[str, tuple[Member, Header]] = {}
    beside, first = PassedOvers(fd, name, stamp), None
    for member in found:
        require_sound(member, name)
        header = None if member.is_folder else _header_if_any(fd, member, name)
        if header is None:
            beside.add(member, PassedOver(member.key, "no array"))
            continue
        if member.key in arrays:
            raise InputError.at(called(name, shown(member.key, 40)), "there twice", NPZ.fix)
        error = _refusal(header, bfloat16=bfloat16)
        if error is None:
            arrays[member.key] = member, header
        else:
            first = first or error.within(called(name, member.key))
            beside.add(member, PassedOver(member.key, error.reason(), header.shape))
    if not arrays:
        raise first or InputError.at(name, "no arrays in it", NPZ.fix)
    return list(arrays.values()), beside


def _header_if_any(fd: int, member: Member, name: str) -> Header | None:
    """Return the header of a member that begins as arrays do, None for any other."""
    place = called(name, shown(member.key, 40))
    read = reader(MemberReader(fd, member, place).readinto)
    start = b""
    while len(start) < len(MAGIC) and (piece := read(len(MAGIC) - len(start))):
        start += piece
    if start != MAGIC:
        return None
    begun = BytesIO(start)
    return read_header(lambda count: begun.read(count) or read(count), place)


def _header(fd: int, member: Member, name: str) -> Header:
    place = called(name, shown(member.key, 40))
    return read_header(reader(MemberReader(fd, member, place).readinto), place)


def _refusal(header: Header, *, bfloat16: bool) -> InputError | None:
    """Return why an array is not numeric, None if it is."""
    try:
        parse_descr(header.descr, bfloat16)
    except InputError as error:
        return error
    return None


def _chosen(fd: int, found: list[Member], key: str, name: str) -> Member:
    """Return the member of a key, or of a name.

    Raises:
        InputError: There is none, or there are two.
    """
    same = [member for member in found if member.key == key]
    same = same or [member for member in found if member.name == key]
    if len(same) > 1:  # a text and an array may have one key
        same = [m for m in same if m.fault or _header_if_any(fd, m, name)] or same
    if len(same) > 1:
        raise InputError.at(called(name, shown(key, 40)), "there twice", NPZ.fix)
    if same:
        return same[0]
    there = shown(", ".join(member.key for member in found[:9]), 60)
    raise InputError(f"no array {shown(key, 30)}", f"there are: {there}").within(name)
