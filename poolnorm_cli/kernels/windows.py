"""Reductions under a sliding window: by a compiled loop where one serves, else by NumPy."""

from collections.abc import Mapping

from poolnorm_cli.kernels.memory import Array
from poolnorm_cli.kernels.mirrored import mirrored
from poolnorm_cli.kernels.native import FLOATS, INTEGERS, loops_for
from poolnorm_cli.kernels.pool_view import PoolView
from poolnorm_cli.kernels.window_loops import call_for
from poolnorm_cli.windows import Reduction, Window


def _slide(view: PoolView, reduction: Reduction) -> bool | None:
    """Take the maximum, mean or minimum under each place of a window into `view.out`.

    Returns:
        Whether all means are finite; None if no loop serves for these windows, and nothing is done.
    """
    if loops_for(view.cells, FLOATS + INTEGERS) is None:
        return None
    call = call_for(view.shapes, view.cells.dtype.name, reduction)
    return None if call is None else call.run(view.cells, view.out)


def max_windows(x: Array, windows: Mapping[int, Window]) -> Array:
    """Take the maximum under each place of the window, as Keras' MaxPooling does.

    Args:
        x: C-contiguous, of any float or integer dtype; bool counts as integer.
        windows: Axis -> window on it. Every window covers at least one real cell.

    Returns:
        The maxima, of the dtype of `x`, with as many places on each of these axes as its window
        has; `x` itself where each window is one cell, at every cell. NaN propagates.
    """
    view = PoolView.of(x, windows)
    if not view.order:
        return x
    if _slide(view, "max") is not None:
        return view.result
    from poolnorm_cli.kernels.numpy_windows import maximum

    maximum(view)
    return view.result


def min_windows(x: Array, windows: Mapping[int, Window]) -> Array:
    """Take the minimum under each place of the window: what `max_windows` does of negatives.

    Args:
        x: C-contiguous, of any float or integer dtype; bool counts as integer.
        windows: Axis -> window on it. Every window covers at least one real cell.

    Returns:
        The minima, as `max_windows` returns maxima.
    """
    view = PoolView.of(x, windows)
    if not view.order:
        return x
    if _slide(view, "min") is not None:
        return view.result
    return mirrored(max_windows(mirrored(x), windows))


def mean_windows(x: Array, windows: Mapping[int, Window]) -> Array:
    """Average the real cells, not padding, under each place of the window.

    As Keras' AveragePooling does.

    The mean is within 4 float32 epsilons of mean(|cells|) of the exact one for float32, and it
    overflows only where the mean itself does.

    Args:
        x: C-contiguous, float32 or float64.
        windows: Axis -> window on it. Every window covers at least one real cell.

    Returns:
        The means, of the dtype of `x`, with as many places on each of these axes as its window
        has; `x` itself where each window is one cell, at every cell.
    """
    view = PoolView.of(x, windows)
    if not view.order:
        return x
    finite = _slide(view, "mean")
    if finite:
        return view.result
    from poolnorm_cli.kernels.numpy_windows import average

    average(view, overflowed_only=finite is not None)
    return view.result
