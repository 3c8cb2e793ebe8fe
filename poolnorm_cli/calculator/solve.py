"""The inverse questions: which windows make one size of another, and of which sizes a window does.

`window` of `shapes.py` counts places; here its two formulas are solved. With n cells and m places,
'valid' is (m-1)*s <= n-k < m*s, and 'same' is (m-1)*s < n <= m*s.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from poolnorm_cli.errors import UsageError
from poolnorm_cli.shapes import Ints, Shape, format_shape, parse_shape
from poolnorm_cli.values import frozen
from poolnorm_cli.windows import Padding, window


MAX_SIZE = 11
"""The largest window and stride that are tried unless another is asked for."""
MOST_SOLUTIONS = 1_000_000
"""Solutions that are listed at most."""


class Solution(NamedTuple):
    """One window and one stride for all axes.

    Attributes:
        pool_size: Cells under the window.
        strides: Cells from one place to the next.
        padding: `valid` or `same`.
    """

    pool_size: int
    strides: int
    padding: Padding

    @property
    def flags(self) -> str:
        """The flags of `poolnorm pool`."""
        return f"--pool-size {self.pool_size} --strides {self.strides} --padding {self.padding}"

    def pads(self, sizes: Ints) -> list[tuple[int, int]]:
        """Return the cells of padding before and after each axis of such sizes."""
        placed = [window(n, self.pool_size, self.strides, self.padding) for n in sizes]
        return [(each.low, each.high) for each in placed]

    def never_read(self, sizes: Ints) -> list[int]:
        """Return for each axis of such sizes how many cells no place reaches."""
        given = self.pool_size, self.strides, self.padding
        return [window(n, *given).unread_count(n) for n in sizes]


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


def solve(before: Ints, after: Ints, max_size: int = MAX_SIZE) -> list[Solution]:
    """Find every window and stride that makes sizes into others.

    Both are the same for all axes, and go from 1 to the smaller of `max_size` and the smallest
    axis. The order is from the simplest: first those that take the fewest flags (no stride of
    their own, no 'same'), then those that read every cell (no stride beyond the window), then by
    window, by stride, and 'valid' before 'same'.

    Args:
        before: Sizes of the spatial axes.
        after: Sizes that they are to become.
        max_size: The largest window and stride that are tried.

    Returns:
        All of them.

    Raises:
        UsageError: The numbers of axes differ, or there are more than anybody reads.
    """
    if len(before) != len(after):
        raise UsageError(
            f"({format_shape(before)}) and ({format_shape(after)}) differ in their number of axes",
            "give both sides the same spatial axes, as 224,224 112,112",
        )
    most = min(max_size, *before)
    axes = list(zip(before, after, strict=True))
    same, valid = _same_strides(axes, most), _valid_strides(axes, most)
    found = list[Solution]()
    if len(same) * most + len(valid) <= MOST_SOLUTIONS:
        found += (Solution(k, s, "same") for s in same for k in range(1, most + 1))
        for stride in valid:
            found += (Solution(k, stride, "valid") for k in _valid_windows(axes, stride, most))
            if len(found) > MOST_SOLUTIONS:
                break
    if len(found) > MOST_SOLUTIONS or len(same) * most + len(valid) > MOST_SOLUTIONS:
        what = f"there are more than {MOST_SOLUTIONS} solutions up to --max-size {max_size}"
        raise UsageError(what, f"give a smaller one; the default is {MAX_SIZE}")
    return sorted(found, key=_complexity)


def _complexity(solution: Solution) -> tuple[int, bool, int, int, bool]:
    size, stride, padding = solution
    flags = (stride != size) + (padding != "valid")
    return flags, stride > size, size, stride, padding == "same"


Axes = Sequence[tuple[int, int]]


def _same_strides(axes: Axes, most: int) -> range:
    """Return the strides with which 'same' gives the places of every axis: n/m <= s < n/(m-1)."""
    least = max(-(-n // m) for n, m in axes)
    largest = min((n - 1) // (m - 1) if m > 1 else most for n, m in axes)
    return range(least, min(largest, most) + 1)


def _valid_strides(axes: Axes, most: int) -> range:
    """Return the strides for which there is a window with which 'valid' gives all places.

    The window must be at least 1 and each n-m*s+1, and at most `most` and each n-(m-1)*s; each of
    these pairs bounds s from one side.
    """
    lower = [(1, 0), *((n + 1, m) for n, m in axes)]  # a - b * s
    upper = [(most, 0), *((n, m - 1) for n, m in axes)]
    least, largest = 1, most
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


def _valid_windows(axes: Axes, stride: int, most: int) -> range:
    least = max(1, *(n - m * stride + 1 for n, m in axes))
    return range(least, min(most, *(n - (m - 1) * stride for n, m in axes)) + 1)


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


def inputs_of(
    after: Ints, sizes: Ints, strides: Ints, padding: Padding
) -> Iterator[tuple[int, SizeRange]]:
    """Yield for each axis its size, and the sizes of inputs of which a window makes it.

    Args:
        after: Sizes of the output's spatial axes.
        sizes: Of the window, one per axis.
        strides: One per axis.
        padding: `valid` or `same`.

    Yields:
        The size of the output, and the sizes of the input: there is no other.
    """
    for places, size, stride in zip(after, sizes, strides, strict=True):
        first = (places - 1) * stride + (size if padding == "valid" else 1)
        yield places, SizeRange(first, first + stride - 1)


def head(before: Shape, after: Shape, max_size: int) -> dict[str, Any]:
    """Return the beginning of the document of `shape solve`.

    Args:
        before: Sizes of the spatial axes.
        after: Sizes that they are to become.
        max_size: The largest window and stride that are tried.

    Returns:
        All of that by name.
    """
    told = {"from": before, "to": after, "max_size": max_size}
    return {"schema": 1, "command": "shape solve"} | told


def entry(solution: Solution, before: Ints) -> dict[str, Any]:
    """Return a solution as a document has it.

    Args:
        solution: The solution.
        before: Sizes of the spatial axes.

    Returns:
        Window, stride and padding, and for each axis the pads and the cells never read.
    """
    more = {"pads": solution.pads(before), "never_read": solution.never_read(before)}
    return solution._asdict() | more
