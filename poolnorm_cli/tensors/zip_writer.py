"""Writing `.npz` files: the same arrays always give the same bytes."""

from __future__ import annotations

import struct
import zlib
from math import prod
from typing import TYPE_CHECKING

from poolnorm_cli.errors import UsageError, shown
from poolnorm_cli.sizes import LARGE_MEMBER_BYTES
from poolnorm_cli.tensors.array_writer import ArrayWriter
from poolnorm_cli.tensors.formats import NPY
from poolnorm_cli.tensors.outputs import FileOutput
from poolnorm_cli.values import record


if TYPE_CHECKING:
    from poolnorm_cli.tensors.array_writer import Sink
    from poolnorm_cli.tensors.atomic import AtomicFile
    from poolnorm_cli.tensors.cloud import RemoteFile
    from poolnorm_cli.tensors.dtypes import DType


_LEVEL = 6
_DATE = 1 << 5 | 1  # 1980-01-01, the first there is
_DEFLATED = 8
_UTF8 = 0x800
_PLAIN, _WIDE = 20, 45  # the version of the format that a reader needs
_UNIX = 3 << 8
_MODE = 0o600 << 16  # as np.savez has it
_FULL, _MANY = 0xFFFFFFFF, 0xFFFF  # the number is in a 64-bit field instead
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCATED = struct.Struct("<4sQ2H2L4Q4sLQL")
_END = struct.Struct("<4s4H2LH")


@record
class _Entry:
    name: bytes
    flags: int
    method: int
    wide: bool
    offset: int
    crc: int = 0
    packed: int = 0
    size: int = 0

    def local(self) -> bytes:
        extra = struct.pack("<2H2Q", 1, 16, self.size, self.packed) if self.wide else b""
        sizes = (_FULL, _FULL) if self.wide else (self.packed, self.size)
        version = _WIDE if self.wide else _PLAIN
        numbers = (version, self.flags, self.method, 0, _DATE, self.crc, *sizes)
        return _LOCAL.pack(b"PK\3\4", *numbers, len(self.name), len(extra)) + self.name + extra

    def central(self) -> bytes:
        wide = self.wide or self.offset >= _FULL
        numbers = (self.size, self.packed, self.offset)
        extra = struct.pack("<2H3Q", 1, 24, *numbers) if wide else b""
        size, packed, offset = (_FULL,) * 3 if wide else numbers
        version = _WIDE if wide else _PLAIN
        fixed = (_UNIX | version, version, self.flags, self.method, 0, _DATE, self.crc)
        lengths = (len(self.name), len(extra), 0, 0, 0)
        packed_numbers = _CENTRAL.pack(b"PK\1\2", *fixed, packed, size, *lengths, _MODE, offset)
        return packed_numbers + self.name + extra


class NpzOutput(FileOutput):
    """A `.npz` file, whose arrays are written one after another."""

    def __init__(self, target: str, file: AtomicFile | RemoteFile) -> None:
        """Write to an open file.

        Args:
            target: The name that it is to have.
            file: The file.
        """
        super().__init__(target, file)
        self._entries: dict[str, _Entry] = {}
        self._place = 0

    def _begin(
        self, key: str | None, shape: tuple[int, ...], dtype: DType, *, compressed: bool
    ) -> ArrayWriter:
        key = f"arr_{len(self._entries)}" if key is None else key
        if key in self._entries:
            what = f"two arrays called {shown(key, 40)}"
            raise UsageError.at(self.target, what, "write them to two files")
        flags = 0 if key.isascii() else _UTF8
        wide = prod(shape) * dtype.itemsize > LARGE_MEMBER_BYTES
        method = _DEFLATED if compressed else 0
        entry = _Entry(f"{key}{NPY.suffix}".encode(), flags, method, wide, self._place)
        self._entries[key] = entry
        self._append(entry.local())
        member = _MemberSink(self._append, entry)
        name = f"{self.target}::{key}"
        return ArrayWriter(name, shape, dtype, member.write, lambda: self._end(member, entry))

    def _append(self, data: memoryview | bytes) -> None:
        self._file.write(data)
        self._place += len(data)

    def _end(self, member: _MemberSink, entry: _Entry) -> None:
        member.flush()
        self._file.patch(entry.local(), entry.offset)

    def _publish(self) -> None:
        start, count = self._place, len(self._entries)
        for entry in self._entries.values():
            self._append(entry.central())
        size = self._place - start
        if count >= _MANY or self._place >= _FULL:
            numbers = (44, _UNIX | _WIDE, _WIDE, 0, 0, count, count, size, start)
            self._append(_LOCATED.pack(b"PK\6\6", *numbers, b"PK\6\7", 0, start + size, 1))
        what, size, start = min(count, _MANY), min(size, _FULL), min(start, _FULL)
        self._append(_END.pack(b"PK\5\6", 0, 0, what, what, size, start, 0))
        super()._publish()


def open_writer(target: str, file: AtomicFile | RemoteFile) -> NpzOutput:
    """Return what writes a `.npz` to an open file.

    Args:
        target: The name that the file is to have.
        file: The file.

    Returns:
        The output.
    """
    return NpzOutput(target, file)


class _MemberSink:
    """Takes the bytes of a member: deflates them if asked, counts them, and sums their checksum."""

    def __init__(self, append: Sink, entry: _Entry) -> None:
        self._append, self._entry = append, entry
        deflated = entry.method == _DEFLATED
        self._deflater = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15) if deflated else None

    def write(self, data: memoryview | bytes) -> None:
        self._entry.crc = zlib.crc32(data, self._entry.crc)
        self._entry.size += len(data)
        self._put(self._deflater.compress(data) if self._deflater else data)

    def flush(self) -> None:
        if self._deflater:
            self._put(self._deflater.flush())

    def _put(self, data: memoryview | bytes) -> None:
        self._entry.packed += len(data)
        self._append(data)
