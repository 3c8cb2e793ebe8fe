"""How the values of a tensor are distributed, of all of them or of every k-th."""

from math import gcd, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.shapes import Ints
from poolnorm_cli.values import frozen


QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BINS = 32
KEPT_VALUES = 1 << 20
"""Values of which quantiles and histogram are made."""


@frozen
class Distribution:
    """How the finite values of a tensor are distributed.

    Attributes:
        low: The least.
        high: The greatest.
        quantiles: Those of `QUANTILES`, in order.
        counts: How many are in each of some bins of equal width.
        edges: The lower end of each bin, and the upper end of the last.
        step: Quantiles and counts are of every value, or of one in so many.
    """

    low: float
    high: float
    quantiles: tuple[float, ...]
    counts: tuple[int, ...]
    edges: tuple[float, ...]
    step: int


class Values:
    """Keeps all finite values, or every k-th of many."""

    def __init__(self, shape: Ints) -> None:
        """Prepare for the values of a tensor of a shape."""
        total = prod(shape)
        self._step = 1 if total <= KEPT_VALUES else _step(-(-total // KEPT_VALUES), shape)
        self._seen = 0
        self._kept: list[NDArray[Any]] = []
        self._low, self._high = np.inf, -np.inf

    def add(self, flat: NDArray[Any], finite: NDArray[Any]) -> None:
        """Take the next values.

        Args:
            flat: All of them.
            finite: Those that are finite.
        """
        first = -self._seen % self._step
        self._seen += flat.size
        own = flat[first :: self._step]
        own = own[np.isfinite(own)] if own.dtype.kind == "f" else own
        self._kept.append(own.astype(np.float64))
        if finite.size:
            self._low = min(self._low, float(finite.min()))
            self._high = max(self._high, float(finite.max()))
            self._whole = finite.dtype.kind != "f"

    def distribution(self) -> Distribution | None:
        """Return how they are distributed; None without any."""
        if self._low > self._high:
            return None
        values = np.concatenate(self._kept) if self._kept else np.empty(0)
        values = values if values.size else np.array([self._low, self._high])
        edges = _edges(self._low, self._high, whole=self._whole)
        counts = np.histogram(values, edges)[0]
        quantiles = np.quantile(values / 2, QUANTILES) * 2  # whose differences do not overflow
        return Distribution(
            self._low,
            self._high,
            tuple(map(float, quantiles)),
            tuple(map(int, counts)),
            tuple(map(float, edges)),
            self._step,
        )


def _step(least: int, shape: Ints) -> int:
    """Return the next number that has no divisor in common with an axis, so that all take part."""
    while any(gcd(least, size) > 1 for size in shape):
        least += 1
    return least


def _edges(low: float, high: float, *, whole: bool) -> NDArray[np.float64]:
    """Divide a range of values into bins; those of whole numbers have as many numbers each."""
    if low == high:
        return np.array([low, high or 0.0])
    if whole and high - low < 2**50:
        width = -(-(int(high) - int(low) + 1) // BINS)
        count = -(-(int(high) - int(low) + 1) // width)
        return low - 0.5 + width * np.arange(count + 1.0)
    at = np.arange(BINS + 1) / BINS
    edges = low * (1 - at) + high * at
    edges[-1] = high
    return edges
