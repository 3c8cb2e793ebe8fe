"""The values of tensors in an ONNX file: inside it, or in a file beside it that bears its name."""

from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.errors import InputError, shown
from poolnorm_cli.kernels.halves import widen_bfloat16
from poolnorm_cli.sizes import LARGEST_WEIGHT_BYTES
from poolnorm_cli.tensors.untrusted import open_external_data
from poolnorm_cli.weights.protobuf import VARINT, Field, ProtobufFile, Range


BFLOAT16 = 16
DTYPES = {1: "<f4", 10: "<f2", 11: "<f8", BFLOAT16: "<u2", 9: "u1", 2: "u1", 3: "i1", 4: "<u2"}
DTYPES |= {5: "<i2", 6: "<i4", 7: "<i8", 12: "<u4", 13: "<u8"}
"""ONNX' numbers of types that are read, and what their bytes are."""
FLOATS = (1, 10, 11, BFLOAT16)
_NAMES = {8: "text", 14: "complex64", 15: "complex128", 17: "float8e4m3fn", 18: "float8e4m3fnuz"}
_NAMES |= {19: "float8e5m2", 20: "float8e5m2fnuz", 21: "uint4", 22: "int4", 23: "float4e2m1"}
_RAW, _OF_FLOATS, _OF_INTS, _OF_DOUBLES, _OF_LONGS, _OF_ULONGS = 9, 4, 5, 10, 7, 11
_FIELDS = {1: _OF_FLOATS, 11: _OF_DOUBLES, 7: _OF_LONGS, 12: _OF_ULONGS, 13: _OF_ULONGS}
_FIELDS |= dict.fromkeys((2, 3, 4, 5, 6, 9, 10, BFLOAT16), _OF_INTS)
"""The field in which values of a type are that are not raw bytes."""
_MOST_PARTS = 1000
"""Sizes of a shape, and entries about a tensor's file."""
_MOST_PIECES = 1 << 16
"""Fields that hold the values of one tensor: one, but for those that do not pack them."""
_VALUES = (_RAW, _OF_FLOATS, _OF_INTS, _OF_DOUBLES, _OF_LONGS, _OF_ULONGS)
"""Fields of a tensor that hold values."""
_FIX = "save it again with onnx.save"


@dataclass(slots=True)
class TensorRef:
    """A tensor of the file, its values not read.

    Attributes:
        name: Its name.
        dtype: ONNX' number of its type.
        shape: Its shape.
        data: Where its values are, by the number of the field they are in; several pieces of one
            follow each other. Whole numbers that stand alone are themselves.
        external: Where it says in which other file they are.
        sparse: Its values and their indices, of a sparse tensor.
    """

    name: str = ""
    dtype: int = 0
    shape: tuple[int, ...] = ()
    data: dict[int, list[Range | int]] = field(default_factory=dict)
    external: list[Range] = field(default_factory=list)
    sparse: "tuple[TensorRef, TensorRef] | None" = None


def tensor_at(protobuf: ProtobufFile, found: Range) -> TensorRef:
    """Describe a tensor, its values not read.

    Args:
        protobuf: The file.
        found: Where the message of the tensor is.

    Returns:
        The tensor.

    Raises:
        InputError: It is damaged.
    """
    made = TensorRef()
    shape: list[int] = []
    for each in protobuf.fields(found):
        number, start, end = each
        if number == 1:
            shape += _read_sizes(protobuf, each, shape)
        elif number == 2 and end == VARINT:
            made.dtype = start
        elif number in _VALUES:
            protobuf.require(len(made.data.get(number, ())) < _MOST_PIECES)
            made.data.setdefault(number, []).append(start if end == VARINT else Range(start, end))
        elif number == 8 and end != VARINT:
            made.name = protobuf.text(Range(start, end))
        elif number == 13 and end != VARINT:
            protobuf.require(len(made.external) < _MOST_PARTS)
            made.external.append(Range(start, end))
        elif number == 14 and end == VARINT and start and not made.external:
            made.external.append(Range(0, 0))  # it says so, and not where
    made.shape = tuple(shape)
    return made


