"""Moments of parts put together: strips of a sample, ghost batches, channels of groups."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.kernels.extremes import promote
from poolnorm_cli.kernels.known_loops import merged_groups
from poolnorm_cli.kernels.memory import silence_floating_point
from poolnorm_cli.kernels.moments import (
    Axes,
    Float64,
    Moments,
    masked_moments,
    merge,
    merge_along,
    moments_of,
    slices_of,
)
from poolnorm_cli.kernels.native import compiled
from poolnorm_cli.strips import grain_rows


Box = tuple[Axes, Axes]
"""Where a strip is: the index at which it starts in a tensor of its sample alone, and its shape."""


def strip_moments(strip: NDArray[Any], mask: NDArray[Any] | None, axes: Axes) -> Moments:
    """Compute the moments of a strip of a sample, under a mask if there is one.

    Args:
        strip: Of the rank of a block, of one sample.
        mask: bool, of the shape of the strip, or of all its axes but the last; None where all cells
            count.
        axes: Non-negative, sorted axes.

    Returns:
        The moments of the cells that count.
    """
    return moments_of(strip, axes) if mask is None else masked_moments(strip, mask, axes)


def merge_strips(
    found: Iterable[Moments], boxes: Sequence[Box], sample: Axes, axes: Axes
) -> Iterator[Moments]:
    """Merge the moments of the strips of each sample.

    Args:
        found: Moments of strips, in order.
        boxes: Where the strips of a sample are.
        sample: Shape of a sample.
        axes: Axes of a block that were reduced.

    Yields:
        The moments of one sample after another.
    """
    rest = iter(found)
    for first in rest:
        yield _of_sample(chain([first], islice(rest, len(boxes) - 1)), boxes, sample, axes)


def _of_sample(found: Iterable[Moments], boxes: Sequence[Box], sample: Axes, axes: Axes) -> Moments:
    kept = [1 if axis in axes else size for axis, size in enumerate((1, *sample))]
    over, masked = tuple(sorted({0, *axes})), False
    mean, squares = np.zeros(kept), np.zeros(kept)
    counts: dict[tuple[int, ...], int | Float64] = {}  # by where the statistics begin
    for (origin, shape), new in zip(boxes, found, strict=True):
        here = slices_of(mean.shape, origin, shape)
        place = tuple(part.start or 0 for part in here)
        seen = Moments(over, counts.get(place, 0), mean[here], squares[here])
        both = merge(seen, Moments(over, new.count, new.mean, new.squares))
        mean, squares = (promote(*two) for two in ((mean, both.mean), (squares, both.squares)))
        counts[place], mean[here], squares[here] = both.count, both.mean, both.squares
        masked = new.masked
    if not masked:
        cells = prod((1, *sample)[axis] for axis in axes)
        return Moments(axes, cells, mean, squares)
    count = np.zeros(kept)
    for origin, shape in boxes:
        here = slices_of(mean.shape, origin, shape)
        count[here] = counts[tuple(part.start or 0 for part in here)]
    same = 0 in axes and bool((count == count.flat[0]).all())  # else samples may differ
    return Moments(axes, int(count.flat[0]) if same else count, mean, squares, masked=True)


def merge_ghost_batches(
    found: Iterable[Moments], sample_shape: tuple[int, ...], axes: Axes, groups: int
) -> Moments:
    """Merge the moments of samples into those of interleaved ghost batches.

    With G ghost batches, sample i is in ghost batch i % G.

    Args:
        found: Of consecutive samples, over the axes but the first; all of them together are whole
            rounds of `groups` samples.
        sample_shape: Shape of one sample.
        axes: Non-negative axes of a block, 0 among them.
        groups: Number of ghost batches.

    Returns:
        Moments whose axis 0 has one cell per ghost batch.
    """
    kept = [1 if axis in axes else size for axis, size in enumerate((0, *sample_shape))]
    cells = prod(sample_shape[axis - 1] for axis in axes if axis)
    mean, squares = np.zeros((groups, *kept[1:])), np.zeros((groups, *kept[1:]))
    place = 0
    for each in found:
        for here, new in _rounds(place, len(each.mean), groups):
            seen = Moments(axes, place // groups * cells, mean[here], squares[here])
            both = merge(seen, Moments(axes, cells, each.mean[new], each.squares[new]))
            mean, squares = promote(mean, both.mean), promote(squares, both.squares)
            mean[here], squares[here] = both.mean, both.squares
            place += new.stop - new.start
    return Moments(axes, place // groups * cells, mean, squares)


def sample_moments(
    blocks: Iterable[NDArray[Any]], sample_shape: tuple[int, ...], axes: Axes
) -> Iterator[Moments]:
    """Compute the moments of each sample over `axes`, a grain at a time.

    Args:
        blocks: Consecutive slices along axis 0, each but the last a multiple of the grain long.
        sample_shape: Shape of one sample.
        axes: Axes of a block; not the first.

    Yields:
        The moments of the samples of each grain, along axis 0.
    """
    rows = grain_rows(sample_shape)
    for block in blocks:
        for start in range(0, len(block), rows):
            yield moments_of(block[start : start + rows], axes)


def _rounds(place: int, samples: int, groups: int) -> Iterable[tuple[slice, slice]]:
    """Cut samples where a round of all ghost batches ends.

    Yields:
        The ghost batches, and the samples that belong to them.
    """
    done = 0
    while done < samples:
        group = (place + done) % groups
        count = min(groups - group, samples - done)
        yield slice(group, group + count), slice(done, done + count)
        done += count


def group_moments(moments: Moments, samples: slice, axis: int, groups: int) -> Moments:
    """Merge the moments of adjacent channels into those of groups; give each channel its group's.

    Args:
        moments: Moments of each sample and channel.
        samples: The samples that are wanted.
        axis: The axis of the channels; not reduced.
        groups: How many groups there are, of equally many channels each.

    Returns:
        Moments of these samples in the shape of `moments`, alike within a group.
    """
    pair = moments.mean[samples], moments.squares[samples]
    shape, size = pair[0].shape, pair[0].shape[axis] // groups
    split = (*shape[:axis], groups, size, *shape[axis + 1 :])
    mean, squares = (values.reshape(split) for values in pair)
    count, total = moments.count, moments.count * size
    if isinstance(count, int) and compiled() and pair[0].dtype == np.float64:
        sizes = prod(shape[:axis]) * groups, size, prod(shape[axis + 1 :])
        flat = np.ascontiguousarray(pair[0]), np.ascontiguousarray(pair[1])
        found = merged_groups(flat, sizes, count)
        if found is not None:
            split = (*split[: axis + 1], 1, *split[axis + 2 :])
            wide = (*split[: axis + 1], size, *split[axis + 2 :])
            mean, squares = (
                np.broadcast_to(np.reshape(values, split), wide).reshape(shape) for values in found
            )
            return Moments(moments.axes, total, mean, squares, moments.masked)
    with silence_floating_point():
        if isinstance(count, np.ndarray):
            count = count[samples].reshape(split)
            cells, *together = _counted(count, mean, squares, axis + 1)
            total = np.broadcast_to(cells, split).reshape(shape)
        else:
            together = [*merge_along(mean, squares, (axis + 1,), count)]
    mean, squares = (np.broadcast_to(values, split).reshape(shape) for values in together)
    return Moments(moments.axes, total, mean, squares, moments.masked)


def _counted(
    count: Float64, mean: Float64, squares: Float64, axis: int
) -> tuple[Float64, Float64, Float64]:
    """Merge moments along an axis, each of a number of cells of its own, which may be 0."""
    cells = np.add.reduce(count, axis=axis, keepdims=True)
    whole = np.add.reduce(mean * count, axis=axis, keepdims=True) / np.maximum(cells, 1)
    between = np.add.reduce(np.square(mean - whole) * count, axis=axis, keepdims=True)
    return cells, whole, np.add.reduce(squares, axis=axis, keepdims=True) + between
