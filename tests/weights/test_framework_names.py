"""Weights by the names of torch, Gluon and Flax, in every format where weights go by name."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import Command
from tests.weights.make_fixtures import SHAPE


VALUES = (2.0, 3.0, 0.5, 4.0)
"""gamma, beta, mean and variance."""

NAMES = {
    "keras": ("gamma", "beta", "moving_mean", "moving_variance"),
    "torch": ("weight", "bias", "running_mean", "running_var"),
    "gluon": ("gamma", "beta", "running_mean", "running_var"),
    "flax": ("scale", "bias", "mean", "var"),
    "mxnet": ("gamma", "beta", "moving_mean", "moving_var"),
}
FORMATS = ("npz", "bare.npz", "safetensors", "h5")
EXPECTED = (1 - 0.5) / 2 * 2 + 3


@pytest.fixture(autouse=True)
def _x() -> None:
    np.save("x.npy", np.ones(SHAPE, np.float32))


def save(file: str, weights: dict[str, float]) -> None:
    """Write weights of six channels to a file of the kind that its suffix says."""
    arrays: dict[str, Any] = {key: np.full(6, v, np.float32) for key, v in weights.items()}
    if file.endswith(".npz"):
        np.savez(file, **arrays)
    elif file.endswith(".h5"):
        h5py = pytest.importorskip("h5py")
        with h5py.File(file, "w") as opened:
            for key, array in arrays.items():
                opened[key.replace(".", "/")] = array
    else:
        header, data = {}, b""
        for key, array in arrays.items():
            place = [len(data), len(data) + array.nbytes]
            header[key] = {"dtype": "F32", "shape": [6], "data_offsets": place}
            data += array.tobytes()
        text = json.dumps(header).encode()
        Path(file).write_bytes(len(text).to_bytes(8, "little") + text + data)


def output(poolnorm: Command, words: str) -> Any:
    """Run a layer, and return what it gives."""
    result = poolnorm(f"{words} -q -o y.npy --overwrite")
    assert (result.code, result.err) == (0, "")
    return np.load("y.npy")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("framework", NAMES)
def test_a_layer_by_the_names_of_a_framework(poolnorm: Command, framework: str, kind: str) -> None:
    file, prefix = f"w.{kind}", "" if kind == "bare.npz" else "block.bn."
    names = [f"{prefix}{name}" for name in NAMES[framework]]
    save(file, dict(zip(names, VALUES, strict=True)))
    layer = {"bare.npz": "", "h5": "::block/bn"}.get(kind, "::block.bn")

    y = output(poolnorm, f"bn x.npy --epsilon 0 --weights {file}{layer}")

    np.testing.assert_allclose(y, EXPECTED, rtol=1e-6)


@pytest.mark.parametrize("sign", "/.")
@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_flax_keeps_moving_statistics_in_a_tree_of_their_own(
    poolnorm: Command, kind: str, sign: str
) -> None:
    trees = ("params", "params", "batch_stats", "batch_stats")
    keys = [f"{t}{sign}BatchNorm_0{sign}{n}" for t, n in zip(trees, NAMES["flax"], strict=True)]
    more = {f"params{sign}Conv_0{sign}kernel": 1.0, f"params{sign}LayerNorm_0{sign}scale": 2.0}
    save(f"w.{kind}", dict(zip(keys, VALUES, strict=True)) | more)

    y = output(poolnorm, f"bn x.npy --epsilon 0 --weights w.{kind}::BatchNorm_0")

    np.testing.assert_allclose(y, EXPECTED, rtol=1e-6)


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_trees_that_are_not_of_one_layer_stay_apart(poolnorm: Command, kind: str) -> None:
    """The names say two things of one weight, so neither is taken for the other."""
    save(f"w.{kind}", {"params.bn.mean": 1.0, "params.bn.var": 1.0, "batch_stats.bn.mean": 2.0})

    result = poolnorm(f"bn x.npy --weights w.{kind}::bn -q")

    assert (result.code, "no layer 'bn'" in result.err) == (2, True)


@pytest.mark.parametrize(
    ("names", "flags", "told"),
    [
        ("gluon", "bn", "gluon's default is 1e-05 (--epsilon 1e-5)"),
        ("flax", "bn", "flax's default is 1e-05 (--epsilon 1e-5)"),
        ("flax ln", "ln", "flax's default is 1e-06 (--epsilon 1e-6)"),
        ("keras", "bn", "the file says nothing of epsilon: it is 0.001 here"),
    ],
)
def test_the_epsilon_of_the_framework_is_told(
    poolnorm: Command, names: str, flags: str, told: str
) -> None:
    framework, _, some = names.partition(" ")
    save("w.npz", {f"a/{name}": 1.0 for name in NAMES[framework][: 2 if some else 4]})

    assert told in poolnorm(f"{flags} x.npy --no-values --weights w.npz::a").err


def test_the_channels_of_gluon_are_second(poolnorm: Command) -> None:
    np.save("x.npy", np.ones((2, 6, 4, 4), np.float32))
    save("w.npz", {f"a.{name}": 1.0 for name in NAMES["gluon"]})

    assert (
        "gluon has the channels second: give --axis 1"
        in poolnorm("bn x.npy --weights w.npz::a").err
    )
    assert poolnorm("bn x.npy --weights w.npz::a --axis 1 -q").code == 0


def test_safetensors_say_whether_there_are_gamma_and_beta(poolnorm: Command) -> None:
    save("w.safetensors", {"a.gamma": 2.0, "a.running_mean": 0.5, "a.running_var": 4.0})

    y = output(poolnorm, "bn x.npy --epsilon 0 --weights w.safetensors::a")

    np.testing.assert_allclose(y, 0.5, rtol=1e-6)


def test_the_scale_of_a_root_mean_square_stays_one(poolnorm: Command) -> None:
    save("w.npz", {"a.scale": 2.0})

    np.testing.assert_allclose(
        output(poolnorm, "rms x.npy --epsilon 0 --weights w.npz::a"), 2.0, rtol=1e-6
    )