def sparse_at(protobuf: ProtobufFile, found: Range) -> TensorRef:
    """Describe a sparse tensor as one with all its values.

    Args:
        protobuf: The file.
        found: Where the message of the sparse tensor is.

    Returns:
        The tensor, whose `sparse` says where its values are.

    Raises:
        InputError: It is damaged.
    """
    parts = {1: TensorRef(), 2: TensorRef()}
    shape: list[int] = []
    for each in protobuf.fields(found):
        number, start, end = each
        if number in parts and end != VARINT:
            parts[number] = tensor_at(protobuf, Range(start, end))
        elif number == 3:
            shape += _read_sizes(protobuf, each, shape)
    values, indices = parts[1], parts[2]
    return TensorRef(values.name, values.dtype, tuple(shape), sparse=(values, indices))


def _read_sizes(protobuf: ProtobufFile, found: Field, before: list[int]) -> list[int]:
    """Read sizes of a shape, of which there are few."""
    protobuf.require(len(before) < _MOST_PARTS and found[2] - found[1] < _MOST_PARTS)
    return protobuf.integers(found)


def unreadable_reason(tensor: TensorRef) -> str:
    """Say why the values of a tensor are not read, after its name; nothing where they can be."""
    if tensor.dtype not in DTYPES:
        name = _NAMES.get(tensor.dtype, f"number {tensor.dtype}")
        return f"has data type {name}, which is not read"
    if any(size < 0 for size in tensor.shape):
        return f"has shape {tensor.shape}, which cannot be"
    if prod(tensor.shape) * _itemsize(tensor) > LARGEST_WEIGHT_BYTES:
        return f"has shape {tensor.shape}, which is not that of a weight"
    return ""


def values_of(protobuf: ProtobufFile, tensor: TensorRef, place: str) -> NDArray[Any]:
    """Read the values of a tensor.

    Args:
        protobuf: The file that it is in.
        tensor: The tensor, of which there is no `unreadable_reason`.
        place: What messages call it.

    Returns:
        The values, of its shape and dtype; bfloat16 comes as float32.

    Raises:
        InputError: They do not come to its shape, or are in another file that is not read.
    """
    if tensor.sparse is not None:
        return _sparse_values(protobuf, tensor, place)
    expected = prod(tensor.shape) * _itemsize(tensor)
    if tensor.external:
        data = _external_values(protobuf, tensor, expected, place)
    elif _RAW in tensor.data:
        data = _join_pieces(protobuf, tensor.data[_RAW], expected)
    else:
        return _typed_values(protobuf, tensor, place)
    if len(data) != expected:
        what = f"{len(data)} bytes where its shape {tensor.shape} makes {expected}"
        raise InputError.at(place, what, _FIX)
    return _shape_values(np.frombuffer(data, DTYPES[tensor.dtype]), tensor)


def _itemsize(tensor: TensorRef) -> int:
    return np.dtype(DTYPES[tensor.dtype]).itemsize


def _shape_values(values: NDArray[Any], tensor: TensorRef) -> NDArray[Any]:
    shaped = values.reshape(tensor.shape)
    if tensor.dtype == BFLOAT16:
        return widen_bfloat16(np.ascontiguousarray(shaped))
    return shaped != 0 if tensor.dtype == 9 else shaped


def _join_pieces(protobuf: ProtobufFile, pieces: list[Range | int], most: int) -> bytes:
    """Read bytes that may be in several pieces; of more than can be, one byte more than that."""
    found = b""
    for piece in pieces:
        if isinstance(piece, int):
            raise protobuf.damaged()
        short = Range(piece.start, min(piece.end, piece.start + most + 1 - len(found)))
        found += protobuf.read(short)
    return found


