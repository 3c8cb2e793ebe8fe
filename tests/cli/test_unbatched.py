"""--unbatched: a batch axis is added for the layer, and taken away again."""

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.layers import LAYERS
from tests.conftest import Command


FLAGS = {
    "apool max": "--output-size 3",
    "apool average": "--output-size 3",
    "gn": "--groups 3",
    "pool max": "--pool-size 3 --padding same",
    "ln": "--axis -1,-2",
}
SHAPE = (9, 8, 6)


@pytest.fixture
def image() -> Any:
    """Give an image without a batch axis in x.npy, and the same with one in b.npy."""
    found = np.random.default_rng(1).standard_normal(SHAPE).astype(np.float32)
    np.save("x.npy", found)
    np.save("b.npy", found[None])
    return found


def run(poolnorm: Command, words: str) -> Any:
    done = poolnorm(words)
    assert done.code == 0, done.err
    return done


@pytest.mark.parametrize("backend", ["numpy", "onnx"])
@pytest.mark.parametrize("layer", LAYERS)
def test_it_is_the_layer_on_a_batch_of_one(
    poolnorm: Command, image: Any, layer: str, backend: str
) -> None:
    words = f"{layer} {{}} {FLAGS.get(layer, '')} --backend {backend} -o {{}} --overwrite"
    run(poolnorm, words.format("b.npy", "batched.npy"))
    run(poolnorm, words.format("x.npy --unbatched", "y.npy"))

    assert np.load("y.npy").tobytes() == np.load("batched.npy").tobytes()
    assert np.load("y.npy").shape == np.load("batched.npy").shape[1:]
    del image


