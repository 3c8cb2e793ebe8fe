"""The rules of windows: places, pads, dilation and divisors on one axis, in ints alone.

Every shape that the tool prints, allocates, declares in a graph or checks comes from here and from
`shapes.py`, so the rule of 'same' padding has this one body. Nothing here needs NumPy.
"""

from collections.abc import Iterator
from math import gcd
from typing import Literal, NamedTuple

from poolnorm_cli.shapes import Dim, atom


Padding = Literal["valid", "same", "same_lower"]
Reduction = Literal["max", "mean", "min"]
"""What loops make of the cells under a window."""
_MOST_LISTED = 1 << 16
"""Cells on an axis up to which those that a dilated window never reads are listed."""


class Window(NamedTuple):
    """A window on one axis.

    Attributes:
        size: Cells under the window.
        stride: Cells from one place of it to the next.
        count: Number of its places.
        low: Cells of padding before the axis.
        high: Cells of padding after it that the last place reaches over.
        dilation: From one cell under the window to the next.
        before: Cells of padding before the axis that an average counts.
        after: Cells of padding after the axis that an average counts.
        divisor: What an average divides by along this axis; 0 for the number of cells.
    """

    size: int
    stride: int
    count: int  # type: ignore[assignment] # nobody looks for a number in a window
    low: int
    high: int
    dilation: int = 1
    before: int = 0
    after: int = 0
    divisor: int = 0

    @property
    def extent(self) -> int:
        """Cells from the first under the window to the last, both included."""
        return (self.size - 1) * self.dilation + 1

    def cells(self, length: int) -> list[int]:
        """Count, for each place, the real cells (not padding) of an axis of `length` under it."""
        return [self.cells_at(place, length) for place in range(self.count)]

    def cells_at(self, place: int, length: int) -> int:
        """Count the real cells under one place.

        Args:
            place: Which one, from 0.
            length: Cells on the axis.

        Returns:
            Their number.
        """
        return self._between(place, 0, length)

    def divisor_at(self, place: int, length: int) -> int:
        """Return what an average divides by along this axis at one place.

        Args:
            place: Which one, from 0.
            length: Cells on the axis.

        Returns:
            A number of cells, or the given divisor.
        """
        return self.divisor or self._between(place, -self.before, length + self.after)

    def divisors(self, length: int) -> list[int]:
        """Return, for each place, what an average divides by along this axis of `length`."""
        return [self.divisor_at(place, length) for place in range(self.count)]

    @property
    def divides_by_cells(self) -> bool:
        """Whether an average divides by the number of real cells."""
        return not (self.before or self.after or self.divisor)

    def bounds(self, length: int) -> list[tuple[int, int]]:
        """Return the first cell and the end, on an axis of `length`, of each place."""
        return [self.bounds_at(place, length) for place in range(self.count)]

    def bounds_at(self, place: int, length: int) -> tuple[int, int]:
        """Return from where to where one place reaches, the padding left aside.

        Args:
            place: Which one, from 0.
            length: Cells on the axis.

        Returns:
            The first cell and the end, as indices of the axis.
        """
        start = place * self.stride - self.low
        return max(start, 0), min(start + self.extent, length)

    def unread(self, length: int) -> Iterator[tuple[int, int]]:
        """Yield first cell and end of each run of cells of an axis that no place reaches."""
        if self.dilation > 1:
            yield from self._unread_between(length)
            return
        for place in range(self.count - 1 if self.stride > self.size else 0):
            first = place * self.stride - self.low + self.size
            yield first, first + self.stride - self.size
        end = self.bounds_at(self.count - 1, length)[1] if self.count else 0
        if end < length:
            yield end, length

    def unread_count(self, length: int) -> int:
        """Count the cells of an axis of `length` that no place reaches."""
        if not self.count:
            return length
        if self.dilation > 1:
            return sum(end - first for first, end in self._unread_between(length))
        between = (self.count - 1) * max(self.stride - self.size, 0)
        return between + length - self.bounds_at(self.count - 1, length)[1]

    def clipped(self, length: int) -> "Window":
        """Return the smallest window that has the same cells of an axis under each place.

        Whatever a person types, it is no larger than the axis and its padding, so memory and
        loops may be sized by it. A window that is not larger than the axis stays as it is.

        Args:
            length: Cells on the axis.

        Returns:
            The window; without a place, one of a single cell.
        """
        if not self.count:
            return Window(1, 1, 0, 0, 0)
        reach = (self.count - 1) * self.stride  # from the first place to the last
        # With more before the axis, all places begin there all the same.
        low = min(self.low, reach) if self.dilation == 1 and self.divides_by_cells else self.low
        # A dilated one still reaches beyond the axis, so that no further place would fit.
        most = -(-(low + length + self.after) // self.dilation) + (self.dilation > 1)
        size = min(self.size - (self.low - low), most)
        high = max(reach + (size - 1) * self.dilation + 1 - low - length, 0)
        stride = min(self.stride, max(length, 1)) if self.count == 1 else self.stride
        return self._replace(size=size, stride=stride, low=low, high=high)

    def part(self, first: int, count: int, length: int) -> tuple[int, int, "Window"]:
        """Return the cells of an axis of `length` that some places need, and the window on them.

        Args:
            first: The first of these places.
            count: How many they are, 1 or more.
            length: Cells on the axis.

        Returns:
            The first cell, the cell after the last, and the window on the cells between.
        """
        begin = first * self.stride - self.low
        end = begin + (count - 1) * self.stride + self.extent
        start, stop = max(begin, 0), min(end, length)
        return start, stop, self._replace(count=count, low=start - begin, high=end - stop)

    def interleaved(self) -> Iterator[tuple[int, int, int, "Window"]]:
        """Yield windows without dilation that together have the places of this one.

        Each is on every `dilation`-th cell of the axis from one on: places that are a multiple of
        the dilation apart see the same of these cells.

        Yields:
            The first place, from one place to the next, the first cell, and the window.
        """
        step = self.dilation // gcd(self.stride, self.dilation)
        for place in range(min(step, self.count)):
            start = place * self.stride - self.low
            first = start if start >= 0 else start % self.dilation
            count, stride = -(-(self.count - place) // step), self.stride * step // self.dilation
            low = (first - start) // self.dilation
            yield place, step, first, Window(self.size, stride, count, low, 0)

    def empty_place(self, length: int) -> int | None:
        """Return a place under which an axis of `length` has no cell; None where there is none.

        No place begins after the axis, or ends before it: only one that jumps over it has none.
        """
        if self.dilation <= length:
            return None
        before = min(-(-self.low // self.stride), self.count, length + 1)
        places = [p for p in range(before) if not self.cells_at(p, length)]
        return places[0] if places else None

    def _between(self, place: int, first: int, end: int) -> int:
        """Count the cells under one place that are among some, padding included."""
        start = place * self.stride - self.low
        below = max(-(-(first - start) // self.dilation), 0)
        return max(min((end - 1 - start) // self.dilation, self.size - 1) - below + 1, 0)

    def _unread_between(self, length: int) -> Iterator[tuple[int, int]]:
        """Yield the runs of cells that a dilated window never reads; none on a very long axis."""
        if length > _MOST_LISTED or self.count * self.size > _MOST_LISTED:
            return
        starts = [place * self.stride - self.low for place in range(self.count)]
        read = {start + tap * self.dilation for start in starts for tap in range(self.size)}
        first = None
        for cell in range(length + 1):
            if cell < length and cell not in read:
                first = cell if first is None else first
            elif first is not None:
                yield first, cell
                first = None


class Placing(NamedTuple):
    """How a window is placed on an axis of whatever length, as it was asked for.

    Attributes:
        size: Cells under the window.
        stride: Cells from one place to the next.
        padding: How much padding there is; not looked at where there are `pads`.
        dilation: From one cell under the window to the next.
        pads: Cells of padding before the axis and after it.
        ceil: A last window that is not whole counts, if it begins on the axis or before it.
    """

    size: int
    stride: int
    padding: Padding = "valid"
    dilation: int = 1
    pads: tuple[int, int] | None = None
    ceil: bool = False

    @property
    def extent(self) -> int:
        """Cells from the first under the window to the last, both included."""
        return (self.size - 1) * self.dilation + 1

    @property
    def fixed(self) -> tuple[int, int] | None:
        """The pads where they do not depend on the axis; None under 'same'."""
        return self.pads or ((0, 0) if self.padding == "valid" else None)

    def on(self, length: int) -> Window:
        """Place the window on an axis.

        'valid' keeps whole windows only. 'same' gives ceil(length / stride) places, as Keras'
        pooling layers do (TensorFlow's padding 'SAME'); the padding this needs is never negative,
        and its odd cell comes last, under 'same_lower' first. `formulas.py` says the same in words.

        Args:
            length: Cells on the axis.

        Returns:
            The window, as it is given, however much larger than the axis.
        """
        pads = self.fixed
        if pads is None:
            count = -(-length // self.stride)
            total = max((count - 1) * self.stride + self.extent - length, 0)
            low = total - total // 2 if self.padding == "same_lower" else total // 2
            return Window(self.size, self.stride, count, low, total - low, self.dilation)
        low, high = pads
        room = length + low + high - self.extent
        count = max((-(-room // self.stride) if self.ceil else room // self.stride) + 1, 0)
        if self.ceil:  # none begins in the padding after the axis
            count = min(count, -(-(length + low) // self.stride))
        over = max((count - 1) * self.stride + self.extent - low - length, 0)
        return Window(self.size, self.stride, count, low, over, self.dilation)

    def count_on(self, length: Dim) -> Dim:
        """Count the places of the window on an axis that may be symbolic.

        Args:
            length: Cells on the axis: a number, a name or expression, or None.

        Returns:
            The count; for a name an expression in Python's integer arithmetic, as `(H+1)//2` for
            `H` under 'same' with stride 2; None for None.
        """
        if isinstance(length, int):
            return self.on(length).count
        if length is None:
            return None
        pads, stride = self.fixed, self.stride
        if pads is None:
            return _floor(length, stride - 1, stride)
        extra = stride - self.extent + pads[0] + pads[1]
        if not self.ceil:
            return _floor(length, extra, stride)
        whole = _floor(length, extra + stride - 1, stride)
        if pads[1] + stride <= self.extent:  # no window begins in the padding after the axis
            return whole
        return f"min({whole},{_floor(length, pads[0] + stride - 1, stride)})"

    def pads_on(self, length: Dim) -> tuple[Dim, Dim]:
        """Return the cells of padding at both ends of an axis that may be symbolic.

        Args:
            length: Cells on the axis: a number, a name or expression, or None.

        Returns:
            Those before the axis and those after it; for a name expressions in Python's integer
            arithmetic, where they depend on it; None for None, where they would.
        """
        if (pads := self.fixed) is not None:
            return pads
        if isinstance(length, int) or 1 in {self.extent, self.stride}:
            # What does not depend on the length is so for any that is not smaller than the window.
            placed = self.on(length if isinstance(length, int) else self.extent)
            return placed.low, placed.high
        if length is None:
            return None, None
        # What the last place reaches over:
        total = f"{self.extent - 1}-({atom(length)}-1)%{self.stride}"
        total = total if self.extent >= self.stride else f"max({total},0)"
        ends = f"({total})//2", f"({total}+1)//2"
        return ends if self.padding == "same" else ends[::-1]


def _floor(length: str, extra: int, stride: int) -> str:
    """Write `(length + extra) // stride`."""
    total = f"{atom(length)}{extra:+d}" if extra else atom(length)
    if stride == 1:
        return total
    return f"({total})//{stride}" if extra else f"{total}//{stride}"


def window(length: int, size: int, stride: int, padding: Padding) -> Window:
    """Place a window on an axis as Keras' pooling layers do.

    Args:
        length: Cells on the axis.
        size: Cells under the window.
        stride: Cells from one place to the next.
        padding: `valid` or `same`.

    Returns:
        The window, as it is given, however much larger than the axis.
    """
    return Placing(size, stride, padding).on(length)
