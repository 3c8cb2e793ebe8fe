"""Which tolerance would make two arrays equal that differ by no more than rounding."""

from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.kernels.differences import ItemDifferences, Tolerance
from poolnorm_cli.values import record


_EPSILONS = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}
_STEPS = {"float16": 4, "bfloat16": 4, "float32": 512, "float64": 512}
"""ULP up to which a difference is called one of rounding."""


@record
class NeededTolerance:
    """What it would take for all items to be equal, which is widened block by block.

    Attributes:
        rtol: Relative tolerance, the absolute one being as it is.
        atol: Absolute tolerance, the relative one being as it is.
        ulp: Units in the last place; None where the dtypes differ.
        scale: The largest magnitude of the second array, in blocks with unequal items.
        has_zero: An unequal item of it is 0, for which no relative tolerance is enough.
        has_nan: There are unequal items that are NaN in both.
        is_hopeless: There are items of which one alone is NaN or infinite.
    """

    rtol: float = 0.0
    atol: float = 0.0
    ulp: int | None = 0
    scale: float = 0.0
    has_zero: bool = False
    has_nan: bool = False
    is_hopeless: bool = False

    def add(
        self, a: NDArray[Any], b: NDArray[Any], found: ItemDifferences, tolerance: Tolerance
    ) -> None:
        """Take the next blocks.

        Args:
            a: Of the first array.
            b: Of the second, in the same shape.
            found: How they differ.
            tolerance: What counted as equal.
        """
        if not found.unequal.any():
            return
        with np.errstate(invalid="ignore"):  # a NaN may be a signaling one
            one, other = (x.reshape(-1).astype(np.float64) for x in (a, b))
        finite = np.isfinite(other)
        if finite.any():
            self.scale = max(self.scale, float(np.abs(other[finite]).max()))
        places = np.flatnonzero(found.unequal)
        nan = np.isnan(one[places]) & np.isnan(other[places])
        self.has_nan = self.has_nan or bool(nan.any())
        places = places[~nan]
        if not np.isfinite([one[places], other[places]]).all():
            self.is_hopeless = True
            return
        if places.size:
            self._widen(found.absolute[places], np.abs(other[places]), tolerance)
        if found.ulp is None:
            self.ulp = None
        elif places.size and self.ulp is not None:
            self.ulp = max(self.ulp, int(found.ulp[places].max()))

    def _widen(
        self, absolute: NDArray[np.float64], size: NDArray[np.float64], tolerance: Tolerance
    ) -> None:
        self.atol = max(self.atol, float((absolute - tolerance.rtol * size).max()))
        zero = size == 0
        self.has_zero = self.has_zero or bool(zero.any())
        if not zero.all():
            with np.errstate(over="ignore"):
                needed = (absolute - tolerance.atol)[~zero] / size[~zero]
            self.rtol = max(self.rtol, float(needed.max()))

    def merged(self, other: "NeededTolerance") -> "NeededTolerance":
        """Return what it takes for this one's items and another's."""
        ulps = (self.ulp, other.ulp)
        return NeededTolerance(
            max(self.rtol, other.rtol),
            max(self.atol, other.atol),
            None if None in ulps else max(int(ulp or 0) for ulp in ulps),
            max(self.scale, other.scale),
            self.has_zero or other.has_zero,
            self.has_nan or other.has_nan,
            self.is_hopeless or other.is_hopeless,
        )

    def flags(self, dtypes: Sequence[str], tolerance: Tolerance) -> list[str]:
        """Return the flags of which each would make all items equal.

        Args:
            dtypes: Those of the arrays, by name; the coarsest decides what rounding is.
            tolerance: What counts as equal already, and goes on to.

        Returns:
            Flags with values, the tightest first; none where the arrays differ by more.
        """
        if self.is_hopeless:
            return []
        nan = " --equal-nan" if self.has_nan else ""
        if not self.atol:
            return [nan.strip()] if nan else []
        coarsest = max(dtypes, key=lambda name: _EPSILONS.get(name, 0.0))
        steps, epsilon = _STEPS.get(coarsest, 1), _EPSILONS.get(coarsest, 0.0)
        rounding = steps * epsilon
        ulp = f" --max-ulp {tolerance.max_ulp}" if tolerance.max_ulp is not None else ""
        kept = {"rtol": _kept("rtol", tolerance.rtol), "atol": _kept("atol", tolerance.atol)}
        found = []
        if self.ulp is not None and self.ulp <= steps:
            found.append(f"--max-ulp {self.ulp}{kept['rtol']}{kept['atol']}{nan}")
        if not self.has_zero and self.rtol <= rounding:
            found.append(f"--rtol {_rounded_up(self.rtol)}{kept['atol']}{ulp}{nan}")
        if self.atol <= (rounding * self.scale if epsilon else steps):
            found.append(f"--atol {_rounded_up(self.atol)}{kept['rtol']}{ulp}{nan}")
        return found


def _kept(name: str, value: float) -> str:
    return f" --{name} {value!r}" if value else ""


def _rounded_up(value: float) -> str:
    """Write a number with two digits, as the next one that is larger by more than rounding."""
    exact = Decimal(value)
    step = Decimal(1).scaleb(exact.adjusted() - 1)
    found = exact.quantize(step, ROUND_CEILING)
    while float(found) < value * (1 + 1e-14):
        found += step
    return f"{float(found):.2g}" if float(f"{float(found):.2g}") == float(found) else f"{found:e}"
