"""The table of contents of a zip, as it stands there; nothing but its own form is checked."""

from __future__ import annotations

import io
import os
import struct
from typing import NamedTuple

from poolnorm_cli.errors import InputError, shown
from poolnorm_cli.sizes import LARGEST_ZIP_TABLE_BYTES


BZIP2, LZMA, ZSTD = 12, 14, 93
METHODS = {BZIP2: "bz2", LZMA: "lzma", ZSTD: "zstd"}
"""By the number of the zip format: how members may be packed, besides deflated."""

_END = struct.Struct("<4s4H2LH")  # end of the central directory
_ENTRY = struct.Struct("<4s4B4H3L5H2L")  # one member there, before its name
_MANY, _LARGE = 0xFFFF, 0xFFFFFFFF  # stand where a number is in the zip64 record
_EARLIEST_UNKNOWN = 64  # version of the zip format from which on `zipfile` does not know it


class ChecksumError(Exception):
    """The bytes of a member are not those that were saved."""


class Entry(NamedTuple):
    """What the table of contents says of a member, by the names of `zipfile`."""

    orig_filename: str
    flag_bits: int
    compress_type: int
    volume: int
    create_system: int
    external_attr: int
    CRC: int
    compress_size: int
    file_size: int
    header_offset: int


class _Bounded(io.FileIO):
    """A file that refuses to read more at once than the largest table of contents."""

    place = ""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read bytes, as files do.

        Raises:
            InputError: The table of contents is too large.
        """
        if size is not None and size > LARGEST_ZIP_TABLE_BYTES:
            what = (
                f"a table of contents of {size} bytes, at most {LARGEST_ZIP_TABLE_BYTES} are read"
            )
            raise InputError.at(self.place, what, "save it in several files")
        return super().read(-1 if size is None else size)


def plain_contents(fd: int) -> tuple[list[Entry], int] | None:
    """Return what `contents` does, of a table as `np.savez` writes it; None for any other.

    The import of `zipfile` takes as long as all else in a small run.
    """
    size = os.fstat(fd).st_size
    tail = os.pread(fd, _END.size, max(size - _END.size, 0))
    if len(tail) < _END.size:
        return None
    mark, disk, first, here, count, length, table, comment = _END.unpack(tail)
    if mark != b"PK\5\6" or disk or first or comment or here != count or count == _MANY:
        return None
    if table + length + _END.size != size or length > LARGEST_ZIP_TABLE_BYTES:
        return None
    data, place, found = os.pread(fd, length, table), 0, list[Entry]()
    while place + _ENTRY.size <= len(data) == length:
        fields = _ENTRY.unpack_from(data, place)
        mark, _, system, version, _, flags, method, _, _, crc, packed, whole = fields[:12]
        named, extra, comment, volume, _, attributes, offset = fields[12:]
        place += _ENTRY.size + named
        name = data[place - named : place]
        if mark != b"PK\1\2" or extra or comment or version >= _EARLIEST_UNKNOWN:
            return None
        if _LARGE in (packed, whole, offset) or len(name) < named or not name.isascii():
            return None
        sizes = crc, packed, whole, offset
        found.append(Entry(name.decode(), flags, method, volume, system, attributes, *sizes))
    return (found, table) if place == length and len(found) == count else None


def contents(fd: int, name: str, fix: str) -> tuple[list[Entry], int]:
    """Read the table of contents of a zip.

    Args:
        fd: An open file.
        name: What messages call it.
        fix: What to do with a damaged one.

    Returns:
        What it says of each member, in its order, and where it is.

    Raises:
        InputError: It is damaged, or too large.
    """
    found = plain_contents(fd)
    if found is not None:
        return found
    import zipfile

    with _Bounded(fd, closefd=False) as file:
        file.place = name
        try:
            with zipfile.ZipFile(file) as archive:
                infos, table, comment = archive.infolist(), archive.start_dir, archive.comment
        except (zipfile.BadZipFile, NotImplementedError, struct.error, OSError) as error:
            raise InputError.at(name, f"a damaged archive ({shown(str(error), 60)})", fix) from None
        except (ValueError, OverflowError, MemoryError, EOFError):
            raise InputError.at(name, "a damaged archive", fix) from None
    tail = os.pread(fd, _END.size, os.fstat(fd).st_size - _END.size - len(comment))
    mark, disk, first, here, count, _, _, length = _END.unpack(tail.ljust(_END.size, b"\0"))
    if mark != b"PK\5\6" or length != len(comment):
        raise InputError.at(name, "bytes after the end of the archive", fix)
    if {disk, first} - {0, _MANY} or any(n not in (_MANY, len(infos)) for n in (here, count)):
        raise InputError.at(name, "a part of an archive, or its count of members is wrong", fix)
    return [Entry(*(getattr(info, each) for each in Entry._fields)) for info in infos], table
