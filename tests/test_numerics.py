"""What a result may cost in accuracy, and what happens to values that are no numbers."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.errors import InputError
from poolnorm_cli.layers import find
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.windows import window


EPSILON = float(np.finfo(np.float32).eps)
RANDOM = np.random.default_rng(5)


def layer(words: str, **parameters: Any) -> Layer:
    return find(*words.split())(**parameters)


def result(made: Layer, x: NDArray[Any], **options: Any) -> NDArray[Any]:
    return run_array(made, x, **options)[0]


@given(
    length=st.integers(1, 50),
    size=st.integers(1, 40),
    stride=st.integers(1, 7),
    padding=st.sampled_from(["valid", "same"]),
    seed=st.integers(0, 99),
)
@settings(max_examples=150, deadline=None)
def test_pooling_is_what_each_window_gives_alone(
    length: int, size: int, stride: int, padding: Any, seed: int
) -> None:
    if padding == "valid" and size > length:
        return
    x = np.random.default_rng(seed).standard_normal((2, length, 3)).astype(np.float32)
    found = window(length, size, stride, padding)
    parts = [
        x[:, max(p * stride - found.low, 0) : p * stride - found.low + size]
        for p in range(found.count)
    ]
    exact = np.stack([part.astype(np.float64).mean(axis=1) for part in parts], axis=1)
    magnitude = np.stack([np.abs(part).astype(np.float64).mean(axis=1) for part in parts], axis=1)
    same = {"pool_size": size, "strides": stride, "padding": padding}

    most = result(layer("pool max", **same), x)
    mean = result(layer("pool average", **same), x)

    np.testing.assert_array_equal(most, np.stack([p.max(axis=1) for p in parts], axis=1))
    assert (np.abs(mean - exact) <= 4 * EPSILON * magnitude).all()


@pytest.mark.parametrize("size", [2, 3, 7, 16, 31, 64])
def test_an_average_does_not_overflow_where_its_result_does_not(size: int) -> None:
    for dtype, large in (("float16", 60000), ("float32", 3e38), ("float64", 1.7e308)):
        x = np.full((1, 64, 2), large, dtype=dtype)
        pooled = result(layer("pool average", pool_size=size, strides=1), x)

        rtol = 4 * float(np.finfo(dtype).eps)
        np.testing.assert_allclose(pooled, np.full_like(pooled, large), rtol=rtol)
        np.testing.assert_allclose(result(layer("gpool average"), x), x[:, 0], rtol=rtol)


@pytest.mark.parametrize("words", ["pool max", "pool average", "gpool max", "gpool average"])
@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("size", [2, 3, 5])
def test_nan_propagates_wherever_it_stands(words: str, place: int, size: int) -> None:
    x = np.zeros((1, 5, 1), np.float32)
    x[0, place] = np.nan
    parameters = {"pool_size": size, "strides": 1} if words.startswith("pool") else {}
    pooled = result(layer(words, **parameters), x).ravel()
    starts = range(6 - size) if parameters else range(1)
    width = size if parameters else 5

    assert [math.isnan(value) for value in pooled] == [s <= place < s + width for s in starts]


def test_a_window_of_minus_infinity_stays_so() -> None:
    x = np.full((1, 4, 1), -np.inf, np.float32)

    assert (result(layer("pool max", padding="same", pool_size=3), x) == -np.inf).all()
    assert (result(layer("gpool max"), x) == -np.inf).all()


def test_subnormals_are_kept() -> None:
    x = np.full((1, 4, 1), 1e-40, np.float32)

    assert (result(layer("pool max"), x) == x[:, :2]).all()
    assert (result(layer("pool average"), x) == x[:, :2]).all()


@pytest.mark.parametrize(
    ("words", "given"),
    [("ln", {"axis": -1}), ("ln", {"axis": (0, 1)}), ("bn", {"axis": 1}), ("bn", {"axis": -1})],
)
def test_a_large_mean_costs_nothing(words: str, given: dict[str, Any]) -> None:
    x = (1e6 + RANDOM.standard_normal((64, 32, 16))).astype(np.float32)
    wide = x.astype(np.float64)
    chosen = layer(words, **given)
    axes = given["axis"] if words == "ln" else tuple({0, 1, 2} - {given["axis"] % 3})
    mean, var = wide.mean(axes, keepdims=True), wide.var(axes, keepdims=True)
    y, weights = run_array(chosen, x, training=words == "bn")

    np.testing.assert_allclose(y, (wide - mean) / np.sqrt(var + 1e-3), rtol=1e-5, atol=1e-5)
    if words == "bn":
        moved = 0.99 + 0.01 * var.ravel()
        np.testing.assert_allclose(weights["moving_variance"], moved, rtol=1e-6)


@pytest.mark.parametrize(("words", "given"), [("gn", {"groups": 4}), ("in", {})])
def test_a_large_mean_costs_groups_nothing(words: str, given: dict[str, Any]) -> None:
    x = (1e6 + RANDOM.standard_normal((8, 64, 16))).astype(np.float32)
    parts = x.astype(np.float64).reshape(8, 64, given.get("groups", 16), -1)
    mean, var = parts.mean((1, 3), keepdims=True), parts.var((1, 3), keepdims=True)
    y = result(layer(words, **given), x)

    exact = ((parts - mean) / np.sqrt(var + 1e-3)).reshape(x.shape)
    np.testing.assert_allclose(y, exact, rtol=1e-5, atol=1e-5)


def test_a_group_of_one_cell_gives_beta() -> None:
    x = (1e6 * RANDOM.standard_normal((8, 4))).astype(np.float32)
    weights = {"gamma": np.full(4, 3.0), "beta": np.arange(4.0)}

    assert (result(layer("in"), x, weights=weights) == np.arange(4)).all()


def test_inference_at_a_large_moving_mean_costs_nothing() -> None:
    x = (1e6 + RANDOM.standard_normal((8, 4))).astype(np.float32)
    weights = {
        "gamma": np.ones(4),
        "beta": np.zeros(4),
        "moving_mean": np.full(4, 1e6 + 0.3),
        "moving_variance": np.ones(4),
    }
    exact = (x.astype(np.float64) - weights["moving_mean"]) / np.sqrt(1.001)

    np.testing.assert_allclose(run_array(layer("bn"), x, weights)[0], exact, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_training_batch_with_no_number_leaves_the_statistics(bad: float) -> None:
    x = np.ones((4, 3), np.float32)
    x[2, 1] = bad

    with pytest.raises(InputError, match="channel 1 of the batch has a NaN or an infinity"):
        run_array(layer("bn"), x, training=True)


def test_an_empty_batch_leaves_the_statistics() -> None:
    y, weights = run_array(layer("bn"), np.empty((0, 3), np.float32), training=True)

    assert y.shape == (0, 3)
    assert weights["moving_variance"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint64", "bool"])
def test_integers_stay_in_maxima_and_become_float32_elsewhere(dtype: str) -> None:
    x = (np.arange(24).reshape(2, 4, 3) % 5 > 1).astype(dtype) * np.array(1, dtype)

    assert result(layer("pool max"), x).dtype == dtype
    assert result(layer("gpool max"), x).dtype == dtype
    for words in ("pool average", "gpool average", "bn", "ln"):
        assert result(layer(words), x).dtype == np.float32


def test_the_largest_int64_is_kept() -> None:
    x = np.array([[[2**63 - 1], [2**53 + 1], [-(2**63)], [0]]], np.int64)

    assert result(layer("pool max"), x).ravel().tolist() == [2**63 - 1, 0]
