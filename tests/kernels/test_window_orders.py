"""Cells under a window are joined in one order, whichever loop serves for their neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from poolnorm_cli.kernels.native import compiled
from poolnorm_cli.kernels.reductions import max_adaptive, mean_adaptive
from poolnorm_cli.kernels.windows import max_windows, mean_windows
from poolnorm_cli.shapes import adaptive_bounds
from poolnorm_cli.windows import window


ODD = (np.nan, np.inf, -0.0)
STRIDES = ((2, 2), (3, 2), (3, 1), (5, 1), (8, 3))


def cells(shape: tuple[int, ...], dtype: str, *, odd: bool = False) -> Any:
    random = np.random.default_rng(1)
    x = random.standard_normal(shape) * 10.0 ** random.integers(-3, 4, shape)
    if odd:
        x[random.random(shape) < 0.02] = random.choice(ODD)
    return x.astype(dtype)


@pytest.mark.skipif(not compiled(), reason="NumPy divides elsewhere")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("size", "stride"), [*STRIDES, (4, 2), (6, 1), (7, 2)])
def test_an_average_is_that_of_its_channel_alone(
    size: int, stride: int, padding: Any, dtype: str
) -> None:
    x = cells((2, 9, 21, 12), dtype)
    windows = {1: window(9, size, stride, padding), 2: window(21, size, stride, padding)}

    together = mean_windows(x, windows)

    for channel in range(12):
        alone = mean_windows(np.ascontiguousarray(x[..., channel : channel + 1]), windows)
        assert together[..., channel].tobytes() == alone.tobytes()


@pytest.mark.skipif(not compiled(), reason="NumPy divides elsewhere")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("items", [1, 3])
@pytest.mark.parametrize(("size", "stride"), STRIDES)
@pytest.mark.parametrize("kernel", [mean_windows, max_windows])
def test_a_small_image_is_pooled_as_it_is_alone(
    kernel: Any, size: int, stride: int, items: int, dtype: str
) -> None:
    x = cells((70, 8, 9, items), dtype)
    windows = {1: window(8, size, stride, "same"), 2: window(9, size, stride, "same")}

    together = kernel(x, windows)

    for image in range(0, 70, 3):
        assert together[image].tobytes() == kernel(x[image : image + 1], windows).tobytes()


@pytest.mark.skipif(not compiled(), reason="NumPy divides elsewhere")
@pytest.mark.parametrize("sizes", [(7, 7, 3), (7, 47, 2), (1, 40, 1), (9, 15, 4)], ids=str)
@pytest.mark.parametrize("items", [1, 2, 3])
@pytest.mark.parametrize("kernel", [mean_adaptive, max_adaptive])
def test_a_small_image_is_pooled_adaptively_as_it_is_alone(
    kernel: Any, items: int, sizes: tuple[int, int, int]
) -> None:
    rows, row, places = sizes
    x = cells((70, rows, row, items), "float64")
    bounds = {1: adaptive_bounds(rows, min(rows, places)), 2: adaptive_bounds(row, places)}

    together = kernel(x, bounds)

    for image in range(0, 70, 3):
        assert together[image].tobytes() == kernel(x[image : image + 1], bounds).tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int8"])
@pytest.mark.parametrize("cells_of_row", [2, 3, 17, 64, 129])
def test_maxima_of_pairs_along_a_row(cells_of_row: int, dtype: str) -> None:
    x = cells((3, 5, cells_of_row, 1), "float64", odd=dtype.startswith("float")) * 10
    x = np.clip(x, -100, 100).astype(dtype)
    windows = {2: window(cells_of_row, 2, 2, "valid")}

    found = max_windows(x, windows)

    pairs = x[:, :, : cells_of_row // 2 * 2].reshape(3, 5, -1, 2)
    np.testing.assert_array_equal(found[..., 0], pairs.max(axis=-1))
