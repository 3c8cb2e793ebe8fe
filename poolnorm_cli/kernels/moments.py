"""Means and variances without cancellation, reduced grain by grain in a fixed tree.

A *grain* is the unit of the reduction: consecutive samples whose number follows from the shape of
one sample alone (`strips.grain_rows`). Moments are computed per grain and merged by a tree
reduction in the order of the samples, so their bits do not depend on how a tensor was cut into
blocks, nor on which thread or machine computed a grain. The merge is that of Chan, Golub and
LeVeque (1979), "Updating formulae and a pairwise algorithm for computing sample variances".
"""

import math
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.errors import UsageError
from poolnorm_cli.kernels.extremes import (
    WIDE,
    inexact_squares,
    recompute_squares,
    replace_each,
    replace_where,
)
from poolnorm_cli.kernels.memory import silence_floating_point
from poolnorm_cli.shapes import format_shape
from poolnorm_cli.values import frozen, replace


Part = TypeVar("Part")
Axes = tuple[int, ...]
Float64 = NDArray[np.float64]

_LEAST_SQUARE = 1e-280
"""Squares of float64 that are smaller may have lost digits."""


def tree_reduce(merge: Callable[[Part, Part], Part], parts: Iterable[Part], empty: Part) -> Part:
    """Merge consecutive parts pairwise, as a binary tree: a tree reduction.

    Parts whose number is a power of two, and which start at a multiple of it, are a subtree of
    their own. So subtrees of one such size (the last may be smaller) can be reduced elsewhere, on
    other machines, and their results reduced with the same bits. At most one part per level is
    held.

    Args:
        merge: Merges two neighbours, the earlier one first; associative but for rounding.
        parts: The parts, in order.
        empty: What is returned where there is none.

    Returns:
        All parts merged.
    """
    held: list[tuple[int, Part]] = []
    for part in parts:
        level, whole = 0, part
        while held and held[-1][0] == level:
            level, whole = level + 1, merge(held.pop()[1], whole)
        held.append((level, whole))
    while len(held) > 1:
        _, last = held.pop()
        held[-1] = (held[-1][0], merge(held[-1][1], last))
    return held[0][1] if held else empty


@frozen
class Moments:
    """The mean of some cells, and the sum of their squared deviations from it.

    Attributes:
        axes: The axes that were reduced.
        count: Cells per statistic; under a mask for which these differ, one number for each.
        mean: float64, or `WIDE` where that cannot hold some of them, with the reduced axes kept at
            size 1.
        squares: Sum of (x - mean)^2, in the same shape and dtype.
        masked: A mask said which cells count, be it none.
    """

    axes: Axes
    count: int | Float64
    mean: Float64
    squares: Float64
    masked: bool = False

    @property
    def variance(self) -> Float64:
        """The biased variance, 0 where there is no cell."""
        return np.asarray(self.squares / np.maximum(self.count, 1))

    def widened(self) -> "Moments":
        """Return the same in `WIDE`."""
        mean, squares = self.mean.astype(WIDE), self.squares.astype(WIDE)
        return replace(self, mean=mean, squares=squares)

    def part(self, origin: Axes, shape: Axes) -> "Moments":
        """Return the statistics of a block.

        Args:
            origin: Index in the tensor, one number per axis, at which the block starts.
            shape: Shape of the block.

        Returns:
            Its part of the statistics, as views.
        """
        here = slices_of(self.mean.shape, origin, shape)
        count = self.count[here] if isinstance(self.count, np.ndarray) else self.count
        return Moments(self.axes, count, self.mean[here], self.squares[here], self.masked)


def moments_of(x: NDArray[Any], axes: Axes) -> Moments:
    """Compute the moments of one block over `axes`.

    Args:
        x: C-contiguous, of any real dtype.
        axes: Non-negative, sorted axes.

    Returns:
        The moments, each computed in two passes, the second about the mean; those that float64
        cannot hold in `WIDE`.
    """
    from poolnorm_cli.kernels.deviations import deviations_of
    from poolnorm_cli.kernels.reductions import three_axes

    count = math.prod(x.shape[axis] for axis in axes)
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(x.shape))
    with silence_floating_point():
        if not x.size or not axes:
            each = x.astype(np.float64) if x.size else np.zeros(kept)
            return Moments(axes, count, each, np.zeros(kept))
        first, *others = _groups(x.shape, axes)
        mean, squares = deviations_of(three_axes(x, first))
        shape = [1 if axis in first else size for axis, size in enumerate(x.shape)]
        mean, squares = mean.reshape(shape), squares.reshape(shape)
        rest = tuple(axis for group in others for axis in group)
        if rest:
            cells = math.prod(x.shape[axis] for axis in first)
            mean, squares = merge_along(mean, squares, rest, cells)
        lost = inexact_squares(x, axes, squares, mean)
        if lost is not None:
            mean, squares = replace_each(recompute_squares(x, axes, lost), lost, mean, squares)
    return Moments(axes, count, mean, squares)