def _typed_values(protobuf: ProtobufFile, tensor: TensorRef, place: str) -> NDArray[Any]:
    """Read values out of the field of their type."""
    field, count = _FIELDS[tensor.dtype], prod(tensor.shape)
    pieces = tensor.data.get(field, [])
    if field in (_OF_FLOATS, _OF_DOUBLES):
        width = 4 if field == _OF_FLOATS else 8
        data = _join_pieces(protobuf, pieces, count * width)
        found: NDArray[Any] = np.frombuffer(data[: len(data) // width * width], f"<f{width}")
        held = len(data) / width
    else:
        found = np.array(_read_integers(protobuf, pieces, count, field), dtype=object)
        held = len(found)
    if held != count:
        what = f"{held:g} values where its shape {tensor.shape} makes {count}"
        raise InputError.at(place, what, _FIX)
    if field == _OF_INTS and tensor.dtype in (10, BFLOAT16):
        found = np.array([int(n) & 0xFFFF for n in found], "<u2")
        found = found.view("<f2") if tensor.dtype == 10 else found
    try:
        return _shape_values(found.astype(DTYPES[tensor.dtype], copy=False), tensor)
    except OverflowError:
        raise InputError.at(place, "a value that its type cannot hold", _FIX) from None


def _read_integers(
    protobuf: ProtobufFile, pieces: list[Range | int], most: int, field: int
) -> list[int]:
    found: list[int] = []
    for piece in pieces:
        if isinstance(piece, int):
            found += protobuf.integers((field, piece, VARINT))
        elif piece.size <= 10 * most:  # bytes that a number takes at most
            found += protobuf.integers((field, piece.start, piece.end))
        else:
            found += [0] * (most + 1)
        if len(found) > most:
            break
    mask = (1 << 64) - 1 if field == _OF_ULONGS else 0
    return [number & mask for number in found] if mask else found


def _sparse_values(protobuf: ProtobufFile, tensor: TensorRef, place: str) -> NDArray[Any]:
    """Lay out a sparse tensor: its indices count over all cells, or one for each axis."""
    values, indices = tensor.sparse or (tensor, tensor)
    for part in (values, indices):
        if problem := unreadable_reason(part):
            raise InputError.at(place, problem, _FIX)
    held, where = values_of(protobuf, values, place), values_of(protobuf, indices, place)
    dense = np.zeros(prod(tensor.shape), held.dtype)
    try:
        if where.ndim == 2:
            where = np.ravel_multi_index(tuple(where.T), tensor.shape)
        sound = where.min(initial=0) >= 0 and where.shape == held.shape
        dense[where if sound else dense.size] = held
    except (ValueError, IndexError, TypeError):
        what = f"sparse, with indices outside its shape {tensor.shape}"
        raise InputError.at(place, what, _FIX) from None
    return dense.reshape(tensor.shape)


def _external_values(protobuf: ProtobufFile, tensor: TensorRef, count: int, place: str) -> bytes:
    """Read values out of the file beside the model that holds them.

    Raises:
        InputError: It does not bear the model's name, is not there, or is shorter.
    """
    entries: dict[str, str] = {}
    for entry in tensor.external:
        parts = {1: "", 2: ""}
        for number, start, end in protobuf.fields(entry):
            if number in parts and end != VARINT:
                parts[number] = protobuf.text(Range(start, end))
        entries[parts[1]] = parts[2]
    offset, length = entries.get("offset", "0"), entries.get("length", str(count))
    if not all(word.isdecimal() and len(word) < 20 for word in (offset, length)):
        raise InputError.at(place, f"offset {shown(offset, 20)!r} of its values", _FIX)
    with open_external_data(protobuf.place, entries.get("location", ""), place) as span:
        if int(length) != count or int(offset) + count > span.size:
            raise InputError.at(place, f"its values are not all in {entries['location']}", _FIX)
        return span.read_at(int(offset), count)
