"""Which operators ONNX Runtime computes on CUDA, and in which dtypes; others go to the CPU.

Only what the graphs of runs use is listed, after the runtime's table of kernels.
"""

import onnx

from poolnorm_cli.backends.model import Model
from tests.backends.models import parsed


_FLOATS = frozenset({"FLOAT", "DOUBLE"})
_INTEGERS = {"INT32", "INT64", "UINT32", "UINT64"}
_ANY = _FLOATS | _INTEGERS | {"BOOL", "INT8", "INT16", "UINT8", "UINT16"}
_KERNELS = {
    **dict.fromkeys(["Abs", "Add", "Div", "Greater", "Less", "Mul", "Neg", "Pad", "Pow"], _FLOATS),
    **dict.fromkeys(
        ["ReduceMean", "ReduceSum", "Reciprocal", "Sqrt", "Sub", "Sum", "Tile"], _FLOATS
    ),
    **dict.fromkeys(["Concat", "Expand", "Gather", "Identity", "Reshape", "Size", "Slice"], _ANY),
    **dict.fromkeys(["Transpose", "Unsqueeze"], _ANY),
    # The exact graphs have none of these, the quicker ones for a device no others.
    **dict.fromkeys(["MaxPool", "AveragePool", "BatchNormalization"], frozenset({"FLOAT"})),
    **dict.fromkeys(["LayerNormalization", "ReduceSumSquare"], frozenset({"FLOAT"})),
    "MatMul": _FLOATS,
    "Cast": _ANY | {"FLOAT16", "BFLOAT16"},
    **dict.fromkeys(["Max", "Min"], _FLOATS | _INTEGERS),
    "And": frozenset({"BOOL"}),
    "Where": _FLOATS | {"INT32", "INT64", "UINT8"},
}


def assert_all_on_cuda(model: Model) -> None:
    """Find a kernel for each operator and the dtype it works in."""
    proto = parsed(model)
    for node in proto.graph.node:  # which the standard does not have: it gives no mean
        if node.op_type == "SimplifiedLayerNormalization":
            node.op_type, node.output[:] = (
                "LayerNormalization",
                [node.output[0], "", node.output[1]],
            )
    graph = onnx.shape_inference.infer_shapes(proto, strict_mode=True).graph
    values = [*graph.input, *graph.value_info, *graph.output]
    kinds = {value.name: value.type.tensor_type.elem_type for value in values}
    kinds |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    for node in graph.node:
        source = node.input[1] if node.op_type == "Where" else node.input[0]
        dtype = onnx.TensorProto.DataType.Name(kinds[source])
        assert dtype in _KERNELS.get(node.op_type, set()), (node.op_type, dtype)