@pytest.mark.parametrize("layer", ["pool max", "gpool average", "gn", "bn --training"])
def test_a_graph_takes_no_batch_axis_either(poolnorm: Command, image: Any, layer: str) -> None:
    runtime = pytest.importorskip("onnxruntime")
    words = f"{layer} x.npy {FLAGS.get(layer, '')} --unbatched"
    run(poolnorm, f"{words} -o y.npy --export y.onnx")
    session = runtime.InferenceSession("y.onnx", providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    found = session.run(None, {name: image})[0]

    assert session.get_inputs()[0].shape == list(SHAPE)
    assert found.shape == np.load("y.npy").shape
    np.testing.assert_allclose(found, np.load("y.npy"), rtol=1e-5, atol=1e-5)


def test_training_moves_the_weights_as_a_batch_of_one(poolnorm: Command, image: Any) -> None:
    run(poolnorm, "bn b.npy --training --save-weights a.npz -q")
    run(poolnorm, "bn x.npy --training --save-weights b.npz --unbatched -q")

    for name in ("moving_mean", "moving_variance"):
        assert np.array_equal(np.load("a.npz")[name], np.load("b.npz")[name])
    del image


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_many_inputs_and_their_journal(poolnorm: Command, image: Any, jobs: str) -> None:
    np.savez("z.npz", a=image, b=image[:4])
    words = f"pool max x.npy z.npz -O out -j {jobs} --journal log"
    run(poolnorm, f"{words} --unbatched")
    assert np.load("out/x.npy").shape == (4, 4, 6)
    assert [array.shape for array in np.load("out/z.npz").values()] == [(4, 4, 6), (2, 4, 6)]

    done = json.loads(poolnorm(f"{words} --unbatched --resume --json").out)
    assert all(result["skipped"] for result in done["results"])
    other = poolnorm(f"{words} --resume")  # another run, whose outputs these are not
    assert other.code != 0


@pytest.mark.parametrize("word", ["mask.npy", "small.npy"])
def test_a_mask_has_no_batch_axis_either(poolnorm: Command, word: str) -> None:
    x = np.random.default_rng(1).standard_normal((6, 4)).astype(np.float32)
    mask = np.arange(6) > 2
    for name, array in (("x", x), ("mask", mask), ("small", np.ones(1, bool))):
        np.save(f"{name}.npy", array)
        np.save(f"b{name}.npy", array[None])
    run(poolnorm, f"gpool average x.npy --mask {word} --unbatched -o y.npy")
    run(poolnorm, f"gpool average bx.npy --mask b{word} -o batched.npy")

    assert np.array_equal(np.load("y.npy"), np.load("batched.npy")[0])
    if word == "mask.npy":
        np.testing.assert_allclose(np.load("y.npy"), x[3:].mean(0), rtol=1e-5)


def test_shapes_are_those_of_the_files(poolnorm: Command, image: Any) -> None:
    (result,) = json.loads(run(poolnorm, "pool max x.npy --unbatched --json").out)["results"]
    dry = json.loads(run(poolnorm, "pool max x.npy --unbatched --dry-run --json").out)
    plain = run(poolnorm, "pool max x.npy --unbatched").out.split("\t")

    assert (result["input_shape"], result["output_shape"]) == ([9, 8, 6], [4, 4, 6])
    assert np.array(result["values"]).shape == (4, 4, 6)
    assert result["keras"] == "MaxPooling2D(pool_size=2)"
    assert dry["results"][0]["output_shape"] == [4, 4, 6]
    assert plain[1:3] == ["(9, 8, 6)", "(4, 4, 6)"]
    del image


def test_programs_add_and_drop_the_axis(poolnorm: Command, image: Any) -> None:
    text = run(poolnorm, "pool max x.npy --unbatched --keras").out

    assert "np.load('x.npy')[None]" in text
    assert text.splitlines()[-1] == "y = y[0]"
    del image


def test_standard_input_and_compare(poolnorm: Command, image: Any) -> None:
    run(poolnorm, "pool max x.npy --unbatched -o y.npy")
    done = poolnorm("pool max - --unbatched -o z.npy", stdin=Path("x.npy").read_bytes())
    assert done.code == 0
    assert Path("z.npy").read_bytes() == Path("y.npy").read_bytes()
    assert poolnorm("compare --backends numpy,onnx:cpu -- pool max x.npy --unbatched").code == 0
    del image


NOTE = "if it is one image, give --unbatched"


@pytest.mark.parametrize(
    ("shape", "flags", "is_noted"),
    [
        ((28, 28, 3), "", True),
        ((28, 28, 1), "", True),
        ((5, 6, 4), "", True),
        ((28, 28, 2), "", False),
        ((3, 28, 3), "", False),
        ((2, 28, 28, 3), "", False),
        ((3, 28, 28), "", False),
        ((3, 28, 28), "--data-format channels_first", True),
        ((28, 28, 3), "--unbatched", False),
        ((28, 28, 3), "-q", False),
    ],
)
def test_what_looks_like_one_image_is_noted(
    poolnorm: Command, shape: tuple[int, ...], flags: str, is_noted: bool
) -> None:
    np.save("x.npy", np.zeros(shape, np.float32))
    done = poolnorm(*shlex.split(f"'pool max x.npy -o y.npy {flags}'"))

    assert (NOTE in done.err) is is_noted
    if is_noted:
        axes = "(batch, channels, steps)" if flags else "(batch, steps, channels)"
        assert f"note: x.npy: {shape} is read as {axes}; {NOTE}" in done.err


def test_it_is_noted_once_a_run(poolnorm: Command) -> None:
    for name in "ab":
        np.save(f"{name}.npy", np.zeros((8, 8, 3), np.float32))

    assert poolnorm("pool max a.npy b.npy -O out").err.count(NOTE) == 1


def test_an_image_without_channels_is_told_what_to_do(poolnorm: Command) -> None:
    np.save("x.npy", np.zeros((8, 8), np.float32))
    done = poolnorm("pool max x.npy")

    assert done.code == 2
    assert "save an image without channels as x[None, ..., None]" in done.err
