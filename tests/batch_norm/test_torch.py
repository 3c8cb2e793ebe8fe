"""torch's batch normalization: N/(N-1) at any rank, and averages of all batches."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import poolnorm_cli
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.batch_norm.layer import BatchNormalization
from tests.conftest import Command


def arrays(path: str) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def batches(shape: tuple[int, ...], count: int = 3) -> list[Any]:
    random = np.random.default_rng(len(shape))
    made = [random.normal(i, 1 + i, shape).astype("float32") for i in range(count)]
    for i, x in enumerate(made):
        np.save(f"{i}.npy", x)
    return made


@pytest.mark.parametrize("backend", ["numpy", "onnx"])
@pytest.mark.parametrize("shape", [(6, 3), (4, 5, 3), (2, 3, 4, 3), (2, 2, 3, 2, 3)])
def test_unbiased_moves_the_variance_by_n_over_n_minus_1(
    poolnorm: Command, shape: tuple[int, ...], backend: str
) -> None:
    (x,) = batches(shape, 1)

    poolnorm(
        f"bn 0.npy --training --unbiased --momentum 0 --backend {backend} --save-weights w.npz -q"
    )

    expected = x.reshape(-1, 3).astype("float64").var(axis=0, ddof=1)
    np.testing.assert_allclose(arrays("w.npz")["moving_variance"], expected, rtol=1e-6)


@pytest.mark.parametrize("backend", ["numpy", "onnx"])
def test_momentum_none_averages_all_batches(poolnorm: Command, backend: str) -> None:
    made = batches((4, 5, 3))
    run = f"--training --momentum none --backend {backend}"

    poolnorm(f"bn 0.npy 1.npy {run} --save-weights w.npz -q")
    # Goes on where it stopped: the batches are counted in the file.
    poolnorm(f"bn 2.npy {run} --weights w.npz --save-weights w.npz -q")

    state = arrays("w.npz")
    flat = [x.reshape(-1, 3).astype("float64") for x in made]
    mean = np.mean([x.mean(axis=0) for x in flat], axis=0)
    variance = np.mean([x.var(axis=0) for x in flat], axis=0)
    np.testing.assert_allclose(state["moving_mean"], mean, rtol=1e-6)
    np.testing.assert_allclose(state["moving_variance"], variance, rtol=1e-6)
    assert state["batches_tracked"].tolist() == [3, 3, 3]


@pytest.mark.parametrize("more", ["", " --backend onnx", " --training", " --profile"])
def test_a_layer_of_any_momentum_takes_weights_with_a_count(poolnorm: Command, more: str) -> None:
    (x,) = batches((4, 5, 3), 1)
    poolnorm("bn 0.npy --training --momentum none --save-weights w.npz -q")
    without = {name: w for name, w in arrays("w.npz").items() if name != "batches_tracked"}
    np.savez("without.npz", **without)

    for weights in ("w", "without"):
        assert poolnorm(f"bn 0.npy --weights {weights}.npz -o {weights}.npy -q{more}").code == 0

    assert Path("w.npy").read_bytes() == Path("without.npy").read_bytes()
    np.testing.assert_array_equal(
        poolnorm_cli.BatchNormalization()(x, weights=arrays("w.npz")),
        poolnorm_cli.BatchNormalization()(x, weights=without),
    )


def test_weights_without_a_count_are_replaced_by_the_first_batch(poolnorm: Command) -> None:
    (x,) = batches((8, 3), 1)
    nines: dict[str, Any] = {
        name: np.full(3, 9, "float32") for name in BatchNormalization.weight_names[:4]
    }
    np.savez("old.npz", **nines)

    poolnorm("bn 0.npy --training --momentum none --weights old.npz --save-weights w.npz -q")

    np.testing.assert_allclose(arrays("w.npz")["moving_mean"], x.mean(axis=0), rtol=1e-5)


def test_one_ghost_batch_a_sample_is_instance_normalization_with_statistics(
    poolnorm: Command,
) -> None:
    (x,) = batches((4, 5, 6, 3), 1)

    poolnorm(
        "bn 0.npy --training --virtual-batch-size 1 --unbiased --momentum 0.9 "
        "--save-weights w.npz -o y.npy -q"
    )
    poolnorm("in 0.npy -o z.npy -q")

    wide = x.reshape(4, -1, 3).astype("float64")
    state = arrays("w.npz")
    np.testing.assert_allclose(np.load("y.npy"), np.load("z.npy"), atol=1e-6)
    np.testing.assert_allclose(state["moving_mean"], 0.1 * wide.mean((0, 1)), rtol=1e-5)
    moved = 0.9 + 0.1 * wide.var(axis=1, ddof=1).mean(axis=0)
    np.testing.assert_allclose(state["moving_variance"], moved, rtol=1e-6)


@pytest.mark.parametrize(
    ("parameters", "flags"),
    [
        ({"unbiased": True, "fused": False}, "--no-fused with --unbiased"),
        ({"unbiased": True, "renorm": True}, "--renorm with --unbiased"),
        ({"momentum": None, "renorm": True}, "--renorm with --momentum none"),
    ],
)
def test_what_contradicts_is_refused(parameters: dict[str, Any], flags: str) -> None:
    with pytest.raises(UsageError, match=flags):
        BatchNormalization(**parameters)


@pytest.mark.parametrize("flag", ["--momentum none", "--unbiased"])
def test_keras_has_neither(poolnorm: Command, flag: str) -> None:
    batches((8, 3), 1)

    result = poolnorm(f"bn 0.npy --keras --training {flag}")

    assert result.code == 2
    assert result.err.startswith(f"error: Keras has no {flag}; ")


def test_torch_has_both(poolnorm: Command) -> None:
    batches((8, 3), 1)

    result = poolnorm("bn 0.npy --torch --training --momentum none --unbiased")

    assert "momentum=None" in result.out
    assert "N/(N-1)" not in result.out  # nothing is to be told apart
    assert "batches_tracked" not in result.out


def test_a_recipe_keeps_that_there_is_no_momentum(poolnorm: Command) -> None:
    batches((8, 3), 1)

    poolnorm("pipe 0.npy --save-recipe r.toml -q ! bn --momentum none")

    assert 'momentum = "none"' in Path("r.toml").read_text()
    poolnorm("pipe 0.npy --recipe r.toml -q")


def test_a_word_that_is_no_number_is_refused(poolnorm: Command) -> None:
    result = poolnorm("bn 0.npy --momentum nine")

    assert result.code == 2
    assert "'nine' is not a number, nor none" in result.err
