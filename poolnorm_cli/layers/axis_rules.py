"""How a layer goes along one axis, as a value: what is counted, explained, drawn and compared.

A rule is of one axis of one input, whose size may be symbolic. Nothing here needs NumPy.
"""

from abc import ABC, abstractmethod
from itertools import islice
from typing import Any, ClassVar, NamedTuple

from poolnorm_cli.formulas import adaptive_formula, runs_text, window_formula
from poolnorm_cli.shapes import Dim, Ints, adaptive_bounds_at
from poolnorm_cli.values import frozen
from poolnorm_cli.windows import Padding, Placing, Window


MOST_RANGES = 1000
"""Runs of cells that a document lists: a person who types sizes of 2^60 gets an answer, too."""
_MOST_BORDER = 8
"""Places at one border up to which each is told."""


@frozen(kw_only=True)
class AxisRule(ABC):
    """How a layer goes along an axis.

    Attributes:
        axis: The axis of the input, 0 or more.
        length: Its size.
    """

    axis: int
    length: Dim

    kind: ClassVar[str]
    """What a document calls it: `window`, `adaptive` or `global`."""

    @property
    @abstractmethod
    def places(self) -> Dim:
        """Number of values of the output along the axis."""

    @property
    def pads(self) -> tuple[Dim, Dim]:
        """Cells of padding before and after the axis."""
        return 0, 0

    @property
    @abstractmethod
    def reach(self) -> tuple[Dim, Dim]:
        """Cells under the largest window; and from one place to the next, None where it varies."""

    @property
    def size(self) -> Dim:
        """Cells under the largest window."""
        return self.reach[0]

    @property
    def dilation(self) -> int:
        """From one cell under a window to the next."""
        return 1

    @abstractmethod
    def bounds_at(self, place: int) -> tuple[int, int]:
        """Return the cells under one place, padding included, of an axis of known size.

        Args:
            place: Which one, from 0.

        Returns:
            The first cell, negative in the padding, and the end.
        """

    def taps_at(self, place: int) -> range:
        """Return each cell under one place: those of `bounds_at`, without what is jumped over."""
        return range(*self.bounds_at(place))

    def unread(self) -> tuple[int, list[tuple[int, int]]] | None:
        """Return how many cells no place reaches, and first cell and end of the runs of them.

        None where the size of the axis is not known.
        """
        return (0, []) if isinstance(self.length, int) else None

    def formula(self) -> str:
        """Write the rule with its numbers; an empty text where it says nothing."""
        return ""

    def lines(self) -> list[str]:
        """Describe the axis."""
        text = self.formula()
        return [f"axis {self.axis}: {text}"] if text else []

    def entry(self) -> dict[str, Any]:
        """Return the axis as a document has it."""
        low, high = self.pads
        document: dict[str, Any] = {"axis": self.axis, "rule": self.kind, "cells": self.length}
        document |= {"window": self.size, "stride": self.reach[1], "places": self.places}
        document |= {"pad_low": low, "pad_high": high}
        unread = self.unread()
        document["never_read"] = None if unread is None else unread[0]
        document["never_read_ranges"] = None if unread is None else [list(r) for r in unread[1]]
        return document | {"formula": self.formula()}


