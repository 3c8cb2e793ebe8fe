"""Programs: what is done to a tile, decided once and then done to all tiles of one shape.

To find the views for each step takes longer than many a step itself.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from threading import local
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from poolnorm_cli.kernels.memory import scratch


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
