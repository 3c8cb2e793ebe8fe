"""Small ONNX models, and what ONNX Runtime makes of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper


Array = NDArray[Any]


def tensor(values: Any, name: str, dtype: int = TensorProto.FLOAT) -> Any:
    """Make a tensor of a type by its number."""
    array = np.asarray(values)
    return helper.make_tensor(name, dtype, array.shape, array.reshape(-1).tolist())


def node(kind: str, inputs: Sequence[str], outputs: Sequence[str], **more: Any) -> Any:
    """Make a node, `name` and `domain` among its attributes."""
    return helper.make_node(kind, list(inputs), list(outputs), **more)


def value(name: str, shape: Sequence[int | str | None] | None, dtype: int = 1) -> Any:
    """Describe a value."""
    return helper.make_tensor_value_info(name, dtype, shape)


def model(
    nodes: Sequence[Any],
    constants: Mapping[str, Any] | None = None,
    *,
    shape: Sequence[int | str | None] | None = None,
    opset: int = 21,
    ir: int = 10,
    more: Sequence[Any] = (),
    dtype: int = TensorProto.FLOAT,
    functions: Sequence[Any] = (),
    domains: Sequence[str] = (),
) -> Any:
    """Make a model of `x` in and the last output of the last node out.

    Args:
        nodes: Its nodes.
        constants: Its initializers by name: arrays, or tensors as they are.
        shape: The shape that it states for x.
        opset: Version of the operators.
        ir: Version of the format.
        more: Inputs besides x.
        dtype: ONNX' number of the type of x.
        functions: Its functions.
        domains: Other domains of operators.
    """
    held = [
        each if isinstance(each, TensorProto) else numpy_helper.from_array(np.asarray(each), name)
        for name, each in (constants or {}).items()
    ]
    end = nodes[-1].output[0]
    graph = helper.make_graph(
        list(nodes), "g", [value("x", shape, dtype), *more], [value(end, None, dtype)], held
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir, functions=list(functions))


def save(made: Any, file: str = "m.onnx") -> None:
    """Write a model."""
    onnx.save(made, file)


def run(made: Any, x: Array) -> Array:
    """Run a model in ONNX Runtime, none of it left out or done otherwise."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        made.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    (y,) = session.run(None, {"x": x})
    return np.asarray(y)
