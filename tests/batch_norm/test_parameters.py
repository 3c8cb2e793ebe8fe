"""What the parameters of batch normalization mean beyond its formula: starts, draws, configs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.engine.layer_pass import initial_weights
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.batch_norm.layer import BatchNormalization
from tests.conftest import Command


ADJUSTMENT = "scale=random_uniform(minval=0.5,maxval=1.5,seed=1);bias=random_normal(seed=2)"


def test_the_four_initializers_start_the_weights_and_renorm_follows_them() -> None:
    layer = BatchNormalization(
        beta_initializer="constant(2)",  # type: ignore[arg-type]
        gamma_initializer="constant(3)",  # type: ignore[arg-type]
        moving_mean_initializer="random_normal(seed=4)",  # type: ignore[arg-type]
        moving_variance_initializer="constant(9)",  # type: ignore[arg-type]
        renorm=True,
    )
    weights = initial_weights(layer, (2, 5), "float32")

    assert list(weights) == [
        *("gamma", "beta", "moving_mean", "moving_variance"),
        *("moving_stddev", "renorm_mean", "renorm_stddev"),
    ]
    assert set(weights["gamma"]) == {3}
    assert set(weights["beta"]) == {2}
    assert set(weights["moving_variance"]) == {9}
    assert set(weights["moving_stddev"]) == set(weights["renorm_stddev"]) == {3}
    assert len(set(weights["moving_mean"])) == 5
    assert weights["renorm_mean"].tobytes() == weights["moving_mean"].tobytes()


def test_a_variance_does_not_start_below_zero(poolnorm: Command) -> None:
    np.save("x.npy", np.zeros((2, 3)))
    result = poolnorm("bn x.npy --moving-variance-initializer constant(-1) -o y.npy")

    assert result.code == 2
    assert result.err == (
        "error: x.npy: --moving-variance-initializer constant(value=-1.0) gives a negative "
        "variance; give one that is positive, such as ones\n"
    )


def test_an_adjustment_is_drawn_per_channel_and_anew_for_each_file(poolnorm: Command) -> None:
    x = np.random.default_rng(1).standard_normal((64, 3)).astype(np.float32)
    for name in "ab":
        np.save(f"{name}.npy", x)
    words = f"bn a.npy b.npy --training -q --overwrite --adjustment {ADJUSTMENT} -O"
    assert poolnorm(f"{words} one").code == 0
    assert poolnorm(f"{words} two").code == 0
    plain, _ = run_array(BatchNormalization(), x, training=True)
    a, b = np.load("one/a.npy"), np.load("one/b.npy")

    for y in (a, b):
        slope = (y[1] - y[0]) / (plain[1] - plain[0])
        np.testing.assert_allclose(y - y[0], (plain - plain[0]) * slope, atol=1e-5)
        assert ((slope > 0.5) & (slope < 1.5)).all()
        assert len(set(slope)) == 3
    assert np.abs(a - b).max() > 0.01
    for name in "ab":
        assert Path(f"one/{name}.npy").read_bytes() == Path(f"two/{name}.npy").read_bytes()


def test_an_adjustment_has_no_part_in_inference(poolnorm: Command) -> None:
    np.save("x.npy", np.ones((2, 3), np.float32))
    poolnorm(f"bn x.npy -o a.npy --adjustment {ADJUSTMENT}")
    poolnorm("bn x.npy -o b.npy")

    assert Path("a.npy").read_bytes() == Path("b.npy").read_bytes()


def test_an_adjustment_from_a_file_may_differ_per_sample(poolnorm: Command) -> None:
    x = np.random.default_rng(1).standard_normal((4, 5, 3)).astype(np.float32)
    scale = np.arange(1.0, 5.0).reshape(4, 1, 1)
    np.save("x.npy", x)
    np.savez("a.npz", scale=scale)
    result = poolnorm("bn x.npy --training --adjustment a.npz -o y.npy")
    plain, _ = run_array(BatchNormalization(), x, training=True)

    assert "adjustment='a.npz'" in result.out
    np.testing.assert_allclose(np.load("y.npy"), plain * scale, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("scale=ones;shift=zeros", "--adjustment 'scale=ones;shift=zeros' is not known"),
        ("scale=what", "--adjustment scale 'what' is not one of Keras' initializers"),
        ("scale", "--adjustment 'scale' is not known"),
    ],
)
def test_an_adjustment_that_is_not_known_is_refused(word: str, message: str) -> None:
    with pytest.raises(UsageError, match="--adjustment") as refusal:
        BatchNormalization(adjustment=word)  # type: ignore[arg-type]

    assert str(refusal.value).startswith(message)


def test_the_config_is_that_of_keras_3_where_only_that_is_used() -> None:
    config = BatchNormalization(renorm=True, renorm_clipping="rmax=2").config()  # type: ignore[arg-type]

    assert list(config)[:3] == ["axis", "epsilon", "center"]
    assert config["renorm_clipping"] == {"rmax": 2.0}
    assert config["synchronized"] is False
    assert not {"fused", "virtual_batch_size", "adjustment", "momentum_convention"} & set(config)
    assert json.loads(json.dumps(config)) == config


def test_the_config_names_what_keras_2_has_where_it_is_used() -> None:
    config = BatchNormalization(fused=False, adjustment=ADJUSTMENT).config()  # type: ignore[arg-type]

    assert config["fused"] is False
    assert config["adjustment"].startswith("scale=random_uniform(minval=0.5, maxval=1.5, seed=1);")
    assert json.loads(json.dumps(config)) == config


@pytest.mark.parametrize("given", [{"rmin": 0.5, "rmax": None}, "rmin=0.5", "rmin = 0.5"])
def test_clipping_is_read_from_a_word_and_from_keras_dictionary(given: Any) -> None:
    layer = BatchNormalization(renorm=True, renorm_clipping=given)

    assert repr(layer.renorm_clipping) == "{'rmin': 0.5}"
    assert str(layer.renorm_clipping) == "rmin=0.5"


def test_the_layer_is_shown_as_one_types_it_in_keras(poolnorm: Command) -> None:
    np.save("x.npy", np.zeros((4, 3)))
    words = "bn x.npy --training --renorm --renorm-clipping rmax=2 --virtual-batch-size 2 --name b"
    text = poolnorm(words).out.split("\t")[4]

    assert text == (
        "BatchNormalization(axis=-1, epsilon=0.001, renorm=True, renorm_clipping={'rmax': 2.0}, "
        "virtual_batch_size=2, name='b')"
    )


def test_one_file_after_the_other_moves_the_statistics_as_one_run_does(poolnorm: Command) -> None:
    random = np.random.default_rng(3)
    for name in "abc":
        np.save(f"{name}.npy", random.standard_normal((8, 3)).astype(np.float32))
    poolnorm("bn a.npy b.npy c.npy --renorm --training --save-weights together.npz -q")
    poolnorm("bn a.npy --renorm --training --save-weights s.npz -q")
    for name in "bc":
        words = f"bn {name}.npy --renorm --training --weights s.npz --save-weights s.npz -q"
        assert poolnorm(words).code == 0

    assert Path("s.npz").read_bytes() == Path("together.npz").read_bytes()
