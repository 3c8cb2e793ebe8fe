"""What the loops that take statistics of grains, and merge them, are called with: without NumPy."""

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from poolnorm_cli.kernels import native
from poolnorm_cli.shapes import Ints
from poolnorm_cli.strips import grain_rows


if TYPE_CHECKING:
    from poolnorm_cli.kernels.native import Buffer

    Pair = tuple[Any, Any]

SMALL_SQUARES = 2.0**-960
"""Smaller sums of squares of float64 may have lost digits."""


class GrainCalls(NamedTuple):
    """The calls of both loops for a tensor.

    Attributes:
        sizes: Of the first loop: units before the axis that is reduced, cells of it, items after.
        last: Cells of the last unit, which may be fewer.
        grains: Of the second loop.
        kept: Shape of the statistics, reduced axes at size 1.
        rows: Samples of a unit with items after it; 1 where a sample has several units.
    """

    sizes: tuple[int, int, int]
    last: int
    grains: tuple[int, int, int, int, int]
    kept: Ints
    rows: int

    @property
    def statistics(self) -> int:
        """Statistics of the tensor."""
        return math.prod(self.kept)

    def of_samples(
        self,
        cells: "Buffer",
        pair: "Pair",
        rows: tuple[int, int],
        kind: str,
    ) -> None:
        """Compute means and squared deviations of the units of some samples.

        Args:
            cells: Items of the samples, native.
            pair: Both of all units of the tensor, float64.
            rows: The first sample, a multiple of `rows`, and the one after the last.
            kind: Letter of the type of the items.
        """
        units, length, after = self.sizes
        each = self.statistics if after == 1 else 1  # units of a sample, or of `rows` of them
        start, stop = rows[0] // self.rows * each, -(-rows[1] // self.rows) * each
        last = self.last if stop == units else length
        mean, squares = (whole[start * after : stop * after] for whole in pair)
        native.loops().fold_moments(cells, mean, squares, (stop - start, length, after), kind, last)

    def merged(self, pair: "Pair", found: "Pair") -> bool:
        """Merge the statistics of all units.

        Args:
            pair: Both of each unit, float64.
            found: Where those of the tensor go.

        Returns:
            Whether float64 holds them.
        """
        return not native.loops().merge_grains(*pair, *found, self.grains)


def grain_calls(shape: Ints, axes: Ints) -> GrainCalls | None:
    """Return what the loops over a tensor are called with, and the shape of the statistics.

    Where the channels are last, a grain is one image of the loop; where they are not, each sample
    has one of each channel, and those of a grain are merged.

    Args:
        shape: Shape of the tensor.
        axes: Non-negative, sorted axes that are reduced.

    Returns:
        The calls; None where loops do not serve.
    """
    if axes[:1] != (0,) or 0 in shape:
        return None
    return _calls(shape, axes, grain_rows(shape[1:]))


@lru_cache(maxsize=64)
def _calls(shape: Ints, axes: Ints, rows: int) -> GrainCalls | None:
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    samples = shape[0]
    inner = tuple(axis for axis in range(len(shape)) if axis not in axes)
    if not inner or inner[-1] - inner[0] != len(inner) - 1:
        return None
    channels, behind = math.prod(kept), math.prod(shape[inner[-1] + 1 :])
    if behind == 1 or channels == 1:  # then all of a grain lies one after the other
        rows, inside = min(rows, samples), math.prod(shape[1:]) // channels
        units = -(-samples // rows)
        length, last = rows * inside, (samples - (units - 1) * rows) * inside
        if 1 in (length, last):
            return None
        grains = units, 1, channels, length, last
        return GrainCalls((units, length, channels), last, grains, kept, rows)
    if inner[0] > 1 or behind <= min(rows, samples):  # fewer cells lie together: in another order
        return None
    grains = samples, rows, channels, behind, behind
    return GrainCalls((samples * channels, behind, 1), behind, grains, kept, 1)
