"""Graphs on strips of large samples give what NumPy gives on them."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from poolnorm_cli.backends import Backend, open_backend
from poolnorm_cli.engine.in_memory import run_array
from tests.backends.agreement import with_specials
from tests.strips.test_statistics import CASES, layer_of, random_weights, tensor
from tests.strips.test_strips import LAYERS


if TYPE_CHECKING:
    from tests.conftest import Command

SHAPE = (2, 67, 80, 60)


@cache
def cpu() -> Backend:
    return open_backend("onnx", "cpu", threads=1)


def agree(words: str, parameters: dict[str, Any], x: Any, **more: Any) -> None:
    layer = layer_of(words, **parameters)
    weights = random_weights(layer, x.shape)
    y, state = run_array(layer, x, weights, backend=cpu(), **more)
    expected, moved = run_array(layer, x, weights, **more)

    if layer.keeps_integers:
        np.testing.assert_array_equal(y, expected)
    else:
        within = 1e-9 if x.dtype == np.float64 else 3e-6
        np.testing.assert_allclose(y, expected, rtol=within, atol=within)
    for name, weight in moved.items():
        np.testing.assert_array_equal(state[name], weight)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@pytest.mark.parametrize(("words", "parameters"), [case[:2] for case in LAYERS])
def test_a_graph_takes_the_strips_that_numpy_takes(
    words: str, parameters: dict[str, Any], dtype: str
) -> None:
    agree(words, parameters, tensor(SHAPE, dtype, 2))


@pytest.mark.parametrize(("words", "parameters"), [case[:2] for case in LAYERS[::3]])
def test_so_it_does_where_values_are_no_numbers(words: str, parameters: dict[str, Any]) -> None:
    agree(words, parameters, with_specials(tensor(SHAPE)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("words", "parameters", "shape"), CASES)
def test_a_graph_is_given_the_statistics_of_its_sample(
    words: str, parameters: dict[str, Any], shape: tuple[int, ...], dtype: str
) -> None:
    agree(words, parameters, tensor(shape, dtype, 2))


@pytest.mark.parametrize("parameters", [{"axis": 1}, {"axis": 1, "renorm": True}, {"axis": (1, 3)}])
@pytest.mark.parametrize("masked", [False, True])
def test_a_graph_is_trained_on_strips(parameters: dict[str, Any], *, masked: bool) -> None:
    mask = np.random.default_rng(2).random(SHAPE[:-1]) < 0.7 if masked else None
    agree("bn", parameters, tensor(SHAPE), training=True, mask=mask)


@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
def test_a_graph_averages_masked_steps(layout: str) -> None:
    x = tensor((2, 2, 200_000) if layout == "channels_first" else (2, 200_000, 2))
    mask = np.random.default_rng(2).random((2, 200_000)) < 0.5
    mask[0, :100_000] = False
    agree("gpool average", {"data_format": layout}, x, mask=mask)


@pytest.mark.parametrize(
    "words", ["bn", "in --axis 1", "gpool average", "apool max --output-size 9"]
)
def test_backends_are_compared_on_the_same_strips(words: str, poolnorm: Command) -> None:
    np.save("x.npy", tensor(SHAPE))
    done = poolnorm(f"compare --backends numpy,onnx -- {words} x.npy")

    assert done.code == 0, done.err


def test_a_folded_layer_is_held_against_strips(poolnorm: Command) -> None:
    x = tensor((2, 6, 173, 210))
    np.save("x.npy", x)
    np.savez("w.npz", **random_weights(layer_of("bn", axis=1), x.shape))
    done = poolnorm("bn x.npy --axis 1 --weights w.npz --fold --json")

    assert done.code == 0, done.err
    (error,) = json.loads(done.out)["largest_error"].values()
    assert 0 < error < 1e-5
