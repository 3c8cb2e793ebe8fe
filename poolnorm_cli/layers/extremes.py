"""Numbers at the edge of their range, in the graphs of layers that go by a mean and a variance.

A graph of a run takes them from its block, in float64, and scales in the dtype of the block: the
quickest way, and right where squares and factors stay in the range. Where these turn out not to,
statistics are taken in NumPy, and another graph scales by them, in float64 and in units of a power
of two.
"""

import math
from typing import TYPE_CHECKING, Any, ClassVar

from poolnorm_cli.shapes import Ints


if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from poolnorm_cli.layers.base import Array, Call, Weights
    from poolnorm_cli.layers.normalization import OverAxes

_MODEST = {"float32": (1e30, 1e-58), "float64": (1e150, 1e-280)}
"""Dtype -> magnitudes below which no number is large, and variances above which none is small."""


class ByStatistics:
    """What a layer says of the statistics by which it normalizes a block."""

    __slots__ = ()

    least_power: ClassVar[float] = 0.0
    """What the layer divides by is, squared, no smaller, whatever epsilon is."""

    has_moving: ClassVar[bool] = False
    """There are moving statistics, for blocks for which none are given."""
    centered: ClassVar[bool] = True
    """The mean is taken off."""

    def reduced_axes(self, rank: int) -> Ints:
        """Name the axes over which statistics are taken."""
        layer: OverAxes = self  # type: ignore[assignment]
        return layer.axes(rank)

    def known_statistics(
        self, weights: "Weights", call: "Call", shape: Ints
    ) -> "tuple[Array, Array] | None":
        """Return the mean and variance for a block of `shape`, if they are there before it is."""
        del weights
        layer: OverAxes = self  # type: ignore[assignment]
        return layer.call_statistics(call, shape)

    def statistics_of(
        self, x: "Array", weights: "Weights", call: "Call"
    ) -> "tuple[Array, Array, Array]":
        """Return the mean and variance for a block, and the cells of each.

        Where the mean is not taken off, it is 0, and the variance is the mean of squares.
        """
        import numpy as np

        from poolnorm_cli.kernels.moments import mean_square
        from poolnorm_cli.kernels.partial_moments import strip_moments

        layer: OverAxes = self  # type: ignore[assignment]
        found, moments = self.known_statistics(weights, call, x.shape), call.moments
        if not self.centered:
            axes = self.reduced_axes(x.ndim)
            square = mean_square(x, axes, found)
            cells = moments.count if moments else math.prod(x.shape[axis] for axis in axes)
            return np.zeros_like(square), square, np.array(float(np.max(cells)))
        if found is None:
            moments = strip_moments(x, call.mask, self.reduced_axes(x.ndim)).widened()
            found = layer.block_statistics(moments, (0,) * x.ndim, x.shape)
        count = 1.0 if moments is None else float(np.max(moments.count))
        return *found, np.array(count)

    def at_the_edge(self, x: "Array", call: "Call") -> bool:
        """Whether numbers of a block that it is normalized by may leave the range on the way."""
        if call.moments is not None or self.has_moving:
            return False
        import numpy as np

        large = _MODEST[x.dtype.name][0]
        # Squares are added in one reading, and may overflow where the answer is no all the same.
        return not (np.vdot(x, x) < large or (x.max() < large and x.min() > -large))

    def found_at_the_edge(self, dtype: "np.dtype[Any]", seen: "Mapping[str, Array]") -> bool:
        """Whether numbers that a block was normalized by may have left the range on the way.

        Args:
            dtype: Of the block.
            seen: Means, and variances with the epsilon added, of any names that begin so.
        """
        large, small = _MODEST[dtype.name]
        small = -1.0 if self.least_power > small else small  # what is smaller counts as that
        inside = (
            abs(values).max() < large
            if name.startswith("mean")
            else small < values.min() <= values.max() < large**2
            for name, values in seen.items()
        )
        return not all(inside)

    def settings_at_the_edge(
        self, dtype: "np.dtype[Any]", weights: "Weights", call: "Call", shape: Ints
    ) -> bool:
        """Whether statistics that are known, gamma or beta may leave the range on the way."""
        if dtype.name not in _MODEST:
            return False
        from poolnorm_cli.kernels.extremes import out_of_range

        (large, small), inverse = _MODEST[dtype.name], 1.0
        known = self.known_statistics(weights, call, shape)
        if known is None and not self._least_power() > small:
            return True
        if known is not None:
            mean, power = known[0], known[1] + self._least_power()
            inside = abs(mean).max() < large and small < power.min() <= power.max() < large**2
            if not inside:
                return True
            inverse = power.min() ** -0.5
        factors = [weights[name] * 1.0 for name in ("gamma", "scale") if name in weights]
        products = [factor * inverse for factor in factors]
        addends = [weights["beta"]] if "beta" in weights else []
        return out_of_range(dtype, factors=[*factors, *products], addends=addends) is not None

    def _least_power(self) -> float:
        return max(getattr(self, "epsilon", 0.0), self.least_power)
