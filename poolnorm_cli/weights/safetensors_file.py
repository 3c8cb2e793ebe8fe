"""Layers in a `.safetensors` file: a length, a table of contents in JSON, and the data."""

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.tensors.messages import bad_input, shown
from poolnorm_cli.weights.entry import Entry, Stored, exactly, from_bfloat16
from poolnorm_cli.weights.naming import grouped, split, stated
from poolnorm_cli.weights.spans import Span, whole
from poolnorm_cli.weights.strict_json import parse


LARGEST_HEADER = 100_000_000
"""Bytes that the format allows."""

_BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16}
_OTHER_BITS = {"I64": 64, "U64": 64, "I32": 32, "U32": 32, "I16": 16, "U16": 16, "I8": 8, "U8": 8}
_OTHER_BITS |= {"BOOL": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "C64": 64}
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_FIX = "save it again with safetensors"
_LENGTH = 8


def entries(file: str) -> list[Entry]:
    """List the layers of a file that may be normalizations.

    Raises:
        InputError: It is damaged, has a name twice, or arrays that overlap or leave a gap.
    """
    span = whole(file)
    length = int.from_bytes(exactly(span.at(0, _LENGTH), _LENGTH, file), "little")
    if length > min(LARGEST_HEADER, span.size - _LENGTH):
        raise bad_input(file, f"a table of contents of {length} bytes, more than can be", _FIX)
    text = span.at(_LENGTH, length)
    header = parse(text, file, largest=LARGEST_HEADER) if text[:1] == b"{" else None
    if not isinstance(header, dict):
        raise bad_input(file, "not a .safetensors file", _FIX)
    header.pop("__metadata__", None)
    start = _LENGTH + length
    for key, told in header.items():
        _check(key, told, file)
    _require_whole(header, span.size - start, file)
    arrays = {
        key: _stored(span, start, told, f"{file}::{shown(key)}")
        for key, told in header.items()
        if told["dtype"] in _DTYPES
    }
    return [_entry(file, layer, weights) for layer, weights in grouped(arrays).items()]


def _entry(file: str, layer: str, weights: dict[str, Stored]) -> Entry:
    arrays = {split(key)[1]: array for key, array in weights.items()}
    # The names are all there is, so a weight that is missing is one that the layer has not.
    config = stated(arrays)
    return Entry(file=file, name=layer, path=layer, kind=None, arrays=arrays, config=config)


def _check(key: str, told: Any, file: str) -> None:
    """Refuse an array whose place does not come to its shape and dtype."""
    place = f"{file}::{shown(key)}"
    if not isinstance(told, dict) or set(told) != {"dtype", "shape", "data_offsets"}:
        raise bad_input(place, "its entry is not dtype, shape and data_offsets", _FIX)
    bits = {**_BITS, **_OTHER_BITS}.get(str(told["dtype"]))
    shape, offsets = told["shape"], told["data_offsets"]
    if bits is None:
        raise bad_input(place, f"dtype {shown(str(told['dtype']), 20)}", _FIX)
    if not _sizes(shape) or not _sizes(offsets) or len(offsets) != 2:
        raise bad_input(place, "its shape or place is not whole numbers", _FIX)
    if (offsets[1] - offsets[0]) * 8 != prod(shape) * bits:
        told = (
            f"{offsets[1] - offsets[0]} bytes where shape and dtype make {prod(shape) * bits // 8}"
        )
        raise bad_input(place, told, _FIX)


def _sizes(value: Any) -> bool:
    """Whether a value is a list of whole numbers, none negative; true and false are none."""
    return isinstance(value, list) and all(type(size) is int and size >= 0 for size in value)


def _require_whole(header: dict[str, Any], size: int, file: str) -> None:
    """Refuse arrays that overlap, or bytes that belong to none.

    Raises:
        InputError: With the array at which it goes wrong.
    """
    end = 0
    for key, told in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begins, ends = told["data_offsets"]
        if begins != end:
            reason = "overlaps what comes before it" if begins < end else "comes after a gap"
            raise bad_input(f"{file}::{shown(key)}", reason, _FIX)
        end = ends
    if end != size:
        reason = "truncated" if end > size else f"{size - end} bytes after the last array"
        raise bad_input(file, reason, _FIX)


def _stored(span: Span, start: int, told: dict[str, Any], place: str) -> Stored:
    begins, ends = told["data_offsets"]

    def values() -> NDArray[Any]:
        data = exactly(span.at(start + begins, ends - begins), ends - begins, place)
        array = np.frombuffer(data, _DTYPES[told["dtype"]]).reshape(told["shape"])
        return from_bfloat16(array) if told["dtype"] == "BF16" else array

    return Stored(tuple(told["shape"]), values)
