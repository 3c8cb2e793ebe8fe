"""A model of ONNX as plain values, and its bytes: what the `onnx` package would make of it.

To import the package takes 50 ms, a third of what a small run takes beside the runtime, and all
that it does is to write a few messages of protocol buffers. Such a message is a row of fields, each
a key and a value: the key is the field's number times 8, and how its value is written. The numbers
are those of `onnx.proto`, which never change.
"""

import struct
from collections.abc import Container, Iterable, Iterator, Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple

from numpy.typing import NDArray

from poolnorm_cli.shapes import Shape
from poolnorm_cli.values import cached_property, frozen, replace


IR_VERSIONS = {9: 4, 10: 5, 11: 6, 12: 7, 13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9}
IR_VERSIONS |= {21: 10, 22: 10, 23: 11, 24: 12, 25: 13, 26: 13, 27: 13, 28: 14}
"""Operator set -> the first version of the format in which it may be used."""
NEWEST_OPSET = max(IR_VERSIONS)
ITS_ONNX = "1.23"
"""The version of `onnx` that has it."""

_TYPES = {"float32": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "int32": 6, "int64": 7}
_TYPES |= {"bool": 9, "float16": 10, "float64": 11, "uint32": 12, "uint64": 13, "bfloat16": 16}
"""NumPy dtype -> TensorProto.DataType."""
_DTYPES = {number: dtype for dtype, number in _TYPES.items()}

_VARINT, _BYTES, _FLOAT = 0, 2, 5
"""How a value is written: as a number of seven bits a byte; its length and it; four bytes."""


def type_number(dtype: str) -> int:
    """Return ONNX' number of a dtype."""
    return _TYPES[dtype]


class Node(NamedTuple):
    """An operator.

    Attributes:
        kind: Which one.
        inputs: The values that it takes.
        outputs: The values that it makes.
        name: Its name.
        attributes: Its attributes: integers, floats, text, and lists of integers or floats.
    """

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    name: str
    attributes: Mapping[str, Any]

    def serialized(self) -> bytes:
        """Return a NodeProto."""
        attributes = sorted(self.attributes.items())
        return b"".join(
            (
                *(_text(1, word) for word in self.inputs),
                *(_text(2, word) for word in self.outputs),
                _text(3, self.name),
                _text(4, self.kind),
                *(_message(5, _attribute(key, value)) for key, value in attributes),
            )
        )


class ValueInfo(NamedTuple):
    """An input or an output of a graph.

    Attributes:
        name: Its name.
        dtype: Its NumPy dtype.
        shape: Its sizes, or names in their place; None where that is not stated.
    """

    name: str
    dtype: str
    shape: Shape | None

    def serialized(self) -> bytes:
        """Return a ValueInfoProto."""
        sizes = b""
        for size in self.shape or ():
            if size is None:
                sizes += _message(1, b"")
            else:
                value = _text(2, size) if isinstance(size, str) else _number(1, size)
                sizes += _message(1, value)
        stated = b"" if self.shape is None else _message(2, sizes)
        return _text(1, self.name) + _message(
            2, _message(1, _number(1, _TYPES[self.dtype]) + stated)
        )


def with_casts_outside(model: "Model", names: Container[str]) -> "Model":
    """Have whoever feeds a graph convert inputs that it does nothing with but convert.

    Each operator costs a device some microseconds, a tenth of what it takes for a block, before the
    first one that matters begins.

    Args:
        model: The model.
        names: Inputs that are told what dtype they have.

    Returns:
        The model, such inputs in the dtype that they are needed in.
    """
    users: dict[str, set[int | None]] = {}
    for node in model.nodes:
        for word in node.inputs:
            users.setdefault(word, set()).add(
                node.attributes["to"] if node.kind == "Cast" else None
            )
    kinds = {given.name: users.get(given.name, set()) for given in model.inputs}
    moved = {name: next(iter(to)) for name, to in kinds.items() if name in names and len(to) == 1}
    dtypes = {name: _DTYPES[to] for name, to in moved.items() if to is not None}
    made = {output.name for output in model.outputs}
    casts = [node for node in model.nodes if node.kind == "Cast" and node.inputs[0] in dtypes]
    if not casts or any(node.outputs[0] in made for node in casts):
        return model
    plain = {node.outputs[0]: node.inputs[0] for node in casts}
    return replace(
        model,
        nodes=tuple(
            node._replace(inputs=tuple(plain.get(word, word) for word in node.inputs))
            for node in model.nodes
            if node.outputs[0] not in plain
        ),
        inputs=tuple(
            given._replace(dtype=dtypes.get(given.name, given.dtype)) for given in model.inputs
        ),
    )


