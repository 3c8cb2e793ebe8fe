"""The compiled loops and NumPy give the same; each is the other's oracle."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from poolnorm_cli.kernels import native
from poolnorm_cli.kernels.moments import moments_of
from poolnorm_cli.kernels.reductions import max_over, mean_over, sum_of_squares
from poolnorm_cli.kernels.scaling import center_and_scale, scaled
from poolnorm_cli.kernels.windows import max_windows, mean_windows
from poolnorm_cli.layers.layer_norm import LayerNormalization
from poolnorm_cli.windows import window


if TYPE_CHECKING:
    from collections.abc import Callable


needs_loops = pytest.mark.skipif(not native.compiled(), reason="built without a C compiler")
SPECIAL = [0.0, -0.0, 1e-40, 3e38, -3e38, np.inf, -np.inf, np.nan]
EPSILON = float(np.finfo(np.float32).eps)


def cells(shape: tuple[int, ...], seed: int, *, special: bool, dtype: str = "float32") -> Any:
    random = np.random.default_rng(seed)
    x = random.standard_normal(shape)
    if special:
        odd = random.random(shape) < 0.03
        x[odd] = random.choice(SPECIAL[: random.integers(1, 9)], odd.sum())
    return x.astype(dtype)


@pytest.fixture(scope="module")
def loops() -> Any:
    return native._LOOPS


def both(monkey: pytest.MonkeyPatch, work: Callable[[], Any]) -> tuple[Any, Any]:
    """Give what the loops make, and what NumPy makes without them."""
    compiled = work()
    with monkey.context() as patch:
        patch.setattr(native, "_LOOPS", None)
        return compiled, work()


def normalize_rows(x: Any, epsilon: float, gamma: Any, beta: Any) -> Any:
    """Normalize over the last axis."""
    weights = {"gamma": gamma, "beta": beta}
    given = {name: weight for name, weight in weights.items() if weight is not None}
    return LayerNormalization(epsilon=epsilon).apply(x, given)


axis = st.tuples(
    st.integers(1, 30), st.integers(1, 40), st.integers(1, 5), st.sampled_from(["valid", "same"])
)


@needs_loops
@given(
    axes=st.lists(axis, min_size=1, max_size=3),
    images=st.integers(1, 3),
    items=st.sampled_from([1, 2, 3, 4, 8, 17, 70]),
    seed=st.integers(0, 10**6),
    special=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
)
@settings(max_examples=300, deadline=None)
def test_windows(
    axes: list[Any], images: int, items: int, seed: int, *, special: bool, dtype: str
) -> None:
    windows = {
        i: window(length, min(size, length), stride, padding)
        for i, (length, size, stride, padding) in enumerate(axes, start=1)
    }
    shape = (images, *(length for length, *_ in axes), items)
    x = cells(shape, seed, special=special, dtype=dtype)
    monkey = pytest.MonkeyPatch()

    most, most_in_numpy = both(monkey, lambda: max_windows(x, windows))
    mean, mean_in_numpy = both(monkey, lambda: mean_windows(x, windows))
    sizes = mean_windows(np.abs(x), windows)

    np.testing.assert_array_equal(most, most_in_numpy)
    finite = np.isfinite(mean_in_numpy) & np.isfinite(sizes)
    assert (np.isfinite(mean) == np.isfinite(mean_in_numpy)).all()
    np.testing.assert_array_equal(mean[~finite], mean_in_numpy[~finite])
    allowed = 8 * (EPSILON if dtype == "float32" else 2**-52) * sizes + 1e-44
    assert (np.abs(mean[finite] - mean_in_numpy[finite]) <= allowed[finite]).all()


@needs_loops
@given(
    shape=st.tuples(
        st.integers(1, 9), st.integers(1, 600), st.sampled_from([1, 2, 3, 4, 5, 16, 65])
    ),
    seed=st.integers(0, 10**6),
    special=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
)
@settings(max_examples=200, deadline=None)
def test_reductions(shape: tuple[int, ...], seed: int, *, special: bool, dtype: str) -> None:
    x = cells(shape, seed, special=special, dtype=dtype)
    x[np.abs(x) == x.dtype.type(3e38)] = 1  # they would swallow the others in float32
    exact = (1e-12, 1e-13) if dtype == "float64" else (4e-6, 4e-7)
    monkey = pytest.MonkeyPatch()

    for work in (
        lambda: max_over(x, (1,), keepdims=False),
        lambda: mean_over(x, (1,), keepdims=False, dtype="float64"),
        lambda: sum_of_squares(x, (1,)),
        lambda: moments_of(x, (1,)).mean,
        lambda: moments_of(x, (1,)).squares,
    ):
        ours, in_numpy = both(monkey, work)
        assert ours.shape == in_numpy.shape
        np.testing.assert_allclose(ours, in_numpy, *exact)


@needs_loops
@given(
    rows=st.integers(1, 200),
    items=st.sampled_from([1, 2, 3, 15, 16, 17, 64, 513]),
    seed=st.integers(0, 10**6),
    weights=st.tuples(st.booleans(), st.booleans()),
    mean=st.sampled_from([0.0, 1e6]),
)
@settings(max_examples=100, deadline=None)
def test_rows(rows: int, items: int, seed: int, weights: tuple[bool, bool], mean: float) -> None:
    x = cells((rows, items), seed, special=False) + np.float32(mean)
    gamma, beta = (
        cells((items,), seed + i, special=False) if given else None
        for i, given in enumerate(weights)
    )

    ours = normalize_rows(x, 1e-3, gamma, beta)

    wide = x.astype(np.float64)
    wide = (wide - wide.mean(1, keepdims=True)) / np.sqrt(wide.var(1, keepdims=True) + 1e-3)
    wide = wide * (1 if gamma is None else gamma) + (0 if beta is None else beta)
    # Distances from a mean err by up to 8e-7 of their spread, and gamma scales that.
    allowed = 1e-6 * (np.abs(wide) + (1 if gamma is None else np.abs(gamma)))
    assert (np.abs(ours - wide) <= allowed).all()


@needs_loops
@pytest.mark.parametrize("items", [3, 7, 16, 70, 600])
@pytest.mark.parametrize("epsilon", [0.0, 1e-3])
def test_rows_beyond_the_range_of_float32_squares(items: int, epsilon: float) -> None:
    sizes = np.array([1, 1e-30, 1e-15, 1e-8, 1e18, 1e25, 3e37, 1], np.float32)
    x = cells((8, items), 1, special=False) * sizes[:, None]
    wide = x.astype(np.float64)
    wide = (wide - wide.mean(1, keepdims=True)) / np.sqrt(wide.var(1, keepdims=True) + epsilon)

    ours = normalize_rows(x, epsilon, None, None)
    odd = normalize_rows(
        np.where(np.arange(8)[:, None] == 3, np.float32("nan"), x), epsilon, None, None
    )

    np.testing.assert_allclose(ours, wide, rtol=2e-6, atol=1e-6)
    assert np.isnan(odd[3]).all()
    assert (np.delete(odd, 3, 0) == np.delete(ours, 3, 0)).all()  # no row depends on another


@needs_loops
@pytest.mark.parametrize("items", [1, 3, 40])
@pytest.mark.parametrize("size", [8, 9, 10, 13, 16, 31, 63, 64, 65, 72])
def test_averages_below_long_windows(size: int, items: int) -> None:
    x = cells((2, 75, 75, items), size, special=False)
    place, cell = np.indices((75, 75))
    start = place - (size - 1) // 2
    below = ((cell >= start) & (cell < start + size)).astype(np.float64)

    def exact(x: Any) -> Any:
        sums = np.einsum("ph,bhwi,qw->bpqi", below, x.astype(np.float64), below, optimize=True)
        return sums / np.outer(below.sum(1), below.sum(1))[:, :, None]

    ours = mean_windows(x, {axis: window(75, size, 1, "same") for axis in (1, 2)})

    assert (np.abs(ours - exact(x)) <= 4 * EPSILON * exact(np.abs(x))).all()


@needs_loops
@pytest.mark.parametrize("items", [3, 7, 15])
def test_a_row_near_the_end_of_the_range_does_not_depend_on_its_neighbours(items: int) -> None:
    away = cells((64, items), 1, special=False, dtype="float64")
    away -= away.mean(1, keepdims=True)
    sizes = np.geomspace(1.02e-12, 2e-12, 64)[:, None] / away.std(1, keepdims=True)
    x = (away * sizes).astype(np.float32)
    lost = x.copy()
    lost[0] = np.nan

    alone, beside, few = (normalize_rows(each, 0.0, None, None) for each in (x, lost, x[:40]))

    np.testing.assert_array_equal(beside[1:], alone[1:])
    np.testing.assert_array_equal(few, alone[:40])


@needs_loops
@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9), st.integers(1, 70)),
    kept=st.lists(st.booleans(), min_size=4, max_size=4),
    seed=st.integers(0, 10**6),
    dtype=st.sampled_from(["float32", "float64"]),
)
@settings(max_examples=200, deadline=None)
def test_scale_and_shift(shape: tuple[int, ...], kept: list[bool], seed: int, dtype: str) -> None:
    x = cells(shape, seed, special=True, dtype=dtype)
    vectors = [
        cells(
            tuple(size if keep else 1 for size, keep in zip(shape, kept, strict=True)),
            seed + i,
            special=False,
            dtype="float64",
        )
        for i in range(3)
    ]
    monkey = pytest.MonkeyPatch()

    ours, in_numpy = both(monkey, lambda: center_and_scale(x, *vectors))
    np.testing.assert_array_equal(ours, in_numpy)
    ours, in_numpy = both(monkey, lambda: scaled(x, vectors[0]))
    np.testing.assert_array_equal(ours, in_numpy)


@needs_loops
@pytest.mark.parametrize(
    ("x", "serves"),
    [
        (np.zeros((4, 4), ">f4"), False),
        (np.zeros((4, 4), "f4", order="F"), False),
        (np.zeros((4, 4), "i4"), False),
        (np.zeros((4, 4), "f4"), True),
    ],
    ids=["big-endian", "Fortran", "int", "plain"],
)
def test_only_plain_memory_goes_into_a_loop(x: Any, serves: bool, loops: Any) -> None:
    assert native.loops_for(x, native.FLOATS) is (loops if serves else None)


@needs_loops
def test_a_loop_refuses_arrays_of_another_size(loops: Any) -> None:
    x, short = np.zeros((2, 3, 4), np.float32), np.zeros(3)

    with pytest.raises(ValueError, match="array 1 has 24 bytes, not 64"):
        loops.fold_sum(x, short, x.shape)


@needs_loops
@pytest.mark.parametrize(
    ("shape", "row", "told"),
    [
        ((1, 1, 1, 8, 1), (2, 0, 4, 0), "do not fit"),
        ((1, 1, 1, 8, 1), (2, -1, 4, 0), "do not fit"),
        ((1, 1, 1, 8, 1), (2, 1, 8, 2), "do not fit"),
        ((1, 1, 1, 8, 1), (2, 2, 5, 0), "do not fit"),
        ((1, 1, 1, 8, 1), (2**62, 2**62, 2, 0), "do not fit"),
        ((2**31, 2**31, 4, 8, 1), (1, 1, 8, 0), "leaves the range"),
        ((1, 1, -1, -8, 1), (1, 1, 8, 0), "is negative"),
    ],
)
def test_a_loop_refuses_sizes_that_are_not_those_of_cells(
    shape: tuple[int, ...], row: tuple[int, ...], told: str, loops: Any
) -> None:
    x, y, one = np.zeros(8, np.float32), np.zeros(row[2], np.float32), (1, 1, 1, 0, 1, 0, 0, 0)

    with pytest.raises(ValueError, match=told):
        loops.windows(x, y, 0, 4, 0, shape, one, one, (*row, 1, 0, 0, 0)[:8])


@needs_loops
def test_a_loop_says_that_there_is_no_memory_for_a_window_that_is_not_clipped(loops: Any) -> None:
    x, y, one = np.zeros(8, np.float32), np.zeros(1, np.float32), (1, 1, 1, 0, 1, 0, 0, 0)

    for size in (2**58, 2**60, 2**63 - 1):
        with pytest.raises(MemoryError):
            loops.windows(
                x, y, 0, 4, 0, (1, 1, 1, 8, 1), one, one, (size, 1, 1, size // 2, 1, 0, 0, 0)
            )


@needs_loops
@pytest.mark.parametrize("shape", [(0, 4, 4, 3), (2, 4, 4, 0)])
def test_arrays_without_items_go_through(shape: tuple[int, ...]) -> None:
    x, places = np.zeros(shape, np.float32), {axis: window(4, 2, 2, "valid") for axis in (1, 2)}

    assert (
        max_windows(x, places).shape == mean_windows(x, places).shape == (shape[0], 2, 2, shape[3])
    )
    assert center_and_scale(x, np.zeros(shape[3]), np.ones(shape[3]), 0.0).shape == shape
    assert scaled(x, np.ones(shape[3])).shape == shape


def test_the_loops_can_be_left_aside() -> None:
    tell = "from poolnorm_cli.kernels import native; print(native.compiled())"
    environment = os.environ | {"POOLNORM_KERNELS": "numpy"}
    done = subprocess.run(
        [sys.executable, "-c", tell], env=environment, capture_output=True, text=True, check=True
    )

    assert done.stdout == "False\n"
