"""Which groups of a file are layers, and what messages say where there are many."""

import json
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.errors import InputError
from tests.conftest import Command
from tests.weights.make_fixtures import SHAPE


MOVING = ("moving_mean", "moving_variance")


@pytest.fixture(autouse=True)
def _x() -> None:
    np.save("x.npy", np.ones(SHAPE, np.float32))


def test_a_long_list_of_layers_says_how_many_there_are(poolnorm: Command) -> None:
    keys = [f"block_{i}/{name}" for i in range(99) for name in MOVING]
    arrays: dict[str, Any] = dict.fromkeys(keys, np.ones(6, np.float32))
    np.savez("all.npz", **arrays)

    told = poolnorm("bn x.npy --weights all.npz::block").err.strip()

    assert "there are: block_0, block_1, block_2" in told
    assert told.endswith("block_20 and 78 more (poolnorm info); as all.npz::block_0")


def test_a_kernel_alone_is_no_layer(poolnorm: Command) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File("m.weights.h5", "w") as file:
        for number, name in enumerate(("beta", "moving_mean", "moving_variance")):
            file[f"layers/odd/vars/{number}"] = np.full(6, len(name), np.float32)
        file["layers/conv/vars/0"] = np.ones((3, 3, 6, 6), np.float32)

    assert poolnorm("info m.weights.h5 -q").out == "m.weights.h5::layers/odd\n"


def test_bfloat16_of_keras_is_widened(poolnorm: Command) -> None:
    h5py = pytest.importorskip("h5py")
    raw = (np.full(6, 1.5, np.float32).view(np.uint32) >> 16).astype(np.uint16).view("V2")
    with h5py.File("m.weights.h5", "w") as file:
        for number in range(4):
            file[f"layers/odd/vars/{number}"] = raw
            file[f"layers/odd/vars/{number}"].attrs["dtype"] = "bfloat16"

    assert poolnorm("bn x.npy --weights m.weights.h5 --epsilon 0 -q -o y.npy").err == ""
    np.testing.assert_allclose(np.load("y.npy"), (1 - 1.5) / np.sqrt(1.5) * 1.5 + 1.5, rtol=1e-6)


