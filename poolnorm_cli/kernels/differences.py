"""How far two arrays differ: absolutely, relatively, and in units in the last place (ULP)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.values import frozen


@frozen
class Tolerance:
    """What counts as equal: `|a - b| <= atol + rtol * |b|`, or at most `max_ulp` ULP apart.

    Attributes:
        rtol: Relative tolerance, as `numpy.isclose` has it.
        atol: Absolute tolerance.
        max_ulp: Units in the last place; None where they do not count.
        equal_nan: Whether NaN is equal to NaN.
    """

    rtol: float = 0.0
    atol: float = 0.0
    max_ulp: int | None = None
    equal_nan: bool = False


@frozen
class ItemDifferences:
    """How far the items of two flat arrays differ.

    Attributes:
        absolute: `|a - b|`, 0 for equal items and NaN where only one is a number.
        relative: `|a - b| / |b|`.
        ulp: Steps from one to the next number of the dtype between them; None where dtypes differ.
        unequal: Where they are not equal within the tolerance.
    """

    absolute: NDArray[np.float64]
    relative: NDArray[np.float64]
    ulp: NDArray[np.uint64] | None
    unequal: NDArray[np.bool_]


def item_differences(
    a: NDArray[Any], b: NDArray[Any], tolerance: Tolerance, dtype: str | None
) -> ItemDifferences:
    """Compare two arrays item by item.

    Args:
        a: Real numbers.
        b: As many.
        tolerance: What counts as equal.
        dtype: The dtype that both have on disk; None where they differ.

    Returns:
        The differences, in the order of the items.
    """
    a, b = a.reshape(-1), b.reshape(-1)
    nan_a, nan_b = np.isnan(a), np.isnan(b)
    same = np.equal(a, b) | (nan_a & nan_b)
    with np.errstate(all="ignore"):
        absolute = np.where(same, 0.0, _distance(a, b))
        size = np.abs(b.astype(np.float64))
        relative = np.where(same, 0.0, absolute / size)
        close = same | (absolute <= tolerance.atol + tolerance.rtol * size)
    ulp = None if dtype is None else np.where(same | nan_a | nan_b, np.uint64(0), _ulp(a, b, dtype))
    # An infinite tolerance, as rtol * inf is, makes no number equal to an infinity.
    close &= same | (np.isfinite(a) & np.isfinite(b))
    if ulp is not None and tolerance.max_ulp is not None:
        close |= (ulp <= tolerance.max_ulp) & ~(nan_a | nan_b)
    if not tolerance.equal_nan:
        close &= ~(nan_a | nan_b)
    return ItemDifferences(absolute, relative, ulp, ~close)


def _distance(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Return `|a - b|`, exact before it becomes a float64 where both are integers of one dtype."""
    if a.dtype == b.dtype and a.dtype.kind in "iu":
        return _gap(a, b).astype(np.float64)
    return np.abs(a.astype(np.float64) - b.astype(np.float64))


def _gap(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.uint64]:
    unsigned = f"u{a.dtype.itemsize}"
    one, other = a.view(unsigned), b.view(unsigned)
    gap: NDArray[np.uint64] = np.where(a > b, one - other, other - one).astype(np.uint64)
    return gap


def _ulp(a: NDArray[Any], b: NDArray[Any], dtype: str) -> NDArray[np.uint64]:
    """Count the numbers of the dtype from one to the other, by numbering all of them in order."""
    if a.dtype.kind == "b":
        flips: NDArray[np.uint64] = np.not_equal(a, b).astype(np.uint64)
        return flips
    if a.dtype.kind in "iu":
        return _gap(a, b)
    shift = 16 if dtype == "bfloat16" else 0  # its blocks are float32
    return _gap(_ordered(a) >> shift, _ordered(b) >> shift)


def _ordered(x: NDArray[Any]) -> NDArray[Any]:
    """Number floats in their order, both zeros the same: sign and magnitude become an integer."""
    bits = np.ascontiguousarray(x).view(f"u{x.dtype.itemsize}")
    sign = bits.dtype.type(1 << (8 * x.dtype.itemsize - 1))
    numbers: NDArray[Any] = np.where(bits & sign, sign - (bits & ~sign), bits | sign)
    return numbers
