"""Hostile and broken `.npz` files, one for every way found so far."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
import zlib

import numpy as np

from tests.tensors.corpus import GOOD, head, hostile_npy, npy, saved


Entry = tuple[str, bytes]


def archive(*entries: Entry, method: int = 0, comment: bytes = b"", mode: int = 0o600) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", method) as target:
        warnings.simplefilter("ignore")
        target.comment = comment
        for name, data in entries:
            info = zipfile.ZipInfo(name)
            info.compress_type, info.external_attr = method, mode << 16
            target.writestr(info, data)
    return file.getvalue()


def patched(data: bytes, mark: bytes, place: int, value: bytes, *, last: bool = False) -> bytes:
    """Return `data` with `value` put `place` bytes after a record's `mark`."""
    start = (data.rfind(mark) if last else data.find(mark)) + place
    return data[:start] + value + data[start + len(value) :]


LOCAL, CENTRAL, END = b"PK\3\4", b"PK\1\2", b"PK\5\6"
ONE = archive(("x.npy", GOOD))
TWO = archive(("x.npy", GOOD), ("y.npy", GOOD))
DEFLATED = archive(("x.npy", GOOD * 1), method=8)
TEXT = archive(("x.npy", GOOD), ("notes.txt", b"hello"))
TEXT_DEFLATED = archive(("x.npy", GOOD), ("notes.txt", b"hello " * 200), method=8)
LONG = saved(np.arange(100_000, dtype="<f4"))
DEFLATED_LONG = archive(("x.npy", LONG), method=8)


def _overlapping() -> bytes:
    # Both entries of the table of contents name the first member's bytes.
    second = TWO.rfind(CENTRAL)
    data = TWO[: second + 42] + struct.pack("<I", 0) + TWO[second + 46 :]
    return data.replace(b"y.npy", b"x.npy", 1)


def _swallowing() -> bytes:
    # The first member claims the bytes of the second, too.
    sizes = struct.pack("<II", 400, 400)
    data = patched(TWO, LOCAL, 18, sizes)
    return patched(data, CENTRAL, 20, sizes)


def _lie(size: int) -> bytes:
    return patched(
        patched(ONE, LOCAL, 22, struct.pack("<I", size)), CENTRAL, 24, struct.pack("<I", size)
    )


def _bad_crc(data: bytes) -> bytes:
    wrong = b"\1\2\3\4"
    return patched(patched(data, LOCAL, 14, wrong), CENTRAL, 16, wrong)


def _altered(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0x40]) + data[place + 1 :]


def _flagged(flags: int) -> bytes:
    raw = struct.pack("<H", flags)
    return patched(patched(ONE, LOCAL, 6, raw), CENTRAL, 8, raw)


def _method(number: int) -> bytes:
    raw = struct.pack("<H", number)
    return patched(patched(ONE, LOCAL, 8, raw), CENTRAL, 10, raw)


def _shortened() -> bytes:
    # The table of contents ends the member a byte early, and has the checksum of so much: all bytes
    # of the file are read before it shows.
    zeros = saved(np.zeros(100_000, "<f4"))
    data = archive(("x.npy", zeros + b"\0"), method=8)
    checksum = struct.pack("<I", zlib.crc32(zeros))
    return patched(patched(data, CENTRAL, 24, struct.pack("<I", len(zeros))), CENTRAL, 16, checksum)


def _with_slack() -> bytes:
    # The member has bytes behind the end of its deflated data.
    data = DEFLATED[: DEFLATED.rfind(CENTRAL)]
    table = DEFLATED[len(data) :]
    packed = struct.unpack("<I", table[20:24])[0] + len(b"hidden")
    table = patched(table, CENTRAL, 20, struct.pack("<I", packed))
    start = struct.pack("<I", len(data) + len(b"hidden"))
    return data + b"hidden" + patched(table, END, 16, start)


