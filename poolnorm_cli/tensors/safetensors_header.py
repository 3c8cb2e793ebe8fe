"""The table of contents of a `.safetensors` file, read entry by entry within limits."""

from __future__ import annotations

import json
import re
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from poolnorm_cli.errors import InputError, shown
from poolnorm_cli.sizes import (
    LARGEST_NAMES_BYTES,
    LARGEST_SAFETENSORS_HEADER_BYTES,
    LONGEST_SAFETENSORS_NAME_BYTES,
)
from poolnorm_cli.tensors.untrusted import Span, open_span, parse_json


if TYPE_CHECKING:
    from poolnorm_cli.shapes import Ints


MOST_ARRAYS = 100_000

_BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "BOOL": 8, "C64": 64, "F4": 4}
_BITS |= {f"{kind}{bits}": bits for kind in "IU" for bits in (8, 16, 32, 64)}
_BITS |= dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6)
_BITS |= dict.fromkeys((f"F8_{n}" for n in ("E4M3", "E5M2", "E8M0", "E4M3FNUZ", "E5M2FNUZ")), 8)
"""Bits of a value of each type; of another type the place alone is checked."""
_FIX = "save it again with safetensors"
_LENGTH = 8

_GAP = rb"[ \t\r\n]*+"
_STRING = rb'"[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+"'
_NUMBER = rb"(?:0|[1-9][0-9]{0,18})"
_KEY = re.compile(_GAP + rb"(" + _STRING + rb")" + _GAP + rb":" + _GAP)
_COMMA = re.compile(_GAP + rb",")
_END = re.compile(_GAP + rb"\}" + _GAP)
_BODY = re.compile(rb"\{[^{}]{0,4096}+\}")
_PLAIN = re.compile(
    rb'\{"dtype":"(\w+)","shape":\[((?:%s(?:,%s)*+)?)\],"data_offsets":\[(%s),(%s)\]\}'
    % ((_NUMBER,) * 4)
)
_PAIR = _STRING + _GAP + rb":" + _GAP + _STRING + _GAP
_METADATA = re.compile(
    rb"null|\{" + _GAP + rb"(?:" + _PAIR + rb"(?:," + _GAP + rb'(?=")|(?=\})))*+\}'
)


class StoredTensor(NamedTuple):
    """An array of a file, its values not read.

    Attributes:
        file: The file.
        key: Its name there.
        dtype: Its type, as the format calls it.
        shape: Its shape.
        begins: Where its bytes begin in the file.
        ends: Where they end.
    """

    file: str
    key: str
    dtype: str
    shape: Ints
    begins: int
    ends: int


def arrays_of(file: str) -> dict[str, StoredTensor]:
    """List the arrays of a file by their names, in the order of its table of contents.

    Raises:
        InputError: It is damaged, has a name twice, or arrays that overlap or leave a gap.
    """
    with open_span(file) as span:
        return arrays_in(span, file)


def arrays_in(span: Span, file: str) -> dict[str, StoredTensor]:
    """List the arrays of an open file, as `arrays_of`.

    Args:
        span: All of the file.
        file: What messages call it.

    Returns:
        The arrays by their names.

    Raises:
        InputError: It is damaged, has a name twice, or arrays that overlap or leave a gap.
    """
    text = _read_header(span, file)
    found = _parse_entries(text, file, _LENGTH + len(text))
    _require_no_gaps(found, _LENGTH + len(text), span.size, file)
    return found


def _read_header(span: Span, file: str) -> bytes:
    length = int.from_bytes(span.read_exactly(0, _LENGTH, file), "little")
    if length > min(LARGEST_SAFETENSORS_HEADER_BYTES, span.size - _LENGTH):
        raise InputError.at(file, f"a table of contents of {length} bytes, more than can be", _FIX)
    text = span.read_at(_LENGTH, length)
    if text[:1] != b"{":
        raise InputError.at(file, "not a .safetensors file", _FIX)
    count = text.count(b"data_offsets")
    if count > MOST_ARRAYS:
        raise InputError.at(file, f"{count} arrays, at most {MOST_ARRAYS} are read", "split it")
    return text