def _groups(shape: tuple[int, ...], axes: Axes) -> list[Axes]:
    """Group axes between which nothing is kept but axes of size 1; that with most cells first."""
    groups: list[Axes] = []
    for axis in axes:
        if groups and set(shape[groups[-1][-1] + 1 : axis]) <= {1}:
            groups[-1] += (axis,)
        else:
            groups.append((axis,))
    return sorted(groups, key=lambda group: -math.prod(shape[axis] for axis in group))


def merge_along(
    mean: Float64, squares: Float64, axes: Axes, cells: int | Float64
) -> tuple[Float64, Float64]:
    """Merge moments along axes, where all of them are of equally many cells.

    Args:
        mean: Means, float64 or `WIDE`.
        squares: Sums of squared deviations, in the same shape.
        axes: The axes along which they are merged.
        cells: Cells of each, one number or one along the other axes.

    Returns:
        Means and squares with `axes` at size 1; in `WIDE` where float64 cannot hold them.
    """
    merged = _merge_along(mean, squares, axes, cells)
    if mean.dtype != WIDE and not np.isfinite(merged[1]).all() and np.isfinite(squares).all():
        return _merge_along(mean.astype(WIDE), squares, axes, cells)
    return merged


def _merge_along(
    mean: Float64, squares: Float64, axes: Axes, cells: int | Float64
) -> tuple[Float64, Float64]:
    whole: Float64 = np.add.reduce(mean, axis=axes, keepdims=True)
    whole /= math.prod(mean.shape[axis] for axis in axes)
    between = np.add.reduce(np.square(mean - whole), axis=axes, keepdims=True)
    within = np.add.reduce(squares, axis=axes, keepdims=True)
    return whole, within + cells * between


def slices_of(sizes: Axes, origin: Axes, shape: Axes) -> tuple[slice, ...]:
    """Locate the statistics of a block.

    Args:
        sizes: Shape of the statistics, reduced axes at size 1.
        origin: Index in the tensor at which the block starts.
        shape: Shape of the block.

    Returns:
        A slice for each axis of the statistics.
    """
    sides = zip(sizes, origin, shape, strict=True)
    return tuple(slice(at, at + n) if size > 1 else slice(None) for size, at, n in sides)


def merge(a: Moments, b: Moments) -> Moments:
    """Merge the moments of consecutive samples, after Chan, Golub and LeVeque (1979).

    Where axis 0 is not reduced, every sample has moments of its own and they are concatenated.

    Args:
        a: Moments of the samples that come first.
        b: Moments of those that follow, over the same axes.

    Returns:
        The moments of all; in `WIDE` where float64 cannot hold them.
    """
    if 0 not in a.axes:
        mean, squares = np.concatenate([a.mean, b.mean]), np.concatenate([a.squares, b.squares])
        each = isinstance(a.count, np.ndarray) and isinstance(b.count, np.ndarray)
        return Moments(
            a.axes, np.concatenate([a.count, b.count]) if each else a.count, mean, squares, a.masked
        )
    if not np.any(a.count) or not np.any(b.count):
        return a if np.any(a.count) else b
    count = a.count + b.count
    total = np.maximum(count, 1) if isinstance(count, np.ndarray) else count
    with np.errstate(over="ignore", invalid="ignore"):
        mean, squares = _merged(a, b, total)
        lost = ~(np.isfinite(mean) & np.isfinite(squares))
        if lost.any():
            lost &= np.logical_and.reduce([np.isfinite(v) for m in (a, b) for v in _pair(m)])
        if lost.any():
            wide = _merged(a.widened(), b.widened(), total)
            mean, squares = replace_each([v[lost] for v in wide], lost, mean, squares)
    return Moments(a.axes, count, mean, squares, a.masked or b.masked)


