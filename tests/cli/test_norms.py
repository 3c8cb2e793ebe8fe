"""`gn`, `in`, `rms`, `unit`, `apool`, and what `ln` shares with them, through the entry point."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import Command, process


Array = NDArray[Any]


def grouped(x: Array, groups: int) -> Array:
    parts = x.astype(np.float64).reshape(*x.shape[:-1], groups, -1)
    axes = (*range(1, x.ndim - 1), x.ndim)
    mean, var = parts.mean(axes, keepdims=True), parts.var(axes, keepdims=True)
    found: Array = ((parts - mean) / np.sqrt(var + 1e-3)).reshape(x.shape)
    return found


def unit(x: Array, axes: tuple[int, ...]) -> Array:
    norm = np.sqrt((x.astype(np.float64) ** 2).sum(axes, keepdims=True))
    found: Array = x / np.maximum(norm, 1e-12)
    return found


def rms(x: Array, axes: tuple[int, ...]) -> Array:
    square = (x.astype(np.float64) ** 2).mean(axes, keepdims=True)
    found: Array = x / np.sqrt(square + 1e-6)
    return found


@pytest.mark.parametrize("backend", ["numpy", "onnx"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32"])
def test_each_verb_computes_its_formula(
    poolnorm: Command, x: Array, dtype: str, backend: str
) -> None:
    x = (x * 10).astype(dtype)
    np.save("x.npy", x)
    expected = {
        "gn --groups 3": grouped(x, 3),
        "gn --groups 1": grouped(x, 1),
        "in": grouped(x, 3),
        "rms": rms(x, (3,)),
        "rms --axis 1,0": rms(x, (0, 1)),
        "unit": unit(x, (3,)),
        "unit --axis 0,-2": unit(x, (0, 2)),
    }
    for words, values in expected.items():
        result = poolnorm(f"{words} x.npy -q -o y.npy --overwrite --backend {backend}")
        found = np.load("y.npy")

        assert result.code == 0, result.err
        assert found.dtype == ("float32" if dtype == "int32" else dtype)
        rtol = {"float64": 1e-12, "float16": 1e-3}.get(dtype, 1e-5)
        with np.errstate(over="ignore"):
            np.testing.assert_allclose(found, values.astype(found.dtype), rtol=rtol, atol=rtol)


def test_zeros_stay_zeros_and_tiny_vectors_have_unit_norm(poolnorm: Command) -> None:
    np.save("x.npy", np.array([[0, 0], [1e-7, 1e-7], [3e-13, 4e-13]], np.float32))
    poolnorm("unit x.npy -o y.npy")

    expected = [[0, 0], [np.sqrt(0.5), np.sqrt(0.5)], [0.3, 0.4]]
    np.testing.assert_allclose(np.load("y.npy"), expected, rtol=1e-6)


def test_a_large_half_does_not_overflow(poolnorm: Command) -> None:
    np.save("x.npy", np.array([[30000, 40000]], np.float16))
    poolnorm("unit x.npy -o u.npy")
    poolnorm("gn x.npy --groups 1 -o g.npy")

    np.testing.assert_allclose(np.load("u.npy"), [[0.6, 0.8]], rtol=1e-3)
    np.testing.assert_allclose(np.load("g.npy"), [[-1, 1]], rtol=1e-3)


@pytest.mark.parametrize(
    ("words", "weights"),
    [
        ("gn --groups 3", {"gamma": 3, "beta": 3}),
        ("in --no-scale", {"beta": 3}),
        ("ln --no-center", {"gamma": 3}),
        ("rms", {"scale": 3}),
    ],
)
def test_weights_go_by_their_keras_names(
    poolnorm: Command, x: Array, words: str, weights: dict[str, int]
) -> None:
    poolnorm(f"{words} x.npy -o plain.npy --save-weights start.npz")
    arrays: dict[str, Any] = {
        name: np.linspace(1, 2, size, dtype=np.float32) for name, size in weights.items()
    }
    np.savez("w.npz", **arrays)
    assert poolnorm(f"{words} x.npy --weights w.npz -o y.npy").code == 0

    assert {k: v.tolist() for k, v in np.load("start.npz").items()} == {
        name: [0.0 if name == "beta" else 1.0] * size for name, size in weights.items()
    }
    factor = arrays.get("gamma", arrays.get("scale", 1))
    expected = np.load("plain.npy") * factor + arrays.get("beta", 0)
    np.testing.assert_allclose(np.load("y.npy"), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("gn x.npy", "--groups 32 does not divide 3 channels; give --groups 3, or another divisor"),
        ("gn x.npy --groups 2", "--groups 2 does not divide 3 channels; give --groups 1, or an"),
        ("gn x.npy --groups 0", "--groups must be positive, not 0; give 1 or more, or -1 for one"),
        ("gn x.npy --groups -2", "--groups must be positive, not -2"),
        ("gn x.npy --axis 0 --groups 1", "--axis 0 is the batch, and each sample is normalized"),
        ("gn x.npy --axis -4 --groups 1", "--axis 0 is the batch"),
        ("gn x.npy --axis 1,2 --groups 1", "--axis 1,2 names several; give the one of the chan"),
        ("in x.npy --axis 9", "--axis 9 is out of range"),
        ("in row.npy", "the input has rank 1, shape (3); group normalization takes rank 2 or more"),
        ("in x.npy --groups 3", "no such flag --groups"),
        ("rms x.npy --epsilon -1", "--epsilon must not be negative, and is -1.0; give --epsilon"),
        ("rms x.npy --axis 1,1", "--axis 1,1 names an axis twice"),
        ("unit zero.npy", "the input has rank 0"),
        ("unit x.npy --weights w.npz", "no such flag --weights"),
        ("shape gn None,None", "axis 1 of (None,None) has no known size"),
        ("shape rms N,None", "axis 1 of (N,None) has no known size"),
        ("apool max x.npy", "--output-size is missing; give --output-size"),
        ("apool max x.npy --output-size 2,2,2", "--output-size"),
        (
            "ln x.npy --gamma-initializer xavier",
            "--gamma-initializer 'xavier' is not one of Keras' initializers",
        ),
        (
            "ln x.npy --beta-regularizer l3",
            "--beta-regularizer 'l3' is not one of Keras' regularizers",
        ),
        (
            "in x.npy --gamma-constraint max",
            "--gamma-constraint 'max' is not one of Keras' constraints",
        ),
        ("ln x.npy --gamma-initializer orthogonal", "orthogonal cannot start a weight of shape"),
        ("ln x.npy --gamma-regularizer orthogonal_regularizer", "it is for matrices: give another"),
        (
            "ln x.npy --gamma-constraint radial_constraint --save-weights w.npz -o y.npy",
            "it is for kernels of Conv2D",
        ),
        (
            "ln x.npy --beta-constraint max_norm(axis=1) --save-weights w.npz -o y.npy",
            "for a weight of shape (3)",
        ),
    ],
)
def test_refusals_come_before_any_output(
    poolnorm: Command, x: Array, words: str, told: str
) -> None:
    np.save("row.npy", np.ones(3))
    np.save("zero.npy", np.float32(1))
    result = poolnorm(words)

    assert result.code in ({2, 4} if "zero" in words else {2}), result.err
    assert told in result.err
    assert result.err.count("\n") == 1
    assert not Path("y.npy").exists()


def test_shapes_with_unknown_dims(poolnorm: Command) -> None:
    assert poolnorm("shape unit N,None -q").out == "N,None\n"
    assert poolnorm("shape in None,H,W,3 -q").out == "None,H,W,3\n"
    assert (
        "GroupNormalization(axis=-1, epsilon=0.001, groups=32)"
        in poolnorm("shape gn None,H,W,64").out
    )
    assert "GroupNormalization(groups=-1, axis=-1" in poolnorm("shape in None,H,W,3").out
    assert poolnorm("shape apool max None,None,None,3 --output-size 7x5 -q").out == "None,7,5,3\n"


def test_an_initializer_gives_the_weights(poolnorm: Command, x: Array) -> None:
    flags = ["--gamma-initializer", "random_normal(1, 0.5, seed=3)", "--beta-initializer", "one"]
    result = poolnorm("ln x.npy --save-weights w.npz --no-values", *flags)
    again = poolnorm("in x.npy --save-weights v.npz --no-values", *flags)
    found = np.load("w.npz")

    assert (result.code, again.code) == (0, 0)
    assert "gamma_initializer=RandomNormal(mean=1.0, stddev=0.5, seed=3)" in result.out
    expected = 1 + 0.5 * np.random.Generator(np.random.PCG64(3)).standard_normal(3)
    np.testing.assert_array_equal(found["gamma"], expected.astype(np.float32))
    assert found["beta"].tolist() == [1, 1, 1]
    np.testing.assert_array_equal(np.load("v.npz")["gamma"], found["gamma"])


def test_a_drawn_seed_is_told_and_repeats_the_run(poolnorm: Command, x: Array) -> None:
    told = poolnorm("gn x.npy --groups 1 --gamma-initializer he_normal -o a.npy --json")
    config = json.loads(told.out)["layer"]["gamma_initializer"]
    flag = ["--gamma-initializer", json.dumps(config)]
    poolnorm("gn x.npy --groups 1 -o b.npy", *flag)

    assert config["config"]["seed"] is not None
    np.testing.assert_array_equal(np.load("a.npy"), np.load("b.npy"))


def test_penalties_are_reported_and_change_nothing(poolnorm: Command, x: Array) -> None:
    np.savez("w.npz", gamma=np.array([1, -2, 3.0]), beta=np.array([0, 0, 0.5]))
    flags = "--weights w.npz --gamma-regularizer l1l2(0.1,0.2) --beta-regularizer l2"
    plain = poolnorm(f"ln x.npy -o y.npy {flags}")
    document = json.loads(poolnorm(f"ln x.npy --json --no-values {flags}").out)
    poolnorm("ln x.npy --weights w.npz -o z.npy")

    assert plain.out.rstrip("\n").split("\t")[7] == "penalties gamma=3.4 beta=0.0025"
    assert document["results"][0]["penalties"] == pytest.approx({"gamma": 3.4, "beta": 0.0025})
    assert Path("y.npy").read_bytes() == Path("z.npy").read_bytes()
    assert "penalties" not in poolnorm(f"ln x.npy --no-values --no-trainable {flags}").out
    assert "penalties" not in poolnorm("ln x.npy --no-values --weights w.npz").out


def test_constraints_project_what_is_saved_and_say_so(poolnorm: Command, x: Array) -> None:
    np.savez("w.npz", gamma=np.array([3, -4, 0.5]), beta=np.array([-1, 0, 2.0]))
    flags = "--weights w.npz --gamma-constraint max_norm(2) --beta-constraint non_neg"
    result = poolnorm(f"gn x.npy --groups 3 -o y.npy --save-weights v.npz {flags}")
    poolnorm("gn x.npy --groups 3 --weights w.npz -o z.npy")
    found = np.load("v.npz")

    assert result.err == "projected: gamma by max_norm\nprojected: beta by non_neg\n"
    np.testing.assert_allclose(found["gamma"], [1.19404, -1.59206, 0.19901], atol=1e-5)
    assert found["beta"].tolist() == [0, 0, 2]
    assert Path("y.npy").read_bytes() == Path("z.npy").read_bytes()
    more = f"gn x.npy --groups 3 --no-values --save-weights v.npz --overwrite {flags}"
    assert json.loads(poolnorm(f"{more} --json").out)["constrained"] == ["gamma", "beta"]
    assert poolnorm(f"{more} -q").err == ""
    assert "projected" not in poolnorm(f"{more} --no-trainable").err
    assert np.load("v.npz")["beta"].tolist() == [-1, 0, 2]


def test_batch_normalization_has_them_too(poolnorm: Command, x: Array) -> None:
    flags = ["--gamma-regularizer", "l2(1)", "--gamma-constraint", "max_norm(1)"]
    flags += ["--gamma-initializer", "constant(2)"]
    result = poolnorm("bn x.npy --training --no-values --save-weights w.npz", *flags)

    assert result.code == 0
    assert "penalties gamma=12" in result.out
    assert np.linalg.norm(np.load("w.npz")["gamma"]) == pytest.approx(1, abs=1e-6)


def test_penalties_have_a_column_on_a_terminal(x: Array) -> None:
    command = "poolnorm_cli ln x.npy --no-values --gamma-regularizer l2"
    done = process(*command.split()[1:], "--color", "never")

    assert b"penalties gamma=0.03" in done.stdout


def test_adaptive_pooling(poolnorm: Command, x: Array) -> None:
    poolnorm("apool max x.npy --output-size 5,7 -o y.npy")
    poolnorm("apool average x.npy --output-size 1 -o z.npy")

    assert np.load("y.npy").shape == (4, 5, 7, 3)
    assert np.load("y.npy")[0, 4, 0, 0] == x[0, 22:, :4, 0].max()
    np.testing.assert_allclose(np.load("z.npy")[:, 0, 0], x.mean((1, 2)), rtol=1e-5)


def test_streams_are_read_twice_where_statistics_run_along_the_batch(x: Array) -> None:
    data = Path("x.npy").read_bytes()
    for verb in ("rms", "unit", "ln"):
        assert process(verb, "-", "--axis", "0", "-o", f"{verb}.npy", input=data).returncode == 0

    np.testing.assert_allclose(np.load("unit.npy"), unit(x, (0,)), rtol=1e-5)
    np.testing.assert_allclose(np.load("rms.npy"), rms(x, (0,)), rtol=1e-5)
