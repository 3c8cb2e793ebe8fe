"""A graph, a config or a program is made of a shape alone, with names for axes of any size."""

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import Command


onnxruntime = pytest.importorskip("onnxruntime")


def session(file: str) -> Any:
    return onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])


def exported(poolnorm: Command, words: str, *more: str) -> Any:
    done = poolnorm(f"{words} --export f.onnx --overwrite", *more)
    assert done.code == 0, done.err
    return session("f.onnx")


CASES = [
    ("pool max {} --pool-size 3 --strides 2", "N,H,W,3"),
    ("pool max {} --pool-size 3 --strides 1 --padding same", "N,H,W,3"),
    ("pool average {} --pool-size 2", "N,T,3"),
    ("gpool average {}", "B,H,W,C"),
    ("gpool max {} --data-format channels_first --keepdims", "B,C,H,W"),
    ("bn {}", "N,H,W,3"),
    ("bn {} --training", "N,H,W,3"),
    ("ln {}", "N,T,8"),
    ("rms {}", "N,T,8"),
    ("unit {}", "N,D"),
    ("in {}", "N,H,W,4"),
    ("apool max {} --output-size 4", "N,12,12,C"),
]


@pytest.mark.parametrize(("words", "shape"), CASES, ids=[case[0] for case in CASES])
def test_a_graph_for_any_size_gives_what_the_layer_gives(
    poolnorm: Command, words: str, shape: str
) -> None:
    made = exported(poolnorm, words.format(shape))
    (given,) = made.get_inputs()
    assert given.shape == [int(d) if d.isdigit() else d for d in shape.split(",")]
    for size in (7, 10):
        sizes = [2, *(int(d) if d.isdigit() else size for d in shape.split(",")[1:])]
        x = np.random.default_rng(size).standard_normal(sizes).astype(np.float32)
        np.save("x.npy", x)
        run = poolnorm(f"{words.format('x.npy')} -o y.npy --overwrite")
        assert run.code == 0, run.err
        found = made.run(None, {given.name: x})[0]
        np.testing.assert_allclose(found, np.load("y.npy"), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "words",
    [
        "pool max N,H,W,3 --pool-size 3 --padding same",
        "pool average N,H,W,3 --pool-size 3 --strides 1 --padding same",
        "apool max N,H,W,3 --output-size 4",
    ],
)
def test_a_graph_that_depends_on_sizes_is_right_or_refused(poolnorm: Command, words: str) -> None:
    done = poolnorm(f"{words} --export f.onnx")
    if done.code:
        assert done.code == 2
        assert "give numbers in place of the names" in done.err
        assert not Path("f.onnx").exists()
        return
    for size in (5, 8):
        x = np.random.default_rng(size).standard_normal((2, size, size, 3)).astype(np.float32)
        np.save("x.npy", x)
        assert poolnorm(f"{words.replace('N,H,W,3', 'x.npy')} -o y.npy --overwrite").code == 0
        made = session("f.onnx")
        found = made.run(None, {made.get_inputs()[0].name: x})[0]
        np.testing.assert_allclose(found, np.load("y.npy"), rtol=1e-5, atol=1e-5)


def test_it_is_the_graph_of_a_file_of_that_shape(poolnorm: Command, x: Any) -> None:
    words = "bn {} --epsilon 1e-5 --export {}"
    assert poolnorm(words.format("x.npy", "a.onnx")).code == 0
    assert poolnorm(words.format("None,28,28,3", "b.onnx")).code == 0

    assert Path("a.onnx").read_bytes() == Path("b.onnx").read_bytes()
    del x


def test_weights_and_dtype_are_heeded(poolnorm: Command) -> None:
    rng = np.random.default_rng(1)
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    weights: dict[str, Any] = {name: rng.uniform(0.5, 1, 3).astype(np.float32) for name in names}
    np.savez("w.npz", **weights)
    x = rng.standard_normal((2, 5, 5, 3)).astype(np.float16)
    np.save("x.npy", x)
    made = exported(poolnorm, "bn N,5,5,3 --weights w.npz --dtype float16")
    assert poolnorm("bn x.npy --weights w.npz -o y.npy").code == 0

    (given,) = made.get_inputs()
    assert given.type == "tensor(float16)"
    found = made.run(None, {given.name: x})[0]
    np.testing.assert_allclose(found, np.load("y.npy"), rtol=2e-3)


@pytest.mark.parametrize("shape", ["28,28,3", "(28, 28, 3)", "28x28x3"])
def test_a_shape_without_batch(poolnorm: Command, shape: str) -> None:
    made = exported(poolnorm, "pool max", shape, "--unbatched")

    assert made.get_inputs()[0].shape == [28, 28, 3]
    assert made.get_outputs()[0].shape == [14, 14, 3]


def test_what_is_said_of_it(poolnorm: Command) -> None:
    done = poolnorm("pool max N,H,W,3 --export f.onnx --json")
    (result,) = json.loads(done.out)["results"]

    assert result["input_shape"] == ["N", "H", "W", 3]
    assert result["output_shape"] == ["N", "H//2", "W//2", 3]
    assert result["output"] == "f.onnx"
    assert poolnorm("pool max N,6,3 --export g.onnx").err == ""  # which is no image of N rows


def test_configs_and_programs_need_no_data_either(poolnorm: Command) -> None:
    assert poolnorm("pool max N,28,28,3 --save-config c.json").code == 0
    assert json.loads(Path("c.json").read_text())["pool_size"] == [2, 2]

    text = poolnorm("pool max 4,28,28,3 --torch").out
    assert "np.random.default_rng(0).standard_normal((4, 28, 28, 3))" in text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("bn N,H,W,C --export f.onnx", "has no known size"),
        (
            "pool max 4,28,28,3",
            "no such file; a shape has no data: type poolnorm shape ... 4,28,28,3",
        ),
        ("pool max 4,28,28,3 --export f.onnx -o y.npy", "a shape has no data"),
        ("pool max 4,28,28,3 --export f.onnx --values", "a shape has no data"),
        ("pool max 4,1,1,3 --export f.onnx", "fewer than the window"),
    ],
)
def test_what_cannot_be_is_refused(poolnorm: Command, words: str, told: str) -> None:
    done = poolnorm(words)

    assert done.code in (2, 4)
    assert told in done.err
    assert not {"f.onnx", "y.npy"} & {path.name for path in Path().iterdir()}


def test_a_file_of_that_name_is_the_input(poolnorm: Command) -> None:
    Path("4,28").touch()

    done = poolnorm("pool max", "4,28", *shlex.split("--export f.onnx"))
    assert done.code == 4  # it has no suffix of a tensor
    assert not Path("f.onnx").exists()
