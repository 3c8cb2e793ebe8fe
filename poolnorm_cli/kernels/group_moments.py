"""Moments of groups of channels, joined of those of each channel."""

import numpy as np

from poolnorm_cli.kernels.memory import quiet
from poolnorm_cli.kernels.moments import Float64, Moments, joined_along


def by_groups(moments: Moments, samples: slice, axis: int, groups: int) -> Moments:
    """Join moments that stand side by side along an axis, and give each those of its group.

    Args:
        moments: Of each sample.
        samples: Those that are wanted.
        axis: The axis of what is grouped; not reduced.
        groups: How many there are, of as many members each.
    """
    pair = moments.mean[samples], moments.squares[samples]
    shape, size = pair[0].shape, pair[0].shape[axis] // groups
    split = (*shape[:axis], groups, size, *shape[axis + 1 :])
    mean, squares = (values.reshape(split) for values in pair)
    count, total = moments.count, moments.count * size
    with quiet():
        if isinstance(count, np.ndarray):
            count = count[samples].reshape(split)
            cells, *together = _counted(count, mean, squares, axis + 1)
            total = np.broadcast_to(cells, split).reshape(shape)
        else:
            together = [*joined_along(mean, squares, (axis + 1,), count)]
    mean, squares = (np.broadcast_to(values, split).reshape(shape) for values in together)
    return Moments(moments.axes, total, mean, squares, moments.masked)


def _counted(
    count: Float64, mean: Float64, squares: Float64, axis: int
) -> tuple[Float64, Float64, Float64]:
    """Join moments along an axis, each of a number of cells of its own, which may be 0."""
    cells = np.add.reduce(count, axis=axis, keepdims=True)
    whole = np.add.reduce(mean * count, axis=axis, keepdims=True) / np.maximum(cells, 1)
    between = np.add.reduce(np.square(mean - whole) * count, axis=axis, keepdims=True)
    return cells, whole, np.add.reduce(squares, axis=axis, keepdims=True) + between
