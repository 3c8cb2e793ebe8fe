"""A Sequential of Keras is read as the steps of a pipeline."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.errors import InputError, UsageError
from poolnorm_cli.layers.make_layer import make_layer
from poolnorm_cli.weights.formats import entry_for
from poolnorm_cli.weights.sequential import Sequential, read_sequential
from tests.weights.make_sequential import FIXTURES, Array, inputs


FILES = sorted(
    file.name
    for kind in ("image", "series")
    for file in FIXTURES.glob(f"*keras_{kind}.*")
    if kind == "series" or file.suffix != ".json"
)


def run(model: Sequential, x: Array) -> Array:
    """Run the steps one after another."""
    for step in model.steps:
        layer, weights = make_layer(step.kind, step.parameters, {}, ""), None
        if step.weights is not None:
            entry = entry_for(step.weights, step.kind).for_rank(x.ndim)
            shapes = layer.weight_shapes(x.shape)
            weights = entry.read_weights(layer, shapes, training=False)
        x, _ = run_array(layer, x, weights)
    return x


@pytest.mark.parametrize("name", FILES)
def test_a_model_gives_what_keras_predicts(name: str) -> None:
    if not name.endswith(".json"):
        pytest.importorskip("h5py")
    framework, _, kind = Path(name).stem.rpartition("_")
    x = inputs()[kind]
    model = read_sequential(str(FIXTURES / name))
    assert model.rank == x.ndim
    with np.load(FIXTURES / f"{framework}.predicted.npz") as predicted:
        np.testing.assert_allclose(run(model, x), predicted[kind], rtol=0, atol=2e-6)


def test_what_does_nothing_at_inference_is_left_out_and_said() -> None:
    file = str(FIXTURES / "keras_image.json")
    model = read_sequential(file)
    note = f"{file}: left out, as they do nothing at inference: drop, nothing"
    assert model.notes == (note,)
    words = [step.kind.words for step in model.steps]
    assert words[:5] == ["pool max", "bn", "pool average", "bn", "ln"]
    names = [step.parameters.get("name") for step in model.steps]
    assert names[:5] == ["pool", None, "smooth", None, "ln"]  # there are two called bn
    assert [step.weights for step in model.steps] == [None] * len(words)


def written(layers: Any, **more: Any) -> str:
    """Write the config of a model of layers."""
    document = {"class_name": "Sequential", "config": {"name": "m", "layers": layers}} | more
    Path("m.json").write_text(json.dumps(document))
    return "m.json"


def layer(kind: str, **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": kind.lower(), **config}}


POOL = layer("MaxPooling2D", pool_size=[2, 2])


@pytest.mark.parametrize(
    ("layers", "more", "words"),
    [
        (
            [POOL, layer("Conv2D")],
            {},
            "m.json: layer 'conv2d' is of class Conv2D, which poolnorm does",
        ),
        ([layer("Activation", activation="relu")], {}, "layer 'activation' is of class Activation"),
        (
            [POOL],
            {"class_name": "Functional"},
            "m.json: a model of class Functional; give a Sequential",
        ),
        ([POOL], {"class_name": None}, "m.json: not the JSON of a model; give a Sequential"),
        ([layer("Dropout")], {}, "m.json: a Sequential without a pooling or normalization layer"),
        ([], {}, "m.json: a Sequential without a pooling or normalization layer"),
        ([layer("MaxPooling2D", huh=1)], {}, "m.json::maxpooling2d: MaxPooling has no parameter"),
        ([layer("MyBatchNormalization")], {}, "'mybatchnormalization' is of class MyBatchNorm"),
    ],
)
def test_what_is_no_pipeline_is_refused(
    layers: Any, more: dict[str, Any], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=re.escape(words)):
        read_sequential(written(layers, **more))


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([layer("MaxPooling2D", pool_size="2")], "m.json::maxpooling2d: pool_size is '2'"),
        ([layer("BatchNormalization", epsilon="x")], "batchnormalization: epsilon is 'x'"),
    ],
)
def test_a_value_of_another_type_is_refused(
    layers: Any, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=re.escape(words)):
        read_sequential(written(layers))


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "3", "[" * 100000, '{"class_name": "Sequential"}']
)
def test_what_is_no_model_is_refused(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m.json").write_text(text)
    with pytest.raises((InputError, UsageError), match=r"^m\.json: "):
        read_sequential("m.json")


def test_the_rank_is_that_of_the_input_or_of_the_first_pooling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    norm = layer("LayerNormalization")
    for layers, rank in (
        ([norm], None),
        ([norm, POOL], 4),
        ([layer("InputLayer", batch_shape=[None, 4]), norm], 2),
        ([layer("InputLayer", batch_input_shape=[None, 4, 2]), norm], 3),
        ([norm, layer("GlobalMaxPooling3D"), norm], 5),
    ):
        assert read_sequential(written(layers)).rank == rank


def test_a_dtype_policy_that_is_not_followed_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    policy = {"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}}
    model = read_sequential(written([layer("GlobalMaxPooling3D", dtype=policy)]))
    assert model.notes == ("m.json: dtype policy mixed_float16 is not followed: --dtype is",)


def test_weights_alone_are_no_model() -> None:
    pytest.importorskip("h5py")
    with pytest.raises(InputError, match="weights without the config of a model"):
        read_sequential(str(FIXTURES / "keras_nested.weights.h5"))
