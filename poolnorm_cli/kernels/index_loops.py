"""What the compiled loop that finds maxima is called with: made of shapes alone, without NumPy."""

from collections.abc import Mapping
from math import prod
from struct import pack
from typing import TYPE_CHECKING, NamedTuple

from poolnorm_cli.kernels import native
from poolnorm_cli.shapes import Ints
from poolnorm_cli.strips import Bounds
from poolnorm_cli.windows import Window


if TYPE_CHECKING:
    from poolnorm_cli.kernels.native import Buffer, LoopCall

_MOST_CELLS = 2**31 - 1
"""Cells of an image, among which the loop counts in 32 bits."""
_ONE = Window(1, 1, 1, 0, 0)
_WHOLE: Bounds = [(0, 1)]


class IndexCall(NamedTuple):
    """A call of the loop: where the maximum under each window is.

    Attributes:
        sizes: Images, planes, rows, cells and items of the input.
        windows: Those on planes, rows and cells; of windows that differ the counts alone.
        bounds: First cell and end of each window that differs, axis by axis: pairs of C's
            `ptrdiff_t`. None for sliding windows.
    """

    sizes: Ints
    windows: tuple[Ints, ...]
    bounds: bytes | None

    def run(self, cells: "Buffer", kind: str, out: "Buffer", first: int) -> None:
        """Run the loop.

        Args:
            cells: The items, C-contiguous and aligned.
            kind: Their type: `f` float32, `d` float64, `q` int64.
            out: Memory of the result: int64.
            first: The index that the first cell of an image has.
        """
        native.loops().max_indices(cells, out, self.bounds, kind, self.sizes, *self.windows, first)


_WORKED_ON = {
    **{name: name for name in ("float32", "float64", "int64")},
    **dict.fromkeys(("float16", "bfloat16"), "float32"),
    **dict.fromkeys(("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32"), "float64"),
}
"""Types of items -> those in which all of their numbers are, in the same order."""


def indices_of_items(call: IndexCall, dtype: str) -> "LoopCall | None":
    """Return the call for items of any type for which there is a loop.

    Args:
        call: What was derived from the shape of a block.
        dtype: Name of the dtype of its items.

    Returns:
        The call; None where there is none.
    """
    wide = _WORKED_ON.get(dtype)
    if wide is None:
        return None
    kind, into, items = native.KINDS[dtype], native.KINDS[wide], prod(call.sizes)

    def find(cells: "Buffer", out: "Buffer") -> bool:
        if kind != into:
            given, cells = cells, bytearray(items * native.KIND_BYTES[into])
            native.loops().convert(given, cells, kind, into, items)
        call.run(cells, into, out, 0)
        return True

    return find


def index_call(
    shape: Ints, windows: Mapping[int, Window] | Mapping[int, Bounds]
) -> IndexCall | None:
    """Return the call of the loop for the windows on a block.

    Args:
        shape: Shape of the block.
        windows: Axis -> sliding window on it, or first cell and end of each window; for 1 to 3
            neighbouring axes.

    Returns:
        The call; None where there are no loops, or images are larger than they take.
    """
    first, last = min(windows), max(windows) + 1
    if not native.compiled() or prod(shape[first:last]) > _MOST_CELLS:
        return None
    ones = 3 - (last - first)
    sizes = prod(shape[:first]), *(1,) * ones, *shape[first:last], prod(shape[last:])
    each = [windows[axis] for axis in range(first, last)]
    placed = [window for window in each if isinstance(window, Window)]
    if placed:
        fields = tuple((*w[:4], *w[5:]) for w in [*[_ONE] * ones, *placed])
        return IndexCall(sizes, fields, None)
    bounds = [*[_WHOLE] * ones, *(window for window in each if not isinstance(window, Window))]
    flat = [number for windows_on in bounds for pair in windows_on for number in pair]
    counts = tuple((1, 1, len(windows_on), 0, 1, 0, 0, 0) for windows_on in bounds)
    return IndexCall(sizes, counts, pack(f"{len(flat)}n", *flat))
