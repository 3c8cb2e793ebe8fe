"""One axis under a sliding window, as a program of NumPy calls that serves all tiles of one shape.

To find the views for each step takes longer than many a step itself, so they are found once.

A window is reduced by doubling: partial results of 1, 2, 4, ... consecutive cells, one from each
cell on, are combined to the window. Cells are combined in the same order at every place and in
every block, so that sums have the same bits wherever a tensor is cut. A sum of k cells goes through
ceil(log2(k)) additions.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from threading import local
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from poolnorm_cli.kernels.memory import scratch
from poolnorm_cli.windows import Window


Array = NDArray[Any]

_MOST_PROGRAMS = 8


class Program:
    """Steps from the cells of a tile to its result, decided once for all tiles of one shape.

    Attributes:
        cells: A placeholder: views of it stand for the same views of any tile's cells.
        out: A placeholder for the result.
    """

    def __init__(self, cells: Sequence[int], out: Sequence[int], dtype: DTypeLike) -> None:
        """Begin a program without a step.

        Args:
            cells: Shape of the tiles.
            out: Shape of their results.
            dtype: Dtype of both.
        """
        self.cells = scratch("template cells", tuple(cells), dtype)
        self.out = scratch("template out", tuple(out), dtype)
        self._steps: list[tuple[Callable[..., Any], list[Array], list[_Bound]]] = []

    def add(self, function: Callable[..., Any], *arrays: Array) -> None:
        """Append a step.

        Args:
            function: A ufunc, or a copy to the first array from the second.
            arrays: The inputs of a ufunc and its result; views of `cells` and `out` are replaced by
                those of each tile, other arrays are the same for all tiles.
        """
        bound = []
        for position, array in enumerate(arrays):
            for owner, whole in enumerate((self.cells, self.out)):
                offset = array.ctypes.data - whole.ctypes.data
                if 0 <= offset < whole.nbytes:
                    bound.append((position, owner, offset, array.shape, array.strides))
        self._steps.append((function, list(arrays), bound))

    def run(self, cells: Array, out: Array) -> None:
        """Do all steps for a tile.

        Args:
            cells: The tile, C-contiguous, of the shape and dtype that the program is for.
            out: Where its result goes, likewise.
        """
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


class _Cache(local):
    """The programs of one thread: they share its scratch memory."""

    def __init__(self) -> None:
        self.programs: OrderedDict[Hashable, Program] = OrderedDict()


_CACHE = _Cache()


def cached_program(key: Hashable, make: Callable[[], Program]) -> Program:
    """Return this thread's program for a key.

    Args:
        key: What decides on the steps.
        make: Makes the program; called where it is not there.

    Returns:
        The program, which shares its thread's scratch memory with others.
    """
    programs = _CACHE.programs
    if key not in programs:
        programs[key] = make()
        if len(programs) > _MOST_PROGRAMS:
            programs.popitem(last=False)
    return programs[key]


_SHORT = 32
"""Items in a row from which NumPy's loops over rows pay."""
_CHAINED = 4
"""Cells of the largest window whose places at a border are computed cell by cell."""


class Combine(NamedTuple):
    """How two cells become one.

    Attributes:
        ufunc: The ufunc of two cells.
        identity: A value that leaves any other as it is.
        idempotent: Whether a cell may be counted twice, as in a maximum.
    """

    ufunc: Callable[..., Any]
    identity: Any
    idempotent: bool

    @classmethod
    def maximum(cls, dtype: np.dtype[Any]) -> "Combine":
        """Keep the larger cell; NaN is larger than all."""
        if dtype.kind == "f":
            return cls(np.maximum, -np.inf, idempotent=True)
        lowest = False if dtype.kind == "b" else np.iinfo(dtype).min
        return cls(np.maximum, lowest, idempotent=True)

    @classmethod
    def sum(cls) -> "Combine":
        """Add."""
        return cls(np.add, 0, idempotent=False)


