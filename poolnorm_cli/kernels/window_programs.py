"""One axis under a sliding window, as a program of NumPy calls that serves all tiles of one shape.

To find the views for each step takes longer than many a step itself, so they are found once.

Sums of 1, 2, 4, ... consecutive cells are put together to the window. Cells are combined in the
same order at every place and in every block, so that sums have the same bits wherever a tensor is
cut. A sum of k cells goes through ceil(log2(k)) additions.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from threading import local
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from poolnorm_cli.kernels.memory import scratch
from poolnorm_cli.shapes import Window


Array = NDArray[Any]

_KEPT = 8


class Program:
    """Steps from the cells of a tile to its result.

    Attributes:
        cells: Stands for the cells: views of it stand for the same views of any tile's cells.
        out: Stands for the result.
    """

    def __init__(self, cells: Sequence[int], out: Sequence[int], dtype: DTypeLike) -> None:
        """Begin a program for tiles and results of these shapes."""
        self.cells = scratch("template cells", tuple(cells), dtype)
        self.out = scratch("template out", tuple(out), dtype)
        self._steps: list[tuple[Callable[..., Any], list[Array], list[_Bound]]] = []

    def add(self, function: Callable[..., Any], *arrays: Array) -> None:
        """Append a step: a ufunc with its inputs and its result, or a copy to the first array."""
        bound = []
        for position, array in enumerate(arrays):
            for owner, whole in enumerate((self.cells, self.out)):
                offset = array.ctypes.data - whole.ctypes.data
                if 0 <= offset < whole.nbytes:
                    bound.append((position, owner, offset, array.shape, array.strides))
        self._steps.append((function, list(arrays), bound))

    def run(self, cells: Array, out: Array) -> None:
        """Do all steps to a tile; both arrays are C-contiguous."""
        owners = cells, out
        for function, arrays, bound in self._steps:
            for position, owner, offset, shape, strides in bound:
                whole = owners[owner]
                arrays[position] = np.ndarray(shape, whole.dtype, whole, offset, strides)
            if isinstance(function, np.ufunc):
                function(*arrays[:-1], out=arrays[-1])
            else:
                function(*arrays)


_Bound = tuple[int, int, int, tuple[int, ...], tuple[int, ...]]


class _Kept(local):
    """The programs of one thread: they share its scratch memory."""

    def __init__(self) -> None:
        self.programs: OrderedDict[Hashable, Program] = OrderedDict()


_KEPT_PROGRAMS = _Kept()


def kept(key: Hashable, make: Callable[[], Program]) -> Program:
    """Return the program of this thread for `key`, made if it is not there."""
    programs = _KEPT_PROGRAMS.programs
    if key not in programs:
        programs[key] = make()
        if len(programs) > _KEPT:
            programs.popitem(last=False)
    return programs[key]


_SHORT = 32
"""Items in a row from which NumPy's loops over rows pay."""
_CHAINED = 4
"""Cells of the largest window whose places at a border are made cell by cell."""


class Combine(NamedTuple):
    """How two cells become one.

    Attributes:
        cells: The ufunc.
        fill: A value that leaves any other as it is.
        overlapping: Whether a cell may be counted twice, as in a maximum.
    """

    cells: Callable[..., Any]
    fill: Any
    overlapping: bool

    @classmethod
    def maximum(cls, dtype: np.dtype[Any]) -> "Combine":
        """Keep the larger cell; NaN is larger than all."""
        if dtype.kind == "f":
            return cls(np.maximum, -np.inf, overlapping=True)
        lowest = False if dtype.kind == "b" else np.iinfo(dtype).min
        return cls(np.maximum, lowest, overlapping=True)

    @classmethod
    def sum(cls) -> "Combine":
        """Add."""
        return cls(np.add, 0, overlapping=False)


