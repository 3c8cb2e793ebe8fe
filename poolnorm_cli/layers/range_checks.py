"""Whether numbers may leave their range in the graph of a normalization, on the way to a result.

A graph of a run takes statistics from its block, in float64, and scales in the dtype of the block:
the quickest way, and right where squares and factors stay in the range. Where these turn out to
overflow or underflow, statistics are taken in NumPy, and another graph scales by them, in float64
and in units of a power of two.
"""

import math
from typing import TYPE_CHECKING, Any

from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.shapes import Ints


if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from poolnorm_cli.layers.call import Array, Call, Weights
    from poolnorm_cli.layers.normalization import Normalization

_MODEST = {"float32": (1e30, 1e-58), "float64": (1e150, 1e-280)}
"""Dtype -> magnitudes below which no number is large, and variances above which none is small."""


def statistics_of(
    layer: "Normalization", x: "Array", weights: "Weights", call: "Call"
) -> "tuple[Array, Array, Array]":
    """Return the mean and variance for a block, and the number of cells of each.

    Where the mean is not subtracted, it is 0, and the variance is the mean of squares.

    Args:
        layer: The layer.
        x: The block.
        weights: The weights of the layer.
        call: How the layer is called on the block.

    Returns:
        Three arrays in float64 that broadcast against the block.
    """
    import numpy as np

    from poolnorm_cli.kernels.moments import mean_square
    from poolnorm_cli.kernels.partial_moments import strip_moments

    found, moments = layer.known_statistics(weights, call, x.shape), call.moments
    axes = layer.reduced_axes(x.ndim)
    if not layer.centered:
        square = mean_square(x, axes, found)
        cells = moments.count if moments else math.prod(x.shape[axis] for axis in axes)
        return np.zeros_like(square), square, np.array(float(np.max(cells)))
    if found is None:
        moments = strip_moments(x, call.mask, axes).widened()
        found = layer.block_statistics(moments, (0,) * x.ndim, x.shape)
    count = 1.0 if moments is None else float(np.max(moments.count))
    return *found, np.array(count)


def values_may_overflow(layer: "Normalization", x: "Array", call: "Call") -> bool:
    """Whether squares of a block from which statistics are taken may leave the range.

    Args:
        layer: The layer.
        x: The block, float32 or float64.
        call: How the layer is called on the block.

    Returns:
        False too where the statistics are known.
    """
    if call.moments is not None or isinstance(layer, Trainable):
        return False  # the statistics are known
    import numpy as np

    large = _MODEST[x.dtype.name][0]
    # A sum of squares is quicker than extremes, which decide where it is large or overflows.
    return not (np.vdot(x, x) < large or (x.max() < large and x.min() > -large))


def statistics_may_overflow(
    layer: "Normalization", dtype: "np.dtype[Any]", seen: "Mapping[str, Array]"
) -> bool:
    """Whether statistics that a block was normalized by may have left the range.

    Args:
        layer: The layer.
        dtype: Of the block.
        seen: Name -> means, where it begins with `mean`, or variances with the epsilon added.

    Returns:
        Whether one is larger or smaller than what is safe in `dtype`.
    """
    large, small = _MODEST[dtype.name]
    small = -1.0 if layer.least_power > small else small  # nothing smaller is divided by
    inside = (
        abs(values).max() < large
        if name.startswith("mean")
        else small < values.min() <= values.max() < large**2
        for name, values in seen.items()
    )
    return not all(inside)


def parameters_may_overflow(
    layer: "Normalization", dtype: "np.dtype[Any]", weights: "Weights", call: "Call", shape: Ints
) -> bool:
    """Whether statistics that are known, gamma or beta may leave the range.

    Args:
        layer: The layer.
        dtype: Of the block.
        weights: The weights of the layer.
        call: How the layer is called on the block.
        shape: Shape of the block.

    Returns:
        Whether one, or a product of them, is larger or smaller than what is safe in `dtype`.
    """
    if dtype.name not in _MODEST:
        return False
    from poolnorm_cli.kernels.extremes import out_of_range

    (large, small), inverse = _MODEST[dtype.name], 1.0
    known = layer.known_statistics(weights, call, shape)
    least = max(layer.added, layer.least_power)
    if known is None and not least > small:
        return True
    if known is not None:
        mean, power = known[0], known[1] + least
        inside = abs(mean).max() < large and small < power.min() <= power.max() < large**2
        if not inside:
            return True
        inverse = power.min() ** -0.5
    factors = [weights[name] * 1.0 for name in ("gamma", "scale") if name in weights]
    products = [factor * inverse for factor in factors]
    addends = [weights["beta"]] if "beta" in weights else []
    return out_of_range(dtype, factors=[*factors, *products], addends=addends) is not None
