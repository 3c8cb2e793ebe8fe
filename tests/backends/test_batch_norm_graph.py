"""The training graph of batch normalization in a file: outputs and moved weights, any batch."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from poolnorm_cli.backends.layer_graphs import FileGraph
from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.layers.batch_norm.layer import BatchNormalization
from poolnorm_cli.layers.global_pooling import GlobalAveragePooling
from tests.backends.kernels import assert_all_on_cuda
from tests.cases import BATCH_NORMS, CLIPPED
from tests.conftest import Command


Array = NDArray[Any]

VARIANTS: list[dict[str, Any]] = [
    {},
    *BATCH_NORMS,
    {"fused": True},
    {"fused": False},
    {"axis": 1},
    {"axis": (1, 3)},
    {"axis": 1, "virtual_batch_size": 2, **CLIPPED},
    {"axis": 1, **CLIPPED},
    {"center": False, "scale": False, "momentum": 0.5},
]


def ran(graph: FileGraph, weights: dict[str, Array], *inputs: Array) -> dict[str, Array]:
    model, _ = graph.model(weights)
    data = model.serialized()
    onnx.checker.check_model(data, full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]
    outputs = [given.name for given in session.get_outputs()]
    values = session.run(outputs, dict(zip(names, inputs, strict=True)))
    return {
        name.removeprefix("batch_normalization").lstrip("_") or "y": value
        for name, value in zip(outputs, values, strict=True)
    }


def held(layer: BatchNormalization, shape: tuple[int, ...]) -> dict[str, Array]:
    random = np.random.default_rng(8)
    return {
        name: (random.random(size) + 0.5).astype(np.float32)
        for name, size in layer.weight_shapes(shape).items()
    }


def assert_same(found: dict[str, Array], y: Array, weights: dict[str, Array]) -> None:
    np.testing.assert_allclose(found.pop("y"), y, rtol=1e-5, atol=1e-5)
    for name, value in found.items():
        np.testing.assert_allclose(value, weights[name], rtol=2e-7, err_msg=name)
        assert value.dtype == weights[name].dtype


@pytest.mark.parametrize("parameters", VARIANTS, ids=str)
@pytest.mark.parametrize("opset", [17, 22])
def test_a_training_graph_gives_what_a_run_gives(parameters: dict[str, Any], opset: int) -> None:
    layer = BatchNormalization(**parameters)
    shape = (4, 5, 6, 3)
    weights = held(layer, shape)
    graph = FileGraph(layer, shape, "float32", "float32", "float32", training=True, opset=opset)
    for batch in (4,) if layer.fixes_batch(4) else (4, 8):
        x = np.random.default_rng(batch).normal(3, 2, (batch, *shape[1:])).astype(np.float32)
        y, moved = run_array(layer, x, weights, training=True)
        found = ran(graph, weights, x)
        assert ("moving_mean" in found) == layer.trainable
        assert_same(found, y, moved)


@pytest.mark.parametrize("parameters", [{}, CLIPPED, {"axis": 1}, {"axis": (0, 1)}])
def test_a_mask_is_the_second_input(parameters: dict[str, Any]) -> None:
    layer = BatchNormalization(**parameters)
    x = np.random.default_rng(2).normal(3, 2, (4, 5, 3)).astype(np.float32)
    x[0, 0] = np.nan
    mask = np.arange(20).reshape(4, 5) % 3 > 0
    weights = held(layer, x.shape)
    given = ("float32", "float32", "float32", True, 17, "", True)
    found = ran(FileGraph(layer, x.shape, *given), weights, x, mask)

    y, moved = run_array(layer, x, weights, training=True, mask=mask)
    assert_same(found, y, moved)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_masked_mean_has_a_graph_too(data_format: Any, dtype: str) -> None:
    layer = GlobalAveragePooling(data_format=data_format)
    x = np.random.default_rng(2).normal(3, 2, (3, 4, 4)).astype(dtype)
    mask = np.arange(12).reshape(3, 4) % 3 > 0
    graph = FileGraph(layer, x.shape, dtype, dtype, dtype, masked=True)
    (y,) = ran(graph, {}, x, mask).values()

    np.testing.assert_allclose(y, run_array(layer, x, mask=mask)[0], rtol=1e-6)


def test_the_command_runs_and_exports_with_a_mask(poolnorm: Command) -> None:
    x = np.random.default_rng(2).normal(3, 2, (4, 5, 3)).astype(np.float32)
    np.save("x.npy", x)
    np.save("mask.npy", np.arange(20).reshape(4, 5) % 3 > 0)
    common = "bn x.npy --training --mask mask.npy -q"
    assert poolnorm(f"{common} -o a.npy --save-weights a.npz").code == 0
    words = f"{common} --backend onnx -o b.npy --save-weights b.npz --export bn.onnx"
    assert poolnorm(words).code == 0

    np.testing.assert_allclose(np.load("a.npy"), np.load("b.npy"), rtol=1e-5, atol=1e-6)
    assert np.load("a.npz")["moving_mean"].tobytes() == np.load("b.npz")["moving_mean"].tobytes()
    assert [given.name for given in onnx.load("bn.onnx").graph.input] == [
        "batch_normalization_input",
        "batch_normalization_mask",
    ]
    metadata = {entry.key: entry.value for entry in onnx.load("bn.onnx").metadata_props}
    assert metadata["command"] == "poolnorm bn --training"


@pytest.mark.parametrize("words", ["gpool average", "bn"])
def test_a_mask_counts_on_either_backend(poolnorm: Command, words: str) -> None:
    np.save("x.npy", np.arange(24, dtype=np.float32).reshape(2, 4, 3))
    np.save("mask.npy", np.array([[1, 1, 0, 0], [1, 0, 0, 0]], bool))
    flags = "--training" if words == "bn" else ""
    for backend in ("numpy", "onnx"):
        line = f"{words} x.npy {flags} --mask mask.npy --backend {backend} -o {backend}.npy"
        assert poolnorm(line).code == 0

    np.testing.assert_allclose(np.load("numpy.npy"), np.load("onnx.npy"), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("flags", ["", "--renorm", "--axis 1"])
def test_one_ghost_batch_may_be_all_there_is(poolnorm: Command, flags: str) -> None:
    x = np.random.default_rng(4).normal(3, 2, (6, 5)).astype(np.float32)
    np.save("six.npy", x)
    np.save("two.npy", x[:2])
    words = f"bn six.npy two.npy --training --virtual-batch-size 2 {flags} -q --overwrite"
    for backend in ("numpy", "onnx"):
        line = f"{words} --backend {backend} -O {backend} --save-weights {backend}.npz"
        assert poolnorm(line).code == 0

    for name in ("six", "two"):
        ours, graph = (np.load(f"{backend}/{name}.npy") for backend in ("numpy", "onnx"))
        np.testing.assert_allclose(graph, ours, rtol=1e-5, atol=1e-6)


def on_device(layer: BatchNormalization, x: Array) -> dict[str, Array]:
    kinds = ("float32",) * 3
    graph = FileGraph(layer, x.shape, *kinds, training=True, on_device=True)
    assert_all_on_cuda(graph.model(held(layer, x.shape))[0])
    return ran(graph, held(layer, x.shape), x)


@pytest.mark.parametrize("parameters", [{}, {"axis": 1}, {"momentum": None}, {"unbiased": True}])
@pytest.mark.parametrize("shape", [(3, 24, 20, 16), (5, 30, 8), (2, 8, 4, 6, 8)])
@pytest.mark.parametrize("mean", [0.0, 0.5, 3.0])
def test_a_device_gathers_a_batch_in_float32(
    parameters: dict[str, Any], shape: tuple[int, ...], mean: float
) -> None:
    layer = BatchNormalization(**parameters)
    x = np.random.default_rng(3).normal(mean, 1, shape).astype(np.float32)
    x[..., 0] = 0
    x[:, 0] = 0 if layer.axis == (1,) else x[:, 0]
    found = on_device(layer, x)
    assert found.pop("check") == 0
    y, moved = run_array(layer, x, held(layer, shape), training=True)
    np.testing.assert_allclose(found.pop("y"), y, rtol=1e-5, atol=4e-6)
    for name, value in found.items():
        np.testing.assert_allclose(value, moved[name], rtol=5e-6, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e20, None])
def test_a_batch_that_loses_digits_there_shows(value: float | None) -> None:
    """Also a channel of one number, whose variance would be what sums are wrong by."""
    x = np.random.default_rng(3).standard_normal((2, 8, 8, 16)).astype(np.float32)
    if value is None:
        x[..., 3] = 0.1
    else:
        x[1, 2, 3, 4] = value
    assert np.isnan(on_device(BatchNormalization(), x)["check"])


@pytest.mark.parametrize(
    "parameters",
    [
        *(each for each in BATCH_NORMS if "adjustment" not in each),
        {"axis": (1, 3)},
        {"axis": 2},
        {"epsilon": 0.0},
    ],
    ids=str,
)
def test_what_a_device_has_nothing_sooner_for_is_exact(parameters: dict[str, Any]) -> None:
    layer = BatchNormalization(**parameters)
    x = np.random.default_rng(3).standard_normal((4, 8, 8, 16)).astype(np.float32)
    weights = held(layer, x.shape)
    graph = FileGraph(layer, x.shape, *("float32",) * 3, training=True, on_device=True)
    found = ran(graph, weights, x)
    found.pop("check", None)
    y, moved = run_array(layer, x, weights, training=True)
    np.testing.assert_allclose(found.pop("y"), y, rtol=1e-5, atol=1e-5)
    for name, value in found.items():
        np.testing.assert_allclose(value, moved[name], rtol=5e-6, atol=1e-6, err_msg=name)
