"""Tensors in `.npz` archives, each streamed from its member and verified to the end."""

from __future__ import annotations

from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING

from poolnorm_cli.errors import InputError, shown
from poolnorm_cli.sizes import LARGEST_PASSED_OVER_BYTES
from poolnorm_cli.tensors.dtypes import parse_descr
from poolnorm_cli.tensors.files import (
    Stamp,
    open_regular,
    read_exactly,
    reader,
    require_unchanged,
    stamp_of,
)
from poolnorm_cli.tensors.header import MAGIC, Header, layout_of, read_header
from poolnorm_cli.tensors.keyed import array_name, no_array, notes_on
from poolnorm_cli.tensors.tensor import PassedOver, Tensor
from poolnorm_cli.tensors.zip_reader import NPZ, Member, MemberReader, list_members, require_sound


if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from poolnorm_cli.tensors.files import ReadInto


class NpzTensor(Tensor):
    """One array of a `.npz` file."""

    path: Path | str
    key: str
    file: Stamp

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
        """Check that a member holds exactly the array that its header announces.

        Args:
            path: The file.
            name: What messages call the array.
            member: Where it is in the file.
            header: What its header says.
            stamp: What the file was when that was read.
            bfloat16: Whether an array of two raw bytes is bfloat16.

        Raises:
            InputError: Its type is not supported, or it is truncated or goes on after the array.
        """
        layout = layout_of(header, name, bfloat16=bfloat16)
        super().__init__(name, layout, path=path, key=member.key, compressed=member.method != 0)
        self._member, self._header_size, self.file = member, header.size, stamp
        self.packed = member.packed
        self.require_size(member.size - header.size, "save it again with np.savez")

    @contextmanager
    def data(self) -> Iterator[ReadInto]:
        """Open the archive for one pass; on exit, check checksum and that it is unchanged."""
        with open_regular(self.path, self.name) as fd:
            require_unchanged(fd, self.file, self.name)
            source = MemberReader(fd, self._member, self.name)
            read_exactly(reader(source.readinto), self._header_size)
            yield source.readinto
            source.finish()
            require_unchanged(fd, self.file, self.name)


def open_file(
    path: Path | str, name: str, key: str | None = None, *, bfloat16: bool = False
) -> list[NpzTensor]:
    """Return the numeric arrays of a `.npz` in their order there, or the one called `key`.

    A member is an array if its first bytes say so, whatever it is called. Other members, and
    arrays of other types (text, objects), are passed over while there is a numeric one: read to
    their end, so that none is so only because it is damaged, and kept as `passed_over` of the
    first tensor. With `key` nothing but that member is looked at.

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
    with open_regular(path, name) as fd:
        found = list_members(fd, name)
        stamp = stamp_of(fd)
        if key is not None:
            member = _chosen(fd, found, key, name)
            require_sound(member, name)
            heads, others = [(member, _header(fd, member, name))], list[PassedOver]()
        else:
            heads, others = _arrays(fd, found, name, bfloat16=bfloat16)
    tensors = [
        NpzTensor(path, array_name(name, member.key), member, header, stamp, bfloat16=bfloat16)
        for member, header in heads
    ]
    tensors[0].passed_over = tuple(others)
    tensors[0].notes = notes_on(name, others)
    return tensors


class _PassedOver:
    """The members of one archive that are passed over, read to the end all the same."""

    def __init__(self, fd: int, name: str) -> None:
        self.found: list[PassedOver] = []
        self._fd, self._name = fd, name
        self._inflated = 0

    def add(self, member: Member, entry: PassedOver) -> None:
        """Read a member to its end: its checksum says that it is what was saved.

        Raises:
            InputError: It is damaged, or all of them make vast data of few.
        """
        self.found.append(entry)
        place = array_name(self._name, shown(member.key, 40))
        if member.method and member.size > 100 * member.packed:
            self._inflated += member.size
        if self._inflated > LARGEST_PASSED_OVER_BYTES:
            what = f"{member.size} bytes out of {member.packed}, and no tensor"
            raise InputError.at(place, what, "leave it out, or name an array with --key")
        MemberReader(self._fd, member, place).verify()


def _arrays(
    fd: int, found: list[Member], name: str, *, bfloat16: bool
) -> tuple[list[tuple[Member, Header]], list[PassedOver]]:
    """Return the numeric arrays, and what is passed over.

    Raises:
        InputError: A member is at fault, two arrays have one key, or none is numeric.
    """
    arrays: dict[str, tuple[Member, Header]] = {}
    others, first = _PassedOver(fd, name), None
    for member in found:
        require_sound(member, name)
        header = None if member.is_directory else _header_if_any(fd, member, name)
        if header is None:
            others.add(member, PassedOver(member.key, "no array"))
            continue
        if member.key in arrays:
            raise InputError.at(array_name(name, shown(member.key, 40)), "there twice", NPZ.fix)
        error = _refusal(header, bfloat16=bfloat16)
        if error is None:
            arrays[member.key] = member, header
        else:
            first = first or error.within(array_name(name, member.key))
            others.add(member, PassedOver(member.key, error.reason(), header.shape))
    if not arrays:
        raise first or InputError.at(name, "no arrays in it", NPZ.fix)
    return list(arrays.values()), others.found


def _header_if_any(fd: int, member: Member, name: str) -> Header | None:
    """Return the header of a member that begins like an array; None for any other."""
    place = array_name(name, shown(member.key, 40))
    read = reader(MemberReader(fd, member, place).readinto)
    start = read_exactly(read, len(MAGIC))
    if start != MAGIC:
        return None
    begun = BytesIO(start)
    return read_header(lambda count: begun.read(count) or read(count), place)


def _header(fd: int, member: Member, name: str) -> Header:
    place = array_name(name, shown(member.key, 40))
    return read_header(reader(MemberReader(fd, member, place).readinto), place)


def _refusal(header: Header, *, bfloat16: bool) -> InputError | None:
    """Return the error for an array that is not numeric; None if it is."""
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
        raise InputError.at(array_name(name, shown(key, 40)), "there twice", NPZ.fix)
    if same:
        return same[0]
    raise no_array(name, key, (member.key for member in found))
