"""How often a graph goes through memory, in units of its input."""

import onnx

from poolnorm_cli.backends.model import Model
from tests.backends.models import parsed


_VIEWS = {"Reshape", "Identity"}
_LAID_OUT = {"MaxPool", "AveragePool", "BatchNormalization"}
"""Operators that a device has for channels last: a Transpose to them or from them is not made."""


def passes(model: Model, batch: int) -> list[tuple[str, float]]:
    """Return each operator that moves numbers, and how much it reads and writes.

    Args:
        model: A model whose first input is the tensor.
        batch: Samples of it.

    Returns:
        Operators in order, each with its bytes in units of those of the tensor.
    """
    graph = _inferred(parsed(model), batch)
    values = [*graph.input, *graph.value_info, *graph.output]
    sizes = {value.name: _bytes(value.type.tensor_type) for value in values}
    whole = sizes[graph.input[0].name]
    constants = {tensor.name for tensor in graph.initializer}
    laid_out = {
        name
        for node in graph.node
        if node.op_type in _LAID_OUT
        for name in (node.input[0], node.output[0])
    }
    found = []
    for node in graph.node:
        moves_layout = node.op_type == "Transpose" and laid_out & {*node.input, *node.output}
        if node.op_type in _VIEWS or moves_layout:
            continue
        given = {word for word in node.input if word not in constants}
        moved = sum(sizes[word] for word in (*given, *node.output) if word)
        found.append((node.op_type, moved / whole))
    return found


def _inferred(proto: onnx.ModelProto, batch: int) -> onnx.GraphProto:
    for value in (*proto.graph.input, *proto.graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.dim_value = batch
    return onnx.shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True).graph


def _bytes(kind: onnx.TypeProto.Tensor) -> int:
    items = 1
    for dim in kind.shape.dim:
        assert dim.HasField("dim_value"), kind
        items *= dim.dim_value
    return items * onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).itemsize
