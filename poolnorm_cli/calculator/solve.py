"""The inverse questions: which windows make one size of another, and of which sizes a window does.

`Placing` of `windows.py` counts places; here its formulas are solved. With n cells, padding of l
and h, a window that reaches over e of them, and m places, whole windows are
(m-1)*s <= n+l+h-e < m*s, 'same' is (m-1)*s < n <= m*s; in ceil mode there are m or more where
n+l+h-e > (m-2)*s and n+l > (m-1)*s.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.pads import Ends, Pads
from poolnorm_cli.shapes import Ints, Shape, format_shape, parse_shape
from poolnorm_cli.values import frozen
from poolnorm_cli.windows import Padding, Placing


MAX_SIZE = 11
"""The largest window and stride that are tried unless another is asked for."""
MOST_SOLUTIONS = 1_000_000
"""Solutions that are listed at most."""


class Solution(NamedTuple):
    """One window and one stride for all axes.

    Attributes:
        pool_size: Cells under the window.
        strides: Cells from one place to the next.
        padding: `valid`, `same` or `same_lower`; not looked at where there are `given`.
        dilation: From one cell under the window to the next.
        given: Cells of padding, at both ends of each axis.
        ceil: A last window that is not whole counts.
    """

    pool_size: int
    strides: int
    padding: Padding
    dilation: int = 1
    given: Pads | None = None
    ceil: bool = False

    @property
    def flags(self) -> str:
        """The flags of `poolnorm pool`."""
        flags = f"--pool-size {self.pool_size} --strides {self.strides}"
        flags += f" --padding {self.padding}" if self.given is None else f" --pads {self.given}"
        if self.dilation > 1:
            flags += f" --dilation-rate {self.dilation}"
        return f"{flags} --ceil-mode" if self.ceil else flags

    def placings(self, rank: int) -> list[Placing]:
        """Return the window as it is placed on each of so many axes."""
        ends = (None,) * rank if self.given is None else self.given.on(rank)
        window = self.pool_size, self.strides, self.padding, self.dilation
        return [Placing(*window, both, self.ceil) for both in ends]

    def pads(self, sizes: Ints) -> list[Ends]:
        """Return the cells of padding before and after each axis of such sizes."""
        found = []
        for placing, n in zip(self.placings(len(sizes)), sizes, strict=True):
            placed = placing.on(n)
            found.append((placed.low, placed.high) if placing.pads is None else placing.pads)
        return found

    def never_read(self, sizes: Ints) -> list[int]:
        """Return for each axis of such sizes how many cells no place reads."""
        axes = zip(self.placings(len(sizes)), sizes, strict=True)
        return [placing.on(n).unread_count(n) for placing, n in axes]


@frozen(kw_only=True)
class Asked:
    """What is looked for, and what of it is given.

    Attributes:
        max_size: The largest window and stride that are tried.
        pool_size: The window; None for any.
        strides: The stride; None for any.
        paddings: The kinds of padding that are tried.
        pads: Cells of padding, in place of these.
        max_pads: Cells of padding at both ends up to which all are tried, too, as far as torch
            takes them: half a window.
        dilation: The dilation; None for any.
        max_dilation: The largest dilation that is tried.
        ceil: A last window that is not whole counts.
    """

    max_size: int = MAX_SIZE
    pool_size: int | None = None
    strides: int | None = None
    paddings: tuple[Padding, ...] = ("valid", "same")
    pads: Pads | None = None
    max_pads: int = 0
    dilation: int | None = None
    max_dilation: int = 1
    ceil: bool = False

    @property
    def text(self) -> str:
        """The padding and dilation that are tried, in words."""
        words = (
            [f"'{kind}'" for kind in self.paddings] if self.pads is None else [f"pads {self.pads}"]
        )
        words += [f"pads up to {self.max_pads}"] if self.max_pads else []
        text = " or ".join(words)
        if self.dilation or self.max_dilation > 1:
            up = f"{self.dilation}" if self.dilation else f"up to {self.max_dilation}"
            text += f" and dilation {up}"
        return f"{text} in ceil mode" if self.ceil else text

    def ways(self) -> Iterator["_Way"]:
        """Yield each way to place windows of any size and stride."""
        dilations = [self.dilation] if self.dilation else range(1, self.max_dilation + 1)
        paddings: list[tuple[Padding, Pads | None]] = [(kind, None) for kind in self.paddings]
        if self.pads is not None:
            paddings = [("valid", self.pads)]
        paddings += (("valid", Pads(((n, n),))) for n in range(1, self.max_pads + 1))
        for dilation, (padding, pads) in product(dilations, paddings):
            least = 2 if dilation > 1 and not self.dilation else 1  # one cell has no dilation
            if pads is not None and self.pads is None:
                least = max(least, 2 * pads.ends[0][0])
            yield _Way(padding, dilation, pads, self.ceil, least)


class _Way(NamedTuple):
    """How windows are placed, whatever their sizes and strides.

    Attributes:
        padding: As in a `Solution`; so are `dilation`, `given` and `ceil`.
        dilation: From one cell under the window to the next.
        given: Cells of padding.
        ceil: A last window that is not whole counts.
        least: The smallest window that is tried.
    """

    padding: Padding
    dilation: int
    given: Pads | None
    ceil: bool
    least: int

    def ends(self, rank: int) -> Sequence[Ends | None]:
        """Return the padding of each axis; None where it follows from the axis."""
        if self.given is not None:
            return self.given.on(rank)
        return ((0, 0) if self.padding == "valid" else None,) * rank


def spatial_sizes(text: str, what: str) -> Ints:
    """Read the sizes of the spatial axes: one to three numbers of 1 or more.

    Args:
        text: What was typed.
        what: What it is called; for the error.

    Returns:
        The sizes.

    Raises:
        UsageError: It is something else.
    """
    shape = parse_shape(text)
    sizes = [size for size in shape if isinstance(size, int) and size > 0]
    if len(sizes) != len(shape) or len(sizes) not in (1, 2, 3):
        raise UsageError(
            f"{what} {text!r} is not one to three sizes of 1 or more",
            "give the spatial axes alone, without batch and channels, as 224,224",
        )
    return tuple(sizes)


def solve(before: Ints, after: Ints, asked: Asked | None = None) -> list[Solution]:
    """Find every window and stride that makes sizes into others.

    Both are the same for all axes. Windows go from 1 to the smaller of the largest that is tried
    and the smallest axis with its padding, strides to that axis alone. The order is from the
    simplest: first those that take the fewest flags (no stride of their own, no padding, no
    dilation), then those that read every cell (no stride beyond the window), then by dilation, by
    window, by stride, and 'valid' before 'same' and that before pads.

    Args:
        before: Sizes of the spatial axes.
        after: Sizes that they are to become.
        asked: What is looked for.

    Returns:
        All of them.

    Raises:
        UsageError: The numbers of axes differ, or there are more than anybody reads.
    """
    asked = asked or Asked()
    if len(before) != len(after):
        raise UsageError(
            f"({format_shape(before)}) and ({format_shape(after)}) differ in their number of axes",
            "give both sides the same spatial axes, as 224,224 112,112",
        )
    axes, found, tried = list(zip(before, after, strict=True)), list[Solution](), 0
    for way in asked.ways():
        strides, windows = _strides(axes, way, asked), _windows(axes, way, asked)
        tried += len(strides)
        for stride in strides if tried <= MOST_SOLUTIONS else ():
            sizes = _sizes(axes, way, stride, windows)
            tried += max(len(sizes) - 1, 0)
            if tried > MOST_SOLUTIONS:
                break
            own = way.padding, way.dilation, way.given, way.ceil
            found += (Solution(k, stride, *own) for k in sizes if _reads(axes, way, k, stride))
        if tried > MOST_SOLUTIONS:
            what = f"there are more than {MOST_SOLUTIONS} solutions up to --max-size"
            fix = f"give a smaller one; the default is {MAX_SIZE}"
            raise UsageError(f"{what} {asked.max_size}", fix)
    return sorted(found, key=_complexity)


def _complexity(solution: Solution) -> tuple[int, bool, int, int, int, int, Ints]:
    size, stride, padding, dilation, given, _ = solution
    flags = (stride != size) + (padding != "valid" or given is not None) + (dilation > 1)
    order = ("valid", "same", "same_lower").index(padding) if given is None else 3
    ends = () if given is None else tuple(n for both in given.ends for n in both)
    return flags, stride > size, dilation, size, stride, order, ends


Axes = Sequence[tuple[int, int]]


def _windows(axes: Axes, way: _Way, asked: Asked) -> range:
    """Return the windows that are tried."""
    if asked.pool_size is not None:
        return range(max(asked.pool_size, way.least), asked.pool_size + 1)
    ends = way.ends(len(axes))
    padded = (n + sum(both or (0, 0)) for (n, _), both in zip(axes, ends, strict=True))
    return range(way.least, min(asked.max_size, *padded) + 1)


def _strides(axes: Axes, way: _Way, asked: Asked) -> range:
    """Return the strides that are tried: none is left out with which there is a solution."""
    windows = _windows(axes, way, asked)
    if not windows:
        return range(0)
    least, largest = 1, min(asked.max_size, *(n for n, _ in axes))
    if asked.strides is not None:
        least = largest = asked.strides
    reach = [(k - 1) * way.dilation + 1 for k in (windows[0], windows[-1])]
    lower, upper = [(reach[0], 0)], [(reach[1], 0)]  # bounds a - b * s of what windows reach over
    for (n, m), both in zip(axes, way.ends(len(axes)), strict=True):
        if both is None:
            least, largest = max(least, -(-n // m)), _most_places(n, m, largest)
        elif way.ceil:
            largest = _most_places(n + both[0], m, largest)
            least = max(least, _least_in_ceil_mode(n, m, both, reach[1]))
        else:
            padded = n + sum(both)
            lower += [(padded + 1, m), (max(both) + 1, 0)]
            upper.append((padded, m - 1))
    return _between(lower, upper, least, largest)


def _most_places(cells: int, m: int, largest: int) -> int:
    """Return the largest stride with which m places begin in so many cells."""
    return min(largest, (cells - 1) // (m - 1)) if m > 1 else largest


def _least_in_ceil_mode(n: int, m: int, both: Ends, most: int) -> int:
    """Return a stride below which no window that reaches over `most` cells has m places."""
    all_begin = -(-(n + both[0]) // m)  # from here on, no further place begins on the axis
    short = n + sum(both) - most
    if m == 1:
        return 1 if short <= 0 else all_begin
    return min(all_begin, max(-(-short // (m - 1)), 1))


def _between(
    lower: list[tuple[int, int]], upper: list[tuple[int, int]], least: int, largest: int
) -> range:
    """Return the strides for which each lower bound a - b*s is no larger than an upper one."""
    for a, b in lower:
        for c, d in upper:
            slope, room = d - b, c - a  # (d - b) * s <= c - a
            if slope > 0:
                largest = min(largest, room // slope)
            elif slope < 0:
                least = max(least, -(room // -slope))
            elif room < 0:
                return range(0)
    return range(least, largest + 1)


def _sizes(axes: Axes, way: _Way, stride: int, windows: range) -> range:
    """Return the windows with which each axis has its places."""
    least, most = windows.start, windows.stop - 1
    for (n, m), both in zip(axes, way.ends(len(axes)), strict=True):
        if both is None:
            if -(-n // stride) != m:
                return range(0)
            continue
        padded = n + sum(both)
        shortest, longest = padded - m * stride + 1, padded - (m - 1) * stride
        if way.ceil:
            begin = -(-(n + both[0]) // stride)
            longest = padded - (m - 2) * stride - 1 if begin >= m else 0
            shortest = padded - (m - 1) * stride if begin > m else 1
        shortest = max(shortest, max(both) + 1)  # a window must reach the input
        least = max(least, -(-(shortest - 1) // way.dilation) + 1)
        most = min(most, (longest - 1) // way.dilation + 1)
    return range(least, most + 1)


def _reads(axes: Axes, way: _Way, size: int, stride: int) -> bool:
    """Whether each place has a cell: a dilated window may jump over a short axis."""
    for (n, _), both in zip(axes, way.ends(len(axes)), strict=True):
        placing = Placing(size, stride, way.padding, way.dilation, both, way.ceil)
        if way.dilation > n and placing.on(n).empty_place(n) is not None:
            return False
    return True


@frozen
class SizeRange:
    """Sizes of an axis, both ends included."""

    smallest: int
    largest: int

    def __str__(self) -> str:
        """Write them: `27..28`, or `27` where it is one."""
        if self.smallest == self.largest:
            return str(self.smallest)
        return f"{self.smallest}..{self.largest}"


def inputs_of(after: Ints, placings: Sequence[Placing]) -> Iterator[tuple[int, SizeRange | None]]:
    """Yield for each axis its size, and the sizes of inputs of which a window makes it.

    Args:
        after: Sizes of the output's spatial axes.
        placings: The window on each.

    Yields:
        The size of the output, and the sizes of the input: there is no other. None where there is
        none at all.
    """
    for places, placing in zip(after, placings, strict=True):
        first, end = _first_with(places, placing), _first_with(places + 1, placing)
        while first < min(end, placing.dilation):
            if placing.on(first).empty_place(first) is None:
                break
            first += 1
        yield places, SizeRange(first, end - 1) if first < end else None


def _first_with(places: int, placing: Placing) -> int:
    """Return the smallest axis on which a window has so many places, or more."""
    pads, before = placing.fixed, (places - 1) * placing.stride
    if pads is None:
        return before + 1
    if not placing.ceil:
        return max(before + placing.extent - sum(pads), 1)
    whole = before - placing.stride + placing.extent - sum(pads) + 1
    return max(whole, before - pads[0] + 1, 1)


def head(before: Shape, after: Shape, asked: Asked) -> dict[str, Any]:
    """Return the beginning of the document of `shape solve`.

    Args:
        before: Sizes of the spatial axes.
        after: Sizes that they are to become.
        asked: What is looked for.

    Returns:
        All of that by name.
    """
    told = {"from": before, "to": after, "max_size": asked.max_size}
    return {"schema": 1, "command": "shape solve"} | told


def entry(solution: Solution, before: Ints) -> dict[str, Any]:
    """Return a solution as a document has it.

    Args:
        solution: The solution.
        before: Sizes of the spatial axes.

    Returns:
        Window, stride and padding, and for each axis the pads and the cells never read.
    """
    told: dict[str, Any] = {"pool_size": solution.pool_size, "strides": solution.strides}
    told["padding"] = solution.padding if solution.given is None else "pads"
    if solution.dilation > 1:
        told["dilation_rate"] = solution.dilation
    if solution.ceil:
        told["ceil_mode"] = True
    more = {"pads": solution.pads(before), "never_read": solution.never_read(before)}
    return told | more
