"""Sums of float64 are as near as those of NumPy were, and a maximum loses no NaN."""

from __future__ import annotations

from math import fsum
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.kernels.moments import moments_of
from poolnorm_cli.kernels.native import compiled
from poolnorm_cli.kernels.reductions import max_over, mean_over


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
