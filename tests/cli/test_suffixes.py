"""Suffixes may be written in capitals, wherever a file is named."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from poolnorm_cli.layers.keras.spelling import snake
from tests.conftest import ROOT, Command


FIXTURES = ROOT / "tests" / "weights" / "fixtures"


@pytest.fixture(autouse=True)
def _files() -> None:
    random = np.random.default_rng(4)
    x = random.standard_normal((2, 4, 6)).astype(np.float32)
    ones = np.ones(6, np.float32)
    np.save("x.npy", x)
    np.savez("x2.npz", a=x, b=x)
    np.savez("w.npz", gamma=ones * 2, beta=ones, moving_mean=ones * 0, moving_variance=ones)
    np.savez("a.npz", scale=ones * 2, bias=ones)
    np.save("m.npy", np.ones((2, 4)))
    Path("IN").mkdir()
    shutil.copy("x.npy", "IN/A.NPY")
    shutil.copy("x2.npz", "IN/B.NPZ")
    for name in ("x.npy", "x2.npz", "w.npz", "a.npz", "m.npy"):
        Path(name).rename(name.upper())


@pytest.mark.parametrize(
    ("words", "output"),
    [
        ("pool max X.NPY -o Y.NPY", "Y.NPY"),
        ("pool max X2.NPZ -o Y.NPZ", "Y.NPZ"),
        ("pool max X2.NPZ::a -o Y.npy", "Y.npy"),
        ("pool max X2.NPZ --key b -o Y.NPY", "Y.NPY"),
        ("bn X.NPY --weights W.NPZ -o Y.NPY", "Y.NPY"),
        ("bn X.NPY --weights W.NPZ --training --save-weights S.NPZ", "S.NPZ"),
        ("bn X.NPY --weights W.NPZ --training --save-weights W.NPZ", "W.NPZ"),
        ("bn X.NPY --training --mask M.NPY --adjustment A.NPZ -o Y.NPZ", "Y.NPZ"),
        ("bn X.NPY --weights W.NPZ --fold -o F.NPZ", "F.NPZ"),
        ("bn X.NPY --export L.ONNX", "L.ONNX"),
        ("ln X.NPY --save-config C.JSON", "C.JSON"),
        ("pool max IN -O OUT", "OUT/B.NPZ"),
        ("pool max IN -O OUT --output-name {stem}_{op}{ext}", "OUT/A_pool_max.NPY"),
        ("generate normal 2,3 -o G.NPY", "G.NPY"),
        ("generate normal 2,3 -o G.NPZ", "G.NPZ"),
    ],
)
def test_outputs_and_inputs_may_have_capitals(poolnorm: Command, words: str, output: str) -> None:
    result = poolnorm(f"{words} -q")

    assert (result.code, result.err) == (0, "")
    assert Path(output).exists()
    if output.upper().endswith("Z"):
        assert np.load(output).files


@pytest.mark.parametrize(
    ("words", "shape"),
    [("X.NPY", "2,2,6"), ("X2.NPZ::a", "2,2,6")],
)
def test_shapes_of_files_in_capitals(poolnorm: Command, words: str, shape: str) -> None:
    assert poolnorm(f"shape pool max {words} -q").out == f"{shape}\n"


def test_a_config_in_capitals_is_read(poolnorm: Command) -> None:
    Path("C.JSON").write_text(json.dumps({"epsilon": 0.5}))

    assert poolnorm("ln X.NPY --config C.JSON -q").code == 0


@pytest.mark.parametrize(
    ("fixture", "name", "words"),
    [
        ("keras.keras", "K.KERAS", "bn {}::bn_1"),
        ("tf_keras.h5", "T.H5", "bn {}::bn_1"),
        ("torch.safetensors", "S.SAFETENSORS", "bn {}::stem.bn --epsilon 1e-5"),
        ("onnx.onnx", "O.ONNX", "bn {}::/bn/BatchNormalization"),
        ("torch.npz", "N.NPZ", "bn {}::stem.bn --epsilon 1e-5"),
    ],
)
def test_checkpoints_in_capitals(poolnorm: Command, fixture: str, name: str, words: str) -> None:
    shutil.copy(FIXTURES / fixture, name)
    shape = (2, 6, 4, 4) if name == "O.ONNX" else (2, 4, 5, 6)
    np.save("six.npy", np.ones(shape, np.float32))
    verb, word, *flags = words.format(name).split()
    result = poolnorm(f"{verb} six.npy --weights {word} {' '.join(flags)} -q -o Y.NPY")

    assert result.code == 0, result.err
    assert poolnorm(f"info {name}").out.startswith(f"{name}::")


def test_equal_files_in_capitals_are_equal(poolnorm: Command) -> None:
    shutil.copy("X.NPY", "x.NpY")

    assert poolnorm("compare X.NPY x.NpY -q").code == 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("RMSNormalization", "rms_normalization"),
        ("MaxPooling2D", "max_pooling2d"),
        ("GlobalAveragePooling1D", "global_average_pooling1d"),
        ("AdaptiveMaxPooling3D", "adaptive_max_pooling3d"),
        ("BatchNormalization", "batch_normalization"),
        ("UnitNormalization", "unit_normalization"),
        ("GroupNormalization", "group_normalization"),
        ("LayerNormalization", "layer_normalization"),
    ],
)
def test_names_of_graphs_are_those_that_keras_gives(name: str, expected: str) -> None:
    assert snake(name) == expected


def test_the_graph_of_rms_is_named_as_keras_names_the_layer(poolnorm: Command) -> None:
    import onnx

    assert poolnorm("rms X.NPY --export r.onnx -q").code == 0

    graph = onnx.load("r.onnx").graph
    assert graph.name == "rms_normalization"
    assert [given.name for given in graph.input] == ["rms_normalization_input"]
    assert [made.name for made in graph.output] == ["rms_normalization"]
