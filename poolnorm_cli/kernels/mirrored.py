"""Minima as maxima: of values in the reverse order."""

from typing import TYPE_CHECKING

import numpy as np

from poolnorm_cli.kernels.fold_loops import three_sizes
from poolnorm_cli.kernels.memory import Array, acquire
from poolnorm_cli.kernels.native import FLOATS, loops_for
from poolnorm_cli.kernels.reductions import max_over, reduced


if TYPE_CHECKING:
    from collections.abc import Iterable


def mirrored(x: Array) -> Array:
    """Give each value another, so that they are in the reverse order; twice it gives them back.

    Args:
        x: Any float or integer dtype; bool counts as integer.

    Returns:
        A new array: floats with the other sign, integers with the other bits, for the smallest has
        no counterpart with the other sign. NaN stays NaN.
    """
    return np.asarray(np.negative(x) if x.dtype.kind == "f" else np.invert(x))


def min_over(x: Array, axes: tuple[int, ...], *, keepdims: bool) -> Array:
    """Take the minimum over adjacent `axes`, none of them empty; NaN propagates.

    Args:
        x: C-contiguous, of any float or integer dtype; bool counts as integer.
        axes: Sorted, adjacent axes.
        keepdims: Keep these axes with size 1.

    Returns:
        The minima, in the dtype of `x`.
    """
    loops = loops_for(x, FLOATS)
    if loops is None or not x.size:
        return mirrored(max_over(mirrored(x), axes, keepdims=keepdims))
    least = acquire(reduced(x.shape, axes, keepdims=keepdims), x.dtype)
    loops.fold_min(x, least, three_sizes(x.shape, axes), x.itemsize)
    return least


def smallest(parts: "Iterable[Array]") -> Array:
    """Compute the minimum of several arrays item by item; NaN propagates.

    Args:
        parts: One or more arrays of the same shape and dtype.

    Returns:
        A new array.
    """
    return min_over(np.stack([part.copy() for part in parts]), (0,), keepdims=False)
