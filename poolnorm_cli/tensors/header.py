"""The header of a `.npy` array, read by a strict grammar from any source of bytes."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from poolnorm_cli.errors import InputError, shown
from poolnorm_cli.sizes import LARGEST_HEADER_BYTES
from poolnorm_cli.tensors.dtypes import parse_descr
from poolnorm_cli.tensors.files import read_exactly
from poolnorm_cli.tensors.formats import NPY, NPZ, format_on_stream
from poolnorm_cli.tensors.names import STDIN
from poolnorm_cli.tensors.tensor import Layout
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from collections.abc import Callable


MAGIC = NPY.magic
DEEPEST = 32
_VERSIONS = {(1, 0): 2, (2, 0): 4, (3, 0): 4}  # version: bytes of the length that follows
_ALIGNED = 64
_GROWTH = 21  # digits that NumPy leaves room for, so that axis 0 can grow in place
_SAVE = "save it again with np.save"

_GAP = r"[ \t\r\n]*"
_ENTRY = rf"""{_GAP}(['"])(?:
      (?P<descr>descr)\1{_GAP}:{_GAP}(?P<type>'[^'\\]*'|"[^"\\]*"
        |[\[(].*?[\])](?={_GAP},{_GAP}['"](?:fortran_order|shape)['"]|{_GAP},?{_GAP}\}}{_GAP}$))
     |(?P<fortran_order>fortran_order)\1{_GAP}:{_GAP}(?P<order>True|False)
     |(?P<shape>shape)\1{_GAP}:{_GAP}\((?P<dims>[^()]*)\)
    ){_GAP}(?:,|(?=\}}))"""
_DIM = re.compile(r"(?:0|[1-9][0-9]{0,18})L?")


_MOST_SEEN = 16


@frozen
class Header:
    """What a `.npy` header says: shape, dtype text, order, format version, and its own bytes."""

    shape: tuple[int, ...]
    descr: str
    fortran_order: bool
    version: tuple[int, int]
    size: int


_SEEN: dict[bytes, Header] = {}
"""What texts of headers say: the files of a batch have few different ones."""


def read_header(read: Callable[[int], bytes], name: str) -> Header:
    """Read a header, and no byte of the data after it.

    Args:
        read: Returns at most so many bytes, and none at the end; short reads are continued.
        name: What the input is called in messages.

    Returns:
        What the header says.

    Raises:
        InputError: There is no header, or one that NumPy does not write.
    """
    start = read_exactly(read, len(MAGIC) + 2)
    if not start.startswith(MAGIC):
        raise _foreign(start + read_exactly(read, 24), name)
    if len(start) < len(MAGIC) + 2:
        raise InputError.at(name, "truncated in its header", _SAVE)
    version = (start[6], start[7])
    if version not in _VERSIONS:
        what = f"version {version[0]}.{version[1]} of the .npy format, 1.0 to 3.0 are read"
        raise InputError.at(name, what, _SAVE)
    counted = read_exactly(read, _VERSIONS[version])
    length = int.from_bytes(counted, "little")
    if length > LARGEST_HEADER_BYTES:
        what = f"a header of {length} bytes, at most {LARGEST_HEADER_BYTES} are read"
        raise InputError.at(name, what, _SAVE)
    text = read_exactly(read, length)
    if len(counted) < _VERSIONS[version] or len(text) < length:
        raise InputError.at(name, "truncated in its header", _SAVE)
    if (seen := _SEEN.get(text)) is not None and seen.version == version:
        return seen
    shape, descr, fortran = _parsed(text, version, name)
    header = Header(shape, descr, fortran, version, len(start) + len(counted) + length)
    if len(_SEEN) >= _MOST_SEEN:
        _SEEN.clear()
    _SEEN[text] = header
    return header


def layout_of(header: Header, name: str, *, bfloat16: bool) -> Layout:
    """Return the layout of the array that a header describes.

    Args:
        header: The header.
        name: What messages call the array.
        bfloat16: Whether an array of two raw bytes is bfloat16.

    Returns:
        Shape, type and order of the items.

    Raises:
        InputError: The type is not supported.
    """
    try:
        dtype, swapped = parse_descr(header.descr, bfloat16)
    except InputError as error:
        raise error.within(name) from None
    return Layout(header.shape, dtype, swapped, header.fortran_order)


def known_header(data: bytes) -> Header | None:
    """Return the parsed header of a file if the same header was parsed before; else None."""
    size = 10 + int.from_bytes(data[8:10], "little")
    seen = _SEEN.get(data[10:size])
    if seen is None or seen.version != (1, 0) or seen.size != size:
        return None
    return seen if data.startswith(MAGIC + b"\x01\x00") else None


@lru_cache(maxsize=16)
def build_header(shape: tuple[int, ...], descr: str) -> bytes:
    """Return the bytes that np.save writes in front of a C-ordered array (version 1.0).

    Args:
        shape: The shape of the array.
        descr: Its type as NumPy writes it, such as `<f4`.

    Returns:
        The header, a multiple of 64 bytes long.
    """
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape!r}, }}"
    if shape:
        text += " " * (_GROWTH - len(repr(shape[0])))
    fixed = len(MAGIC) + 4
    text += " " * (_ALIGNED - (fixed + len(text) + 1) % _ALIGNED) + "\n"
    return MAGIC + b"\x01\x00" + len(text).to_bytes(2, "little") + text.encode("latin-1")


def _foreign(start: bytes, name: str) -> InputError:
    if not start:
        return InputError.at(name, "empty, not a .npy file", _SAVE)
    if MAGIC.startswith(start):
        return InputError.at(name, "truncated in its header", _SAVE)
    fix = _SAVE
    if (form := format_on_stream(start)) is not None:
        kind = "zip archive" if form is NPZ else f"{form.suffix} file"
        fix = f"it is a {kind}: give it as a file named {form.suffix}"
        if name == STDIN:
            fix = f"it is a {kind}: give /dev/stdin instead of -"
    elif start.startswith(b"version https://git-lfs"):
        fix = "it is a Git LFS pointer: fetch it with `git lfs pull`"
    elif start.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        fix = f"it is a pickle, which is never loaded: {_SAVE}"
    elif not any(start):
        fix = "it holds zeros, as an unfinished download does: fetch it again"
    return InputError.at(name, f"not a .npy file (first bytes {start[:8]!r})", fix)


def _parsed(text: bytes, version: tuple[int, int], name: str) -> tuple[tuple[int, ...], str, bool]:
    try:
        line = text.decode("utf-8" if version == (3, 0) else "latin-1")
    except UnicodeDecodeError:
        raise InputError.at(name, "a header that is not UTF-8", _SAVE) from None
    found = _plain(line) or _entries(line, name)
    return _dims(found["shape"], name), found["descr"], found["fortran_order"] == "True"


def _plain(line: str) -> dict[str, str] | None:
    # NumPy's own spelling, without the time that it takes to compile the grammar.
    descr, first, rest = line.partition("', 'fortran_order': ")
    order, second, tail = rest.partition(", 'shape': (")
    dims, third, padding = tail.partition("), }")
    start, brace, descr = descr.partition("{'descr': '")
    whole = first and second and third and brace and not start and not padding.strip(" \n")
    if not whole or order not in ("True", "False") or set(descr) & set("'\\"):
        return None
    return {"descr": descr, "fortran_order": order, "shape": dims}


def _entries(line: str, name: str) -> dict[str, str]:
    grammar = re.compile(_ENTRY, re.VERBOSE | re.DOTALL)
    found: dict[str, str] = {}
    brace = re.match(r"[ \t]*\{", line)
    place = brace.end() if brace else 0
    while brace and len(found) < 3 and (entry := grammar.match(line, place)):
        key = entry["descr"] or entry["fortran_order"] or entry["shape"]
        if key in found:
            raise InputError.at(name, f"a header with two entries {key}", _SAVE)
        value = next(v for v in (entry["type"], entry["order"], entry["dims"]) if v is not None)
        found[key] = value[1:-1] if value[:1] in ("'", '"') and key == "descr" else value
        place = entry.end()
    if len(found) < 3 or not re.fullmatch(rf"{_GAP}\}}{_GAP}", line[place:]):
        raise InputError.at(name, f"a damaged header near {line[place : place + 24]!a}", _SAVE)
    return found


def _dims(text: str, name: str) -> tuple[int, ...]:
    items = [item.strip(" \t\r\n") for item in text.split(",")]
    if items[-1] == "" and (len(items) > 1 or items == [""]):
        items.pop()
    elif len(items) == 1:
        raise InputError.at(name, f"the shape ({shown(items[0], 30)}) is not a tuple", _SAVE)
    if len(items) > DEEPEST:
        raise InputError.at(name, f"{len(items)} axes, at most {DEEPEST} are read", "reshape it")
    for item in items:
        if not _DIM.fullmatch(item) or int(item.rstrip("L")) >= 2**63:
            raise InputError.at(name, f"an axis of {shown(item, 30)!a} items", _SAVE)
    return tuple(int(item.rstrip("L")) for item in items)
