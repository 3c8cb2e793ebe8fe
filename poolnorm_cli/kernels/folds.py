"""Reductions of a long axis by folding it: many rows side by side, so that inner loops are long.

How an axis is folded follows from its length and from the items after it alone, so a result has
the same bits however many other reductions are done beside it.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.kernels.native import FLOAT32, loops_for


Array = NDArray[Any]
Float64 = NDArray[np.float64]

_ROW = 1024
"""Items in a folded row: long enough for a vector loop, short enough for the first-level cache."""
_FOLD = 7
"""Cells that are added in float32. Six additions, and rounding once, err by 3.5 epsilons of the
sum of magnitudes at most; 4 are allowed.
"""


def as_fold(x: Array, axes: Sequence[int]) -> Array:
    """See `x` as (before, length, after), where `length` merges axes that stand side by side."""
    first, last = axes[0], axes[-1] + 1
    return x.reshape(prod(x.shape[:first]), prod(x.shape[first:last]), prod(x.shape[last:]))


def side_by_side(axes: Sequence[int]) -> bool:
    """Whether sorted axes have no other between them."""
    return axes[-1] - axes[0] == len(axes) - 1


def fold_max(x: Array) -> Array:
    """Take the maximum over the middle axis.

    Args:
        x: C-contiguous, of shape (before, length, after), the length 1 or more.

    Returns:
        Of shape (before, after).
    """
    before, length, after = x.shape
    if loops := loops_for(x, FLOAT32):
        largest: Array = np.empty((before, after), x.dtype)
        loops.fold_max(x, largest, x.shape)
        return largest
    if after == 1:
        return np.asarray(np.maximum.reduce(x.reshape(before, length), axis=1)).reshape(before, 1)
    rows = min(max(_ROW // after, 1), length)
    whole = length // rows * rows
    folded = x[:, :whole].reshape(before, -1, rows * after)
    most: Array = np.maximum.reduce(folded, axis=1).reshape(before, rows, after)
    rest = most[:, : length - whole]
    np.maximum(rest, x[:, whole:], out=rest)
    return np.asarray(np.maximum.reduce(_turned(most), axis=2))


def fold_sum(x: Array) -> Float64:
    """Add over the middle axis, in float64 but for groups of 7 float32 cells.

    A float32 sum may overflow where its mean does not: then it is not finite.

    Args:
        x: float32 or float64, of shape (before, length, after); rows of `after` are contiguous.

    Returns:
        Of shape (before, after).
    """
    before, length, after = x.shape
    if loops := loops_for(x, FLOAT32):
        added: Float64 = np.empty((before, after))
        loops.fold_sum(x, added, x.shape)
        return added
    rows = max(min(_ROW // after, length // _FOLD), 1)
    step = rows * _FOLD
    whole = length // step * step
    groups = x[:, :whole].reshape(before, -1, _FOLD, rows * after)
    partial = np.add.reduce(groups, axis=2)
    sums = np.add.reduce(partial, axis=1, dtype=np.float64).reshape(before, rows, after)
    total: Float64 = np.add.reduce(_turned(sums), axis=2)
    if whole < length:
        rest = x[:, whole:].astype(np.float64)
        total += np.add.reduce(_turned(rest), axis=2)
    return total


def sum_of_squares(x: Array, axes: Sequence[int]) -> Float64:
    """Add the squares over sorted axes, kept at size 1, in float64.

    Args:
        x: Any real dtype.
        axes: Non-negative axes.
    """
    loops = loops_for(x, FLOAT32)
    if loops and x.size and axes and side_by_side(axes):
        cells = as_fold(x, axes)
        kept = tuple(1 if axis in axes else size for axis, size in enumerate(x.shape))
        squares: Float64 = np.empty(kept)
        loops.fold_squares(cells, squares, cells.shape)
        return squares
    wide = x.astype(np.float64, copy=False)
    total: Float64 = np.add.reduce(wide * wide, axis=tuple(axes), keepdims=True)
    return total


def _turned(x: Array) -> Array:
    """Copy (before, length, after) to (before, after, length), to reduce contiguous items."""
    return np.ascontiguousarray(x.swapaxes(1, 2))