def reduce_axis(program: Program, x: Array, window: Window, combine: Combine, out: Array) -> None:
    """Append to a program the steps that reduce the middle axis below a window.

    Args:
        program: The program.
        x: C-contiguous, of shape (before, length, after).
        window: Covers at least one cell of the axis at every place.
        combine: How cells are combined.
        out: C-contiguous, of shape (before, count, after) and the dtype of `x`.
    """
    length = x.shape[1]
    first = -(-window.low // window.stride)
    stop = (length - window.size + window.low) // window.stride + 1
    stop = max(min(stop, window.count), 0)
    # A place at a border is made the same way in every tile, be it the only one there.
    border = _chained if window.size <= _CHAINED else _padded
    if first >= stop:
        border(program, x, window, combine, out)
        return
    _inside(program, x, window, combine, out, (first, stop))
    for begin, end in ((0, first), (stop, window.count)):
        if begin < end:
            start, cut, part = window.part(begin, end - begin, length)
            border(program, x[:, start:cut], part, combine, out[:, begin:end])


def _inside(
    program: Program,
    x: Array,
    window: Window,
    combine: Combine,
    out: Array,
    places: tuple[int, int],
) -> None:
    """Reduce at the places whose windows lie inside the axis."""
    first, stop = places
    _, length, after = x.shape
    stride, start = window.stride, first * window.stride - window.low
    flat = x.reshape(-1)
    if window.size == 1:
        _pick(program, x[:, start::stride][:, : stop - first], out[:, first:stop])
        return
    spare = [scratch(f"run {i}", (len(flat),), x.dtype) for i in range(4)]
    a, b, shift = _runs(program, flat, (window.size, after), combine, spare)
    whole = len(flat) - (window.size - 1) * after
    if stride == 1 and window.count == length:
        to = out.reshape(-1)[window.low * after :][:whole]
        program.add(combine.cells, a[:whole], b[shift * after :][:whole], to)
        return
    if stride == 1 or after >= _SHORT:
        views = [
            run[: len(flat)].reshape(x.shape)[:, begin::stride][:, : stop - first]
            for run, begin in ((a, start), (b, start + shift))
        ]
        program.add(combine.cells, *views, out[:, first:stop])
        return
    full = _unused(spare, a, b)
    program.add(combine.cells, a[:whole], b[shift * after :][:whole], full[:whole])
    _pick(program, full.reshape(x.shape)[:, start::stride][:, : stop - first], out[:, first:stop])


def _pick(program: Program, cells: Array, out: Array) -> None:
    """Copy cells that do not lie side by side; few channels one by one, in long loops."""
    if out.shape[2] > 8:
        program.add(np.copyto, out, cells)
        return
    for channel in range(out.shape[2]):
        program.add(np.copyto, out[:, :, channel], cells[:, :, channel])


def _runs(
    program: Program, flat: Array, sizes: tuple[int, int], combine: Combine, spare: list[Array]
) -> tuple[Array, Array, int]:
    """Return runs `a` and `b`, and how many cells `b` lies behind `a` to make a window.

    The runs are as long as `flat`, of whose cells each has `step` items; what their last items
    hold, where a window would leave `flat`, is undefined.
    """
    size, step = sizes

    def added(a: Array, b: Array, cells: int, kept: Array | None) -> Array:
        out, shift = _unused(spare, a, b, kept), cells * step
        program.add(combine.cells, a[: len(a) - shift], b[shift:], out[: len(a) - shift])
        return out

    run, length = flat, 1
    rest: Array | None = None  # the cells of the window that are no whole run of a power of two
    cells = 0
    while 2 * length < size:
        if size & length and not combine.overlapping:
            rest = run if rest is None else added(rest, run, cells, None)
            cells += length
        run, length = added(run, run, length, rest), 2 * length
    return (run, run, size - length) if rest is None else (rest, run, cells)


def _unused(spare: list[Array], *used: Array | None) -> Array:
    """Return memory that none of the runs in use lies in."""
    return next(run for run in spare if all(run is not other for other in used))


def _chained(program: Program, x: Array, window: Window, combine: Combine, out: Array) -> None:
    """Reduce at places that reach over the border, one cell after another."""
    for place in range(window.count):
        start = place * window.stride - window.low
        first, stop = max(start, 0), min(start + window.size, x.shape[1])
        program.add(np.copyto, out[:, place], x[:, first])
        for cell in range(first + 1, stop):
            program.add(combine.cells, out[:, place], x[:, cell], out[:, place])


def _padded(program: Program, x: Array, window: Window, combine: Combine, out: Array) -> None:
    """Reduce at places that reach over the border, on a copy with that border filled in."""
    before, length, after = x.shape
    span = (window.count - 1) * window.stride + window.size
    copy = np.full((before, span, after), combine.fill, x.dtype)
    program.add(np.copyto, copy[:, window.low : window.low + length], x[:, : span - window.low])
    inner = Window(window.size, window.stride, window.count, 0, 0)
    result = np.empty(out.shape, x.dtype)
    _inside(program, copy, inner, combine, result, (0, window.count))
    program.add(np.copyto, out, result)
