"""Minima as maxima: of values in the reverse order."""

from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from poolnorm_cli.kernels.memory import Array, silence_floating_point


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


def smallest(parts: "Iterable[Array]") -> Array:
    """Compute the minimum of several arrays item by item; NaN propagates.

    Args:
        parts: One or more arrays of the same shape and dtype.

    Returns:
        A new array.
    """
    with silence_floating_point():
        return np.array(reduce(np.minimum, parts))
