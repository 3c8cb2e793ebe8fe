"""Every layer computes float16 as float32, and rounds once, whatever loops there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.kernels import native
from poolnorm_cli.kernels.moments import moments_of
from poolnorm_cli.kernels.scaling import center_and_scale
from poolnorm_cli.layers import LAYERS, find


if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolnorm_cli.layers.base import Layer

needs_loops = pytest.mark.skipif(not native.compiled(), reason="built without a C compiler")

PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "pool max": [{"pool_size": 2}, {"pool_size": 3, "strides": 1, "padding": "same"}],
    "pool average": [{"pool_size": 2}, {"pool_size": 9, "strides": 2, "padding": "same"}],
    "apool max": [{"output_size": 3}, {"output_size": 4}],
    "apool average": [{"output_size": 3}, {"output_size": 4}],
    "bn": [{}, {"axis": 1}, {"axis": (1, 2)}],
    "ln": [{}, {"axis": (1, 2)}],
    "gn": [{"groups": 2}, {"groups": 2, "axis": 1}],
}
CASES = [(words, given, False) for words in LAYERS for given in PARAMETERS.get(words, [{}])]
CASES += [("bn", given, True) for given in PARAMETERS["bn"]]
SHAPES = [(3, 8, 6, 4), (9, 96, 12, 30), (2, 60, 70, 66)]


def drawn(shape: tuple[int, ...], *, odd: bool = False) -> NDArray[Any]:
    random = np.random.default_rng(0)
    x = random.standard_normal(shape) * 3 + 1
    if odd:
        x.flat[::997] = random.choice([np.nan, np.inf, -np.inf, 6e4, 6e-8], x.flat[::997].size)
    return x.astype(np.float16)


def weights_of(layer: Layer, shape: tuple[int, ...]) -> dict[str, Any]:
    random = np.random.default_rng(1)
    sizes = layer.weight_shapes(shape).items()
    return {name: random.uniform(0.5, 2, size).astype(np.float32) for name, size in sizes}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("words", "given", "training"), CASES, ids=str)
def test_float16_is_float32_rounded_once(
    words: str, given: dict[str, Any], shape: tuple[int, ...], training: bool
) -> None:
    layer, x = find(*words.split())(**given), drawn(shape, odd=not training)
    weights = weights_of(layer, shape)

    y, after = run_array(layer, x, weights, training=training)
    wide, after_wide = run_array(layer, x.astype(np.float32), weights, training=training)

    with np.errstate(all="ignore"):
        expected = wide.astype(np.float16)
    assert y.dtype == np.float16
    np.testing.assert_array_equal(y, expected)
    for name, weight in after.items():
        np.testing.assert_array_equal(weight, after_wide[name])


@needs_loops
@pytest.mark.parametrize(("shape", "axes"), [((5, 7, 3), (0, 1)), ((3, 90000, 2), (1,)),
                                             ((2, 400, 70), (0, 1)), ((2, 3, 50000), (2,)),
                                             ((9, 20000), (0,)), ((4, 1), (0,))])  # fmt: skip
def test_moments_of_float16_are_those_of_float32(
    shape: tuple[int, ...], axes: tuple[int, ...]
) -> None:
    x = drawn(shape)

    found, wide = moments_of(x, axes), moments_of(x.astype(np.float32), axes)

    np.testing.assert_array_equal(found.mean, wide.mean)
    np.testing.assert_array_equal(found.squares, wide.squares)


@needs_loops
@pytest.mark.parametrize("axes", [(3,), (1,), (1, 2), (0, 3), (0,), ()])
def test_float16_is_scaled_in_float32(axes: tuple[int, ...]) -> None:
    for shape in ((3, 5, 4, 2), (2, 300, 40, 12), (2, 3, 300, 300)):
        x, random = drawn(shape, odd=True), np.random.default_rng(2)
        size = [n if axis in axes else 1 for axis, n in enumerate(shape)]
        mean, scale, shift = (random.uniform(1, 2, size) for _ in range(3))
        for large in (1.0, 1e31):  # which is computed again in float64
            y = center_and_scale(x, mean, scale, shift * large)
            wide = center_and_scale(x.astype(np.float32), mean, scale, shift * large)
            with np.errstate(all="ignore"):
                np.testing.assert_array_equal(y.astype(np.float16), wide.astype(np.float16))


@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_statistics_of_halves_do_not_depend_on_how_many_are_read_at_once(
    axis: int, dtype: str
) -> None:
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")  # which makes it known by its name
    x = drawn((70, 96, 12, 30)).astype(dtype)
    given: dict[str, Any] = {"axis": axis}
    layer = find("bn")(**given)
    expected, weights = run_array(layer, x.astype(np.float32), training=True)

    for threads, rows in ((1, None), (3, None), (1, 1)):
        found, moved = run_array(layer, x, training=True, threads=threads, rows=rows)

        assert found.dtype.name == dtype
        np.testing.assert_array_equal(found.view(np.uint16), expected.astype(dtype).view(np.uint16))
        for name, weight in moved.items():
            np.testing.assert_array_equal(weight, weights[name])
