"""Kernels cut their input into tiles; what comes out does not tell."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st

from poolnorm_cli.kernels import deviations, memory, pool_shapes, rows, scaling
from poolnorm_cli.kernels.moments import moments_of
from poolnorm_cli.kernels.reductions import max_over, mean_over
from poolnorm_cli.kernels.rows import normalize_rows
from poolnorm_cli.kernels.scaling import center_and_scale
from poolnorm_cli.kernels.windows import max_windows, mean_windows
from poolnorm_cli.windows import window


if TYPE_CHECKING:
    from numpy.typing import NDArray


EPSILON = float(np.finfo(np.float32).eps)
SPECIAL = [0.0, -0.0, 1.0, -1.0, 3e38, -3e38, 1e-40, np.inf, -np.inf, np.nan]
MODULES = (deviations, memory, pool_shapes, rows, scaling)


def some(shape: tuple[int, ...], seed: int, *, special: bool, dtype: str = "float32") -> Any:
    random = np.random.default_rng(seed)
    x = random.standard_normal(shape) * 10.0 ** random.integers(-3, 4)
    if special:
        odd = random.random(shape) < 0.05
        x[odd] = random.choice(SPECIAL[: random.integers(1, 11)], odd.sum())
    with np.errstate(over="ignore"):
        return x.astype(dtype)


def tile_bytes(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    for module in MODULES:
        if hasattr(module, "TILE_BYTES"):
            monkeypatch.setattr(module, "TILE_BYTES", size)


axis = st.tuples(
    st.integers(1, 40),
    st.integers(1, 36),
    st.integers(1, 5),
    st.sampled_from(["valid", "same"]),
)


@given(
    batch=st.integers(1, 5),
    axes=st.lists(axis, min_size=1, max_size=3),
    items=st.sampled_from([1, 2, 3, 8, 33, 40]),
    seed=st.integers(0, 10**6),
    special=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
    size=st.sampled_from([1, 500, 4000, 1 << 20]),
)
@example(
    batch=1, axes=[(36, 4, 5, "same")], items=1, seed=2, special=False, dtype="float32", size=1
)
@settings(max_examples=120, deadline=None)
def test_windows_of_one_sample_have_the_bytes_they_have_among_others(
    batch: int, axes: list[Any], items: int, seed: int, special: bool, dtype: str, size: int
) -> None:
    axes = [(min(n, 12) if len(axes) > 2 else n, k, s, p) for n, k, s, p in axes]
    shape = (batch, *(length for length, *_ in axes), items)
    windows = {
        index: window(length, min(k, length) if padding == "valid" else k, stride, padding)
        for index, (length, k, stride, padding) in enumerate(axes, start=1)
    }
    x = some(shape, seed, special=special, dtype=dtype)

    for kernel in (max_windows, mean_windows):
        whole = kernel(x, windows)
        with pytest.MonkeyPatch.context() as patch:
            tile_bytes(patch, size)
            tiled = kernel(x, windows)
        alone = [kernel(x[i : i + 1], windows) for i in range(batch)]
        assert tiled.tobytes() == whole.tobytes()
        assert np.concatenate(alone).tobytes() == whole.tobytes()


@given(
    length=st.integers(1, 70),
    size=st.integers(1, 64),
    stride=st.integers(1, 9),
    padding=st.sampled_from(["valid", "same"]),
    items=st.sampled_from([1, 3, 33]),
    seed=st.integers(0, 999),
)
@settings(max_examples=120, deadline=None)
def test_windows_on_two_axes_are_what_the_cells_below_them_give(
    length: int, size: int, stride: int, padding: Any, items: int, seed: int
) -> None:
    size = min(size, length) if padding == "valid" else size
    x = some((1, length, 9, items), seed, special=False)
    on = {1: window(length, size, stride, padding), 2: window(9, 4, 2, "same")}
    most, mean = max_windows(x, on), mean_windows(x, on)

    for place in np.ndindex(on[1].count, on[2].count):
        starts = [p * on[a].stride - on[a].low for a, p in enumerate(place, start=1)]
        cut = tuple(slice(max(s, 0), s + on[a].size) for a, s in enumerate(starts, start=1))
        cells = x[(0, *cut)].reshape(-1, items).astype(np.float64)
        np.testing.assert_array_equal(most[(0, *place)], cells.max(0))
        allowed = 4 * EPSILON * np.abs(cells).mean(0)
        assert (np.abs(mean[(0, *place)] - cells.mean(0)) <= allowed).all()


@pytest.mark.parametrize("zeros", [(0.0, -0.0), (-0.0, 0.0)])
@pytest.mark.parametrize("items", range(1, 40))
def test_the_sign_of_zero_does_not_depend_on_where_a_vector_loop_ends(
    zeros: tuple[float, float], items: int
) -> None:
    x = np.empty((3, 2, items), np.float32)
    x[:, 0], x[:, 1] = zeros
    on = {1: window(2, 2, 2, "valid")}

    for most in (max_windows(x, on), max_over(x, (1,), keepdims=False)):
        assert len(set(np.signbit(most).ravel().tolist())) == 1


@given(
    batch=st.integers(1, 9),
    length=st.integers(1, 3000),
    items=st.sampled_from([1, 2, 3, 16, 64, 1030]),
    seed=st.integers(0, 999),
    special=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_reductions_of_one_sample_have_the_bytes_they_have_among_others(
    batch: int, length: int, items: int, seed: int, special: bool
) -> None:
    x = some((batch, max(length // items, 1), items), seed, special=special)

    for kernel in (max_over, mean_over):
        whole = kernel(x, (1,), keepdims=False)
        alone = [kernel(x[i : i + 1], (1,), keepdims=False) for i in range(batch)]
        assert np.concatenate(alone).tobytes() == whole.tobytes()
    for part in ("mean", "squares"):
        whole = getattr(moments_of(x, (1,)), part)
        alone = [getattr(moments_of(x[i : i + 1], (1,)), part) for i in range(batch)]
        assert np.concatenate(alone).tobytes() == whole.tobytes()


@given(
    count=st.integers(1, 300),
    items=st.integers(1, 70),
    seed=st.integers(0, 999),
    special=st.booleans(),
    affine=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_a_row_has_the_bytes_it_has_among_others(
    count: int, items: int, seed: int, special: bool, affine: bool
) -> None:
    x = some((count, items), seed, special=special)
    vectors: list[Any] = [
        some((items,), seed + i, special=False) if affine else None for i in (1, 2)
    ]
    whole = normalize_rows(x, 1e-3, *vectors)
    alone = [normalize_rows(x[i : i + 1], 1e-3, *vectors) for i in range(count)]

    assert np.concatenate(alone).tobytes() == whole.tobytes()


@pytest.mark.parametrize("items", [1, 2, 3, 15, 16, 64, 511, 512])
@pytest.mark.parametrize(
    ("mean", "deviation"), [(0, 1), (1e6, 1), (1e6, 0.1), (0, 1e-12), (0, 1e25)]
)
def test_rows_are_normalized_to_the_last_digits(items: int, mean: float, deviation: float) -> None:
    x = np.random.default_rng(items).normal(mean, deviation, (50, items)).astype(np.float32)
    x[0, 0] = np.float32(1e4) * np.float32(deviation)  # an outlier takes nothing from its row
    wide = x.astype(np.float64)
    exact = wide - wide.mean(1, keepdims=True)
    exact /= np.sqrt(np.square(exact).mean(1, keepdims=True) + 1e-12)

    np.testing.assert_allclose(normalize_rows(x, 1e-12, None, None), exact, rtol=1e-5, atol=1e-5)


SHAPES = [(40, 3, 4), (7, 64, 3), (2, 3000, 3), (2, 9, 40), (1, 600, 700), (5, 1, 1), (3, 20000, 1)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)])
@pytest.mark.parametrize(
    ("mean", "deviation"), [(0, 1), (1e6, 1), (3, 1e-22), (0, 1e-22), (0, 1e30)]
)
def test_moments_lose_nothing(
    shape: tuple[int, ...], axes: tuple[int, ...], mean: float, deviation: float
) -> None:
    x = np.random.default_rng(7).normal(mean, deviation, shape).astype(np.float32)
    x[0, 0, 0] += np.float32(1e5) * np.float32(deviation)
    wide = x.astype(np.float64)
    found = moments_of(x, axes)
    spread = wide.std(axes, keepdims=True)

    assert found.count == prod(shape[axis] for axis in axes)
    assert (np.abs(found.mean - wide.mean(axes, keepdims=True)) <= 1e-6 * spread).all()
    np.testing.assert_allclose(found.variance, wide.var(axes, keepdims=True), rtol=1e-6)


def test_a_constant_has_no_deviation() -> None:
    for value in (0.1, 1e6 + 0.5, -3e38, 0.0):
        x = np.full((4, 1000, 3), value, np.float32)
        found = moments_of(x, (0, 1))
        assert found.mean.ravel().tolist() == [float(x[0, 0, 0])] * 3
        assert found.squares.ravel().tolist() == [0.0] * 3


def broadcast(shape: tuple[int, ...], keep: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size if axis in keep else 1 for axis, size in enumerate(shape))


@pytest.mark.parametrize("shape", [(3, 5, 7, 3), (2, 64, 64, 3), (40, 6, 5, 64), (1, 300, 300, 8)])
@pytest.mark.parametrize("keep", [(3,), (1,), (0,), (0, 1, 2), (1, 3), (0, 3), (1, 2, 3), ()])
def test_scale_and_shift_broadcast_as_numpy_does(
    shape: tuple[int, ...], keep: tuple[int, ...]
) -> None:
    random = np.random.default_rng(1)
    x = random.standard_normal(shape).astype(np.float32)
    mean, scale = random.standard_normal((2, *broadcast(shape, keep)))
    before: NDArray[Any] = x.copy()
    y = center_and_scale(x, mean, scale, 0.5)

    assert y.dtype == np.float32
    assert x.tobytes() == before.tobytes()
    np.testing.assert_allclose(y, (x - mean) * scale + 0.5, rtol=1e-5, atol=1e-5)
