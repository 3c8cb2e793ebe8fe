"""The table of contents of a `.npz`, or another zip, checked before any member is read."""

from __future__ import annotations

import os
import stat
import struct
from collections import Counter
from typing import TYPE_CHECKING

from poolnorm_cli.errors import InputError, shown
from poolnorm_cli.sizes import INFLATE_BYTES
from poolnorm_cli.tensors.formats import NPY
from poolnorm_cli.tensors.zip_table import (
    BZIP2,
    LZMA,
    METHODS,
    ZSTD,
    ChecksumError,
    Entry,
    contents,
)
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from zipfile import ZipInfo

    from poolnorm_cli.tensors.unpacking import Unpacker


MOST_MEMBERS = 100_000

_STORED, _DEFLATED = 0, 8
_FOREIGN = 0x2061  # flags: encrypted (two ways), patched data, masked names
_UTF8 = 0x800
_MOST = 1100  # deflate cannot make more bytes than 1032 from one
_MOST_OF = {BZIP2: 1 << 22, LZMA: 1 << 14, ZSTD: 1 << 16}  # the others make more: a block of zeros
_HEADER = struct.Struct("<4s5H3L2H")  # a member's own header, before its name


@frozen
class ArchiveKind:
    """A kind of archive: what it must be, and what messages call it.

    Attributes:
        called: What it is.
        suffix: What the names of its arrays may end in, which is no part of their keys.
        fix: What to do with a damaged one.
        keys: The names of members are keys, and never paths: any will do.
    """

    called: str
    suffix: str
    fix: str
    keys: bool = False


NPZ = ArchiveKind("a .npz file", NPY.suffix, "save it again with np.savez", keys=True)


@frozen
class Member:
    """A member of an archive: where its bytes are, and their size and checksum.

    Attributes:
        key: Its name less the suffix.
        name: Its name.
        raw_name: The same as bytes.
        method: 0 for stored, 8 for deflated, others as `zip_table.METHODS`.
        flags: The bits of the zip format.
        crc: Checksum of its bytes.
        packed: Bytes that it takes in the file.
        size: Bytes that it has.
        offset: Where it starts in the file.
        end: Where the next member or the table of contents starts.
        fault: Why it is not read; empty where it can be.
    """

    key: str
    name: str
    raw_name: bytes
    method: int
    flags: int
    crc: int
    packed: int
    size: int
    offset: int
    end: int
    fault: str

    @property
    def is_directory(self) -> bool:
        """Whether it is the entry of a directory."""
        return self.name.endswith("/") and not self.size


def sound_members(fd: int, name: str, kind: ArchiveKind = NPZ) -> list[Member]:
    """Return the members of the archive open at `fd`, all of which must be sound.

    Args:
        fd: An open file.
        name: What messages call it.
        kind: What it should be.

    Returns:
        The members, in the order of its table of contents.

    Raises:
        InputError: As `list_members`, or a member asks for what no honest archive needs: overlaps,
            duplicates, encryption, paths.
    """
    found = list_members(fd, name, kind)
    for member in found:
        require_sound(member, name, kind)
    return found


def require_sound(member: Member, name: str, kind: ArchiveKind = NPZ) -> None:
    """Refuse a member with a fault.

    Args:
        member: The member.
        name: What messages call the archive.
        kind: What that should be.

    Raises:
        InputError: With its fault.
    """
    if member.fault:
        raise InputError.at(f"{name}::{shown(member.name, 40)}", member.fault, kind.fix)


