"""Moments of the cells that a mask lets count."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.kernels.extremes import again, lost_squares, put_back
from poolnorm_cli.kernels.memory import quiet
from poolnorm_cli.kernels.moments import Axes, Moments, moments_of


def masked_moments(x: NDArray[Any], mask: NDArray[Any], axes: Axes) -> Moments:
    """Take the moments over `axes` of the cells that count.

    Args:
        x: C-contiguous, of any real dtype.
        mask: bool, of the shape of `x`; or of all axes but the last, along which it is the same.
        axes: Non-negative, sorted axes.
    """
    if mask.ndim == x.ndim - 1 and axes == tuple(range(mask.ndim)):
        cells: NDArray[Any] = x[mask]  # one number of cells for all channels
        shape = len(cells), *(1,) * (x.ndim - 2), x.shape[-1]
        found = moments_of(cells.reshape(shape), axes)
        return replace(found, masked=True)
    counts = np.broadcast_to(mask if mask.ndim == x.ndim else mask[..., None], x.shape)
    with quiet():
        count = np.add.reduce(counts, axis=axes, keepdims=True, dtype=np.float64)
        divisor = np.maximum(count, 1)
        wide = np.where(counts, x, 0).astype(np.float64, copy=False)
        mean = np.add.reduce(wide, axis=axes, keepdims=True) / divisor
        distance = np.where(counts, wide - mean, 0)
        squares = np.add.reduce(distance * distance, axis=axes, keepdims=True)
        lost = lost_squares(wide, axes, squares, mean) if x.dtype == np.float64 else None
        if lost is not None:
            mean, squares = put_back(again(wide, axes, lost, counts=counts), lost, mean, squares)
    return Moments(axes, count, mean, squares, masked=True)
