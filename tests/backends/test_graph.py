import onnx
import pytest

from poolnorm_cli.backends.graph import GraphBuilder
from tests.backends.models import parsed


def test_a_model_has_its_producer_versions_and_metadata() -> None:
    graph = GraphBuilder(18)
    y = graph.op("Abs", graph.input("x", "float32", ("N", 2)))
    model = parsed(graph.model("g", {"y": (y, "float32", ("N", 2))}, {"a": "b"}))

    onnx.checker.check_model(model, full_check=True)
    assert (model.ir_version, model.producer_name) == (8, "poolnorm")
    assert model.opset_import[0].version == 18
    assert {item.key: item.value for item in model.metadata_props} == {"a": "b"}


def test_neighbouring_transposes_become_none() -> None:
    graph = GraphBuilder()
    x = graph.input("x", "float32", ("N", 2, 3))
    there = graph.transpose(x, (0, 2, 1))
    back = graph.transpose(there, (0, 2, 1))
    y = graph.op("Abs", back)
    model = graph.model("g", {"y": (y, "float32", ("N", 2, 3))}, {})

    assert [node.kind for node in model.nodes] == ["Abs"]


def test_an_output_that_is_an_input_gets_an_operator_of_its_own() -> None:
    graph = GraphBuilder()
    x = graph.input("x", "float32", (2,))
    model = parsed(graph.model("g", {"y": (x, "float32", (2,))}, {}))

    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == ["Identity"]


def test_the_checker_refuses_a_shape_that_is_declared_wrong() -> None:
    graph = GraphBuilder()
    y = graph.op("Abs", graph.input("x", "float32", ("N", 2)))
    model = parsed(graph.model("g", {"y": (y, "float32", ("N", 3))}, {}))

    with pytest.raises(onnx.shape_inference.InferenceError):
        onnx.checker.check_model(model, full_check=True)
