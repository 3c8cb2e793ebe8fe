"""Strips of samples: their statistics by loops, and normalization by these. Without NumPy.

Arrays and plain memory go through the same calls, and so come out as the same bytes.
"""

from math import isfinite, prod
from struct import pack
from typing import TYPE_CHECKING, Any, NamedTuple

from poolnorm_cli.kernels import native
from poolnorm_cli.kernels.fold_loops import three_sizes
from poolnorm_cli.kernels.grain_loops import SMALL_SQUARES
from poolnorm_cli.kernels.native import FLOATS, KINDS
from poolnorm_cli.shapes import Ints


if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from poolnorm_cli.kernels.native import Buffer
    from poolnorm_cli.kernels.normalizing_loops import Division, Doubles

    Numbers = Sequence[float]
    Pair = tuple[Numbers, Numbers]
    """Means, and sums of squared deviations from them."""

MOST_STATISTICS = 1 << 16
"""Statistics of a sample that are merged one by one: of more, NumPy's import is sooner."""
_SMALL_MEAN = 2.0**-450
"""Where a mean of float64 is no smaller, squares of deviations are 0, or do not underflow."""
_SMALL_POWER = 1e-250
"""Smaller sums of squares of float64 may have lost digits."""
_TILE = 1 << 13
"""Items that have weights of their own and are normalized at once, in cache with all of these."""


class StripMoments(NamedTuple):
    """The call of the loop that takes the statistics of a strip.

    Attributes:
        sizes: Before the axis that is reduced, of it, and after it.
        kind: Letter of the type of the items.
    """

    sizes: tuple[int, int, int]
    kind: str

    def run(self, cells: "Buffer", out: "Buffer") -> bool:
        """Run the loop.

        Args:
            cells: The items of the strip.
            out: Memory of the means, and of the sums of squares behind them: float64.

        Returns:
            Whether float64 holds them; other ones are to be taken again.
        """
        both = memoryview(out).cast("B").cast("d")
        count = len(both) // 2
        native.loops().fold_moments(cells, both[:count], both[count:], self.sizes, self.kind)
        found = both.tolist()
        if not all(map(isfinite, found)):
            return False
        pairs = zip(found[:count], found[count:], strict=True)
        is_wide = self.kind == KINDS["float64"]
        return not is_wide or all(s >= SMALL_SQUARES or abs(m) >= _SMALL_MEAN for m, s in pairs)


def strip_moments(shape: Ints, axes: Ints, dtype: str) -> StripMoments | None:
    """Return the call for a strip.

    Args:
        shape: Shape of the strip.
        axes: Sorted axes that are reduced.
        dtype: Name of its dtype.

    Returns:
        The call; None where no loop serves for such axes or such a dtype, or there are no loops.
    """
    if not axes or not native.compiled() or KINDS.get(dtype, "?") not in FLOATS:
        return None
    between = [axis for axis in range(axes[0], axes[-1]) if axis not in axes]
    if any(shape[axis] > 1 for axis in between) or prod(shape[axis] for axis in axes) < 2:
        return None
    return StripMoments(three_sizes(shape, (axes[0], axes[-1])), KINDS[dtype])


def merged(parts: "Iterable[tuple[int, int, Pair]]", size: int) -> "Pair | None":
    """Merge statistics of the strips of a sample, as `moments.merge` does one after another.

    Args:
        parts: Of each strip the first statistic that it is a part of, its cells to each of them,
            and what was found.
        size: Statistics of a sample.

    Returns:
        Those of the sample; None where float64 does not hold them.
    """
    counts, means, squares = [0] * size, [0.0] * size, [0.0] * size
    for first, cells, found in parts:
        for place, (mean, square) in enumerate(zip(*found, strict=True), first):
            before, total = counts[place], counts[place] + cells
            counts[place] = total
            if not before:
                means[place], squares[place] = mean, square
                continue
            step = mean - means[place]
            means[place] += step * (cells / total)
            squares[place] = squares[place] + square + step * step * (before * cells / total)
    return (means, squares) if all(map(isfinite, (*means, *squares))) else None


def merged_groups(
    pair: "tuple[Buffer, Buffer]", sizes: tuple[int, int, int], cells: int
) -> "Pair | None":
    """Merge the statistics of equally many cells each along the middle of three axes.

    Args:
        pair: The means and the sums of squared deviations, float64.
        sizes: Before the axis, of it, and after it.
        cells: Cells of each statistic.

    Returns:
        The merged ones; None where float64 does not hold them.
    """
    mean, squares = pair
    if sizes[1] == 1:
        return _flat(mean).tolist(), _flat(squares).tolist()
    made = sizes[0] * sizes[2]
    loops, (whole, between, within) = native.loops(), (_doubles(made) for _ in range(3))
    loops.fold_moments(mean, whole, between, sizes, KINDS["float64"])
    loops.fold_sum(squares, within, sizes, KINDS["float64"])
    pairs = zip(within.tolist(), between.tolist(), strict=True)
    means, found = whole.tolist(), [inside + cells * among for inside, among in pairs]
    return (means, found) if all(map(isfinite, (*means, *found))) else None


