"""How a large sample is taken apart: seen as many small ones, or worked on in strips."""

from functools import reduce
from itertools import groupby
from typing import TYPE_CHECKING

from poolnorm_cli.shapes import Ints
from poolnorm_cli.strips import Strip


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from poolnorm_cli.layers.base import Array, Call, Layer


class Divisible:
    """Defaults for a layer whose samples are worked on whole."""

    __slots__ = ()

    def collapse_leading_axes(self, shape: Ints) -> "tuple[Layer, Ints]":
        """Return a layer and a shape that make the same of the same bytes, in smaller samples.

        The first axes of `shape` are merged, so that its trailing ones are a sample. Weights stay
        as they are, and so does what is gathered, apart from its axes of size 1.
        """
        itself: Layer = self  # type: ignore[assignment]
        return itself, shape

    def strips(self, shape: Ints, items: int) -> list[Strip]:
        """Cut a sample of an input of `shape` into strips; [] where it is worked on whole.

        Args:
            shape: All axes of the input, batch first.
            items: About how many items of a sample go into a strip, 1 or more.
        """
        del shape, items
        return []

    def sample_statistics_axes(self, rank: int) -> Ints:
        """Name the axes over which each sample has statistics that all its strips need."""
        del rank
        return ()

    def part_shape(self, shape: Ints, strip: Strip | None) -> Ints:
        """Return the shape of what `apply` makes of a block of `shape`, be it a strip."""
        del strip
        layer: Layer = self  # type: ignore[assignment]
        return tuple(int(size or 0) for size in layer.output_shape(shape))

    def merged(self, parts: "Iterable[tuple[Call, Array]]") -> "Iterator[Array]":
        """Make outputs of what the strips of one sample gave, in order, each with its call.

        The memory of a part may be used again for the next one.
        """
        for place, group in groupby(parts, lambda pair: pair[0].strip and pair[0].strip.place):
            if place is None:
                yield from (part for _, part in group)
            else:
                yield self.combine(group)

    def combine(self, parts: "Iterable[tuple[Call, Array]]") -> "Array":
        """Make a row of the output of what strips gave that each had a part of it."""
        raise NotImplementedError


def largest(parts: "Iterable[tuple[Call, Array]]") -> "Array":
    """Take the maximum of the maxima of strips."""
    from poolnorm_cli.kernels.reductions import larger

    return reduce(larger, (part.copy() for _, part in parts))


def average(parts: "Iterable[tuple[Call, Array]]") -> "Array":
    """Average the means of strips, each by its number of rows that count."""
    from poolnorm_cli.kernels.reductions import mean_of_means

    return mean_of_means((part, _counted(call)) for call, part in parts)


def _counted(call: "Call") -> int:
    if call.mask is not None:
        return int(call.mask.sum())
    return call.strip.end - call.strip.first if call.strip is not None else 1
