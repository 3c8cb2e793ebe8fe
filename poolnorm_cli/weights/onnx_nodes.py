"""Layers in an ONNX file: normalization nodes and the initializers that they name."""

import math
from collections.abc import Callable, Iterator
from typing import Any

from poolnorm_cli.tensors.messages import bad_input, shown
from poolnorm_cli.values import frozen
from poolnorm_cli.weights.entry import LARGEST_BYTES, Entry, Stored, exactly
from poolnorm_cli.weights.extras import needed
from poolnorm_cli.weights.spans import whole


LARGEST = (1 << 31) - 1
"""Bytes that a message of protocol buffers can have."""

_BYTES = {1: 4, 10: 2, 11: 8, 16: 2}
"""Floating-point data types of ONNX (float, float16, double, bfloat16) and their bytes."""

_FIX = "save it again with onnx.save, in one file"


@frozen
class Operator:
    """A normalization of ONNX.

    Attributes:
        kind: Keras' class.
        inputs: Weights in the order of the node's inputs, the tensor itself left out.
        config: Keras' parameters, of the node's attributes.
        layout: Parameters that the operator fixes, of the number of axes of its first weight.
    """

    kind: str
    inputs: tuple[str, ...]
    config: Callable[[dict[str, Any]], dict[str, Any]]
    layout: Callable[[int], dict[str, Any]]


def _epsilon(attributes: dict[str, Any]) -> dict[str, Any]:
    return {"epsilon": _short(attributes.get("epsilon", 1e-5))}


def _moving(attributes: dict[str, Any]) -> dict[str, Any]:
    return _epsilon(attributes) | {"momentum": _short(attributes.get("momentum", 0.9))}


def _groups(attributes: dict[str, Any]) -> dict[str, Any]:
    return _epsilon(attributes) | {"groups": attributes.get("num_groups", -1)}


def _short(number: float) -> float:
    """Write a float32 as it was typed: 0.001, not 0.0010000000474974513."""
    return float(f"{number:.7g}")


def _channels(rank: int) -> dict[str, Any]:
    del rank
    return {"axis": 1}


def _trailing(rank: int) -> dict[str, Any]:
    return {"axis": list(range(-rank, 0))}


_WANTED = ("epsilon", "momentum", "num_groups")
_GAMMA_BETA = ("gamma", "beta")
OPERATORS = {
    "BatchNormalization": Operator(
        "BatchNormalization", (*_GAMMA_BETA, "moving_mean", "moving_variance"), _moving, _channels
    ),
    "InstanceNormalization": Operator("GroupNormalization", _GAMMA_BETA, _groups, _channels),
    "GroupNormalization": Operator("GroupNormalization", _GAMMA_BETA, _groups, _channels),
    "LayerNormalization": Operator("LayerNormalization", _GAMMA_BETA, _epsilon, _trailing),
    "RMSNormalization": Operator("RMSNormalization", ("scale",), _epsilon, _trailing),
}


def entries(file: str) -> list[Entry]:
    """List the normalization nodes of an ONNX file whose weights are initializers.

    Raises:
        InputError: It is damaged, or has weights in another file.
        UnavailableError: onnx is not installed.
    """
    span = whole(file)
    if span.size > LARGEST:
        raise bad_input(file, f"{span.size} bytes are too many for an ONNX file", _FIX)
    onnx = needed("onnx", "cpu", file)
    data = exactly(span.at(0, span.size), span.size, file)
    try:
        model = onnx.ModelProto.FromString(data)
    except Exception:  # noqa: BLE001 - protocol buffers derive theirs from nothing better
        raise bad_input(file, "not an ONNX file", _FIX) from None
    if not model.graph.node:
        raise bad_input(file, "not an ONNX file with a graph", _FIX)
    return list(_nodes(onnx, model, file))


def _nodes(onnx: Any, model: Any, file: str) -> Iterator[Entry]:
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            values = [a.t for a in node.attribute if a.name == "value"]
            constants |= dict(zip(node.output, values, strict=False))
        operator = OPERATORS.get(node.op_type)
        if operator is None or node.domain not in ("", "ai.onnx"):
            continue
        names = zip(operator.inputs, node.input[1:], strict=False)
        tensors = {weight: constants[name] for weight, name in names if name in constants}
        if tensors:
            yield _entry(onnx, node, operator, tensors, file)


def _entry(onnx: Any, node: Any, operator: Operator, tensors: dict[str, Any], file: str) -> Entry:
    name = _text(node.name or (node.output[0] if node.output else ""))
    place = f"{file}::{shown(name)}"
    attributes = {a.name: _number(a, place) for a in node.attribute if a.name in _WANTED}
    arrays = {weight: _stored(onnx, tensor, place) for weight, tensor in tensors.items()}
    config = operator.config(attributes)
    if "beta" in operator.inputs:
        config["center"] = "beta" in arrays
    rank = len(next(iter(arrays.values())).shape)
    return Entry(
        file=file,
        name=name,
        path=name,
        kind=operator.kind,
        arrays=arrays,
        config=config,
        layout=operator.layout(rank),
    )


def _text(name: str | bytes) -> str:
    """Return a name as text: protocol buffers give bytes where it is not UTF-8."""
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name


def _number(attribute: Any, place: str) -> float | int:
    """Return a number that a node states.

    Raises:
        InputError: It is of another type, or not finite.
    """
    is_float = attribute.type == attribute.FLOAT
    wanted = attribute.INT if attribute.name == "num_groups" else attribute.FLOAT
    value: float | int = attribute.f if is_float else attribute.i
    if attribute.type != wanted or not math.isfinite(value):
        raise bad_input(place, f"its {attribute.name} is no number", _FIX)
    return value


def _stored(onnx: Any, tensor: Any, place: str) -> Stored:
    """Describe a tensor of the graph, which must be whole and in the graph.

    Raises:
        InputError: Its data are in another file, or do not come to its shape.
    """
    place = f"{place}: {shown(_text(tensor.name), 40)}"
    if tensor.external_data or tensor.data_location == tensor.EXTERNAL:
        raise bad_input(place, "its values are in another file, which is never read", _FIX)
    size = _BYTES.get(tensor.data_type)
    if size is None:
        raise bad_input(place, f"data type {tensor.data_type} is no floating-point one", _FIX)
    shape = tuple(tensor.dims)
    if any(dim < 0 for dim in shape) or math.prod(shape) * size > LARGEST_BYTES:
        raise bad_input(place, f"shape {shape} is not that of a weight", _FIX)
    fields = (tensor.float_data, tensor.double_data, tensor.int32_data)
    count = len(tensor.raw_data) // size if tensor.raw_data else sum(map(len, fields))
    if count != math.prod(shape) or len(tensor.raw_data) % size:
        raise bad_input(place, f"{count} values where its shape {shape} says otherwise", _FIX)
    return Stored(shape, lambda: onnx.numpy_helper.to_array(tensor))
