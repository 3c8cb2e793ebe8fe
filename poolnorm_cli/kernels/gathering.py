"""Moments of a tensor from its blocks: grains that lie together are reduced, and merged, together.

What comes out has the bits that each grain has alone: loops go over grain after grain, and what is
merged item by item does not depend on how many items there are.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.kernels.deviations import deviations_of_parts, moments_by_loop
from poolnorm_cli.kernels.extremes import are_exact_squares
from poolnorm_cli.kernels.grain_loops import grain_calls
from poolnorm_cli.kernels.moments import (
    Axes,
    Moments,
    masked_moments,
    merge,
    merge_alike,
    moments_of,
    tree_reduce,
)
from poolnorm_cli.kernels.native import FLOATS, HALVES, loops_for
from poolnorm_cli.strips import grain_rows


_Masked = tuple[NDArray[Any], NDArray[Any] | None]
_BUNCH = 16
"""Parts that are merged together, a power of two."""


def gather(
    blocks: Iterable[NDArray[Any]],
    sample_shape: tuple[int, ...],
    axes: Axes,
    masks: Iterable[NDArray[Any]] | None = None,
    each: Callable[..., Iterable[list[Moments]]] = map,
) -> Moments:
    """Compute the moments of a tensor over `axes` from its blocks.

    Args:
        blocks: Consecutive slices along axis 0, each but the last a multiple of the grain long.
        sample_shape: Shape of one sample.
        axes: Non-negative axes of a block.
        masks: Which cells count, per block, as in `masked_moments`. None where all count.
        each: Applies a function to pairs of block and mask, as `map` does; results come in order.

    Returns:
        The moments, with the same bits for any cut into blocks.
    """
    rows = grain_rows(sample_shape)

    def grains(pair: _Masked) -> list[Moments]:
        block, mask = pair
        if mask is None:
            return _of_grains(block, rows, axes)
        cuts = (slice(start, start + rows) for start in range(0, len(block), rows))
        return [masked_moments(block[cut], mask[cut], axes) for cut in cuts]

    found = _merged_bunches(chain.from_iterable(each(grains, pair_with_masks(blocks, masks))))
    first = next(found, None)
    if first is None:
        return moments_of(np.empty((0, *sample_shape)), axes)
    return tree_reduce(merge, chain((first,), found), first)


def whole_moments(x: NDArray[Any], axes: Axes) -> Moments | None:
    """Compute what `gather` gives for a tensor in one block, by two loops.

    Args:
        x: C-contiguous, of any real dtype.
        axes: Non-negative, sorted axes.

    Returns:
        The moments, with the same bits; None where loops do not serve, or do not give them.
    """
    loops, calls = loops_for(x, FLOATS + HALVES), grain_calls(x.shape, axes)
    if loops is None or calls is None:
        return None
    sizes, last, grains, kept, _ = calls
    units = np.empty((2, grains[0] * grains[2]))
    moments_by_loop(loops, x, units, sizes, last)
    if not are_exact_squares(x.dtype, units[1]):
        return None
    mean, squares = found = np.empty((2, *kept))
    if loops.merge_grains(*units, mean, squares, grains):
        return None
    return Moments(axes, x.size // (found.size // 2), mean, squares)


def _merged_bunches(parts: Iterable[Moments]) -> Iterator[Moments]:
    """Yield the moments of each _BUNCH of consecutive parts, a subtree of the reduction."""
    left = iter(parts)
    while bunch := list(islice(left, _BUNCH)):
        yield bunch[0] if len(bunch) == 1 else _merged_bunch(bunch)


def _merged_bunch(parts: list[Moments]) -> Moments:
    """Merge parts as `tree_reduce` does, all pairs of a level at once where they are alike."""
    first, last = parts[0], parts[-1]
    count = first.count
    if isinstance(count, np.ndarray) or 0 not in first.axes or not count or first.masked:
        return tree_reduce(merge, parts, first)
    alike, rest = (parts, None) if last.count == count else (parts[:-1], last)
    if any(p.count != count or p.masked or p.mean.dtype != np.float64 for p in alike):
        return tree_reduce(merge, parts, first)
    mean, squares = np.stack([p.mean for p in alike]), np.stack([p.squares for p in alike])
    with np.errstate(over="ignore", invalid="ignore"):
        while len(mean) > 1:
            if len(mean) % 2:
                odd = Moments(first.axes, count, mean[-1], squares[-1])
                rest = odd if rest is None else merge(odd, rest)
            pairs = len(mean) // 2 * 2
            a, b = (
                Moments(first.axes, count, mean[i:pairs:2], squares[i:pairs:2]) for i in range(2)
            )
            mean, squares = merge_alike(a, b)
            count *= 2
    if not (np.isfinite(mean).all() and np.isfinite(squares).all()):
        return tree_reduce(merge, parts, first)  # it is exact about each of them
    whole = Moments(first.axes, count, mean[0], squares[0])
    return whole if rest is None else merge(whole, rest)


def _of_grains(block: NDArray[Any], rows: int, axes: Axes) -> list[Moments]:
    """Compute the moments of each grain of a block: those of whole grains together, where they can.

    Args:
        block: Some grains, of which the last may be shorter.
        rows: Samples of a whole one.
        axes: Non-negative, sorted axes.

    Returns:
        The moments of each, with the same bits as alone.
    """
    whole = len(block) // rows
    found: list[Moments] = []
    if len(block) > rows and axes == tuple(range(len(axes))):
        at_once = _grains_at_once(block, rows, axes)
        if at_once is not None:
            return at_once
    if whole > 1 and axes[:1] == (0,) and loops_for(block, FLOATS + HALVES):
        cells = block[: whole * rows].reshape(whole, rows, *block.shape[1:])
        all_of = moments_of(cells, tuple(axis + 1 for axis in axes))
        if all_of.mean.dtype == np.float64 and np.isfinite(all_of.squares).all():
            pairs = zip(all_of.mean, all_of.squares, strict=True)
            found = [Moments(axes, all_of.count, mean, squares) for mean, squares in pairs]
    starts = range(len(found) * rows, len(block), rows)
    return found + [moments_of(block[start : start + rows], axes) for start in starts]


def _grains_at_once(block: NDArray[Any], rows: int, axes: Axes) -> list[Moments] | None:
    """Compute the moments of grains that lie as they are reduced, in one loop over all of them.

    Args:
        block: More than one grain, of which the last may be shorter.
        rows: Samples of a whole one.
        axes: The first axes of the block.

    Returns:
        The moments of each, with the same bits as alone; None where a loop does not give them.
    """
    inside, kept = math.prod(block.shape[1 : len(axes)]), block.shape[len(axes) :]
    if not block.size:
        return None
    pair = deviations_of_parts(block.reshape(len(block) * inside, -1), rows * inside)
    if pair is None or not are_exact_squares(block.dtype, pair[1]):
        return None
    mean, squares = (each.reshape(-1, *(1,) * len(axes), *kept) for each in pair)
    ends = (min(rows, len(block) - start) for start in range(0, len(block), rows))
    counts = (samples * inside for samples in ends)
    return [Moments(axes, *each) for each in zip(counts, mean, squares, strict=True)]


def pair_with_masks(
    blocks: Iterable[NDArray[Any]], masks: Iterable[NDArray[Any]] | None
) -> Iterator[tuple[NDArray[Any], NDArray[Any] | None]]:
    """Pair each block with its mask.

    Args:
        blocks: The blocks.
        masks: As many masks; None where there is none.

    Returns:
        Pairs of a block and its mask, or None.
    """
    if masks is None:
        return ((block, None) for block in blocks)
    return zip(blocks, masks, strict=True)