@frozen
class Model:
    """A graph with what a file says of it.

    Attributes:
        name: Name of the graph.
        nodes: Its operators, each after those whose results it takes.
        inputs: What it is given.
        outputs: What it returns.
        constants: Name -> values that are kept with it.
        opset: Version of the operator set.
        version: Version of the program that made it.
        metadata: Key -> text that is kept with the model.
    """

    name: str
    nodes: tuple[Node, ...]
    inputs: tuple[ValueInfo, ...]
    outputs: tuple[ValueInfo, ...]
    constants: Mapping[str, NDArray[Any]]
    opset: int
    version: str
    metadata: Mapping[str, str]

    def dtypes_of(self, names: Iterable[str]) -> dict[str, str]:
        """Return the dtypes of inputs, by name."""
        dtypes = {given.name: given.dtype for given in self.inputs}
        return {name: dtypes[name] for name in names}

    @cached_property
    def parts(self) -> list[bytes]:
        """The operators and the constants, each as its bytes: what the graph computes."""
        return [*self._nodes, *self._tensors]

    @cached_property
    def _nodes(self) -> list[bytes]:
        return [node.serialized() for node in self.nodes]

    @cached_property
    def _tensors(self) -> list[bytes]:
        return [_tensor(name, array) for name, array in self.constants.items()]

    def serialized(self) -> bytes:
        """Return a ModelProto, as it is in a file."""
        fields = (
            _number(1, IR_VERSIONS[self.opset]),
            _text(2, "poolnorm"),
            _text(3, self.version),
            *self._graph(),
            _message(8, _text(1, "") + _number(2, self.opset)),
            *(_message(14, _text(1, key) + _text(2, text)) for key, text in self.metadata.items()),
        )
        return b"".join(fields)

    def _graph(self) -> Iterator[bytes]:
        """Yield a GraphProto as a field, in pieces: weights are not copied once more."""
        pieces = [
            *(piece for node in self._nodes for piece in (_begin(1, node), node)),
            _text(2, self.name),
            *(piece for tensor in self._tensors for piece in (_begin(5, tensor), tensor)),
            *(_message(11, given.serialized()) for given in self.inputs),
            *(_message(12, given.serialized()) for given in self.outputs),
        ]
        yield _key(7, _BYTES) + _varint(sum(map(len, pieces)))
        yield from pieces


def _attribute(name: str, value: Any) -> bytes:
    """Return an AttributeProto; its last field says which of the others has the value."""
    if isinstance(value, Integral):
        found, kind = _number(3, int(value)), 2
    elif isinstance(value, Real):
        found, kind = _key(2, _FLOAT) + struct.pack("<f", value), 1
    elif isinstance(value, str):
        found, kind = _text(4, value), 3
    elif all(isinstance(item, Integral) for item in value):
        found, kind = b"".join(_number(8, int(item)) for item in value), 7
    else:
        key = _key(7, _FLOAT)
        found, kind = b"".join(key + struct.pack("<f", item) for item in value), 6
    return _text(1, name) + found + _number(20, kind)


def _tensor(name: str, array: NDArray[Any]) -> bytes:
    """Return a TensorProto."""
    dims = b"".join(_number(1, size) for size in array.shape)
    raw = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    start = dims + _number(2, _TYPES[array.dtype.name]) + _text(8, name) + _begin(9, raw)
    return start + raw


def _number(field: int, value: int) -> bytes:
    return _key(field, _VARINT) + _varint(value)


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode())


def _message(field: int, data: bytes) -> bytes:
    return _begin(field, data) + data


def _begin(field: int, data: bytes) -> bytes:
    """Return what comes before the data of a field that has a length."""
    return _key(field, _BYTES) + _varint(len(data))


def _key(field: int, kind: int) -> bytes:
    return _varint(field << 3 | kind)


def _varint(value: int) -> bytes:
    """Return a number in groups of seven bits, the lowest first; a negative one has 64 bits."""
    left, found = value & 0xFFFFFFFFFFFFFFFF, bytearray()
    while left > 0x7F:
        found.append(left & 0x7F | 0x80)
        left >>= 7
    found.append(left)
    return bytes(found)
