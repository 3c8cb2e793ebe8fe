"""Adaptive pooling, against each window alone."""

from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers import find
from poolnorm_cli.shapes import adaptive_bounds


POOL: dict[str, Any] = {kind: find("apool", kind) for kind in ("max", "average")}
EPSILON = float(np.finfo(np.float32).eps)


@given(st.integers(1, 10**15), st.integers(1, 300))
def test_bounds_are_exact_and_have_two_sizes_at_most(length: int, count: int) -> None:
    bounds = adaptive_bounds(length, count)

    exact = [
        (floor(Fraction(i * length, count)), ceil(Fraction((i + 1) * length, count)))
        for i in range(count)
    ]
    assert bounds == exact
    assert len({end - first for first, end in bounds}) <= 2
    assert all(first[1] - 1 <= second[0] <= first[1] for first, second in pairwise(bounds))
    assert (bounds[0][0], bounds[-1][1]) == (0, length)


@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=2),
    counts=st.lists(st.integers(1, 45), min_size=2, max_size=2),
    layout=st.sampled_from(["channels_last", "channels_first"]),
    rows=st.integers(1, 4),
    seed=st.integers(0, 99),
)
@settings(max_examples=150, deadline=None)
def test_every_window_is_reduced_alone(
    lengths: list[int], counts: list[int], layout: str, rows: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    x = random.standard_normal((3, *lengths, 2)).astype(np.float32)
    x[random.random(x.shape) < 0.05] = -np.inf
    x[random.random(x.shape) < 0.02] = np.nan
    given = {"output_size": tuple(counts[: len(lengths)]), "data_format": layout}
    turned = np.moveaxis(x, -1, 1) if layout == "channels_first" else x
    turned = np.ascontiguousarray(turned)
    most, mean = (
        run_array(POOL[kind](**given), turned, rows=rows)[0] for kind in ("max", "average")
    )
    if layout == "channels_first":
        most, mean = np.moveaxis(most, 1, -1), np.moveaxis(mean, 1, -1)

    spans = [adaptive_bounds(*pair) for pair in zip(lengths, counts, strict=False)]
    for place in np.ndindex(*(len(span) for span in spans)):
        cut = (slice(*span[p]) for span, p in zip(spans, place, strict=True))
        cells = x[:, *cut].astype(np.float64)
        axes = tuple(range(1, cells.ndim - 1))
        np.testing.assert_array_equal(most[:, *place], cells.max(axes))
        found, exact = mean[:, *place], cells.mean(axes)
        finite = np.isfinite(exact)
        bound = 4 * EPSILON * np.abs(cells).mean(axes)[finite]
        np.testing.assert_array_equal(found[~finite], exact[~finite])
        assert (np.abs(found[finite] - exact[finite]) <= bound).all()


def test_a_long_axis_takes_few_steps() -> None:
    x = np.arange(100_003, dtype=np.int64)[None, :, None]
    for count in (7, 333, 33_331, 100_002, 100_003, 150_000):
        most = run_array(POOL["max"](output_size=count), x)[0]
        bounds = np.array(adaptive_bounds(100_003, count))

        np.testing.assert_array_equal(most.ravel(), bounds[:, 1] - 1)
        mean = run_array(POOL["average"](output_size=count), x.astype(np.float64))[0]
        np.testing.assert_array_equal(mean.ravel(), (bounds.sum(axis=1) - 1) / 2)


@pytest.mark.parametrize("count", [3, 7, 30])
def test_an_average_does_not_overflow_where_its_result_does_not(count: int) -> None:
    for dtype, large in (("float16", 60000), ("float32", 3e38), ("float64", 1.7e308)):
        x = np.full((1, 40, 2), large, dtype=dtype)
        pooled = run_array(POOL["average"](output_size=count), x)[0]

        rtol = 4 * float(np.finfo(dtype).eps)
        np.testing.assert_allclose(pooled, np.full((1, count, 2), x[0, 0, 0]), rtol=rtol)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int32", "int64", "uint64"])
def test_integers_stay_in_maxima_and_become_float32_in_averages(dtype: str) -> None:
    x = (np.arange(30).reshape(2, 5, 3) % 2).astype(dtype)

    assert run_array(POOL["max"](output_size=3), x)[0].dtype == dtype
    assert run_array(POOL["average"](output_size=3), x)[0].dtype == np.float32


@pytest.mark.parametrize(
    ("given", "shape", "expected"),
    [
        ({"output_size": 7}, (None, None, 5, 3), (None, 7, 7, 3)),
        ({"output_size": (2, 9)}, ("N", "H", "W", "C"), ("N", 2, 9, "C")),
        ({"output_size": (4,), "data_format": "channels_first"}, (2, 3, "T"), (2, 3, 4)),
        ({"output_size": (1, 2, 3)}, (0, 4, 4, 4, 1), (0, 1, 2, 3, 1)),
    ],
)
def test_shapes(given: dict[str, Any], shape: Any, expected: Any) -> None:
    layer = POOL["max"](**given)

    assert layer.output_shape(shape) == expected
    assert layer.config(shape)["output_size"] == [
        size
        for axis, size in enumerate(expected)
        if axis not in (0, 1 if "data_format" in given else len(shape) - 1)
    ]


@pytest.mark.parametrize(
    ("given", "shape", "message"),
    [
        ({"output_size": 0}, (1, 2, 3), "--output-size must be positive, not '0'; give 1 or more"),
        ({"output_size": (2, -1)}, (1, 2, 3), "--output-size must be positive, not '2,-1'"),
        ({"output_size": (2, 2)}, (1, 5, 3), "--output-size"),
        ({"output_size": 2}, (1, 5), "the input has rank 2"),
        ({"output_size": 2}, (1, 0, 3), "axis 1 has no cells: there is nothing to pool"),
        ({"output_size": 2, "data_format": "NHWC"}, (1, 5, 3), "--data-format 'NHWC' is not known"),
    ],
)
def test_refusals(given: dict[str, Any], shape: Any, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        POOL["average"](**given).output_shape(shape)
    assert message in str(refused.value)
