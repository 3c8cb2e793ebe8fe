"""The whole table of cases on an NVIDIA device: needs the GPU build of ONNX Runtime."""

from typing import Any

import numpy as np
import pytest

from poolnorm_cli.backends import Backend
from poolnorm_cli.backends.layer_graphs import FileGraph
from poolnorm_cli.backends.numpy_backend import NUMPY
from poolnorm_cli.backends.providers import choose
from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.engine.layer_pass import initial_weights
from tests.backends.chains import ChainCase
from tests.backends.test_agreement import BY_NAME, compare
from tests.backends.test_chains import CHAINS, NAMES, through, tolerance
from tests.backends.test_session import layer
from tests.conftest import Command, opened


pytestmark = pytest.mark.cuda


@pytest.fixture
def device() -> Backend:
    found = opened("cuda")
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.mark.parametrize("name", BY_NAME)
def test_cuda_gives_what_numpy_gives(name: str, device: Backend) -> None:
    compare(BY_NAME[name], device)


@pytest.mark.parametrize("case", CHAINS, ids=NAMES)
def test_a_chain_on_cuda_gives_what_numpy_gives(case: ChainCase, device: Backend) -> None:
    x, weights = case.x(), case.weights()
    expected = through(case, x, weights, NUMPY)
    np.testing.assert_allclose(
        through(case, x, weights, device), expected, rtol=tolerance(case), atol=tolerance(case)
    )


def test_the_command_runs_on_cuda(device: Backend, poolnorm: Command, x: object) -> None:
    done = poolnorm("pool average x.npy --pool-size 3 --strides 2 --padding same --provider cuda")
    assert (done.code, done.err) == (0, "")


def test_a_window_of_nan_stays_nan(device: Backend) -> None:
    from poolnorm_cli.layers.call import Call

    x = np.full((1, 4, 1), np.nan, np.float32)
    assert np.isnan(device.apply(layer("pool max"), x, {}, Call())).all()


LARGE: list[tuple[str, dict[str, Any]]] = [
    ("pool max", {}),
    ("pool average", {"pool_size": 3, "strides": 2, "padding": "same"}),
    ("gpool average", {}),
    ("gpool max", {}),
    ("bn", {}),
    ("ln", {}),
    ("rms", {}),
    ("unit", {}),
    ("in", {}),
    ("in", {"axis": 1}),
    ("gn", {"groups": 8}),
]


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize(("words", "parameters"), LARGE)
def test_blocks_go_by_the_ring(
    words: str, parameters: dict[str, Any], dtype: str, device: Backend
) -> None:
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")  # which makes it known by its name
    ring = getattr(device, "_ring", None)
    assert ring is not None
    x = np.random.default_rng(9).standard_normal((40, 96, 96, 32), np.float32).astype(dtype)
    x[7, 3, 2, 1] = np.nan
    made = layer(words, **parameters)
    y, _ = run_array(made, x, backend=device, threads=None)
    expected, _ = run_array(made, x)
    near = {"float32": 2e-5, "float16": 1e-3, "bfloat16": 2.0**-7}[dtype]
    wide = y.astype(np.float64), expected.astype(np.float64)
    np.testing.assert_allclose(*wide, rtol=near, atol=near)
    assert not ring.is_broken


@pytest.mark.parametrize("words", ["pool max x.npy", "bn x.npy --training", "ln x.npy"])
def test_files_go_by_the_ring(words: str, device: Backend, poolnorm: Command) -> None:
    ring = getattr(device, "_ring", None)
    np.save("x.npy", np.random.default_rng(9).standard_normal((40, 96, 96, 32), np.float32))
    done = poolnorm(f"{words} -o y.npy --provider cuda")
    assert (done.code, done.err) == (0, "")
    done = poolnorm(f"{words} -o z.npy")
    assert (done.code, done.err) == (0, "")
    np.testing.assert_allclose(np.load("y.npy"), np.load("z.npy"), rtol=2e-5, atol=2e-5)
    assert ring is not None
    assert not ring.is_broken


@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("mean", [0.5, 1e4])
def test_a_whole_batch_is_gathered_on_cuda(axis: int, mean: float, device: Backend) -> None:
    """Its moved statistics come with it, and a mean of many deviations shows."""
    made, x = layer("bn", axis=axis), np.random.default_rng(9).random((8, 32, 24, 16), np.float32)
    x += np.float32(mean)
    weights = initial_weights(made, x.shape, "float32")
    kinds = ("float32",) * 3
    graph = FileGraph(made, x.shape, *kinds, training=True, on_device=True).model(weights)[0]
    session = choose("cuda", print).session(graph.serialized())
    y, moving_mean, moving_variance, check = session.run(None, {graph.inputs[0].name: x})
    assert np.isnan(check) == (mean > 1)
    if mean < 1:
        expected, moved = run_array(made, x, training=True)
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=4e-6)
        np.testing.assert_allclose(moving_mean, moved["moving_mean"], rtol=5e-6)
        np.testing.assert_allclose(moving_variance, moved["moving_variance"], rtol=5e-6)
