"""Reductions below a sliding window, a tile of the input at a time."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from poolnorm_cli.kernels.native_windows import slide
from poolnorm_cli.kernels.tiles import Sheet
from poolnorm_cli.shapes import Window


Array = NDArray[Any]


def max_windows(x: Array, windows: Mapping[int, Window]) -> Array:
    """Take the maximum below each place of the window.

    Args:
        x: C-contiguous, of any float or integer dtype; bool counts as integer.
        windows: Axis -> window on it. Every window covers at least one real cell.

    Returns:
        The count of places on each of these axes; `x` itself where each window is one cell, at
        every cell. NaN propagates.
    """
    sheet = Sheet.of(x, windows)
    if not sheet.order:
        return x
    if slide(sheet) is not None:
        return sheet.out.reshape(sheet.shape)
    from poolnorm_cli.kernels.window_programs import maximum

    maximum(sheet)
    return sheet.out.reshape(sheet.shape)


def mean_windows(x: Array, windows: Mapping[int, Window]) -> Array:
    """Average the real cells below each place of the window.

    The mean is within 4 float32 epsilons of mean(|cells|) of the exact one for float32, and it
    overflows only where the mean itself does.

    Args:
        x: C-contiguous, float32 or float64.
        windows: Axis -> window on it. Every window covers at least one real cell.

    Returns:
        The count of places on each of these axes, in the dtype of `x`; `x` itself where each
        window is one cell, at every cell.
    """
    sheet = Sheet.of(x, windows)
    if not sheet.order:
        return x
    finite = slide(sheet, average=True)
    if finite:
        return sheet.out.reshape(sheet.shape)
    from poolnorm_cli.kernels.window_programs import average

    average(sheet, mend_only=finite is not None)
    return sheet.out.reshape(sheet.shape)
