"""Means of squares, of numbers of any size."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.kernels.extremes import WIDE, again, lost_squares, put
from poolnorm_cli.kernels.reductions import Float64, sum_of_squares


Axes = tuple[int, ...]

_LEAST_SQUARE = 1e-280
"""Squares of float64 that are smaller may have lost digits."""


def mean_square(
    x: NDArray[Any], axes: Axes, given: tuple[Float64, Float64] | None = None
) -> Float64:
    """Return the mean of squares of one block over `axes`, kept at size 1; 0 without a cell.

    Args:
        x: Any real dtype.
        axes: Non-negative axes.
        given: Mean and variance of what the block is a part of, used instead of the block.

    Returns:
        float64, or `WIDE` where that cannot hold some of them.
    """
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        if given is not None:
            mean, variance = given
            whole = np.asarray(variance + mean * mean)
            inside = (whole >= _LEAST_SQUARE) & np.isfinite(whole)
            wide = mean.astype(WIDE)
            return whole if inside.all() else np.asarray(variance + wide * wide)
        count = max(math.prod(x.shape[axis] for axis in axes), 1)
        total = sum_of_squares(x, axes)
        lost = lost_squares(x, axes, total)
        if lost is not None:
            total = put(total, lost, again(x, axes, lost, centered=False)[1])
        return np.asarray(total / count)
