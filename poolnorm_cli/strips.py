"""How samples are counted into grains, and a large one cut into strips: functions of ints alone.

A grain is some consecutive samples, the unit in which statistics are reduced: their bits do not
depend on cuts that lie between grains. A strip is some consecutive rows of a sample, with the halo:
the rows that it shares with its neighbours because a window reaches over the cut.
"""

from collections.abc import Sequence
from itertools import pairwise, product
from math import prod
from typing import NamedTuple

from poolnorm_cli.shapes import Ints
from poolnorm_cli.windows import Window


Bounds = Sequence[tuple[int, int]]
"""First cell and end of each window on an axis."""
GRAIN_ITEMS = 1 << 19
"""Items of a grain, about: as many as fill a tile in float32. The last bits of statistics depend on
this number."""
_MANY = 4
"""Windows of more than so many times the rows of a strip are reduced in parts."""
_MOST = 8
"""A strip may have up to so many times the rows asked for, to compute less of its halo twice."""


class Strip(NamedTuple):
    """Some rows of one sample; a row is a cell of its first `axis` axes with all behind it.

    Attributes:
        start: The first row that is read; never beyond the last one of the strip before.
        stop: The row after the last that is read.
        first: The first row that is used, counted from `start`.
        end: The row after the last that is used, counted from `start`.
        window: The window on the used rows; None where they are reduced whole.
        axis: How many axes of a sample are counted through by its rows.
        origin: Index at which the used rows begin, along the axes of the sample.
        bounds: First row and end of each window on the used rows, where these differ.
        place: The row of the output that the strip has a part of, where that is not all of it.
    """

    start: int
    stop: int
    first: int
    end: int
    window: Window | None = None
    axis: int = 1
    origin: Ints = ()
    bounds: tuple[tuple[int, int], ...] | None = None
    place: int | None = None

    def corner(self, rank: int) -> Ints:
        """Return the index at which the used rows begin in a tensor of their sample alone."""
        return (0, *self.origin, *(0,) * (rank - 1 - len(self.origin)))

    @property
    def kind(self) -> "Strip":
        """What a graph depends on: all strips of one kind go through the same graph."""
        place = None if self.place is None else 0
        return self._replace(start=0, stop=0, first=0, end=0, origin=(), place=place)

    def shape(self, shape: Ints) -> Ints:
        """Return the shape of the used rows, as a part of an input of `shape`."""
        return (*(1,) * self.axis, self.end - self.first, *shape[self.axis + 1 :])


def grain_rows(sample: Ints) -> int:
    """Return how many samples make a grain; it follows from the shape of one sample alone."""
    return max(GRAIN_ITEMS // max(prod(sample), 1), 1)


def rows_for(shape: Ints, items: int) -> int:
    """Return how many rows of axis 1 have about so many items.

    Args:
        shape: Shape of the input.
        items: Items that a strip should have at most.

    Returns:
        The rows, 1 at least.
    """
    return max(items // max(prod(shape[2:]), 1), 1)


def window_strips(length: int, window: Window, rows: int) -> list[Strip]:
    """Cut an axis under a window into strips, each with the halo that it needs.

    Windows of many times `rows` that do not overlap are reduced in parts.

    Args:
        length: Rows on the axis.
        window: The window on it.
        rows: Rows that a strip should have, about.

    Returns:
        The strips, in order; together they read every row.
    """
    shared = max(window.extent - window.stride, 0)
    plain = window.dilation == 1 and window.divides_by_cells
    if window.size > _MANY * rows and not shared and plain:
        return partial_strips(length, window.bounds(length), rows)
    # A halo is read once and computed twice, so a strip has several times as many rows of its own.
    own = max(rows - shared, min(_MANY * shared, _MOST * rows), shared)
    places = max(own // window.stride, 1)
    strips: list[Strip] = []
    done = 0
    for first in range(0, window.count, places):
        count = min(places, window.count - first)
        start, stop, part = window.part(first, count, length)
        begin = min(start, done)
        done = length if first + count == window.count else stop
        strips.append(Strip(begin, done, start - begin, stop - begin, part))
    return strips


def bounds_strips(length: int, bounds: Bounds, rows: int) -> list[Strip]:
    """Cut an axis under windows of different sizes into strips.

    Windows of many times `rows` are reduced in parts.

    Args:
        length: Rows on the axis.
        bounds: First row and end of each window, as `adaptive_bounds` gives them.
        rows: Rows that a strip should have, about.

    Returns:
        The strips, in order; together they read every row.
    """
    if bounds[0][1] - bounds[0][0] > _MANY * rows:
        return partial_strips(length, bounds, rows)
    strips: list[Strip] = []
    first = done = 0
    while first < len(bounds):
        start, last = bounds[first][0], first + 1
        while last < len(bounds) and bounds[last][1] - start <= rows:
            last += 1
        stop, begin = bounds[last - 1][1], min(start, done)
        done = length if last == len(bounds) else stop
        inside = tuple((low - start, high - start) for low, high in bounds[first:last])
        strips.append(Strip(begin, done, start - begin, stop - begin, bounds=inside))
        first = last
    return strips


def partial_strips(length: int, bounds: Bounds, rows: int) -> list[Strip]:
    """Cut each window of an axis into strips that have a part of its rows.

    Args:
        length: Rows on the axis.
        bounds: First row and end of each window.
        rows: Rows that a strip has at most.

    Returns:
        The strips, in order; `place` says which window a strip is a part of.
    """
    strips: list[Strip] = []
    done = 0
    for place, (low, high) in enumerate(bounds):
        for start, stop in _balanced(low, high, rows):
            begin, size = min(start, done), stop - start
            done = length if (place, stop) == (len(bounds) - 1, high) else stop
            whole = Window(size, size, 1, 0, 0)
            strips.append(Strip(begin, done, start - begin, stop - begin, whole, place=place))
    return strips


def _balanced(start: int, stop: int, most: int) -> list[tuple[int, int]]:
    """Cut a range into parts of at most so many, each about as long as the others."""
    count = -(-(stop - start) // most)
    ends = [start + (stop - start) * part // count for part in range(count + 1)]
    return list(pairwise(ends))


def tile_strips(shape: Ints, items: int) -> list[Strip]:
    """Cut a sample into strips that are tiles: boxes with one index along each leading axis.

    Rows are cells of the first axis whose cells are small enough; a tile has one index along each
    axis of the sample before that one.

    Args:
        shape: Shape of the input.
        items: Items that a strip has at most.

    Returns:
        The strips, in order, without halo.
    """
    axis = next(axis for axis in range(1, len(shape)) if prod(shape[axis + 1 :]) <= items)
    rows, length = max(items // prod(shape[axis + 1 :]), 1), shape[axis]
    found = []
    for outer, index in enumerate(product(*map(range, shape[1:axis]))):
        for first in range(0, length, rows):
            count, start = min(rows, length - first), outer * length + first
            found.append(Strip(start, start + count, 0, count, axis=axis, origin=(*index, first)))
    return found


def merge_leading_axes(shape: Ints, first: int) -> Ints:
    """Merge the axes before one.

    Args:
        shape: Shape of the input.
        first: The first axis that is kept.

    Returns:
        The shape, axis 0 as large as the merged ones together.
    """
    return (prod(shape[:first]), *shape[first:])


def channels_as_images(shape: Ints) -> Ints:
    """View channels-first images as images of one channel each, which may stand last as well."""
    return (shape[0] * shape[1], *shape[2:], 1)
