"""Sums of float64 are as near as those of NumPy were, and a maximum loses no NaN."""

from __future__ import annotations

from math import fsum
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.kernels.moments import moments_of
from poolnorm_cli.kernels.native import compiled, loops
from poolnorm_cli.kernels.reductions import max_over, mean_adaptive, mean_over
from poolnorm_cli.shapes import adaptive_bounds


EPSILON = 2.0**-53
SHAPES = [(1, 200_000, 1), (2, 100_003, 2), (1, 50_176, 3), (1, 40_000, 7), (1, 30_011, 64)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_long_means_of_float64_lose_few_digits(shape: tuple[int, ...]) -> None:
    x = 1 + np.random.default_rng(1).random(shape)

    mean = mean_over(x, (1,), keepdims=False)

    exact = [fsum(row) / len(row) for row in x.swapaxes(1, 2).reshape(-1, shape[1])]
    assert (np.abs(mean.reshape(-1) - exact) <= 64 * EPSILON * np.array(exact)).all()


@pytest.mark.parametrize("shape", [(1, 20_000, 1), (2, 3_001, 3), (2, 3_000, 40)], ids=str)
@pytest.mark.skipif(not compiled(), reason="NumPy's way shifts by the first cell alone")
def test_the_variance_of_float64_far_from_0(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(2).standard_normal(shape) + 1e8
    x[:, 0] += 1e4  # the first cell is not near the others

    found = moments_of(x, (1,))

    for row, mean, squares in zip(
        x.swapaxes(1, 2).reshape(-1, shape[1]),
        found.mean.reshape(-1),
        found.squares.reshape(-1),
        strict=True,
    ):
        exact = fsum(row) / len(row)
        away = fsum((value - exact) ** 2 for value in row.tolist())
        assert abs(mean - exact) <= 8 * EPSILON * exact
        assert abs(squares - away) <= 1e-9 * away


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("after", [1, 2, 3, 4, 6, 50])
def test_a_maximum_finds_the_odd_value_at_each_place(after: int, value: float, dtype: str) -> None:
    for length in (1, 3, 7, 8, 9, 49, 64, 65, 300):
        x: Any = np.random.default_rng(3).standard_normal((5, length, after)).astype(dtype)
        for place in {0, 1, length // 2, max(length - 2, 0), length - 1} & set(range(length)):
            odd = x.copy()
            odd[3, place, after - 1] = value

            np.testing.assert_array_equal(max_over(odd, (1,), keepdims=False), odd.max(axis=1))


@pytest.fixture(params=[False, True], ids=["as compiled", "by vectors"])
def sums(request: pytest.FixtureRequest) -> Any:
    if compiled():
        loops().use_vectors(256 * request.param)
    yield
    if compiled():
        loops().use_vectors(1024)


@pytest.mark.skipif(not compiled(), reason="NumPy sums in another order")
@pytest.mark.usefixtures("sums")
@pytest.mark.parametrize("after", [1, 2, 3, 4, 5, 23, 64, 70])
@pytest.mark.parametrize("length", [1, 6, 8, 49, 70, 4099, 9001])
def test_sums_of_float32_are_taken_in_one_order(after: int, length: int) -> None:
    x = np.random.default_rng(4).standard_normal((3, length, after)).astype(np.float32)
    found, wide = np.empty((3, after)), np.empty((3, after))

    loops().fold_sum(x, found, x.shape, "f")

    loops().fold_sum(x.astype(np.float64), wide, x.shape, "d")
    assert found.tobytes() == wide.tobytes()


@pytest.mark.skipif(not compiled(), reason="NumPy sums in another order")
@pytest.mark.usefixtures("sums")
@pytest.mark.parametrize("sizes", [(1100, 64), (1031, 68), (3500, 20), (4100, 17), (2, 40_000)])
def test_large_images_are_summed_as_each_is_alone(sizes: tuple[int, int]) -> None:
    x = np.random.default_rng(7).standard_normal((6, *sizes)).astype(np.float32)
    together, alone = np.empty((6, sizes[1])), np.empty((6, sizes[1]))

    loops().fold_sum(x, together, x.shape, "f")

    for image in range(6):
        loops().fold_sum(x[image], alone[image], (1, *sizes), "f")
    assert together.tobytes() == alone.tobytes()


@pytest.mark.skipif(not compiled(), reason="NumPy sums in another order")
@pytest.mark.usefixtures("sums")
@pytest.mark.parametrize("items", [1, 9, 64, 71])
def test_adaptive_sums_of_float32_are_taken_in_one_order(items: int) -> None:
    x = np.random.default_rng(5).standard_normal((2, 13, 17, items)).astype(np.float32)
    bounds = {1: adaptive_bounds(13, 4), 2: adaptive_bounds(17, 3)}

    found = mean_adaptive(x, bounds)

    wide = mean_adaptive(x.astype(np.float64), bounds)
    assert found.tobytes() == wide.astype(np.float32).tobytes()


@pytest.mark.skipif(not compiled(), reason="NumPy has no such call")
@pytest.mark.parametrize("kind", ["f", "d"])
@pytest.mark.parametrize("shape", [(5000, 9, 1), (3, 40, 1500), (2, 7, 3000)], ids=str)
def test_means_are_sums_divided_wherever_they_are_cut(shape: tuple[int, ...], kind: str) -> None:
    x = np.random.default_rng(6).standard_normal(shape).astype(kind)
    sums, found = np.empty((shape[0], shape[2])), np.empty((shape[0], shape[2]), kind)
    loops().fold_sum(x, sums, shape, kind)

    lost = loops().fold_mean(x, found, shape, kind)

    assert not lost
    assert found.tobytes() == (sums / shape[1]).astype(kind).tobytes()
    x[-1, -1, -1] = np.inf
    assert loops().fold_mean(x, found, shape, kind)


@pytest.fixture
def threads() -> Any:
    """What says how many threads calls of loops may take."""
    allow = loops().allow_threads
    before = allow(1)
    yield allow
    allow(before)


def _folded(x: Any, kind: str) -> list[bytes]:
    """Fold the middle axis in each way that there is for a type."""
    before, _, after = x.shape
    made = [(loops().fold_max, x.dtype)]
    if kind in "fdeE":
        made += [(loops().fold_min, x.dtype), (loops().fold_mean, x.dtype)]
        made += [(loops().fold_sum, "d"), (loops().fold_squares, "d")]
    found = []
    for fold, dtype in made:
        out = np.empty((before, after), dtype)
        fold(x, out, x.shape, kind)
        found.append(out.tobytes())
    return found


@pytest.mark.skipif(not compiled(), reason="NumPy has no such threads")
@pytest.mark.usefixtures("sums")
@pytest.mark.parametrize("kind", list("fdeEbqH"))
@pytest.mark.parametrize("after", [1, 2, 3, 4, 5, 31, 70])
@pytest.mark.parametrize("images", [1, 3])
def test_few_large_images_are_folded_alike_by_any_threads(
    images: int, after: int, kind: str, threads: Any
) -> None:
    items = (300_000 if kind == "b" else 150_000) + 17
    x: Any = np.random.default_rng(8).standard_normal((images, items // after, after)) * 100
    x[0, 5:-3:97] = x[0, :-8:97] * -0.0  # zeros of either sign
    x[0, :, 0] = np.where(np.arange(len(x[0])) % 2, 0.0, -0.0)  # and nothing else
    if kind in "fde":
        x[-1, len(x[0]) // 2, -1] = np.nan
    if kind == "E":
        x = (x.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    x = x.astype({"E": np.uint16}.get(kind, kind))

    with np.errstate(all="ignore"):
        alone = _folded(x, kind)

    for count in (2, 3, 16):
        threads(count)
        assert _folded(x, kind) == alone


@pytest.mark.skipif(not compiled(), reason="NumPy has no such threads")
@pytest.mark.usefixtures("sums")
@pytest.mark.parametrize("kind", list("fdeE"))
@pytest.mark.parametrize("width", [1, 3, 6, 17, 48, 64, 700])
@pytest.mark.parametrize("images", [1, 3])
def test_few_large_images_are_normalized_alike_by_any_threads(
    images: int, width: int, kind: str, threads: Any
) -> None:
    random = np.random.default_rng(9)
    x: Any = random.standard_normal((images, 150_017 // width, width)) * 30 + 7
    if width > 3:  # beyond what the type has room for, once it is squared
        x[-1, 9, -1], x[0, :, 1] = {"f": 1e36, "d": 1e300}.get(kind, 6e4), 0
    x = x.astype(np.float32 if kind == "E" else kind)
    x = (x.view(np.uint32) >> 16).astype(np.uint16) if kind == "E" else x
    length = x.shape[1]
    gamma, beta = random.standard_normal((2, max(length, width)))

    def normalized(joined: int, *, along: bool, centered: bool) -> bytes:
        y, count = np.empty_like(x), length if along else width
        division = centered, 1 / length / joined, 1e-3, 0.0
        loops().normalize_columns(
            x, y, gamma[:count], beta[:count], kind, division, (*x.shape, joined), along
        )
        return bytes(y.data)

    for joined in {1, 3 if width % 3 == 0 else width}:
        for along, centered in ((True, True), (True, False), (False, True), (False, False)):
            threads(1)
            alone = normalized(joined, along=along, centered=centered)
            for count in (2, 3, 16):
                threads(count)
                assert normalized(joined, along=along, centered=centered) == alone