class KnownCall(NamedTuple):
    """The call of the loop that normalizes a strip by statistics that are known.

    Attributes:
        kind: Letter of the type of the items.
        sizes: Before the axis of statistics and weights, of it, and after it.
        division: What cells are divided by.
    """

    kind: str
    sizes: tuple[int, int, int]
    division: "Division"

    def run(
        self, cells: "Buffer", out: "Buffer", found: "Pair", count: int, *weights: "Doubles"
    ) -> bool:
        """Run the loop.

        Args:
            cells: The items of the strip.
            out: Memory of the result.
            found: Statistics: one for each place of the axis, or one for all.
            count: Cells of each of them.
            weights: Factors and addends, one for each place of the axis; None for ones and zeros.

        Returns:
            Whether float64 holds what is divided by; else nothing was done.
        """
        means, powers = found[0], self._powers(found, count)
        if powers is None:
            return False
        if not self.division.centered:
            means = [0.0] * len(means)
        sizes = self.sizes
        if len(means) == 1 and all(each is None for each in weights):
            sizes = 1, 1, prod(sizes)
        if len(means) < sizes[1]:
            self._run_tiles(cells, out, (means[0], powers[0]), weights)
        else:
            self._run(cells, out, (_packed(means), _packed(powers)), weights, sizes)
        return True

    def serves(self, found: "Pair", count: int) -> bool:
        """Whether float64 holds what is divided by.

        Args:
            found: Statistics, as for `run`.
            count: Cells of each of them.

        Returns:
            Whether `run` does what it is asked for.
        """
        return self._powers(found, count) is not None

    def _powers(self, found: "Pair", count: int) -> "list[float] | None":
        """Return the squares of what is divided by."""
        own = self.division
        sums = list(found[1])
        if not own.centered:
            sums = [square + mean * mean * count for mean, square in zip(*found, strict=True)]
            if self.kind == KINDS["float64"] and min(sums) < _SMALL_POWER:
                return None
        powers = [max(power * own.weight + own.epsilon, own.least) for power in sums]
        return powers if all(map(isfinite, powers)) else None

    def _run(
        self,
        cells: "Buffer",
        out: "Buffer",
        known: "tuple[Doubles, Doubles]",
        weights: "Sequence[Doubles]",
        sizes: tuple[int, int, int],
    ) -> None:
        loops, length = native.loops(), sizes[1]
        scale, shift = bytearray(8 * length), bytearray(8 * length)
        loops.fold_weights(*weights, known[1], scale, shift, 0.0, length)
        loops.center(cells, out, known[0], scale, shift, self.kind, sizes)

    def _run_tiles(
        self,
        cells: "Buffer",
        out: "Buffer",
        known: tuple[float, float],
        weights: "Sequence[Doubles]",
    ) -> None:
        """Normalize items by one statistic, each with weights of its own."""
        x, y = memoryview(cells).cast("B"), memoryview(out).cast("B")
        items, size = self.sizes[1], native.KIND_BYTES[self.kind]
        own = [None if each is None else _flat(each) for each in weights]
        mean, power = (memoryview(pack("d", number) * min(_TILE, items)) for number in known)
        for start in range(0, items, _TILE):
            stop = min(start + _TILE, items)
            part, bytes_of = slice(start * size, stop * size), slice(8 * (stop - start))
            some = [None if each is None else each[start:stop] for each in own]
            both = mean[bytes_of], power[bytes_of]
            self._run(x[part], y[part], both, some, (1, stop - start, 1))


def known_call(
    shape: Ints, kept: Ints, weighted: Ints, dtype: str, division: "Division"
) -> KnownCall | None:
    """Return the call for a strip of one sample.

    Args:
        shape: Shape of the strip.
        kept: Sorted axes of it along which statistics differ.
        weighted: Sorted axes along which weights run; () without any.
        dtype: Name of its dtype.
        division: What cells are divided by.

    Returns:
        The call; None where no loop serves for such axes or such a dtype, or there are no loops.
    """
    kind = KINDS.get(dtype, "?")
    if not native.compiled() or kind not in FLOATS or shape[0] != 1 or len(kept) > 1:
        return None
    if kept and weighted in ((), kept):
        return KnownCall(kind, three_sizes(shape, kept), division)
    if any(shape[axis] > 1 for axis in kept):
        return None
    sizes = (1, prod(shape), 1) if weighted else (1, 1, prod(shape))
    is_whole = all(axis in weighted for axis, size in enumerate(shape) if size > 1)
    return KnownCall(kind, sizes, division) if is_whole or not weighted else None


def _packed(values: "Numbers") -> bytes:
    return pack(f"{len(values)}d", *values)


def _doubles(count: int) -> Any:
    return memoryview(bytearray(8 * count)).cast("d")


def _flat(weight: "Doubles") -> Any:
    return memoryview(weight).cast("B").cast("d")
