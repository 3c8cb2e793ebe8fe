"""Graphs in files: valid, called after the layer, and right in a runtime that reads them."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from poolnorm_cli.backends.checked_files import newest_opset
from poolnorm_cli.backends.layer_graphs import FileGraph
from poolnorm_cli.backends.older_opsets import OLDEST_OPSET
from poolnorm_cli.backends.providers import Provider, choose
from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.engine.layer_pass import LayerPass
from poolnorm_cli.errors import PoolnormError, UnavailableError, UsageError
from poolnorm_cli.layers import LAYERS, find
from poolnorm_cli.layers.pooling import MaxPooling
from poolnorm_cli.layers.trainable import Trainable
from tests.cases import CASES, Case


# The windows are many; the rank that has every dtype stands for the others.
KEPT = {
    case.name: case
    for case in CASES
    if 0 not in case.shape
    and case.dtype in ("float16", "float32", "float64", "int64", "uint8")
    and (len(case.shape) == 4 or not case.words.startswith("pool"))
}
NEAR = ("ReduceMean", "Sub")
NEWEST = onnx.defs.onnx_opset_version()
RUNS = newest_opset(choose("cpu", print), NEWEST)
"""The newest operator set that this runtime has: older runtimes have fewer than `onnx` may have."""


def file_graph(case: Case, opset: int = 17, **parameters: Any) -> FileGraph:
    layer = find(*case.words.split())(**(case.parameters | parameters))
    result = layer.result_dtype(case.dtype)
    compute = LayerPass(layer, case.shape, case.dtype, result).compute_dtype.name
    return FileGraph(
        layer, case.shape, case.dtype, compute, result, case.training, opset, "poolnorm it"
    )


def run_model(data: bytes, x: NDArray[Any]) -> list[NDArray[Any]]:
    session = onnxruntime.InferenceSession(data)
    return [np.asarray(y) for y in session.run(None, {session.get_inputs()[0].name: x})]


@pytest.mark.parametrize("name", KEPT)
def test_a_file_gives_in_a_runtime_what_numpy_gives(name: str) -> None:
    case = KEPT[name]
    x, weights = case.x(), case.weights()
    data, _ = file_graph(case).serialized(weights)
    names = [output.name for output in onnx.load_from_string(data).graph.output]
    y, *moved = run_model(data, x)
    expected, state = run_array(case.layer, x, weights, training=case.training)

    assert (y.dtype, y.shape) == (expected.dtype, expected.shape)
    if case.layer.keeps_integers:
        np.testing.assert_array_equal(y, expected)
    else:
        rtol, atol = (2e-3, 0) if case.dtype == "float16" else (1e-4, 1e-5)
        np.testing.assert_allclose(y.astype(float), expected.astype(float), rtol, atol)
    changed = [key for key in state if not np.array_equal(state[key], weights[key])]
    assert names[1:] == [f"{names[0]}_{key}" for key in changed]
    for key, own in zip(changed, moved, strict=True):
        np.testing.assert_allclose(own, state[key], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("opset", range(OLDEST_OPSET, RUNS + 1))
@pytest.mark.parametrize("words", LAYERS)
def test_every_operator_set_is_valid_and_runs(words: str, opset: int) -> None:
    training = issubclass(find(*words.split()), Trainable)
    case = next(
        case
        for case in CASES
        if case.words == words and len(case.shape) == 4 and case.training == training
        if case.dtype == "float32" and 0 not in case.shape
    )
    data, _ = file_graph(case, opset).serialized(case.weights())

    assert onnx.load_from_string(data).opset_import[0].version == opset
    expected, _ = run_array(case.layer, case.x(), case.weights(), training=case.training)
    np.testing.assert_allclose(run_model(data, case.x())[0], expected, rtol=1e-4, atol=1e-5)


OLDER = range(OLDEST_OPSET, 17)


@pytest.mark.parametrize(
    ("name", "opset"), [(name, OLDER[i % len(OLDER)]) for i, name in enumerate(KEPT)]
)
def test_an_older_operator_set_gives_what_numpy_gives(name: str, opset: int) -> None:
    case = KEPT[name]
    data, _ = file_graph(case, opset).serialized(case.weights())
    model = onnx.load_from_string(data)
    assert (model.opset_import[0].version, model.ir_version) == (opset, IR_VERSIONS[opset])
    expected, _ = run_array(case.layer, case.x(), case.weights(), training=case.training)
    y = run_model(data, case.x())[0]
    rtol, atol = (2e-3, 0) if case.dtype == "float16" else (1e-4, 1e-5)
    np.testing.assert_allclose(y.astype(float), expected.astype(float), rtol, atol)


IR_VERSIONS = {9: 4, 10: 5, 11: 6, 12: 7, 13: 7, 14: 7, 15: 8, 16: 8}
"""The format of the release of ONNX that brought each operator set, which its readers know."""


@pytest.mark.parametrize("opset", [9, 12])
@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint16", "uint32"])
@pytest.mark.parametrize("words", ["pool max", "gpool max"])
def test_integers_have_maxima_in_older_operator_sets(words: str, dtype: str, opset: int) -> None:
    case = Case(words, (2, 6, 6, 3), dtype)
    data, _ = file_graph(case, opset).serialized({})
    expected, _ = run_array(case.layer, case.x())
    np.testing.assert_array_equal(run_model(data, case.x())[0], expected)


@pytest.mark.parametrize(
    ("dtype", "opset"),
    [
        *itertools.product(["bool", "int8", "uint16", "int64", "float32"], [9, 10, 17]),
        ("uint64", 17),  # of which the older ones have no maxima
    ],
)
@pytest.mark.parametrize(
    "given",
    [
        {"pads": "3:4", "dilation_rate": (4,), "strides": (1,)},
        {"pads": "5", "pool_size": (4,), "dilation_rate": (2,), "strides": (3,), "ceil_mode": True},
        {"padding": "same_lower", "pool_size": (2,), "dilation_rate": (5,), "strides": (1,)},
        {"padding": "same", "pool_size": (9,), "strides": (2,)},
    ],
)
def test_maxima_under_padded_windows_are_exact_in_any_dtype(
    given: dict[str, Any], dtype: str, opset: int
) -> None:
    case = Case("pool max", (2, 7, 9, 3), dtype, {"pool_size": (3,), **given})
    data, _ = file_graph(case, opset).serialized({})
    x = -np.abs(case.x()) if dtype in ("int8", "int64", "float32") else case.x()
    expected, _ = run_array(case.layer, x)
    np.testing.assert_array_equal(run_model(data, x)[0], expected)


@pytest.mark.parametrize("opset", [9, 11, 13, 16])
@pytest.mark.parametrize("mean", [0.0, 1e6])
def test_layer_normalization_of_older_operator_sets_keeps_digits(mean: float, opset: int) -> None:
    case = Case("ln", (2, 32, 16, 16), "float32", {"axis": (2, 3)})
    x = (np.random.default_rng(0).standard_normal(case.shape) + mean).astype(np.float32)
    data, _ = file_graph(case, opset).serialized(case.weights())
    kinds = {node.op_type for node in onnx.load_from_string(data).graph.node}
    assert "LayerNormalization" not in kinds
    expected, _ = run_array(case.layer, x, case.weights())
    np.testing.assert_allclose(run_model(data, x)[0], expected, rtol=2e-5, atol=4e-5)


def test_an_operator_set_without_a_type_is_refused_with_one_that_has_it() -> None:
    graph = file_graph(Case("pool max", (2, 6, 6, 3), "bfloat16"), 12)
    with pytest.raises(UsageError) as caught:
        graph.serialized({})
    assert str(caught.value) == "--opset 12 has no bfloat16; give --opset 13 or --dtype float32"


@pytest.mark.parametrize("opset", OLDER)
def test_masks_work_in_older_operator_sets(opset: int) -> None:
    case = Case("bn", (2, 5, 3), "float32", training=True)
    graph = replace(file_graph(case, opset), masked=True)
    data, _ = graph.serialized(case.weights())
    mask = np.array([[1, 1, 0, 0, 0], [1, 1, 1, 1, 0]], bool)
    session = onnxruntime.InferenceSession(data)
    feeds = dict(zip((i.name for i in session.get_inputs()), (case.x(), mask), strict=True))
    expected, _ = run_array(case.layer, case.x(), case.weights(), training=True, mask=mask)
    np.testing.assert_allclose(session.run(None, feeds)[0], expected, rtol=1e-4, atol=1e-5)


def test_names_and_metadata_tell_what_made_the_file() -> None:
    case = Case("bn", (2, 6, 6, 3), "float32", training=True)
    data, _ = file_graph(case, name="stem").serialized(case.weights())
    model = onnx.load_from_string(data)

    assert [value.name for value in model.graph.input] == ["stem_input"]
    outputs = [value.name for value in model.graph.output]
    assert outputs == ["stem", "stem_moving_mean", "stem_moving_variance"]
    metadata = {item.key: item.value for item in model.metadata_props}
    assert metadata["command"] == "poolnorm it"
    assert metadata["keras"].startswith("BatchNormalization(")
    assert metadata["poolnorm_version"] == model.producer_version


def test_weights_are_inline_and_the_batch_may_be_any() -> None:
    case = Case("bn", (2, 6, 6, 3), "float32")
    data, _ = file_graph(case).serialized(case.weights())
    model = onnx.load_from_string(data)

    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"
    names = {tensor.name for tensor in model.graph.initializer}
    assert {f"batch_normalization/{weight}" for weight in case.weights()} <= names
    x = np.random.default_rng(0).random((7, 6, 6, 3), np.float32)
    assert run_model(data, x)[0].shape == (7, 6, 6, 3)


@pytest.mark.parametrize(
    ("words", "parameters", "operators"),
    [
        ("pool max", {"data_format": "channels_first"}, ["MaxPool"]),
        ("pool average", {}, ["Transpose", "AveragePool", "Transpose"]),
        ("gpool max", {}, ["ReduceMax"]),
        ("gpool average", {}, ["ReduceMean"]),
        (
            "gpool average",
            {"data_format": "channels_first", "keepdims": True},
            ["GlobalAveragePool"],
        ),
        ("bn", {"axis": (1,)}, ["BatchNormalization"]),
        ("ln", {}, [*NEAR, "LayerNormalization"]),
        ("ln", {"axis": (-1, -2)}, [*NEAR, "LayerNormalization"]),
        ("in", {}, ["Transpose", *NEAR, "InstanceNormalization", "Transpose"]),
        (
            "gn",
            {"axis": (1,), "groups": 2, "center": False},
            ["Reshape", *NEAR, "InstanceNormalization", "Reshape", "Mul"],
        ),
        ("unit", {}, ["LpNormalization"]),
    ],
)
def test_plain_operators_are_used_where_they_fit(
    words: str, parameters: dict[str, Any], operators: list[str]
) -> None:
    case = Case(words, (2, 6, 6, 3), "float32", parameters)
    model, _ = file_graph(case).model(case.weights())

    assert [node.kind for node in model.nodes] == operators


@pytest.mark.parametrize("opset", [17, 20, 21, 22, 25])
@pytest.mark.parametrize("mean", [0.0, 100.0, 1e3, 1e6])
@pytest.mark.parametrize(
    ("words", "parameters"),
    [
        ("ln", {}),
        ("ln", {"axis": (1, 2, 3)}),
        ("in", {}),
        ("gn", {"groups": 2}),
        ("gn", {"groups": 2, "axis": (1,)}),
        ("rms", {}),
        ("unit", {}),
    ],
    ids=str,
)
def test_a_large_mean_costs_no_digits_in_a_file(
    words: str, parameters: dict[str, Any], mean: float, opset: int
) -> None:
    """In every runtime that is allowed: those before 1.27 lose them in LayerNormalization."""
    case = Case(words, (2, 32, 16, 16), "float32", parameters)
    x = (np.random.default_rng(0).standard_normal(case.shape) + mean).astype(np.float32)
    data, _ = file_graph(case, opset).serialized(case.weights())
    expected, _ = run_array(case.layer, x, case.weights())

    np.testing.assert_allclose(run_model(data, x)[0], expected, rtol=2e-5, atol=4e-5)


@pytest.mark.parametrize("opset", range(17, NEWEST + 1))
def test_no_operator_is_in_a_file_that_an_allowed_runtime_has_not(opset: int) -> None:
    """LpNormalization of 22 is in none before 1.27; GroupNormalization loses digits in all."""
    shape = (2, 6, 6, 4)
    for case in (Case("unit", shape, "float32"), Case("gn", shape, "float32", {"groups": 2})):
        model, _ = file_graph(case, opset).model(case.weights())
        kinds = {node.kind for node in model.nodes}
        assert "GroupNormalization" not in kinds
        assert opset < 22 or "LpNormalization" not in kinds


def test_a_mean_in_float64_is_one_operator() -> None:
    """Sums that overflow where their mean does not are for runs, whose graphs are exact."""
    model, _ = file_graph(Case("gpool average", (2, 6, 6, 3), "float64")).model({})
    assert [node.kind for node in model.nodes] == ["ReduceMean"]


def test_bfloat16_goes_in_and_out_of_a_file() -> None:
    case = Case("pool average", (2, 6, 3), "bfloat16")
    data, _ = file_graph(case).serialized({})
    model = onnx.load_from_string(data)

    ends = (*model.graph.input, *model.graph.output)
    assert [end.type.tensor_type.elem_type for end in ends] == [onnx.TensorProto.BFLOAT16] * 2


def test_an_epsilon_in_float64_is_exact() -> None:
    case = Case("ln", (2, 3), "float64", {"epsilon": 0.001})
    model, _ = file_graph(case).model(case.weights())
    constants = model.constants.values()

    assert any(c.dtype == np.float64 and c.size == 1 and c == 0.001 for c in constants)


@pytest.mark.parametrize(
    ("opset", "message"),
    [
        (8, "lacks some of the operators that these graphs are made of"),
        (1, "lacks some of the operators that these graphs are made of"),
        (0, "is not an operator set"),
        (-1, "is not an operator set"),
        (NEWEST + 1, "is newer than onnx .* knows"),
    ],
)
def test_an_operator_set_that_cannot_be_is_refused(opset: int, message: str) -> None:
    with pytest.raises(UsageError, match=rf"--opset {opset} {message}; give 9 to {NEWEST}"):
        file_graph(Case("gpool max", (2, 6, 3), "float32"), opset).serialized({})


def test_an_input_without_a_cell_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"input of shape \(2,6,0\), which is empty; give an input"
    ):
        file_graph(Case("pool max", (2, 6, 0), "float32")).serialized({})
    file_graph(Case("pool max", (0, 6, 3), "float32")).serialized({})


def test_weights_too_large_for_a_file_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poolnorm_cli.backends.checked_files.LARGEST_PROTOBUF_BYTES", 10)
    with pytest.raises(UsageError, match="more than 2 GiB of weights"):
        file_graph(Case("gpool max", (2, 6, 3), "float32")).serialized({})


def test_a_graph_that_contradicts_its_layer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MaxPooling, "output_shape", lambda _, shape: (*shape[:-1], 9))
    with pytest.raises(PoolnormError, match="--export made a graph that is not valid"):
        file_graph(Case("pool max", (2, 6, 3), "float32")).serialized({})


def refusing(above: int) -> Any:
    """Return a `session` of a runtime that has no operator set above some, and one bad kernel."""

    def session(_: Provider, data: bytes, threads: int | None = None) -> None:
        model = onnx.load_from_string(data)
        if model.opset_import[0].version > above:
            raise UnavailableError("cpu: FAIL : some file.cc:181")
        if any(node.op_type != "Abs" for node in model.graph.node):
            raise UnavailableError("cpu: no kernel")

    return session


@pytest.mark.parametrize(
    ("above", "message"),
    [
        (18, "--export with --opset 18: cpu: no kernel; give --opset 17"),
        (
            17,
            r"--opset 18 is newer than onnxruntime \S+ which runs none above 17; give --opset 17",
        ),
    ],
)
def test_a_graph_that_the_runtime_refuses_is_not_written(
    monkeypatch: pytest.MonkeyPatch, above: int, message: str
) -> None:
    monkeypatch.setattr(Provider, "session", refusing(above))
    with pytest.raises(UnavailableError, match=message):
        file_graph(Case("gpool max", (2, 6, 3), "float32"), 18).serialized({})
