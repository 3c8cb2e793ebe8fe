"""The table of contents of a `.npz`, or another zip, checked before any member is read."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile

from poolnorm_cli.tensors.messages import bad_input, shown
from poolnorm_cli.values import frozen


_END = struct.Struct("<4s4H2LH")  # end of the central directory
_MANY = 0xFFFF  # stands where a number is in the zip64 record
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_FOREIGN = 0x2061  # flags: encrypted (two ways), patched data, masked names
_UTF8 = 0x800
_MOST = 1100  # deflate cannot make more bytes than 1032 from one
_LOCAL = 30  # bytes of a member's own header before its name


@frozen
class ArchiveKind:
    """What is expected of an archive, and said where it is not met.

    `suffix` is that of every member, and no part of its key.
    """

    called: str
    suffix: str
    fix: str


NPZ = ArchiveKind("a .npz file", ".npy", "save it again with np.savez")


@frozen
class Member:
    """Where a member's bytes are in the file, and what they must come to.

    `end` is the offset where the next member or the central directory starts.
    """

    key: str
    raw_name: bytes
    method: int
    flags: int
    crc: int
    packed: int
    size: int
    offset: int
    end: int


def members(fd: int, name: str, kind: ArchiveKind = NPZ) -> list[Member]:
    """Return the members of the archive open at `fd`, in the order of its table of contents.

    Raises:
        InputError: It is not a zip archive, holds nothing, or its table of contents is damaged
            or asks for what no honest archive needs: overlaps, duplicates, encryption, paths.
    """
    start = os.pread(fd, 8, 0)
    if not start.startswith(b"PK"):
        npy = start.startswith(b"\x93NUMPY")
        fix = "it is a .npy file: name it .npy" if npy else kind.fix
        said = (
            f"not {kind.called} (first bytes {start!r})" if start else f"empty, not {kind.called}"
        )
        raise bad_input(name, said, fix)
    infos, table = _contents(fd, name, kind)
    if not infos:
        raise bad_input(name, "no arrays in it", kind.fix)
    for info in infos:
        _check(info, name, kind)
    _refuse_duplicates([info.orig_filename for info in infos], name, kind)
    ends = _ends(infos, table, name, kind)
    return [_member(info, ends[info.header_offset], kind) for info in infos]


def _contents(fd: int, name: str, kind: ArchiveKind) -> tuple[list[zipfile.ZipInfo], int]:
    with io.FileIO(fd, closefd=False) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                infos, table, comment = archive.infolist(), archive.start_dir, archive.comment
        except (zipfile.BadZipFile, NotImplementedError, struct.error, OSError) as error:
            raise bad_input(
                name, f"a damaged archive ({shown(str(error), 60)})", kind.fix
            ) from None
        except (ValueError, OverflowError, MemoryError, EOFError):
            raise bad_input(name, "a damaged archive", kind.fix) from None
    tail = os.pread(fd, _END.size, os.fstat(fd).st_size - _END.size - len(comment))
    mark, disk, first, here, count, _, _, told = _END.unpack(tail.ljust(_END.size, b"\0"))
    if mark != b"PK\5\6" or told != len(comment):
        raise bad_input(name, "bytes after the end of the archive", kind.fix)
    if {disk, first} - {0, _MANY} or any(n not in (_MANY, len(infos)) for n in (here, count)):
        raise bad_input(name, "a part of an archive, or its count of members is wrong", kind.fix)
    return infos, table


def _check(info: zipfile.ZipInfo, name: str, kind: ArchiveKind) -> None:
    place = f"{name}::{shown(info.orig_filename, 40)}"
    reason = _fault_of_name(info.orig_filename, kind.suffix)
    mode = stat.S_IFMT(info.external_attr >> 16) if info.create_system == 3 else 0
    if info.flag_bits & _FOREIGN:
        reason = "encrypted or patched"
    elif info.compress_type not in _METHODS:
        reason = f"compressed by method {info.compress_type}, not stored or deflated"
    elif info.volume or mode not in (0, stat.S_IFREG):
        reason = "on another disk" if info.volume else "not a regular file"
    elif info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
        reason = f"stored, but {info.file_size} bytes in {info.compress_size}"
    elif info.file_size > _MOST * info.compress_size + _MOST:
        reason = f"{info.file_size} bytes cannot come from {info.compress_size}"
    if reason:
        raise bad_input(place, reason, kind.fix)


def _fault_of_name(member: str, suffix: str) -> str:
    if any(ord(char) < 32 or 127 <= ord(char) < 160 for char in member):
        return "a control character in the name of a member"
    if member.startswith("/") or set(member) & set("\\:") or ".." in member.split("/"):
        return "a path for a name"
    if not member.endswith(suffix) or member == suffix:
        return f"not an array (no {suffix} in its name)" if suffix else "without a name"
    return ""


def _refuse_duplicates(names: list[str], name: str, kind: ArchiveKind) -> None:
    seen: set[str] = set()
    for key in names:
        if key in seen:
            raise bad_input(f"{name}::{shown(key, 40)}", "there twice", kind.fix)
        seen.add(key)


def _ends(infos: list[zipfile.ZipInfo], table: int, name: str, kind: ArchiveKind) -> dict[int, int]:
    ordered = sorted(infos, key=lambda info: info.header_offset)
    starts = [*(info.header_offset for info in ordered[1:]), table]
    if ordered[0].header_offset != 0:
        raise bad_input(name, "bytes before the first member", kind.fix)
    for info, end in zip(ordered, starts, strict=True):
        if info.header_offset + _LOCAL + len(info.orig_filename) + info.compress_size > end:
            place = f"{name}::{shown(info.orig_filename, 40)}"
            raise bad_input(place, "overlaps what follows it", kind.fix)
    return {info.header_offset: end for info, end in zip(ordered, starts, strict=True)}


def _member(info: zipfile.ZipInfo, end: int, kind: ArchiveKind) -> Member:
    raw_name = info.orig_filename.encode("utf-8" if info.flag_bits & _UTF8 else "cp437")
    return Member(
        key=info.orig_filename.removesuffix(kind.suffix),
        raw_name=raw_name,
        method=info.compress_type,
        flags=info.flag_bits,
        crc=info.CRC,
        packed=info.compress_size,
        size=info.file_size,
        offset=info.header_offset,
        end=end,
    )
