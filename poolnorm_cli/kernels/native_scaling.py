"""Scale and shift in a compiled loop."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.kernels.native import FLOATS, loops_for


Array = NDArray[Any]


def scale_natively(x: Array, y: Array, a: Array | None, b: Array, c: Array | None) -> bool:
    """Compute `(x - a) * b + c` into `y`, if a loop serves for it; say whether.

    Args:
        x: C-contiguous.
        y: Likewise, of the same shape and dtype.
        a: Of the dtype of `x`, against which it broadcasts, like the others; None for nothing.
        b: Factor.
        c: Addend; None for nothing.
    """
    loops = loops_for(x, FLOATS)
    if loops is None or not x.size:
        return loops is not None
    given = [v for v in (a, b, c) if v is not None]
    shape = np.broadcast_shapes(*(v.shape for v in given), (1,) * x.ndim)
    vectors = [None if v is None else np.broadcast_to(v, shape) for v in (a, b, c)]
    _scale(loops, x, y, vectors)
    return True


def _scale(loops: Any, x: Array, y: Array, vectors: Sequence[Array | None]) -> None:
    """Do it where the vectors lie along axes that stand side by side, else sample by sample."""
    shape = next(v.shape for v in vectors if v is not None)
    axes = [axis for axis, size in enumerate(shape) if size > 1]
    first, last = (axes[0], axes[-1] + 1) if axes else (0, 0)
    if shape[first:last] == x.shape[first:last]:
        sizes = prod(x.shape[:first]), prod(shape[first:last]), prod(x.shape[last:])
        rows = [None if v is None else np.ascontiguousarray(v).reshape(-1) for v in vectors]
        loops.scale(x, y, *rows, x.itemsize, sizes)
        return
    for i in range(len(x)):
        part = [None if v is None else v[min(i, len(v) - 1)] for v in vectors]
        _scale(loops, x[i], y[i], part)
