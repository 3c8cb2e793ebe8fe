"""How much room pictures of tensors have on a page."""

from typing import NamedTuple

from poolnorm_cli.engine.view import Room


PANEL = 34
"""Columns of the statistics beside a picture."""
GAP = 3
_LEAST_BESIDE = 76
"""Columns from which on two things stand side by side."""
_LEAST_ROWS, _MOST_ROWS = 16, 48


class Page(NamedTuple):
    """The size of a page.

    Attributes:
        width: Columns.
        height: Rows of the screen; pages may be longer.
    """

    width: int
    height: int

    @property
    def has_sides(self) -> bool:
        """Whether two things fit side by side."""
        return self.width >= _LEAST_BESIDE

    def room(self) -> Room:
        """Return the room for the one picture of a page, beside which are its statistics."""
        columns = self.width - PANEL - GAP if self.has_sides else self.width
        return Room(max(columns, 8), self._rows(6))

    def half(self, count: int = 2) -> Room:
        """Return the room for each of some pictures that are compared."""
        fit = (self.width + GAP) // count - GAP
        columns = fit if self.has_sides and fit >= 24 else self.width
        if self.has_sides and fit < 24:
            columns = (self.width - GAP) // 2
        return Room(max(columns, 8), self._rows(9))

    def _rows(self, other: int) -> int:
        return min(max(self.height - other, _LEAST_ROWS), _MOST_ROWS)
