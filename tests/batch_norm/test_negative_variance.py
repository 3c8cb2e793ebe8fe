"""A moving variance may be a little below zero: epsilon is added before anything is divided."""

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from tests.conftest import Command


VARIANCE = np.array([-1e-5, 0.0, 2.0])
EPSILON = 1e-3
FLAGS = (
    "",
    "--axis 1",
    "--training --no-trainable",
    "--renorm",
    "--dtype float64",
    "--virtual-batch-size 2",
)


@pytest.fixture(autouse=True)
def x() -> Any:
    """Write an input and weights, which are given back."""
    x = np.random.default_rng(5).normal(0.5, 2, (4, 3, 5, 3)).astype(np.float32)
    np.save("x.npy", x)
    save(VARIANCE)
    return x


def save(variance: Any) -> None:
    """Write weights with such a moving variance."""
    held: dict[str, Any] = {"gamma": [1, 2, 3], "beta": [3, 2, 1], "moving_mean": [0.1, 0.2, 0.3]}
    held |= {"moving_variance": variance}
    held |= {"moving_stddev": [1, 1, 1], "renorm_mean": [0, 0, 0], "renorm_stddev": [1, 1, 1]}
    held = {name: np.array(value, np.float32) for name, value in held.items()}
    np.savez("renorm.npz", **held)
    plain: dict[str, Any] = {name: held[name] for name in list(held)[:4]}
    np.savez("w.npz", **plain)


def backend_of(name: str) -> str:
    """Return the flags of a backend, which may have to be skipped."""
    if name == "onnx" and find_spec("onnxruntime") is None:
        pytest.skip("onnxruntime is not installed")
    return f"--backend {name}"


@pytest.mark.parametrize("backend", ["numpy", "onnx"])
@pytest.mark.parametrize("flags", FLAGS)
def test_it_is_run_as_keras_runs_it(poolnorm: Command, x: Any, flags: str, backend: str) -> None:
    file = "renorm.npz" if "renorm" in flags else "w.npz"
    words = f"bn x.npy {flags} {backend_of(backend)} --weights {file} -q -o y.npy"
    result = poolnorm(words)

    assert (result.code, result.err) == (0, "")
    shape = (3, 1, 1) if "axis 1" in flags else (3,)
    mean, variance, gamma, beta = (
        np.reshape(values, shape) for values in ([0.1, 0.2, 0.3], VARIANCE, [1, 2, 3], [3, 2, 1])
    )
    expected = (x - mean) / np.sqrt(variance + EPSILON) * gamma + beta
    np.testing.assert_allclose(np.load("y.npy"), expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("backend", ["numpy", "onnx"])
def test_training_moves_it(poolnorm: Command, x: Any, backend: str) -> None:
    words = f"bn x.npy --training {backend_of(backend)} --weights w.npz --save-weights n.npz -q"
    assert poolnorm(words).err == ""

    batch = x.astype(float).var(axis=(0, 1, 2))
    with np.load("n.npz") as moved:
        np.testing.assert_allclose(
            moved["moving_variance"], VARIANCE * 0.99 + batch * 0.01, rtol=1e-5
        )


@pytest.mark.parametrize("epsilon", ["1e-6", "9.9e-6", "1e-5"])
@pytest.mark.parametrize("backend", ["numpy", "onnx"])
@pytest.mark.parametrize("flags", ["", "--fold", "--export y.onnx", "--training --no-trainable"])
def test_what_epsilon_does_not_make_positive_is_refused(
    poolnorm: Command, flags: str, epsilon: str, backend: str
) -> None:
    if "export" in flags:
        backend_of("onnx")
    words = f"bn x.npy {flags} --epsilon {epsilon} --weights w.npz -q"
    result = poolnorm(words if "fold" in flags else f"{words} {backend_of(backend)}")

    assert result.code == 4
    assert "weight 'moving_variance' has a negative value, " in result.err
    assert f"that epsilon {float(epsilon)} does not make positive; fix the file" in result.err


def test_nothing_is_divided_by_zero(poolnorm: Command) -> None:
    save([0.0, 1.0, 2.0])

    result = poolnorm("bn x.npy --epsilon 0 --weights w.npz -q")
    assert (result.code, "has a value, 0.0, that epsilon 0.0 does not" in result.err) == (4, True)
    assert poolnorm("bn x.npy --epsilon 0 --training --weights w.npz -q").code == 0


def test_it_is_folded_and_exported(poolnorm: Command, x: Any) -> None:
    pytest.importorskip("onnxruntime")
    onnxruntime = pytest.importorskip("onnxruntime")
    assert poolnorm("bn x.npy --weights w.npz --fold -o f.npz -q").err == ""
    assert poolnorm("bn x.npy --weights w.npz --export y.onnx -q -o y.npy").err == ""

    y = np.load("y.npy")
    with np.load("f.npz") as folded:
        np.testing.assert_allclose(x * folded["scale"] + folded["shift"], y, rtol=1e-4, atol=1e-4)
    session = onnxruntime.InferenceSession("y.onnx", providers=["CPUExecutionProvider"])
    (there,) = session.run(None, {session.get_inputs()[0].name: x})
    np.testing.assert_allclose(there, y, rtol=1e-4, atol=1e-4)
