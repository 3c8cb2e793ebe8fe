"""How near two ways of computing one case have to be."""

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.cases import Case


EPSILON = float(np.finfo(np.float32).eps)


def assert_agree(case: Case, y: NDArray[Any], expected: NDArray[Any], x: NDArray[Any]) -> None:
    """Hold one result against another: max pooling to the bit, the others to their bounds."""
    assert y.dtype == expected.dtype
    assert y.shape == expected.shape
    if case.layer.keeps_integers:
        np.testing.assert_array_equal(y, expected)
        return
    np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(y), np.isinf(expected))
    finite = np.isfinite(expected)
    wide, other = (part[finite].astype(np.float64) for part in (y, expected))
    if not wide.size:
        return
    numbers = np.abs(x[np.isfinite(x)].astype(np.float64))
    scale = float(numbers.max(initial=0.0)) if case.words.endswith("average") else 1.0
    if case.dtype == "float64":
        np.testing.assert_allclose(wide, other, rtol=1e-12, atol=1e-12 * scale)
    elif case.dtype == "float16":
        np.testing.assert_allclose(wide, other, rtol=1e-3, atol=1e-6)  # one unit of float16
    elif case.words.endswith("average"):
        # Each is within 4 epsilons of mean(|window|), which is at most the largest magnitude, but
        # for a divisor that is typed: a window may have more cells.
        divisor = case.parameters.get("divisor_override")
        scale *= 1 if divisor is None else max(prod(case.parameters["pool_size"]) / abs(divisor), 1)
        np.testing.assert_allclose(wide, other, rtol=0, atol=4 * EPSILON * scale)
    else:
        np.testing.assert_allclose(wide, other, rtol=1e-5, atol=1e-6)


def with_specials(x: NDArray[Any], seed: int = 3) -> NDArray[Any]:
    """Put NaN, both infinities and a subnormal into a copy of `x`."""
    random = np.random.default_rng(seed)
    special = x.copy()
    places = random.integers(0, max(x.size, 1), min(x.size, 6))
    values = np.array([np.nan, np.inf, -np.inf, 1e-40, -np.inf, np.nan])
    special.reshape(-1)[places] = values[: len(places)].astype(x.dtype)
    return special
