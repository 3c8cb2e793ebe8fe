"""Where windows lie on one axis, as pictures ask for it."""

from bisect import bisect_left, bisect_right
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
        """The cells of the axis and of its padding."""
        return range(-self.low, self.length + self.high)

    @property
    def overlaps(self) -> bool:
        """Whether a cell is under the window at several places."""
        return any(len(self.readers(cell)) > 1 for cell in range(self.length))

    def span(self, place: int) -> Span:
        """Return what is under the window at a place, padding included."""
        return self._rule.bounds_at(place)

    def readers(self, cell: int) -> range:
        """Return the places at which a cell of the axis is under the window."""
        places = range(self.count)  # they begin, and end, one after another
        first = bisect_right(places, cell, key=lambda place: self.span(place)[1])
        return range(first, bisect_left(places, cell + 1, key=lambda place: self.span(place)[0]))

    def real_cells(self, place: int) -> int:
        """Count the cells of the axis, not those of padding, under a place."""
        first, end = self.span(place)
        return min(end, self.length) - max(first, 0)


def _known(size: object) -> int:
    return size if isinstance(size, int) else 0