@frozen(kw_only=True)
class WindowRule(AxisRule):
    """A window of one size, moved by one stride.

    Attributes:
        placing: The window as it was given.
        averages: The cells under each place are what an average divides by.
        counts_padding: An average counts cells of padding, too.
        divisor: What an average divides by along this axis; 0 for the number of cells.
    """

    placing: Placing
    averages: bool = False
    counts_padding: bool = False
    divisor: int = 0

    kind: ClassVar[str] = "window"

    @property
    def size(self) -> int:
        """Cells under the window, as they were given."""
        return self.placing.size

    @property
    def dilation(self) -> int:
        """From one cell under the window to the next."""
        return self.placing.dilation

    @property
    def stride(self) -> int:
        """Cells from one place to the next, as they were given."""
        return self.placing.stride

    @property
    def padding(self) -> Padding:
        """`valid`, `same` or `same_lower`."""
        return self.placing.padding

    @property
    def places(self) -> Dim:
        """Number of places."""
        return self.placing.count_on(self.length)

    @property
    def pads(self) -> tuple[Dim, Dim]:
        """Cells of padding before and after the axis."""
        return self.placing.pads_on(self.length)

    @property
    def reach(self) -> tuple[Dim, Dim]:
        """Cells from the first under the window to the last; and the stride."""
        return self.placing.extent, self.stride

    @property
    def placed(self) -> Window | None:
        """The window as it is placed; None where the size of the axis is not known."""
        if not isinstance(self.length, int):
            return None
        found = self.placing.on(self.length)
        if self.divisor or not self.counts_padding:
            return found._replace(divisor=self.divisor)
        low, high = self.pads
        return found._replace(before=int(low or 0), after=int(high or 0))

    def bounds_at(self, place: int) -> tuple[int, int]:
        """Return the cells under one place, padding included, of an axis of known size.

        Args:
            place: Which one, from 0.

        Returns:
            The first cell, negative in the padding, and the end.
        """
        low = self.pads[0]
        first = place * self.stride - (low if isinstance(low, int) else 0)
        return first, first + self.placing.extent

    def taps_at(self, place: int) -> range:
        """Return each cell under one place: those of `bounds_at` that dilation does not jump."""
        return range(*self.bounds_at(place), self.dilation)

    def unread(self) -> tuple[int, list[tuple[int, int]]] | None:
        """Return how many cells no place reaches, and the first runs of them."""
        placed = self.placed
        if placed is None or not isinstance(self.length, int):
            return None
        runs = list(islice(placed.unread(self.length), MOST_RANGES))
        return placed.unread_count(self.length), runs

    def formula(self) -> str:
        """Write places, pads and cells never read."""
        return window_formula(self.length, self.placing)

    def cells(self) -> tuple[int, int] | None:
        """Return the fewest and the most cells that count at a place; None where not known."""
        placed = self.placed
        if placed is None or not isinstance(self.length, int) or not placed.count:
            return None
        # The number grows, stays and falls from place to place: where it stays is enough.
        last = placed.count - 1
        inside = (-(-placed.low // placed.stride), (self.length - placed.extent) // self.stride)
        tried = {0, last} | {place + step for place in inside for step in (-1, 0, 1)}
        found = [self._cells_at(placed, place) for place in tried if 0 <= place <= last]
        return min(found), max(found)

    def cell_runs(self) -> list[tuple[int, int]] | None:
        """Return, run by run, the cells that count at a place and how many places have that number.

        None where the size of the axis is not known, or too many places differ.
        """
        placed = self.placed
        if placed is None or not isinstance(self.length, int):
            return None
        count, end = placed.count, self.length + placed.low
        before = min(-(-placed.low // placed.stride), count)
        whole = max((end - placed.extent) // placed.stride + 1, 0)  # places that end on the axis
        after = max(count - max(whole, before), 0)
        if max(before, after) > _MOST_BORDER:
            return None
        border = [*range(before), *range(count - after, count)]
        parts = [(self._cells_at(placed, place), 1) for place in border]
        inside = count - before - after
        middle = [(self._cells_at(placed, before), inside)] if inside else []
        runs = list[tuple[int, int]]()
        for cells, places in [*parts[:before], *middle, *parts[before:]]:
            same = runs.pop()[1] if runs and runs[-1][0] == cells else 0
            runs.append((cells, same + places))
        return runs

    def lines(self) -> list[str]:
        """Describe the axis, and for an average the real cells under each place."""
        asked = self.averages and not self.divisor
        lines, runs = super().lines(), self.cell_runs() if asked else None
        if runs and len(runs) > 1:
            kind = "cells under the window, padding included" if self.counts_padding else ""
            what = kind or "real cells under the window"
            lines.append(f"axis {self.axis}: {what}: {runs_text(runs)}")
        return lines

    def entry(self) -> dict[str, Any]:
        """Return the axis as a document has it."""
        runs = self.cell_runs()
        told = None if runs is None else [{"cells": cells, "places": n} for cells, n in runs]
        placing = self.placing
        document = super().entry() | {"padding": self.padding}
        if placing.pads is not None:
            document["padding"] = "pads"
        if placing.dilation > 1:
            document["dilation"] = placing.dilation
        if placing.ceil:
            document["ceil_mode"] = True
        return document | {"real_cells": told}

    def _cells_at(self, placed: Window, place: int) -> int:
        return placed.divisor_at(place, int(self.length or 0))


@frozen(kw_only=True)
class AdaptiveRule(AxisRule):
    """Windows that cover the axis evenly.

    Attributes:
        count: How many they are.
    """

    count: int

    kind: ClassVar[str] = "adaptive"

    @property
    def places(self) -> Dim:
        """Number of windows."""
        return self.count

    @property
    def reach(self) -> tuple[Dim, Dim]:
        """Cells of the largest window; and the stride where all windows have one size."""
        if not isinstance(self.length, int):
            return None, None
        size, rest = divmod(self.length, self.count)
        if not rest:
            return size, size
        # A window whose ends are both within a cell has one cell more than the others.
        return size + (1 if self.count % rest == 0 else 2), None

    def bounds_at(self, place: int) -> tuple[int, int]:
        """Return the cells of one window, on an axis of known size."""
        return adaptive_bounds_at(place, int(self.length or 0), self.count)

    def formula(self) -> str:
        """Write where the windows begin and end."""
        return adaptive_formula(self.length, self.count)


@frozen(kw_only=True)
class WholeRule(AxisRule):
    """One window over the whole axis."""

    kind: ClassVar[str] = "global"

    @property
    def places(self) -> Dim:
        """One place, whether the axis stays or not."""
        return 1

    @property
    def reach(self) -> tuple[Dim, Dim]:
        """All cells."""
        return self.length, self.length

    def bounds_at(self, place: int) -> tuple[int, int]:
        """Return all cells of an axis of known size."""
        del place
        return 0, int(self.length or 0)


class Statistics(NamedTuple):
    """Statistics that a layer normalizes by.

    Attributes:
        axes: Axes of the input over which they are taken; for groups, with that of the channels.
        cells: Values that each covers.
        of_each: How many of each statistic there are.
    """

    axes: Ints
    cells: Dim
    of_each: Dim
