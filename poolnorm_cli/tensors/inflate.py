"""The bytes of one `.npz` member, unpacked in pieces and checked to the last of them."""

from __future__ import annotations

import os
import struct
import zlib
from typing import TYPE_CHECKING

from poolnorm_cli.tensors.archive import NPZ
from poolnorm_cli.tensors.messages import bad_input


if TYPE_CHECKING:
    from poolnorm_cli.errors import InputError
    from poolnorm_cli.tensors.archive import ArchiveKind, Member


_LOCAL = struct.Struct("<4s5H3L2H")
_PACKED = 256 << 10  # bytes of deflated data read at once


class MemberReader:
    """Reads a member from an open archive, without moving the descriptor's position."""

    def __init__(self, fd: int, member: Member, name: str, kind: ArchiveKind = NPZ) -> None:
        """Find the data of `member`.

        Raises:
            InputError: What stands in front of it does not agree with the table of contents.
        """
        self._fd, self._member, self._name, self._fix = fd, member, name, kind.fix
        self._place = member.offset + _LOCAL.size + self._names()
        self._left = member.packed
        if self._place + self._left > member.end:
            raise self._damaged("overlaps what follows it")
        self._crc = 0
        self._pending = b""
        self._inflater = zlib.decompressobj(-15) if member.method else None

    @property
    def start(self) -> int:
        """Where the next byte of a stored member is in the file."""
        return self._place

    def readinto(self, view: memoryview) -> int:
        """Put the next unpacked bytes into `view` and return how many; 0 at the end."""
        if not len(view):
            return 0
        count = self._inflated(view) if self._inflater else self._stored(view)
        self._crc = zlib.crc32(view[:count], self._crc)
        return count

    def finish(self) -> None:
        """Check that the member has ended, and that its bytes are those that were saved.

        Raises:
            InputError: There is more, or the checksum is another.
        """
        if self.readinto(memoryview(bytearray(1))) or self._left:
            raise self._damaged("more bytes than it says")
        if self._inflater and (not self._inflater.eof or self._inflater.unused_data):
            raise self._damaged("damaged in its deflated data")
        if self._crc != self._member.crc:
            raise self._damaged("the checksum (CRC-32) is wrong")

    def _names(self) -> int:
        head = os.pread(self._fd, _LOCAL.size + len(self._member.raw_name), self._member.offset)
        if len(head) < _LOCAL.size:
            raise self._damaged("truncated")
        mark, _, flags, method, _, _, _, _, _, named, extra = _LOCAL.unpack(head[: _LOCAL.size])
        told = (mark, flags & ~8, method, head[_LOCAL.size :][:named])
        member = self._member
        if told != (b"PK\3\4", member.flags & ~8, member.method, member.raw_name):
            raise self._damaged("does not agree with the table of contents")
        return int(named + extra)

    def _stored(self, view: memoryview) -> int:
        if not self._left:
            return 0
        count = os.preadv(self._fd, [view[: self._left]], self._place)
        self._place += count
        self._left -= count
        return count

    def _inflated(self, view: memoryview) -> int:
        assert self._inflater is not None  # noqa: S101 - for the type checker
        while not self._inflater.eof:
            if not self._pending:
                self._pending = os.pread(self._fd, min(_PACKED, self._left), self._place)
                self._place += len(self._pending)
                self._left -= len(self._pending)
            had = bool(self._pending)
            try:
                data = self._inflater.decompress(self._pending, len(view))
            except zlib.error:
                raise self._damaged("damaged in its deflated data") from None
            self._pending = self._inflater.unconsumed_tail
            if data:
                view[: len(data)] = data
                return len(data)
            if not had:
                return 0
        return 0

    def _damaged(self, reason: str) -> InputError:
        return bad_input(self._name, reason, self._fix)
