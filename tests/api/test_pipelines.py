"""Pipelines called from Python: what comes of them, in which arrays, and in which threads."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import poolnorm_cli as pn
from poolnorm_cli import (
    AdaptiveAveragePooling,
    AveragePooling,
    BatchNormalization,
    GlobalAveragePooling,
    GlobalMaxPooling,
    GroupNormalization,
    LayerFunction,
    LayerNormalization,
    LpPooling,
    MaxPooling,
    Pipeline,
    UnitNormalization,
)
from poolnorm_cli.engine import in_memory, placed, threads
from tests.conftest import Command


LARGE = np.random.default_rng(7).standard_normal((48, 64, 64, 8)).astype(np.float32)
SMALL = LARGE[:5, :9, :7].copy()
CHAINS: list[list[LayerFunction]] = [
    [MaxPooling(2)],
    [MaxPooling(2), BatchNormalization(), GlobalMaxPooling()],
    [AveragePooling(3, strides=1, padding="same"), LayerNormalization(), UnitNormalization()],
    [GroupNormalization(2), AdaptiveAveragePooling(2), LpPooling(2)],
    [BatchNormalization(), MaxPooling(2), BatchNormalization(axis=1), GlobalAveragePooling()],
    [GlobalAveragePooling(keepdims=True), LayerNormalization(axis=(1, 2, 3))],
]


def one_by_one(
    layers: list[LayerFunction], x: Any, *, training: bool = False
) -> "np.ndarray[Any, Any]":
    """Call layers one after another, as a pipeline was before it went through blocks at once."""
    for layer in layers:
        x = layer(x, training=training)
    return x  # type: ignore[no-any-return]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("place", range(len(CHAINS)))
@pytest.mark.parametrize("x", [SMALL, LARGE, SMALL.astype(np.float16), SMALL.astype(np.int32)])
def test_a_pipeline_gives_the_bytes_of_its_layers(
    x: "np.ndarray[Any, Any]", place: int, *, training: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "THREADED_BYTES", 1)
    layers = CHAINS[place]
    expected = one_by_one(layers, x, training=training)
    kept = x.copy()

    for count in (None, 1, 3):
        found = Pipeline(layers)(x, training=training, threads=count)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(x, kept)


def test_a_pipeline_computes_a_block_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    compute = placed.fill_array

    def counted(*words: Any) -> Any:
        put = compute(*words)

        def noted(block: Any, start: int, size: int) -> None:
            calls.append((start, size))
            put(block, start, size)

        return noted

    monkeypatch.setattr(in_memory, "fill_array", counted)
    Pipeline([MaxPooling(2), LayerNormalization()])(LARGE)

    assert len(calls) > 1  # each of which was read, pooled and normalized at once
    assert sum(size for _, size in calls) == LARGE.size // 4


@pytest.mark.parametrize("x", [SMALL, LARGE], ids=["small", "large"])
def test_the_output_goes_where_it_is_wanted(x: "np.ndarray[Any, Any]") -> None:
    pipeline = Pipeline([BatchNormalization(), LayerNormalization()])
    expected, own = pipeline(x), x.copy()
    strided = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), np.float32)[..., ::2]

    for out in (np.empty_like(x), strided, own):
        assert pipeline(own if out is own else x, out=out) is out
        np.testing.assert_array_equal(out, expected)


def test_training_moves_the_weights_of_every_layer() -> None:
    layers = [BatchNormalization(momentum=0.5), MaxPooling(2), BatchNormalization(axis=1)]
    pipeline = Pipeline(layers)

    y, first = pipeline.train(SMALL)
    _, second = pipeline.train(SMALL, first)

    x, expected = SMALL, []
    for layer in layers:
        if layer.layer.weight_names:
            x, weights = layer.train(x)
        else:
            x, weights = layer(x), {}
        expected.append(weights)
    np.testing.assert_array_equal(y, x)
    for own, other in zip(first, expected, strict=True):
        assert own.keys() == other.keys()
        for name in own:
            np.testing.assert_array_equal(own[name], other[name])
    assert np.abs(second[0]["moving_mean"]).sum() > np.abs(first[0]["moving_mean"]).sum()


def test_a_step_that_is_refused_is_named() -> None:
    pipeline = Pipeline([MaxPooling(2), BatchNormalization(), MaxPooling(9)])
    with pytest.raises(ValueError, match=r"^step 3 \(pool max\): axis 1 has 4 cells, fewer than"):
        pipeline(SMALL)
    with pytest.raises(ValueError, match=r"^step 3 \(pool max\): axis 1 has 4 cells, fewer than"):
        pipeline.output_shape(SMALL.shape)
    with pytest.raises(ValueError, match=r"^step 2 \(bn\): 1 weights where the layer has 4"):
        Pipeline(pipeline.layers[:2])(SMALL, [None, [1.0]])


def test_a_pipeline_gives_the_bytes_of_the_command(poolnorm: Command, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", LARGE)
    words = ["pipe", str(tmp_path / "x.npy"), "-o", str(tmp_path / "y.npy"), "--dtype", "float16"]
    assert poolnorm(*words, "!", "pool", "max", "!", "ln").code == 0

    found = Pipeline([MaxPooling(), LayerNormalization()])(LARGE, dtype="float16")

    np.testing.assert_array_equal(found, np.load(tmp_path / "y.npy"))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "uint8", ">f4"])
def test_small_arrays_give_in_every_call_what_the_first_gave(dtype: str) -> None:
    layers = [
        pn.MaxPooling(2),
        pn.BatchNormalization(),
        pn.LayerNormalization(),
        pn.AveragePooling(2),
    ]
    pipeline = pn.Pipeline(layers)
    x = (np.random.default_rng(3).standard_normal((2, 9, 8, 4)) * 9).astype(dtype)
    expected = pipeline(x).copy()
    for _ in range(4):
        np.testing.assert_array_equal(pipeline(x).view("u1"), expected.view("u1"))
        out = np.empty_like(expected)
        assert pipeline(x, out=out) is out
        np.testing.assert_array_equal(out.view("u1"), expected.view("u1"))
        with pytest.raises(ValueError, match="out has shape"):
            pipeline(x, out=out[:1])
    same = pn.Pipeline([pn.LayerNormalization(), pn.UnitNormalization()])
    if dtype in ("float32", "float64"):
        for _ in range(3):
            y = x.copy()
            np.testing.assert_array_equal(same(y, out=y), same(x))
