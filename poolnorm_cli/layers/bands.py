"""How a large sample is taken apart: seen as many small ones, or worked on in bands of rows."""

from math import prod
from typing import TYPE_CHECKING, NamedTuple

from poolnorm_cli.shapes import Ints, Window


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from poolnorm_cli.layers.base import Array, Layer


class Band(NamedTuple):
    """Some rows of one sample; a row is a cell of axis 1 with all that lies behind it.

    Attributes:
        start: The first row that is read; never beyond the last one of the band before.
        stop: The row after the last that is read.
        first: The first row that is used, counted from `start`.
        end: The row after the last that is used, counted from `start`.
        window: The window on the used rows; None where they are reduced whole.
    """

    start: int
    stop: int
    first: int
    end: int
    window: Window | None = None


class Divisible:
    """Defaults for a layer whose samples are worked on whole."""

    __slots__ = ()

    def narrowed(self, shape: Ints) -> "tuple[Layer, Ints]":
        """Return a layer and a shape that make the same of the same bytes, in smaller samples.

        The first axes of `shape` are merged, so that its trailing ones are a sample. Weights stay
        as they are, and so does what is gathered, apart from its axes of size 1.
        """
        itself: Layer = self  # type: ignore[assignment]
        return itself, shape

    def bands(self, shape: Ints, rows: int) -> list[Band]:
        """Cut a sample of an input of `shape` into bands; [] where it is worked on whole.

        Args:
            shape: All axes of the input, batch first.
            rows: About how many rows of a sample go into a band, 1 or more.
        """
        del shape, rows
        return []

    def merged(self, parts: "Iterable[Array]", bands: list[Band]) -> "Iterator[Array]":
        """Make outputs of what the bands of one sample gave, in order.

        By default each band gives its part of the output.
        """
        del bands
        yield from parts


def window_bands(length: int, window: Window, rows: int) -> list[Band]:
    """Cut an axis of `length` rows below a window into bands, each with the halo that it needs."""
    shared = max(window.size - window.stride, 0)
    # A halo is read twice, so a band has several times as many rows of its own.
    places = max(max(rows - shared, 4 * shared) // window.stride, 1)
    bands: list[Band] = []
    done = 0
    for first in range(0, window.count, places):
        count = min(places, window.count - first)
        start, stop, part = window.part(first, count, length)
        begin = min(start, done)
        done = length if first + count == window.count else stop
        bands.append(Band(begin, done, start - begin, stop - begin, part))
    return bands


def even_bands(length: int, rows: int) -> list[Band]:
    """Cut an axis of `length` rows into bands of `rows`, the last of which may have fewer."""
    ends = ((start, min(start + rows, length)) for start in range(0, length, rows))
    return [Band(start, stop, 0, stop - start) for start, stop in ends]


def merged_axes(shape: Ints, first: int) -> Ints:
    """Merge the axes before `first` into one."""
    return (prod(shape[:first]), *shape[first:])


def planes(shape: Ints) -> Ints:
    """See channels-first images as ones of a single channel, which may stand last as well."""
    return (shape[0] * shape[1], *shape[2:], 1)
