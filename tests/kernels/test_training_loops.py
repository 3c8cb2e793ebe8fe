"""A training call by one loop has the bytes of its steps, whichever way the loop takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from poolnorm_cli.kernels import native
from poolnorm_cli.kernels.gathering import whole_moments
from poolnorm_cli.kernels.halves import narrow_bfloat16
from poolnorm_cli.layers.batch_norm.layer import BatchNormalization


pytestmark = pytest.mark.skipif(not native.compiled(), reason="there are no compiled loops")

SHAPES = (
    ((5, 30, 28, 28), 1),  # channels by channels
    ((3, 7, 33), 1),
    ((2, 300, 20), 1),
    ((20, 12, 7, 7), 1),
    ((4, 3, 120, 110), 1),  # each too long to be normalized while it is in the cache
    ((9, 14, 10, 5), 3),
    ((2100, 4), 1),
    ((3, 1, 50), 1),
)


def _case(shape: tuple[int, ...], axis: int, dtype: str) -> tuple[Any, Any, dict[str, Any]]:
    random = np.random.default_rng(7)
    x = (random.standard_normal(shape) * 3 + 20).astype(np.float32)
    if dtype == "bfloat16":
        x = narrow_bfloat16(x).view(pytest.importorskip("ml_dtypes").bfloat16)
    else:
        x = x.astype(dtype)
    layer = BatchNormalization(axis=(axis,))
    names = "gamma", "beta", "moving_mean", "moving_variance"
    return layer, x, {name: random.random(shape[axis]) + 0.1 for name in names}


def _train(
    layer: Any, x: Any, weights: dict[str, Any], dtype: str
) -> tuple[bool, np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    call = layer.batch_call(x.shape, dtype)
    y, found = np.zeros_like(x), np.empty((2, call.sizes[1]))
    plain = (each.view(np.uint16) if each.itemsize == 2 else each for each in (x, y))
    done = call.run(*plain, weights.get("gamma"), weights.get("beta"), found)
    return done, y, found


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize(("shape", "axis"), SHAPES, ids=str)
def test_a_training_call_has_the_bytes_of_its_steps(
    shape: tuple[int, ...], axis: int, dtype: str
) -> None:
    layer, x, weights = _case(shape, axis, dtype)
    moments = whole_moments(x, layer.statistics_axes(x.ndim, training=True, in_strips=False))
    assert moments is not None
    expected = np.empty_like(x)
    fixed = layer.weights_of_batch(weights, moments)
    layer.loop_call(shape, dtype, {name: w.data for name, w in fixed.items()})(
        x.view(np.uint16) if dtype == "bfloat16" else x,
        expected.view(np.uint16) if dtype == "bfloat16" else expected,
    )
    try:
        for threads in (1, 2, 5):
            native.loops().allow_threads(threads)
            for bits in (0, 256, 512, 1024):
                native.loops().use_vectors(bits)
                done, y, found = _train(layer, x, weights, dtype)
                assert done
                np.testing.assert_array_equal(found[0], moments.mean.reshape(-1))
                np.testing.assert_array_equal(found[1], moments.squares.reshape(-1))
                np.testing.assert_array_equal(y.view("u1"), expected.view("u1"))
    finally:
        native.loops().use_vectors(1024)
        native.loops().allow_threads(1)


def test_weights_that_leave_the_range_are_taken_in_a_wider_type() -> None:
    layer, x, weights = _case((5, 30, 28, 28), 1, "float32")
    weights["gamma"][3] = 1e38
    moments = whole_moments(x, (0, 2, 3))
    assert moments is not None
    expected = np.empty_like(x)
    fixed = layer.weights_of_batch(weights, moments)
    layer.loop_call(x.shape, "float32", {name: w.data for name, w in fixed.items()})(x, expected)
    np.testing.assert_array_equal(_train(layer, x, weights, "float32")[1], expected)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize(("shape", "axis"), SHAPES[:6], ids=str)
def test_statistics_that_are_lost_are_told(shape: tuple[int, ...], axis: int, dtype: str) -> None:
    layer, x, weights = _case(shape, axis, dtype)
    x.reshape(-1)[x.size // 2] = np.inf
    assert not _train(layer, x, weights, dtype)[0]


def test_weights_may_be_left_out_and_other_types_have_no_such_call() -> None:
    layer, x, weights = _case((5, 30, 28, 28), 1, "float32")
    ones = weights | {"gamma": np.ones(30), "beta": np.zeros(30)}
    np.testing.assert_array_equal(
        _train(layer, x, {}, "float32")[1], _train(layer, x, ones, "float32")[1]
    )
    assert layer.batch_call(x.shape, "float64") is None
    assert layer.batch_call(x.shape, "int32") is None
    for other in ({"renorm": True}, {"virtual_batch_size": 1}):
        assert BatchNormalization(axis=(1,), **other).batch_call(x.shape, "float32") is None


@pytest.mark.parametrize(
    ("sizes", "units", "rows"),
    [
        ((2, 3, 4), (6, 4, 1, 3), 1),
        ((2, 3, 4), (5, 4, 1, 4), 1),
        ((2, 3, 4), (6, 4, 1, 4), 0),
        ((2, 3, 4), (2, 4, 3, 3), 1),
        ((2, 3, 4), (2, 4, 3, 5), 1),
        ((2, 3, 4), (1 << 62, 4, 3, 4), 1),
        ((2, 3, 4), (-2, 4, 3, 4), 1),
        ((8, 3, 1), (2, 0, 3, 4), 1),
        ((0, 3, 4), (0, 4, 3, 4), 1),
    ],
)
def test_units_that_are_none_of_the_items_are_refused(
    sizes: tuple[int, ...], units: tuple[int, ...], rows: int
) -> None:
    x, y, found = np.ones(24, np.float32), np.ones(24, np.float32), np.empty(6)
    with pytest.raises(ValueError, match=r"no such units|items|bytes"):
        native.loops().train(x, y, None, None, found, "f", 1e-3, sizes, units, rows)
