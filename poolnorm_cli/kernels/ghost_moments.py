"""Moments of ghost batches: interleaved groups of samples that are normalized apart.

With G groups, sample i belongs to group i % G, as in Keras 2's `virtual_batch_size`. Samples are
merged into their group one after another, so the moments do not depend on how a tensor was cut
into blocks; memory holds one mean and one sum of squares per group and channel.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.kernels.extremes import as_wide_as
from poolnorm_cli.kernels.moments import Axes, Moments, grain_rows, merge, moments_of


def gather_ghosts(
    found: Iterable[Moments], sample_shape: tuple[int, ...], axes: Axes, groups: int
) -> Moments:
    """Gather the moments of each group over `axes` from those of samples.

    Args:
        found: Of consecutive samples, over the axes but the first; all of them together are whole
            rounds of `groups` samples.
        sample_shape: Shape of one sample.
        axes: Non-negative axes of a block, 0 among them.
        groups: Number of groups.

    Returns:
        Moments whose axis 0 has one cell per group.
    """
    kept = [1 if axis in axes else size for axis, size in enumerate((0, *sample_shape))]
    cells = math.prod(sample_shape[axis - 1] for axis in axes if axis)
    mean, squares = np.zeros((groups, *kept[1:])), np.zeros((groups, *kept[1:]))
    place = 0
    for each in found:
        for here, new in _rounds(place, len(each.mean), groups):
            seen = Moments(axes, place // groups * cells, mean[here], squares[here])
            both = merge(seen, Moments(axes, cells, each.mean[new], each.squares[new]))
            mean, squares = as_wide_as(mean, both.mean), as_wide_as(squares, both.squares)
            mean[here], squares[here] = both.mean, both.squares
            place += new.stop - new.start
    return Moments(axes, place // groups * cells, mean, squares)


def of_blocks(
    blocks: Iterable[NDArray[Any]], sample_shape: tuple[int, ...], axes: Axes
) -> Iterator[Moments]:
    """Take the moments of samples over `axes`, a grain at a time.

    Args:
        blocks: Consecutive slices along axis 0, each but the last a multiple of the grain long.
        sample_shape: Shape of one sample.
        axes: Axes of a block; not the first.
    """
    rows = grain_rows(sample_shape)
    for block in blocks:
        for start in range(0, len(block), rows):
            yield moments_of(block[start : start + rows], axes)


def _rounds(place: int, samples: int, groups: int) -> Iterable[tuple[slice, slice]]:
    """Cut samples where a round of all groups ends: yield the groups, and the samples for them."""
    done = 0
    while done < samples:
        group = (place + done) % groups
        run = min(groups - group, samples - done)
        yield slice(group, group + run), slice(done, done + run)
        done += run
