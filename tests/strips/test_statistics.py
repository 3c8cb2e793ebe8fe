"""Layers whose statistics are of whole samples, on samples that are worked on in strips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from poolnorm_cli.batch import file_parts
from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.engine.layer_pass import LayerPass
from poolnorm_cli.engine.threads import ThreadPool
from poolnorm_cli.layers import find
from tests.batch.places import tree


if TYPE_CHECKING:
    from poolnorm_cli.layers.base import Layer
    from tests.conftest import Command

LAST, FIRST, DEEP = (3, 67, 80, 60), (3, 6, 173, 210), (2, 3, 40, 50, 80)
CASES: list[tuple[str, dict[str, Any], tuple[int, ...]]] = [
    ("gn", {"groups": 1}, LAST),
    ("gn", {"groups": 4}, LAST),
    ("gn", {"groups": 3, "axis": 1}, FIRST),
    ("gn", {"groups": 10, "axis": 2}, DEEP),
    ("in", {}, LAST),
    ("in", {"axis": 1}, FIRST),
    ("ln", {"axis": (1, 2, 3)}, LAST),
    ("ln", {"axis": (1, 2)}, LAST),
    ("ln", {"axis": (1, 3)}, LAST),
    ("ln", {"axis": 1}, FIRST),
    ("ln", {"axis": (2, 3, 4)}, DEEP),
    ("ln", {"axis": -1}, (2, 300_000)),
    ("rms", {"axis": (1, 2, 3)}, LAST),
    ("rms", {"axis": 1}, FIRST),
    ("unit", {"axis": (1, 2, 3)}, FIRST),
    ("unit", {"axis": (1, 2)}, LAST),
    ("unit", {"axis": 2}, DEEP),
]


def tensor(shape: tuple[int, ...], dtype: str = "float32", mean: float = 0) -> Any:
    return (np.random.default_rng(5).standard_normal(shape) + mean).astype(dtype)


def layer_of(words: str, **parameters: Any) -> Layer:
    return find(*words.split())(**parameters)


def random_weights(layer: Layer, shape: tuple[int, ...]) -> dict[str, Any]:
    random = np.random.default_rng(6)
    sizes = layer.weight_shapes(shape)
    return {name: random.uniform(0.5, 2, size).astype(np.float32) for name, size in sizes.items()}


def in_strips(layer: Layer, shape: tuple[int, ...], *, training: bool = False) -> bool:
    return len(LayerPass(layer, shape, "float32", "float32", training).inner.strips) > 1


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32"])
@pytest.mark.parametrize(("words", "parameters", "shape"), CASES)
def test_statistics_over_strips_are_those_of_whole_samples(
    words: str, parameters: dict[str, Any], shape: tuple[int, ...], dtype: str, whole_samples: Any
) -> None:
    layer, x = layer_of(words, **parameters), tensor(shape, dtype, 5)
    weights = random_weights(layer, shape)
    assert in_strips(layer, shape)
    cut, _ = run_array(layer, x, weights)
    whole, _ = whole_samples(layer, x, weights)

    assert cut.dtype == whole.dtype
    within = {"float16": 2e-3, "float64": 1e-11}.get(dtype, 2e-6)
    np.testing.assert_allclose(cut, whole, rtol=within, atol=within)


def test_a_mean_of_a_million_costs_nothing_over_strips() -> None:
    x = tensor(LAST, mean=1e6)
    wide = x.astype(np.float64)
    mean, variance = (f(wide, axis=(1, 2, 3), keepdims=True) for f in (np.mean, np.var))
    y, _ = run_array(layer_of("gn", groups=1), x)

    np.testing.assert_allclose(y, (wide - mean) / np.sqrt(variance + 1e-3), rtol=0, atol=1e-5)


def test_a_nan_stays_in_its_sample_and_group() -> None:
    x = tensor(FIRST)
    x[1, 2, 100, 7] = np.nan
    y, _ = run_array(layer_of("gn", groups=3, axis=1), x)

    assert np.isnan(y[1, 2:4]).all()
    assert np.isnan(y).sum() == y[1, 2:4].size


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("parameters", "shape"),
    [
        ({"axis": 1}, FIRST),
        ({"axis": (1, 3)}, LAST),
        ({"axis": 0}, LAST),
        ({"axis": 1, "renorm": True}, FIRST),
        ({"axis": 1, "virtual_batch_size": 1}, FIRST),
        ({"axis": -1, "virtual_batch_size": 3}, LAST),
        ({"adjustment": "scale=random_uniform(minval=0.9,maxval=1.1,seed=1)"}, LAST),
    ],
)
def test_batch_statistics_over_strips_are_those_of_whole_samples(
    parameters: dict[str, Any], shape: tuple[int, ...], training: bool, whole_samples: Any
) -> None:
    layer, x = layer_of("bn", **parameters), tensor(shape, mean=100)
    weights = random_weights(layer, shape)
    assert in_strips(layer, shape, training=training) == ("adjustment" not in parameters)
    cut, moved = run_array(layer, x, weights, training=training)
    whole, expected = whole_samples(layer, x, weights, training=training)

    np.testing.assert_allclose(cut, whole, rtol=2e-6, atol=2e-5)
    for name, weight in expected.items():
        np.testing.assert_allclose(moved[name], weight, rtol=1e-6)


@pytest.mark.parametrize(
    ("parameters", "shape"),
    [({}, LAST), ({"axis": 1}, FIRST), ({"axis": (1, 3)}, LAST), ({"axis": -1}, (4, 300_000))],
)
def test_a_mask_is_cut_beside_its_batch(
    parameters: dict[str, Any], shape: tuple[int, ...], whole_samples: Any
) -> None:
    layer, x = layer_of("bn", **parameters), tensor(shape)
    mask = np.random.default_rng(2).random(shape[:-1]) < 0.7
    mask[1] = False
    cut, moved = run_array(layer, x, training=True, mask=mask)
    whole, expected = whole_samples(layer, x, training=True, mask=mask)

    np.testing.assert_allclose(cut, whole, rtol=2e-6, atol=2e-6)
    for name, weight in expected.items():
        np.testing.assert_allclose(moved[name], weight, rtol=1e-6)


@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
@pytest.mark.parametrize("steps", [70_000, 300_000])
def test_masked_steps_in_strips_are_averaged_by_those_that_count(
    layout: str, steps: int, poolnorm: Command
) -> None:
    x, mask = tensor((3, steps, 2)), np.random.default_rng(2).random((3, steps)) < 0.5
    mask[0, : steps // 2], mask[1] = False, False
    x[~mask] = np.nan
    exact = [x[i][mask[i]].mean(0, dtype="float64") for i in (0, 2)]
    np.save("x.npy", x if layout == "channels_last" else x.transpose(0, 2, 1).copy())
    np.save("m.npy", mask)
    done = poolnorm(f"gpool average x.npy --mask m.npy --data-format {layout} -q -o y.npy")
    y = np.load("y.npy")

    assert done.code == 0, done.err
    np.testing.assert_allclose(y[[0, 2]], exact, rtol=0, atol=4e-7)
    assert np.isnan(y[1]).all()


@pytest.mark.parametrize("words", ["in --axis 1", "ln --axis 1,2,3", "unit --axis 2,3"])
def test_neither_threads_nor_processes_change_the_bytes(
    words: str, poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_parts, "SPLIT_BYTES", 1 << 20)
    monkeypatch.setattr(file_parts, "PART_BYTES", 1 << 19)
    Path("in").mkdir()
    np.save("in/a.npy", tensor(FIRST))
    np.save("in/b.npy", tensor((2, *FIRST[1:])))
    for number, flags in enumerate(("", "-j 2", "--threads 3", "--max-memory 2G")):
        assert poolnorm(f"{words} in -O out{number} {flags}").code == 0

    assert tree("out0") == tree("out1") == tree("out2") == tree("out3")


def test_parts_of_collapsed_samples_put_their_statistics_together(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_parts, "SPLIT_BYTES", 1 << 20)
    monkeypatch.setattr(file_parts, "PART_BYTES", 1 << 19)
    x = tensor((2, 3, 67, 80, 30))
    Path("in").mkdir()
    for name in "ab":
        np.save(f"in/{name}.npy", x)
    for number, flags in enumerate(("", "-j 2")):
        assert poolnorm(f"ln --axis 2,3,4 in -O out{number} {flags}").code == 0

    assert tree("out0") == tree("out1")
    wide = x.astype(np.float64)
    mean, variance = (f(wide, axis=(2, 3, 4), keepdims=True) for f in (np.mean, np.var))
    np.testing.assert_allclose(
        np.load("out1/a.npy"), (wide - mean) / np.sqrt(variance + 1e-3), rtol=0, atol=2e-6
    )


def test_threads_hold_strips_apart() -> None:
    layer, x = layer_of("in", axis=1), tensor(FIRST)
    expected, _ = run_array(layer, x)
    for threads in (1, 2, 3):
        run = LayerPass(layer, x.shape, "float32", "float32", pool=ThreadPool(threads))
        weights = {"gamma": np.ones(6, "float32"), "beta": np.zeros(6, "float32")}
        moments = run.moments(run.array_blocks(x))
        found = [y.ravel().copy() for y in run.outputs(run.array_blocks(x), weights, moments)]
        assert np.concatenate(found).tobytes() == expected.tobytes()


@pytest.mark.parametrize("words", ["ln --axis 1,2", "pool max --pool-size 3", "bn", "in"])
def test_a_large_sample_is_explained_as_a_small_one_is(
    words: str, poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from poolnorm_cli.engine import blocks

    np.save("x.npy", tensor(LAST))
    cut = poolnorm(f"{words} x.npy --explain --no-values")
    monkeypatch.setattr(blocks, "WHOLE_SAMPLE_BYTES", 1 << 40)
    whole = poolnorm(f"{words} x.npy --explain --no-values")

    assert cut.code == 0
    assert [line for line in cut.out.splitlines() if "x.npy" not in line] == [
        line for line in whole.out.splitlines() if "x.npy" not in line
    ]


@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("narrow", [(0,), (1,), (3,), ()])
def test_a_mask_of_groups_is_cut_beside_its_samples(
    axis: int, narrow: tuple[int, ...], whole_samples: Any
) -> None:
    x = tensor((3, 60, 700, 8))
    mask = np.random.default_rng(2).random(x.shape) < 0.7
    mask[1, ..., :4] = False
    for one in narrow:
        mask = mask.take([0], axis=one)
    layer: Any = find("gn")
    cut, _ = run_array(layer(groups=4, axis=axis), x, mask=mask)
    whole, _ = whole_samples(layer(groups=4, axis=axis), x, mask=mask)

    np.testing.assert_allclose(cut, whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 200_000), (3, 1)])
@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
def test_a_narrow_mask_is_cut_beside_its_steps(
    layout: str, shape: tuple[int, int], whole_samples: Any
) -> None:
    x = tensor((3, 200_000, 2) if layout == "channels_last" else (3, 2, 200_000))
    mask = np.random.default_rng(2).random(shape) < 0.7
    layer: Any = find("gpool", "average")
    cut, _ = run_array(layer(data_format=layout), x, mask=mask)
    whole, _ = whole_samples(layer(data_format=layout), x, mask=mask)

    np.testing.assert_allclose(cut, whole, rtol=1e-5, atol=1e-6)