def list_members(fd: int, name: str, kind: ArchiveKind = NPZ) -> list[Member]:
    """Return the members of the archive open at `fd`, in the order of its table of contents.

    What is wrong with one of them alone it carries as its `fault`.

    Args:
        fd: An open file.
        name: What messages call it.
        kind: What it should be.

    Returns:
        The members.

    Raises:
        InputError: It is not a zip archive, holds nothing, or its table of contents is damaged.
    """
    start = os.pread(fd, 8, 0)
    if not start.startswith(b"PK"):
        is_npy = start.startswith(NPY.magic)
        fix = "it is a .npy file: name it .npy" if is_npy else kind.fix
        said = (
            f"not {kind.called} (first bytes {start!r})" if start else f"empty, not {kind.called}"
        )
        raise InputError.at(name, said, fix)
    infos, table = contents(fd, name, kind.fix)
    if not infos:
        raise InputError.at(name, "no arrays in it", kind.fix)
    if len(infos) > MOST_MEMBERS:
        raise InputError.at(
            name, f"{len(infos)} members, at most {MOST_MEMBERS} are read", kind.fix
        )
    infos_in_place = sorted(infos, key=lambda info: info.header_offset)
    if infos_in_place[0].header_offset != 0:
        raise InputError.at(name, "bytes before the first member", kind.fix)
    ends = [*(info.header_offset for info in infos_in_place[1:]), table]
    end_of = {id(info): end for info, end in zip(infos_in_place, ends, strict=True)}
    counts = Counter(info.orig_filename for info in infos)
    return [_member(info, end_of[id(info)], counts[info.orig_filename], kind) for info in infos]


def _fault(info: Entry, end: int, count: int, kind: ArchiveKind) -> str:
    """Return why a member is refused; empty if it is sound."""
    mode = stat.S_IFMT(info.external_attr >> 16) if info.create_system == 3 else 0
    reason = _fault_of_name(info.orig_filename, kind)
    if info.flag_bits & _FOREIGN:
        reason = "encrypted or patched"
    elif info.compress_type not in {_STORED, _DEFLATED} and info.compress_type not in METHODS:
        reason = f"compressed by method {info.compress_type}, not stored or deflated"
    elif info.volume or mode not in (0, stat.S_IFREG, stat.S_IFDIR):
        reason = "on another disk" if info.volume else "not a regular file"
    elif info.compress_type == _STORED and info.compress_size != info.file_size:
        reason = f"stored, but {info.file_size} bytes in {info.compress_size}"
    elif info.file_size > (info.compress_size + 1) * _MOST_OF.get(info.compress_type, _MOST):
        reason = f"{info.file_size} bytes cannot come from {info.compress_size}"
    elif count > 1:
        reason = "there twice"
    elif info.header_offset + _HEADER.size + len(info.orig_filename) + info.compress_size > end:
        reason = "overlaps what follows it"
    return reason


def _fault_of_name(name: str, kind: ArchiveKind) -> str:
    if "\0" in name:
        return "a NUL in the name of a member"
    if kind.keys:
        return ""
    if any(ord(char) < 32 or 127 <= ord(char) < 160 for char in name):
        return "a control character in the name of a member"
    if name.startswith("/") or set(name) & set("\\:") or ".." in name.split("/"):
        return "a path for a name"
    return "" if name else "without a name"


def _member(info: Entry, end: int, count: int, kind: ArchiveKind) -> Member:
    name = info.orig_filename
    return Member(
        key=name.removesuffix(kind.suffix),
        name=name,
        raw_name=name.encode("utf-8" if name.isascii() or info.flag_bits & _UTF8 else "cp437"),
        method=info.compress_type,
        flags=info.flag_bits,
        crc=info.CRC,
        packed=info.compress_size,
        size=info.file_size,
        offset=info.header_offset,
        end=end,
        fault=_fault(info, end, count, kind),
    )