def hostile_npz() -> dict[str, bytes]:
    """Return the contents of files that are to be refused, by what is wrong with them."""
    inner = {
        f"inner_{name}": archive(("x.npy", data), method=method)
        for name, data in hostile_npy().items()
        if name.startswith(("file_", "shape_"))
        for method in (8 if "terabytes" in name else 0,)
    }
    return {
        **inner,
        "nul_name": archive(("a_.npy", GOOD)).replace(b"a_.npy", b"a\0.npy"),
        "no_arrays": archive(),
        "duplicate": archive(("x.npy", GOOD), ("x.npy", GOOD)),
        "twin": archive(("x", GOOD), ("x.npy", GOOD)),
        "twin_suffix": archive(("x.npy", GOOD), ("x", GOOD)),
        "symlink": archive(("x.npy", GOOD), mode=0o120777),
        "device": archive(("x.npy", GOOD), mode=0o020666),
        "encrypted": _flagged(1),
        "strongly_encrypted": _flagged(0x41),
        "masked": _flagged(0x2000),
        "patched_data": _flagged(0x20),
        "altered_bzip2": _altered(archive(("x.npy", LONG), method=12), 90),
        "altered_lzma": _altered(archive(("x.npy", LONG), method=14), 90),
        "method_9": _method(9),
        "method_99": _method(99),
        "stored_as_deflated": _method(8),
        "other_method_inside": patched(ONE, LOCAL, 8, b"\x08\0"),
        "other_name_inside": ONE.replace(b"x.npy", b"y.npy", 1),
        "wrong_crc": _bad_crc(ONE),
        "wrong_crc_deflated": _bad_crc(DEFLATED),
        "altered_stored": _altered(ONE, ONE.find(GOOD) + 200),
        "altered_deflated": _altered(DEFLATED_LONG, len(DEFLATED_LONG) // 2),
        "padded_wrong_crc": _bad_crc(archive(("x.npy", GOOD + bytes(65536)))),
        "padded_member": archive(("x.npy", GOOD + bytes(65536))),
        "two_in_member": archive(("x.npy", GOOD + GOOD)),
        "bomb_without_magic": archive(("x.npy", bytes(50_000_000)), method=8),
        "bomb_shape": archive(("x.npy", npy(head("(1048576, 1048576)"), bytes(9999))), method=8),
        "size_lie": _lie(2**31),
        "size_lie_deflated": patched(DEFLATED, CENTRAL, 24, struct.pack("<I", 3 * 2**30)),
        "size_too_small": patched(DEFLATED, CENTRAL, 24, struct.pack("<I", 160)),
        "size_too_small_by_its_checksum": _shortened(),
        "bytes_after_the_deflated": _with_slack(),
        "packed_too_small": patched(DEFLATED, CENTRAL, 20, struct.pack("<I", 40)),
        "packed_too_large": patched(DEFLATED, CENTRAL, 20, struct.pack("<I", 4000)),
        "overlapping": _overlapping(),
        "swallowing": _swallowing(),
        "offset_beyond": patched(ONE, CENTRAL, 42, struct.pack("<I", 10**6)),
        "offset_inside": patched(ONE, CENTRAL, 42, struct.pack("<I", 20)),
        "disk_of_member": patched(ONE, CENTRAL, 34, b"\1\0"),
        "disk_number": patched(ONE, END, 4, b"\1\0"),
        "count_too_large": patched(ONE, END, 8, b"\2\0\2\0"),
        "count_of_disk": patched(TWO, END, 8, b"\1\0"),
        "prefix": b"#!/bin/sh\n" + ONE,
        "prefix_pk": b"PK\0\0" + bytes(60) + ONE,
        "tail": ONE + b"more",
        "tail_zeros": ONE + bytes(100),
        "comment_cut": archive(("x.npy", GOOD), comment=b"hello")[:-2],
        "cut_half": ONE[: len(ONE) // 2],
        "cut_end": ONE[:-10],
        "cut_deflated": DEFLATED_LONG[:50_000],
        "end_only": b"PK\5\6" + bytes(18),
        "directory_cut": patched(ONE, END, 16, struct.pack("<I", 10)),
        "directory_beyond": patched(ONE, END, 16, struct.pack("<I", 10**9)),
        "directory_size": patched(ONE, END, 12, struct.pack("<I", 10**9)),
        "is_npy": GOOD,
        "empty_file": b"",
        "zeros_file": bytes(300),
        "objects_only": archive(("x.npy", saved(np.array([{}], dtype=object)))),
        "text_only": archive(("x.npy", saved(np.array(["a"])))),
        "one_bad_of_two": archive(("x.npy", GOOD), ("y.npy", GOOD[:-1])),
        "nothing_but_text": archive(("readme.txt", b"hello"), ("x.npy", b"hello")),
        "nothing_but_a_directory": archive(("x/", b"")),
        "altered_text": _altered(TEXT, TEXT.find(b"hello")),
        "altered_text_deflated": _altered(TEXT_DEFLATED, TEXT_DEFLATED.find(b"notes.txt") + 15),
        "altered_magic": _altered(TWO, TWO.find(GOOD) + 1),
        "altered_type": TWO.replace(b"<f4", b"<U4", 1),
        "altered_objects": TWO.replace(b"<f4", b"|O4", 1),
        "name_cut_by_nul": archive(("xy_.npy", GOOD)).replace(b"xy_", b"xy\0"),
    }