def reduce_axis(program: Program, x: Array, window: Window, combine: Combine, out: Array) -> None:
    """Append to a program the steps that reduce the middle axis under a window.

    Args:
        program: The program.
        x: C-contiguous, of shape (before, length, after).
        window: Covers at least one cell of the axis at every place.
        combine: How cells are combined.
        out: C-contiguous, of shape (before, count, after) and the dtype of `x`.
    """
    if window.dilation > 1:
        _dilated(program, x, window, combine, out)
        return
    length = x.shape[1]
    first = -(-window.low // window.stride)
    stop = (length - window.size + window.low) // window.stride + 1
    stop = max(min(stop, window.count), 0)
    # A place at a border is computed in the same order in every tile, be it the only one there.
    border = _chained if window.size <= _CHAINED else _padded
    if first >= stop:
        border(program, x, window, combine, out)
        return
    _inside(program, x, window, combine, out, (first, stop))
    for begin, end in ((0, first), (stop, window.count)):
        if begin < end:
            start, cut, part = window.part(begin, end - begin, length)
            border(program, x[:, start:cut], part, combine, out[:, begin:end])


def _dilated(program: Program, x: Array, window: Window, combine: Combine, out: Array) -> None:
    """Reduce every `dilation`-th cell of the axis as an axis of its own."""
    dilation = window.dilation
    for place, step, first, each in window.interleaved():
        some = x[:, first::dilation]
        cells = scratch("dilated", some.shape, x.dtype)
        result = scratch("dilated result", (x.shape[0], each.count, x.shape[2]), x.dtype)
        program.add(np.copyto, cells, some)
        reduce_axis(program, cells, each, combine, result)
        program.add(np.copyto, out[:, place::step], result)


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
    spare = [scratch(f"partial {i}", (len(flat),), x.dtype) for i in range(4)]
    a, b, shift = _partials(program, flat, (window.size, after), combine, spare)
    whole = len(flat) - (window.size - 1) * after
    if stride == 1 and window.count == length:
        to = out.reshape(-1)[window.low * after :][:whole]
        program.add(combine.ufunc, a[:whole], b[shift * after :][:whole], to)
        return
    if stride == 1 or after >= _SHORT:
        views = [
            part[: len(flat)].reshape(x.shape)[:, begin::stride][:, : stop - first]
            for part, begin in ((a, start), (b, start + shift))
        ]
        program.add(combine.ufunc, *views, out[:, first:stop])
        return
    full = _unused(spare, a, b)
    program.add(combine.ufunc, a[:whole], b[shift * after :][:whole], full[:whole])
    _pick(program, full.reshape(x.shape)[:, start::stride][:, : stop - first], out[:, first:stop])


def _pick(program: Program, cells: Array, out: Array) -> None:
    """Copy cells that are not contiguous; few channels one by one, in long loops."""
    if out.shape[2] > 8:
        program.add(np.copyto, out, cells)
        return
    for channel in range(out.shape[2]):
        program.add(np.copyto, out[:, :, channel], cells[:, :, channel])


def _partials(
    program: Program, flat: Array, sizes: tuple[int, int], combine: Combine, spare: list[Array]
) -> tuple[Array, Array, int]:
    """Append the steps of the doubling, up to the two partial results that make a window.

    Both are as long as `flat`, of whose cells each has `step` items; what their last items hold,
    where a window would leave `flat`, is undefined.

    Returns:
        Both partial results, and how many cells the second begins behind the first.
    """
    size, step = sizes

    def combined(a: Array, b: Array, cells: int, used: Array | None) -> Array:
        out, shift = _unused(spare, a, b, used), cells * step
        program.add(combine.ufunc, a[: len(a) - shift], b[shift:], out[: len(a) - shift])
        return out

    doubled, length = flat, 1
    rest: Array | None = None  # of the lower bits of the size, of which a sum needs each once
    cells = 0
    while 2 * length < size:
        if size & length and not combine.idempotent:
            rest = doubled if rest is None else combined(rest, doubled, cells, None)
            cells += length
        doubled, length = combined(doubled, doubled, length, rest), 2 * length
    return (doubled, doubled, size - length) if rest is None else (rest, doubled, cells)


def _unused(spare: list[Array], *used: Array | None) -> Array:
    """Return a buffer that holds none of the partial results in use."""
    return next(free for free in spare if all(free is not other for other in used))


def _chained(program: Program, x: Array, window: Window, combine: Combine, out: Array) -> None:
    """Reduce at places that reach over the border, one cell after another."""
    for place in range(window.count):
        start = place * window.stride - window.low
        first, stop = max(start, 0), min(start + window.size, x.shape[1])
        program.add(np.copyto, out[:, place], x[:, first])
        for cell in range(first + 1, stop):
            program.add(combine.ufunc, out[:, place], x[:, cell], out[:, place])


def _padded(program: Program, x: Array, window: Window, combine: Combine, out: Array) -> None:
    """Reduce at places that reach over the border, on a copy with that border filled in."""
    before, length, after = x.shape
    span = (window.count - 1) * window.stride + window.size
    copy = np.full((before, span, after), combine.identity, x.dtype)
    program.add(np.copyto, copy[:, window.low : window.low + length], x[:, : span - window.low])
    inner = Window(window.size, window.stride, window.count, 0, 0)
    result = np.empty(out.shape, x.dtype)
    _inside(program, copy, inner, combine, result, (0, window.count))
    program.add(np.copyto, out, result)