def _merged(a: Moments, b: Moments, total: int | Float64) -> tuple[Float64, Float64]:
    step = b.mean - a.mean
    mean = a.mean + step * (b.count / total)
    return mean, a.squares + b.squares + step * step * (a.count * b.count / total)


def merge_alike(a: Moments, b: Moments) -> tuple[Float64, Float64]:
    """Merge moments of equally many cells, several at once, where float64 holds what comes out.

    Args:
        a: Those that come first, stacked along a further axis in front.
        b: Those that follow each of them.

    Returns:
        Means and squares, stacked likewise; not finite where they are lost.
    """
    return _merged(a, b, a.count + b.count)


def _pair(moments: Moments) -> tuple[Float64, Float64]:
    return moments.mean, moments.squares


def merge_tensors(a: Moments, b: Moments) -> Moments:
    """Merge the moments of two tensors, as of one that has the samples of both.

    Args:
        a: Moments of one tensor.
        b: Moments of the next.

    Returns:
        The moments of both.

    Raises:
        UsageError: They have other channels, or another rank.
    """
    if a.mean.shape != b.mean.shape:
        raise UsageError(
            f"statistics of shape ({format_shape(b.mean.shape)}) cannot be merged "
            f"with those of the inputs before, ({format_shape(a.mean.shape)})",
            "give inputs of one rank with the same channels",
        )
    return merge(a, b)


def masked_moments(x: NDArray[Any], mask: NDArray[Any], axes: Axes) -> Moments:
    """Compute the moments over `axes` of the cells that count.

    Args:
        x: C-contiguous, of any real dtype.
        mask: bool, of the shape of `x`; or of all axes but the last, along which it is the same.
        axes: Non-negative, sorted axes.

    Returns:
        The moments; where no cell counts, mean and squares are 0.
    """
    if mask.ndim == x.ndim - 1 and axes == tuple(range(mask.ndim)):
        cells: NDArray[Any] = x[mask]  # one number of cells for all channels
        shape = len(cells), *(1,) * (x.ndim - 2), x.shape[-1]
        found = moments_of(cells.reshape(shape), axes)
        return replace(found, masked=True)
    counts = np.broadcast_to(mask if mask.ndim == x.ndim else mask[..., None], x.shape)
    with silence_floating_point():
        count = np.add.reduce(counts, axis=axes, keepdims=True, dtype=np.float64)
        divisor = np.maximum(count, 1)
        wide = np.where(counts, x, 0).astype(np.float64, copy=False)
        mean = np.add.reduce(wide, axis=axes, keepdims=True) / divisor
        distance = np.where(counts, wide - mean, 0)
        squares = np.add.reduce(distance * distance, axis=axes, keepdims=True)
        lost = inexact_squares(wide, axes, squares, mean) if x.dtype == np.float64 else None
        if lost is not None:
            mean, squares = replace_each(
                recompute_squares(wide, axes, lost, counts=counts), lost, mean, squares
            )
    return Moments(axes, count, mean, squares, masked=True)


def mean_square(
    x: NDArray[Any], axes: Axes, given: tuple[Float64, Float64] | None = None
) -> Float64:
    """Compute the mean of squares of one block over `axes`, kept at size 1; 0 without a cell.

    Args:
        x: Any real dtype.
        axes: Non-negative axes.
        given: Mean and variance of the tensor that the block is a part of, instead of its cells.

    Returns:
        float64, or `WIDE` where that cannot hold some of them.
    """
    from poolnorm_cli.kernels.reductions import sum_of_squares

    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        if given is not None:
            mean, variance = given
            whole = np.asarray(variance + mean * mean)
            inside = (whole >= _LEAST_SQUARE) & np.isfinite(whole)
            wide = mean.astype(WIDE)
            return whole if inside.all() else np.asarray(variance + wide * wide)
        count = max(math.prod(x.shape[axis] for axis in axes), 1)
        total = sum_of_squares(x, axes)
        lost = inexact_squares(x, axes, total)
        if lost is not None:
            total = replace_where(total, lost, recompute_squares(x, axes, lost, centered=False)[1])
        return np.asarray(total / count)
