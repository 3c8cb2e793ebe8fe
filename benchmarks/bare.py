"""One operator on one number: the least that a script does which has onnx and onnxruntime."""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper


def main() -> None:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Abs", ["x"], ["y"])], "g", ends[:1], ends[1:])
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    session.run(None, {"x": np.ones(1, np.float32)})


if __name__ == "__main__":
    main()
