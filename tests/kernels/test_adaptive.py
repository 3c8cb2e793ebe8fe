"""The compiled loop of adaptive pooling and NumPy give the same, and what the loop refuses."""

from __future__ import annotations

import subprocess
import sys
from math import prod
from struct import pack
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from poolnorm_cli.kernels import native
from poolnorm_cli.kernels.adaptive import covers
from poolnorm_cli.kernels.reductions import max_adaptive, mean_adaptive
from poolnorm_cli.kernels.windows import max_windows, mean_windows
from poolnorm_cli.shapes import adaptive_bounds
from poolnorm_cli.windows import window
from tests.kernels.test_native import both, cells, needs_loops


@needs_loops
@given(
    axes=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 35)), min_size=1, max_size=3),
    images=st.integers(1, 3),
    items=st.sampled_from([1, 2, 3, 4, 7, 8, 65]),
    seed=st.integers(0, 10**6),
    special=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
)
@settings(max_examples=200, deadline=None)
def test_windows(
    axes: list[tuple[int, int]], images: int, items: int, seed: int, *, special: bool, dtype: str
) -> None:
    bounds = {i: adaptive_bounds(*pair) for i, pair in enumerate(axes, start=1)}
    x = cells((images, *(length for length, _ in axes), items), seed, special=special, dtype=dtype)
    monkey = pytest.MonkeyPatch()

    most, most_in_numpy = both(monkey, lambda: max_adaptive(x, bounds))
    mean, mean_in_numpy = both(monkey, lambda: mean_adaptive(x, bounds))

    np.testing.assert_array_equal(most, most_in_numpy)
    assert mean.dtype == mean_in_numpy.dtype
    rtol, atol = (1e-7, 1e-44) if dtype == "float32" else (1e-13, 1e-30)
    size = mean_adaptive(np.abs(np.where(np.isfinite(x), x, 0)), bounds)
    finite = np.isfinite(mean_in_numpy)
    np.testing.assert_array_equal(mean[~finite], mean_in_numpy[~finite])
    away = np.abs(mean[finite] - mean_in_numpy[finite])
    assert (away <= rtol * size[finite] + atol).all()


@needs_loops
@pytest.mark.parametrize("items", [1, 3, 5, 40, 2000])
@pytest.mark.parametrize("shape", [(1, 3000), (37, 1500), (5, 2, 700)], ids=str)
def test_windows_longer_than_what_is_joined_at_once(shape: tuple[int, ...], items: int) -> None:
    x = cells((1, *shape, min(items, 4_000_000 // prod(shape))), 3, special=False)
    bounds = {i: adaptive_bounds(size, min(size, 3)) for i, size in enumerate(shape, start=1)}
    monkey = pytest.MonkeyPatch()

    most, most_in_numpy = both(monkey, lambda: max_adaptive(x, bounds))
    mean, mean_in_numpy = both(monkey, lambda: mean_adaptive(x, bounds))

    np.testing.assert_array_equal(most, most_in_numpy)
    np.testing.assert_allclose(mean, mean_in_numpy, rtol=1e-6, atol=1e-9)


@needs_loops
@pytest.mark.parametrize("size", [3, 9, 65, 70])
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("items", [1, 5, 70])
def test_windows_that_share_no_cell(axes: int, size: int, items: int) -> None:
    length = size * 2 + size // 2
    shape = (2, *(length if axes == 1 or size < 10 else 70 for _ in range(axes)))
    x = cells((*shape, items), size, special=False)[: 1 if axes == 3 else 2]
    windows = {axis: window(shape[axis], size, size + axis, "same") for axis in range(1, axes + 1)}
    monkey = pytest.MonkeyPatch()

    most, most_in_numpy = both(monkey, lambda: max_windows(x, windows))
    mean, mean_in_numpy = both(monkey, lambda: mean_windows(x, windows))

    np.testing.assert_array_equal(most, most_in_numpy)
    np.testing.assert_allclose(mean, mean_in_numpy, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("value", [1.7e308, -1.7e308])
def test_a_mean_is_finite_where_its_sum_is_not(value: float) -> None:
    x = np.full((1, 7, 9, 3), value)

    mean = mean_adaptive(x, {1: adaptive_bounds(7, 2), 2: adaptive_bounds(9, 4)})

    np.testing.assert_allclose(mean, value, rtol=1e-15)


@needs_loops
@pytest.mark.parametrize(
    "spans",
    [[(0, 0)], [(-1, 2)], [(0, 6)], [(3, 2)], [(2, 4), (0, 5)]],
    ids=["empty", "before", "after", "turned", "unordered"],
)
def test_the_loop_refuses_windows_that_do_not_fit(spans: list[tuple[int, int]]) -> None:
    loops: Any = native._LOOPS
    x, out = np.zeros((1, 5, 2), np.float32), np.zeros((1, len(spans), 2), np.float32)
    whole = [(0, 1), (0, 1), *spans]
    bounds = pack(f"{2 * len(whole)}n", *(number for span in whole for number in span))

    with pytest.raises(ValueError, match="windows that do not fit"):
        loops.adaptive(x, out, bounds, False, 4, (1, 1, 1, 5, 2), (1, 1, len(spans)))


def test_channels_first_is_merged_into_images() -> None:
    call = covers((2, 3, 5, 7), {2: [(0, 5)], 3: [(0, 4), (3, 7)]})

    assert call.shape == (6, 1, 5, 7, 1)
    assert call.counts == (1, 1, 2)
    assert call.out == (2, 3, 1, 2)
    assert call.bounds == pack("8n", 0, 1, 0, 5, 0, 4, 3, 7)


def test_the_call_is_derived_without_numpy() -> None:
    code = "import sys, poolnorm_cli.kernels.adaptive as a; print('numpy' in sys.modules)"

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert said.stdout == "False\n"
