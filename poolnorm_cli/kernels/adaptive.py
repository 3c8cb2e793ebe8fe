"""What the compiled loop of adaptive pooling takes, from shapes alone and without NumPy."""

from collections.abc import Mapping
from math import prod
from struct import pack
from typing import TYPE_CHECKING, Any, NamedTuple

from poolnorm_cli.kernels import native
from poolnorm_cli.strips import Bounds


if TYPE_CHECKING:
    from poolnorm_cli.kernels.native import Buffer

_WHOLE: Bounds = [(0, 1)]


class Covers(NamedTuple):
    """Windows that cover the spatial axes of images, as the compiled `adaptive` takes them.

    Attributes:
        shape: Images, planes, rows, cells and items of the input.
        counts: Windows on planes, rows and cells.
        bounds: First cell and end of each window, axis by axis: pairs of C's `ptrdiff_t`.
        out: Shape of the output, with the axes of the input.
    """

    shape: tuple[int, int, int, int, int]
    counts: tuple[int, int, int]
    bounds: bytes
    out: tuple[int, ...]


class AdaptiveCall(NamedTuple):
    """A call of the loop: the maximum under each window, or the mean.

    Attributes:
        covers: The windows.
        kind: Letter of the type of the items.
        average: Take the mean.
    """

    covers: Covers
    kind: str
    average: bool

    def run(self, cells: "Buffer", out: "Buffer") -> bool:
        """Run the loop.

        Args:
            cells: The items, C-contiguous and aligned.
            out: Memory of the result.

        Returns:
            Whether the results are right: not where a sum of float64 overflows. None of float32
            does.
        """
        shape, counts, kind = self.covers.shape, self.covers.counts, (self.average, self.kind)
        lost = native.loops().adaptive(cells, out, self.covers.bounds, *kind, shape, counts)
        return not lost or self.kind != native.FLOAT64


def adaptive_call(
    shape: tuple[int, ...], bounds: Mapping[int, Bounds], dtype: str, *, average: bool = False
) -> AdaptiveCall | None:
    """Return the call of the loop for the windows on a block.

    Args:
        shape: Shape of the block.
        bounds: As for `covers`.
        dtype: Name of its dtype.
        average: Take means, not maxima.

    Returns:
        The call; None where no loop serves for such a dtype, or there are no loops.
    """
    kind = native.served_kind(dtype, "mean" if average else "max", halves=True)
    return None if kind is None else AdaptiveCall(covers(shape, bounds), kind, average)


def covers(shape: tuple[int, ...], bounds: Mapping[int, Bounds]) -> Covers:
    """Derive the call of the loop.

    Args:
        shape: Shape of the block.
        bounds: First cell and end of each window on each spatial axis: 1 to 3 adjacent ones.

    Returns:
        The parameters of the call; what is before the axes is merged into images, what follows
        into items.
    """
    axes = sorted(bounds)
    first, last = axes[0], axes[-1] + 1
    ones = (1,) * (3 - len(axes))
    each = [*[_WHOLE] * len(ones), *(bounds[axis] for axis in axes)]
    flat = [number for windows in each for pair in windows for number in pair]
    counts: Any = tuple(len(windows) for windows in each)
    sizes: Any = prod(shape[:first]), *ones, *shape[first:last], prod(shape[last:])
    out = *shape[:first], *(len(bounds[axis]) for axis in axes), *shape[last:]
    return Covers(sizes, counts, pack(f"{len(flat)}n", *flat), out)
