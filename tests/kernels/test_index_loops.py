"""Where maxima are: the compiled loop and NumPy find the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from poolnorm_cli.kernels import native
from poolnorm_cli.kernels.window_indices import max_indices
from poolnorm_cli.shapes import adaptive_bounds
from poolnorm_cli.windows import Placing


pytestmark = pytest.mark.skipif(not native.compiled(), reason="built without a C compiler")
DTYPES = ["float32", "float64", "bool", *(f"{s}int{n}" for s in ("", "u") for n in (8, 16, 32, 64))]


def ties(random: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Any:
    """Make an input of many equal values, the extremes of its type among them, and NaN."""
    x = random.integers(0, 3, shape).astype(dtype)
    if x.dtype.kind == "f":
        for value in (np.nan, -np.inf, np.inf, -0.0):
            x[random.random(shape) < 0.1] = value
    elif x.dtype.kind in "iu":
        kind = np.iinfo(x.dtype)
        for value in (kind.min, kind.max, kind.max - 1):
            x[random.random(shape) < 0.2] = value
    return x


@pytest.mark.parametrize("seed", range(120))
def test_the_loop_finds_what_numpy_finds(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    random = np.random.default_rng(seed)
    rank, channels = int(random.integers(1, 4)), int(random.choice([1, 1, 2, 3, 5, 8, 9, 70]))
    spatial = tuple(int(n) for n in random.integers(1, (2100, 60, 14)[rank - 1], rank))
    x = ties(random, (2, *spatial, channels), DTYPES[seed % len(DTYPES)])
    windows: Any
    if seed % 3:
        placed = {}
        for axis, n in enumerate(spatial, start=1):
            size = int(random.integers(1, min(n, 20) + 1))
            dilation = int(random.integers(1, max((n - 1) // max(size - 1, 1), 1) + 1))
            extent = (size - 1) * dilation + 1
            low, high = (int(c) for c in random.integers(0, min(extent, n - extent + 1, 9), 2))
            stride = int(random.integers(1, size + 12))
            placed[axis] = Placing(size, stride, "valid", min(dilation, 4), (low, high)).on(n)
        windows = placed
    else:
        counts = random.integers(1, 9, rank)
        windows = {
            a: adaptive_bounds(n, int(c))
            for a, (n, c) in enumerate(zip(spatial, counts, strict=True), 1)
        }

    found = max_indices(x, windows, first_row=5)

    monkeypatch.setattr(native, "_LOOPS", None)
    np.testing.assert_array_equal(found, max_indices(x, windows, first_row=5))


@pytest.mark.parametrize("kind", ["c", "", "i"])
def test_other_items_are_refused(kind: str) -> None:
    one = (1, 1, 1, 0, 1, 0, 0, 0)

    with pytest.raises(ValueError, match="no loop is for items"):
        native.loops().max_indices(bytes(8), bytearray(8), None, kind, (1,) * 5, one, one, one, 0)


@pytest.mark.parametrize("bounds", [(0, 0), (0, 5), (-1, 2), (3, 3)])
def test_windows_without_cells_are_refused(bounds: tuple[int, int]) -> None:
    import struct

    one = (1, 1, 1, 0, 1, 0, 0, 0)
    spans = struct.pack("6n", 0, 1, 0, 1, *bounds)

    with pytest.raises(ValueError, match="do not fit"):
        native.loops().max_indices(
            np.zeros(4, np.float32),
            np.zeros(1, np.int64),
            spans,
            "f",
            (1, 1, 1, 4, 1),
            one,
            one,
            one,
            0,
        )
