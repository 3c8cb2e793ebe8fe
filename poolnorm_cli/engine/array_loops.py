"""A layer over an array in memory by compiled loops alone, as over a file's bytes.

What happens for each block in Python is a slice and a call: threads that do more than that wait for
each other at the interpreter's lock.
"""

from typing import TYPE_CHECKING

import numpy as np

from poolnorm_cli.backends.numpy_backend import NUMPY
from poolnorm_cli.engine.buffer_pass import BufferPass
from poolnorm_cli.kernels.memory import Array
from poolnorm_cli.tensors.tensor import RowRange


if TYPE_CHECKING:
    from poolnorm_cli.engine.layer_pass import LayerPass, Weights


def fill_by_loops(plan: "LayerPass", x: Array, weights: "Weights", y: Array) -> bool:
    """Compute a layer in inference, if compiled loops can.

    Args:
        plan: The layer on the array, without a mask.
        x: C-contiguous, of the plan's shape and dtype.
        weights: What the layer names, in the shapes given there.
        y: C-contiguous, of the plan's output shape and result, which shares no memory with `x`.

    Returns:
        Whether `y` is filled; False where nothing was done.
    """
    if plan.training or plan.factor != 1 or plan.backend is not NUMPY or not y.size:
        return False
    if not all(each.flags.aligned and each.dtype.isnative for each in (x, y)):
        return False
    views = {name: np.ascontiguousarray(w, np.float64).data for name, w in weights.items()}
    run = BufferPass(plan.layer, plan.shape, plan.dtype, plan.result, weights=views, pool=plan.pool)
    if not run.has_loops(run.block_samples()):
        return False
    inner, cells, out = run.inner, _bytes_of(x), _bytes_of(y)
    given, made = inner.sample_bytes, inner.made_bytes

    def fill(rows: RowRange) -> None:
        start, stop = rows
        inner.compute_layer(
            cells[start * given : stop * given], out[start * made : stop * made], stop - start
        )

    run.pool.for_each(fill, list(inner.ranges(inner.shape[0])[0]))
    return True


def _bytes_of(array: Array) -> memoryview:
    return array.reshape(-1).view("u1").data