def _parse_entries(text: bytes, file: str, start: int) -> dict[str, StoredTensor]:
    found: dict[str, StoredTensor] = {}
    names: set[str] = set()
    end = _END.match(text, 1)
    place, size = 1, 0
    while end is None:
        if (key := _KEY.match(text, place)) is None:
            raise _not_readable(file)
        name = _name(key[1], file)
        if name in names:
            raise InputError.at(f"{file}::{shown(name)}", "there twice", _FIX)
        names.add(name)
        size += len(name)
        if size > LARGEST_NAMES_BYTES:
            raise InputError.at(file, f"names of more than {LARGEST_NAMES_BYTES} bytes", "split it")
        is_metadata = name == "__metadata__"
        entry = (_METADATA if is_metadata else _BODY).match(text, key.end())
        if entry is None:
            raise InputError.at(
                f"{file}::{shown(name)}", "its entry is not what it should be", _FIX
            )
        if not is_metadata:
            found[name] = _parse_array(entry[0], name, file, start)
        end, comma = _END.match(text, entry.end()), _COMMA.match(text, entry.end())
        place = comma.end() if comma else len(text)
    if end.end() != len(text):
        raise _not_readable(file)
    return found


def _not_readable(file: str) -> InputError:
    return InputError.at(file, "its table of contents is not readable", _FIX)


def _name(quoted: bytes, file: str) -> str:
    try:
        if len(quoted) > LONGEST_SAFETENSORS_NAME_BYTES:
            raise InputError.at(file, f"a name of {len(quoted)} bytes", _FIX)
        if b"\\" not in quoted:
            return quoted[1:-1].decode()
        name: str = json.loads(quoted.decode())
    except ValueError:
        raise _not_readable(file) from None
    return name


def _parse_array(body: bytes, name: str, file: str, start: int) -> StoredTensor:
    if (plain := _PLAIN.fullmatch(body)) is not None:
        shape = tuple(map(int, plain[2].split(b","))) if plain[2] else ()
        dtype, begins, ends = plain[1].decode(), int(plain[3]), int(plain[4])
    else:
        dtype, shape, begins, ends = _parse_entry(parse_json(body, file), f"{file}::{shown(name)}")
    bits = _BITS.get(dtype)
    if ends < begins or (bits and (ends - begins) * 8 != prod(shape) * bits):
        made = prod(shape) * (bits or 0) // 8
        what = f"{ends - begins} bytes where shape and dtype make {made}"
        raise InputError.at(f"{file}::{shown(name)}", what, _FIX)
    return StoredTensor(file, name, dtype, shape, start + begins, start + ends)


def _parse_entry(document: Any, place: str) -> tuple[str, Ints, int, int]:
    """Take an entry that is not written as safetensors writes it."""
    if not isinstance(document, dict) or set(document) != {"dtype", "shape", "data_offsets"}:
        raise InputError.at(place, "its entry is not dtype, shape and data_offsets", _FIX)
    dtype, shape, offsets = document["dtype"], document["shape"], document["data_offsets"]
    if not isinstance(dtype, str):
        raise InputError.at(place, "its dtype is not a string", _FIX)
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        raise InputError.at(place, "its shape or place is not whole numbers", _FIX)
    return dtype, tuple(shape), offsets[0], offsets[1]


def _are_sizes(value: Any) -> bool:
    """Whether a value is a list of whole numbers, none negative; true and false are none."""
    return isinstance(value, list) and all(type(size) is int and size >= 0 for size in value)


def _require_no_gaps(found: dict[str, StoredTensor], start: int, size: int, file: str) -> None:
    """Refuse arrays that overlap, or bytes that belong to none.

    Raises:
        InputError: With the array at which it goes wrong.
    """
    end = start
    for array in sorted(found.values(), key=lambda array: (array.begins, array.ends)):
        if array.begins != end:
            reason = "overlaps what comes before it" if array.begins < end else "comes after a gap"
            raise InputError.at(f"{file}::{shown(array.key)}", reason, _FIX)
        end = array.ends
    if end != size:
        reason = "truncated" if end > size else f"{size - end} bytes after the last array"
        raise InputError.at(file, reason, _FIX)
