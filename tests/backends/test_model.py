"""A model that is written here is what the `onnx` package makes of the same values."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from poolnorm_cli.backends.chain_graphs import ChainFile
from poolnorm_cli.backends.graph import GraphBuilder
from poolnorm_cli.backends.layer_graphs import BATCH, BlockGraph
from poolnorm_cli.backends.model import IR_VERSIONS, Model, Node, ValueInfo, type_number
from poolnorm_cli.backends.older_opsets import OLDEST_OPSET
from poolnorm_cli.layers.normalization import splits_weights
from tests.backends.chains import random_chains
from tests.backends.models import parsed
from tests.backends.test_export import KEPT, file_graph
from tests.cases import CASES


def made_by_onnx(model: Model) -> onnx.ModelProto:
    """Return what the package makes of the values of a model."""

    def info(given: ValueInfo) -> onnx.ValueInfoProto:
        number = helper.np_dtype_to_tensor_dtype(np.dtype(given.dtype))
        sizes = None if given.shape is None else list(given.shape)
        return helper.make_tensor_value_info(given.name, number, sizes)

    graph = helper.make_graph(
        [
            helper.make_node(node.kind, node.inputs, node.outputs, node.name, **node.attributes)
            for node in model.nodes
        ],
        model.name,
        [info(given) for given in model.inputs],
        [info(given) for given in model.outputs],
        [numpy_helper.from_array(array, name) for name, array in model.constants.items()],
    )
    opsets = [helper.make_opsetid("", model.opset)]
    made = helper.make_model(
        graph,
        opset_imports=opsets,
        ir_version=helper.find_min_ir_version_for(opsets),
        producer_name="poolnorm",
        producer_version=model.version,
    )
    helper.set_model_props(made, dict(model.metadata))
    return made


def assert_same(model: Model) -> None:
    made = made_by_onnx(model)
    assert parsed(model) == made
    assert model.serialized() == made.SerializeToString(deterministic=True)


WORDS = sorted({case.words for case in CASES})


@pytest.mark.parametrize("words", WORDS)
def test_graphs_of_blocks_are_those_of_onnx(words: str) -> None:
    seen = set()
    for case in CASES:
        if case.words != words or 0 in case.shape[1:]:
            continue
        layer, dtype = case.layer, case.layer.compute_dtype(case.dtype)
        for exact in (True, False):
            batch = case.shape[0] if splits_weights(layer, len(case.shape)) else BATCH
            graph = BlockGraph(layer, (batch, *case.shape[1:]), dtype, case.training, exact)
            if repr(graph) not in seen:
                assert_same(graph.build()[0])
            seen.add(repr(graph))
    assert seen


@pytest.mark.parametrize("words", WORDS)
def test_graphs_in_files_are_those_of_onnx(words: str) -> None:
    cases = [case for case in KEPT.values() if case.words == words]
    for case in cases:
        for opset in (OLDEST_OPSET, 17, 21) if case is cases[0] else (17,):
            assert_same(file_graph(case, opset).model(case.weights())[0])
    assert cases


@pytest.mark.parametrize("case", list(random_chains(6, seed=8)), ids=range(6))
def test_graphs_of_pipes_are_those_of_onnx(case: Any) -> None:
    weights = case.weights()
    file = ChainFile(case.chain, case.dtype, (False,) * len(weights), command="poolnorm pipe")
    assert_same(file.model(weights)[0])


def test_what_no_layer_has_is_written_too() -> None:
    attributes = {"b": -1, "a": 0.1, "i": [1, -(2**63), 2**63 - 1], "f": [0.5, 1e-30], "s": "é"}
    node = Node("Odd", ("x", ""), ("y", "z"), "odd", attributes)
    constants = {
        dtype: np.array([[1, 0, 3]]).astype(dtype)
        for dtype in ("bool", "uint8", "int8", "uint16", "int16", "int32", "int64", "uint32")
    }
    constants |= {"uint64": np.full((), 2**64 - 1, np.uint64), "empty": np.ones((0, 3))}
    shapes: Any = {"none": None, "single": (), "any": (None, "N", 300, 0)}
    infos = tuple(ValueInfo(name, "float16", shape) for name, shape in shapes.items())
    assert_same(
        Model("ø", (node,), infos, infos[:1], constants, 20, "1", {"k": "", "l": "v" * 300})
    )


def test_swapped_constants_are_turned() -> None:
    swapped = np.array([1.5, -2.0], ">f8")
    model = Model("m", (), (), (), {"a": swapped}, 17, "1", {})
    (tensor,) = parsed(model).graph.initializer
    np.testing.assert_array_equal(numpy_helper.to_array(tensor), swapped)


def test_versions_are_those_of_onnx() -> None:
    for opset, version in IR_VERSIONS.items():
        if opset <= onnx.defs.onnx_opset_version():
            assert helper.find_min_ir_version_for([helper.make_opsetid("", opset)]) == version
    assert type_number("bfloat16") == onnx.TensorProto.BFLOAT16
    assert GraphBuilder().opset in IR_VERSIONS


_WITHOUT = """
import sys
sys.modules["onnx"] = None
from poolnorm_cli.cli.main import run
sys.exit(run(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "words",
    [
        "bn x.npy --training --backend onnx -q -o y.npy",
        "pipe x.npy --backend onnx -q -o y.npy ! pool average --padding same ! ln",
        "ln x.npy --export y.onnx -q",
        "pool max x.npy --export y.onnx --opset 9 -q",
        "compare x.npy x.npy -q",
    ],
)
def test_onnx_itself_is_not_needed(words: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).standard_normal((2, 6, 6, 3)))
    command = [sys.executable, "-c", _WITHOUT, *words.split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (0, b"")
    if "y.onnx" in words:
        onnx.checker.check_model((tmp_path / "y.onnx").read_bytes(), full_check=True)
    elif "y.npy" in words:
        assert np.load(io.BytesIO((tmp_path / "y.npy").read_bytes())).dtype == np.float64
