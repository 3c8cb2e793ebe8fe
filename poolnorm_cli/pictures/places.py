"""Where windows lie on one axis, as pictures ask for it."""

from bisect import bisect_left, bisect_right
from math import gcd
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from poolnorm_cli.layers.axis_rules import AxisRule

Span = tuple[int, int]
"""First cell and end; cells of padding are below 0, or not below the length of the axis."""


class Places:
    """The places of a window on an axis of known size, however many there are.

    Attributes:
        axis: The axis.
        length: Cells on it.
        count: Places.
        low: Cells of padding before the axis.
        high: Cells of padding after it.
        formula: How they come about, in words and numbers.
    """

    def __init__(self, rule: "AxisRule", length: int) -> None:
        """Take the places of a rule.

        Args:
            rule: How the layer goes along the axis.
            length: Cells on the axis.
        """
        self._rule = rule
        self.axis, self.length, self.formula = rule.axis, length, rule.formula()
        self.count, self.low, self.high = map(_known, (rule.places, *rule.pads))

    @property
    def padded(self) -> range:
        """The cells of the axis and of its padding, and those that the last window overhangs."""
        end = self.length + self.high
        return range(-self.low, max(end, self.span(self.count - 1)[1]) if self.count else end)

    @property
    def dilated(self) -> bool:
        """Whether windows jump over cells."""
        under = self.taps(0) if self.count else range(0)
        return under.step > 1 and bool(under[1:])

    @property
    def is_plain(self) -> bool:
        """Whether each window has cells of its own, next to each other on the axis."""
        return not (self.dilated or self.overlaps or self.padded != range(self.length))

    @property
    def overlaps(self) -> bool:
        """Whether a cell is under the window at several places."""
        return any(len(self.readers(cell)) > 1 for cell in range(self.length))

    def span(self, place: int) -> Span:
        """Return from where to where the window reaches at a place, padding included."""
        return self._rule.bounds_at(place)

    def taps(self, place: int) -> range:
        """Return the cells under the window at a place, padding included."""
        return self._rule.taps_at(place)

    def readers(self, cell: int) -> range:
        """Return the places at which a cell of the axis is under the window."""
        places = range(self.count)  # they begin, and end, one after another
        first = bisect_right(places, cell, key=lambda place: self.span(place)[1])
        end = bisect_left(places, cell + 1, key=lambda place: self.span(place)[0])
        if not self.dilated:
            return range(first, end)
        # place * stride = cell - start, but for multiples of the dilation
        start, dilation, stride = self.span(0)[0], self.taps(0).step, self._rule.reach[1]
        common = gcd(_known(stride), dilation)
        if (cell - start) % common:
            return range(0)
        apart = dilation // common
        some = (cell - start) // common * pow(_known(stride) // common, -1, apart)
        return range(first + (some - first) % apart, end, apart)

    def real_cells(self, place: int) -> int:
        """Count the cells of the axis, not those of padding, under a place."""
        return len(within(self.taps(place), range(self.length)))


def within(some: range, cells: range) -> range:
    """Return those numbers of a range that are in another, one after another.

    Args:
        some: Numbers, one or more apart.
        cells: Numbers from the first to the last.

    Returns:
        What is in both.
    """
    first = some.start + max(-(-(cells.start - some.start) // some.step), 0) * some.step
    return range(first, min(some.stop, cells.stop), some.step)


def _known(size: object) -> int:
    return size if isinstance(size, int) else 0