class MemberReader:
    """Reads a member from an open archive, without moving the descriptor's position."""

    def __init__(self, fd: int, member: Member, name: str, kind: ArchiveKind = NPZ) -> None:
        """Find the data of a member.

        Args:
            fd: The open archive.
            member: One of its table of contents, without a fault.
            name: What messages call the member.
            kind: What the archive should be.

        Raises:
            InputError: What stands in front of it does not agree with the table of contents.
        """
        self._fd, self._member, self._name, self._fix = fd, member, name, kind.fix
        self.start = member.offset + _HEADER.size + self._names()
        """Where its data is in the file."""
        if self.start + member.packed > member.end:
            raise self._damaged("overlaps what follows it")
        self._packed = _Packed(fd, self.start, member.packed)
        self._unpacked = self._opened(member)
        self._done = 0

    def _opened(self, member: Member) -> _Stored | _Inflated | Unpacker:
        if member.method in METHODS:
            from poolnorm_cli.tensors.unpacking import unpacker

            size, crc = member.size, member.crc
            return unpacker(self._packed, member.method, size, crc, self._name, flags=member.flags)
        return (_Inflated if member.method else _Stored)(self._packed, member)

    def readinto(self, view: memoryview) -> int:
        """Put the next unpacked bytes into `view` and return how many; 0 at the end.

        Raises:
            InputError: They are damaged.
        """
        try:
            data = self._unpacked.read1(min(len(view), INFLATE_BYTES))
        except ChecksumError:
            raise self._damaged("the checksum (CRC-32) is wrong") from None
        except EOFError:
            raise self._damaged("damaged in its packed data") from None
        view[: len(data)] = data
        self._done += len(data)
        return len(data)

    def verify(self) -> None:
        """Read what is left, and check that it is what was saved.

        Raises:
            InputError: It is not.
        """
        piece = memoryview(bytearray(INFLATE_BYTES))
        while self.readinto(piece):
            pass
        self.finish()

    def finish(self) -> None:
        """Check that the member has ended, and that its bytes are those that were saved.

        Raises:
            InputError: There is more, or the checksum is another.
        """
        if self.readinto(memoryview(bytearray(1))):
            raise self._damaged("more bytes than it says")
        if self._done < self._member.size or self._packed.left:
            raise self._damaged("damaged in its packed data")

    def _names(self) -> int:
        head = os.pread(self._fd, _HEADER.size + len(self._member.raw_name), self._member.offset)
        if len(head) < _HEADER.size:
            raise self._damaged("truncated")
        mark, _, flags, method, _, _, _, _, _, named, extra = _HEADER.unpack(head[: _HEADER.size])
        local = (mark, flags & ~8, method, head[_HEADER.size :][:named])
        member = self._member
        if local != (b"PK\3\4", member.flags & ~8, member.method, member.raw_name):
            raise self._damaged("does not agree with the table of contents")
        return int(named + extra)

    def _damaged(self, reason: str) -> InputError:
        return InputError.at(self._name, reason, self._fix)


class _Packed:
    """The packed bytes of a member, read by position.

    The last byte comes alone. It is asked for only while the deflated data has not ended, so that
    something after that end is seen to be left.
    """

    def __init__(self, fd: int, start: int, size: int) -> None:
        self._fd, self._start, self.left = fd, start, size

    def read(self, size: int) -> bytes:
        if not self.left:
            return b""
        data = os.pread(self._fd, min(size, self.left - 1) or self.left, self._start)
        self._start += len(data)
        self.left -= len(data)
        return data


class _Stored:
    """The bytes of a member that is not packed."""

    def __init__(self, source: _Packed, member: Member) -> None:
        self._source, self._crc, self._sum = source, member.crc, 0

    def read1(self, size: int) -> bytes:
        """Return at most `size` of the next bytes; none at the end.

        Raises:
            ChecksumError: The checksum is another.
            EOFError: There are less.
        """
        from zlib import crc32

        data = self._source.read(size)
        self._sum = crc32(data, self._sum)
        if self._source.left and not data:
            raise EOFError
        if not self._source.left and self._sum != self._crc:
            raise ChecksumError
        return data


class _Inflated:
    """The bytes of a member that is deflated."""

    def __init__(self, source: _Packed, member: Member) -> None:
        from zipfile import ZipExtFile

        self._file = ZipExtFile(source, "r", _info(member))

    def read1(self, size: int) -> bytes:
        """Return at most `size` of the next bytes, as `_Stored` does.

        Raises:
            ChecksumError: The checksum is another.
            EOFError: They are damaged.
        """
        import zlib
        from zipfile import BadZipFile

        try:
            return self._file.read1(size)
        except BadZipFile:
            raise ChecksumError from None
        except zlib.error as error:
            raise EOFError(str(error)) from error


def _info(member: Member) -> ZipInfo:
    """Say what `zipfile` has to know to unpack a member.

    It reads no more bytes than it is told, and is silent about others. It is told one more than
    there should be, so that a member which goes on is seen to.
    """
    from zipfile import ZipInfo

    info = ZipInfo()
    info.compress_type, info.compress_size = member.method, member.packed
    info.file_size, info.CRC = member.size + 1, member.crc
    return info