def test_a_wrapper_keeps_the_weights_of_its_layer(poolnorm: Command) -> None:
    h5py = pytest.importorskip("h5py")
    inner = {"class_name": "BatchNormalization", "config": {"name": "bn", "epsilon": 0.0}}
    outer = {"class_name": "TimeDistributed", "config": {"name": "td", "layer": inner}}
    config = {"class_name": "Sequential", "config": {"layers": [outer]}}
    with h5py.File("m.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        for name in ("gamma", "beta", *MOVING):
            file[f"model_weights/td/td/{name}:0"] = np.full(6, 4, np.float32)

    assert poolnorm("info m.h5").out == (
        "m.h5::bn\tBatchNormalization\tbeta (6,), gamma (6,), moving_mean (6,), "
        "moving_variance (6,)\tepsilon=0.0\n"
    )
    assert poolnorm("bn x.npy --weights m.h5::bn -q -o y.npy").err == ""
    np.testing.assert_allclose(np.load("y.npy"), (1 - 4) / 2 * 4 + 4, rtol=1e-6)


def h5_of(config: dict[str, Any], weights: dict[str, Any]) -> None:
    """Write a model of one layer, `l`, as Keras does to a legacy file, here m.h5."""
    h5py = pytest.importorskip("h5py")
    with h5py.File("m.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(
            {"class_name": "Sequential", "config": {"layers": [config]}}
        )
        for name, weight in weights.items():
            file[f"model_weights/l/l/{name}:0"] = weight


@pytest.mark.parametrize(("groups", "code"), [(-1, 0), (6, 0), (3, 2)])
def test_as_many_groups_as_channels_are_instances(
    poolnorm: Command, groups: int, code: int
) -> None:
    config = {"name": "l", "groups": groups, "center": False}
    h5_of({"class_name": "GroupNormalization", "config": config}, {"gamma": np.ones(6, "f4")})

    result = poolnorm("in x.npy --weights m.h5 -q")
    assert (result.code, "groups is 3, and -1 is in" in result.err) == (code, code == 2)


@pytest.mark.parametrize(
    ("axes", "shape"),
    [([3, 1], (6, 3)), ([-1, 1], (6, 3)), ([3, 1, 2], (6, 3, 5)), ([1, 3], (3, 6))],
)
def test_weights_of_axes_in_disorder_are_read_as_keras_reads_them(
    poolnorm: Command, axes: list[int], shape: tuple[int, ...]
) -> None:
    gamma = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    config = {"name": "l", "axis": axes, "epsilon": 0.0}
    h5_of(
        {"class_name": "LayerNormalization", "config": config},
        {"gamma": gamma, "beta": np.zeros_like(gamma)},
    )
    x = np.random.default_rng(3).normal(size=(2, 3, 5, 6)).astype(np.float32)
    np.save("x.npy", x)
    assert poolnorm("ln x.npy --weights m.h5 -q -o y.npy").err == ""

    over = tuple(axis % 4 for axis in axes)
    plain = (x - x.mean(over, keepdims=True)) / x.std(over, keepdims=True)
    laid = gamma.reshape([size if axis in over else 1 for axis, size in enumerate(x.shape)])
    np.testing.assert_allclose(np.load("y.npy"), plain * laid, rtol=1e-4, atol=1e-5)


def test_weights_in_no_order_of_their_axes_are_refused(poolnorm: Command) -> None:
    config = {"name": "l", "axis": [1, 3], "center": False}
    gamma = np.ones((6, 3), np.float32)
    h5_of({"class_name": "LayerNormalization", "config": config}, {"gamma": gamma})
    np.save("x.npy", np.ones((2, 3, 5, 6), np.float32))

    told = poolnorm("ln x.npy --weights m.h5 -q").err
    assert "weight 'gamma' has shape (6,3); this input and --axis need (3,6)" in told


def test_the_axis_of_ghost_batches_is_the_one_that_was_meant(poolnorm: Command) -> None:
    config = {"name": "l", "axis": [4], "virtual_batch_size": 1, "epsilon": 0.0}
    weights = dict.fromkeys(("gamma", "beta", *MOVING), np.full((1, 1, 1, 1, 6), 4, np.float32))
    h5_of({"class_name": "BatchNormalization", "config": config}, weights)

    result = poolnorm("bn x.npy --weights m.h5 --no-values")
    assert "BatchNormalization(axis=3, epsilon=0.0, virtual_batch_size=1)" in result.out


def test_axes_of_one_cell_are_axes(poolnorm: Command) -> None:
    np.save("x.npy", np.random.default_rng(3).normal(size=(2, 3, 1, 4)).astype(np.float32))
    gamma = np.arange(12, dtype=np.float32).reshape(3, 1, 4)
    np.savez("w.npz", gamma=gamma, beta=gamma)

    assert poolnorm("ln x.npy --axis 1,2,3 --weights w.npz -q -o y.npy").err == ""
    assert poolnorm("ln x.npy --axis 1,2,3 -q -o z.npy").err == ""
    np.testing.assert_allclose(
        np.load("y.npy"), (np.load("z.npy") + 1) * gamma, rtol=1e-5, atol=1e-5
    )


def test_a_layer_that_cannot_be_run_is_listed_with_the_reason(capsys: Any) -> None:
    from poolnorm_cli.cli.verb_info import LayerRow
    from poolnorm_cli.layers import find
    from poolnorm_cli.report.emit import emit
    from poolnorm_cli.report.rows import Style
    from poolnorm_cli.weights.entry import Entry, StoredArray

    arrays = {"gamma": StoredArray((6,), lambda: np.ones(6))}
    told = "beta comes out of Softmax 'x'"
    entry = Entry(
        file="m.onnx", name="ln", path="ln", kind="LayerNormalization", arrays=arrays, reason=told
    )
    emit([LayerRow(entry)], dict, Style())

    assert capsys.readouterr().out == f"m.onnx::ln\tLayerNormalization\tcannot be run: {told}\t-\n"
    with pytest.raises(InputError, match=r"m\.onnx::ln: beta comes out of Softmax"):
        entry.read_weights(find("ln")(), {"gamma": (6,)}, training=False)
