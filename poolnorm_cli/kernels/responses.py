"""Local response normalization: each value divided by a power of its neighbours' squares."""

import numpy as np

from poolnorm_cli.kernels.memory import Array
from poolnorm_cli.kernels.windows import mean_windows
from poolnorm_cli.windows import Window


def divided_by_neighbours(x: Array, axis: int, window: Window, numbers: tuple[float, ...]) -> Array:
    """Compute `x / (bias + alpha * squares)**beta`, the squares added under a window on one axis.

    It is computed in float64 and rounded once. Where squares of float64 leave its range, so that
    the result would be 0, it is computed again of smaller values.

    Args:
        x: C-contiguous, float32 or float64.
        axis: The axis of the window.
        window: Has a place for each cell of the axis.
        numbers: The factor alpha of the sum of squares, the power beta, the bias; a small scale for
            values whose squares leave the range, and what remains to be multiplied by then.

    Returns:
        A new array, of the shape and dtype of `x`.
    """
    alpha, beta, bias, scale, left = numbers
    if not x.size:
        return np.empty_like(x)
    cells = np.array(window.cells(x.shape[axis]), "float64")
    cells = cells.reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    with np.errstate(all="ignore"):

        def divided(wide: Array, bias: float, factor: float) -> tuple[Array, Array]:
            divisor = mean_windows(wide * wide, {axis: window}) * (cells * alpha) + bias
            return divisor, wide * divisor**-beta * factor

        wide = x.astype(np.float64)
        divisor, y = divided(wide, bias, 1.0)
        if x.dtype == np.float64 and alpha and not np.isfinite(divisor).all():
            _, scaled = divided(wide * scale, bias * scale * scale, left)
            y = np.where(np.isfinite(divisor), y, scaled)
        return np.asarray(y.astype(x.dtype, copy=False))
