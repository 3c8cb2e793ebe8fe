"""Receptive fields: which cells of the input an output depends on, through one layer or several.

Along an axis, output i depends on the cells from `edge + i * jump` on, `size` of them, those in the
padding counted. `start` is the middle of the first output's field, where cell 0 of the input goes
from 0 to 1, so that its own middle is 0.5.
"""

from itertools import pairwise
from typing import Any

from poolnorm_cli.layers.axis_rules import AxisRule
from poolnorm_cli.shapes import Dim, atom
from poolnorm_cli.values import frozen


_MOST_PLACES = 4096
"""Windows of uneven sizes that are kept one by one."""
_EXACT = 2**53
"""Numbers up to which a float has halves."""
Interval = tuple[int, int]


@frozen(kw_only=True)
class Field:
    """The receptive field along one axis.

    Attributes:
        edge: First cell of the first output's field; negative in the padding. An expression where
            a size is symbolic, None where it is not known.
        first: Cells in the field of the first output.
        size: Cells in the largest field.
        jump: Cells of the input from one output's field to the next one's; None where that varies.
        uneven: First cell and end of each output's field, where they differ; else None.
    """

    edge: Dim = 0
    first: Dim = 1
    size: Dim = 1
    jump: Dim = 1
    uneven: tuple[Interval, ...] | None = None

    @property
    def start(self) -> float | str | None:
        """The middle of the first output's field."""
        if isinstance(self.edge, int) and isinstance(self.first, int):
            twice = 2 * self.edge + self.first
            return twice / 2 if abs(twice) < _EXACT else twice // 2
        if self.edge is None or self.first is None:
            return None
        return f"{self.edge}+{atom(self.first)}/2"

    def entry(self) -> dict[str, Any]:
        """Return it as a document has it."""
        return {
            "receptive_field": self.size,
            "jump": self.jump,
            "start": self.start,
            "first_cell": self.edge,
        }

    def through(self, rule: AxisRule) -> "Field":
        """Return the field of the outputs of one more layer.

        Args:
            rule: How that layer goes along the axis.

        Returns:
            The field, in cells of the same input.
        """
        size, stride = rule.reach
        if self.uneven is not None:
            return self._of_intervals(rule)
        if stride is None:
            return self._uneven(rule)
        wider = _plus(_times(_plus(size, -1), self.jump), self.size)
        low = rule.pads[0]
        edge = _plus(self.edge, _times(_times(low, self.jump), -1))
        return Field(edge=edge, first=wider, size=wider, jump=_times(self.jump, stride))

    def _uneven(self, rule: AxisRule) -> "Field":
        """Go through windows that differ in size."""
        edge, jump, size, places = self.edge, self.jump, self.size, rule.places
        numbers = isinstance(edge, int) and isinstance(jump, int) and isinstance(size, int)
        if not (numbers and isinstance(rule.length, int) and isinstance(places, int)):
            return Field(edge=edge, first=None, size=None, jump=None)
        assert isinstance(edge, int) and isinstance(jump, int) and isinstance(size, int)  # noqa: S101, PT018 - as asked
        end = rule.bounds_at(0)[1]
        largest = rule.reach[0]
        first = size + (end - 1) * jump
        if places > _MOST_PLACES:
            return Field(
                edge=edge,
                first=first,
                size=_plus(_times(_plus(largest, -1), jump), size),
                jump=None,
            )
        bounds = map(rule.bounds_at, range(places))
        return _of(tuple((edge + a * jump, edge + (b - 1) * jump + size) for a, b in bounds))

    def _of_intervals(self, rule: AxisRule) -> "Field":
        """Go on from fields that differ in size; padding has none."""
        held, places = self.uneven or (), rule.places
        if not isinstance(places, int) or not 0 < places <= _MOST_PLACES:
            return Field(edge=None, first=None, size=None, jump=None)
        bounds = [rule.bounds_at(place) for place in range(places)]
        spans = [(max(a, 0), min(b, len(held))) for a, b in bounds]
        return _of(tuple((held[a][0], held[b - 1][1]) for a, b in spans))


def _of(intervals: tuple[Interval, ...]) -> Field:
    edge, end = intervals[0]
    sizes = {b - a for a, b in intervals}
    steps = {b[0] - a[0] for a, b in pairwise(intervals)}
    if len(sizes) == 1 and len(steps) <= 1:
        size = sizes.pop()
        return Field(edge=edge, first=size, size=size, jump=steps.pop() if steps else size)
    return Field(edge=edge, first=end - edge, size=max(sizes), jump=None, uneven=intervals)


def _plus(a: Dim, b: Dim) -> Dim:
    if a is None or b is None:
        return None
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    if a == 0 or b == 0:
        return b if a == 0 else a
    right = str(b)
    return f"{a}{right}" if right.startswith("-") else f"{a}+{right}"


def _times(a: Dim, b: Dim) -> Dim:
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    if 0 in (a, b):
        return 0
    if a is None or b is None:
        return None
    if 1 in (a, b):
        return b if a == 1 else a
    number, other = (a, b) if isinstance(a, int) else (b, a)
    return f"-{atom(other)}" if number == -1 else f"{atom(number)}*{atom(other)}"
