"""A layer over an array in memory: what the command does to a file, without the file."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from poolnorm_cli.backends import Backend
from poolnorm_cli.backends.numpy_backend import NUMPY
from poolnorm_cli.engine.array_loops import fill_by_loops
from poolnorm_cli.engine.layer_pass import LayerPass, initial_weights
from poolnorm_cli.engine.placed import fill_array, output_sizes, run_in_any_order
from poolnorm_cli.kernels.memory import Array
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.maskable import require_maskable
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.values import replace


def run_array(
    layer: Layer,
    x: Array,
    weights: Mapping[str, Array] | None = None,
    *,
    training: bool = False,
    rows: int | None = None,
    mask: Array | None = None,
    backend: Backend = NUMPY,
    threads: int | None = 1,
    out: Array | None = None,
) -> tuple[Array, dict[str, Array]]:
    """Run a layer on an array.

    Args:
        layer: The layer.
        x: Samples along axis 0; float16, float32, float64, an integer type or bool.
        weights: By Keras name; those with which Keras starts where None.
        training: Use the statistics of the batch and update the moving ones.
        rows: Samples of the inner pass to a block, rounded up to whole grains; chosen by the shape
            where None.
        mask: Which cells count, not zero where one does, in the layer's `mask_shape`, or with size
            1 in place of any other.
        backend: Computes the blocks.
        threads: Threads that work on blocks; None for the usual number.
        out: Where the output goes, C-contiguous, of its shape and dtype; it may be `x`. A new array
            where None.

    Returns:
        The output, and the weights as the call leaves them.

    Raises:
        UsageError: The layer cannot take `x`, or such a mask for it.
        InputError: A training batch has statistics that are not finite.
    """
    shape = tuple(map(int, x.shape))
    dtype = x.dtype.name
    plan = LayerPass(layer, shape, dtype, layer.result_dtype(dtype), training, backend)
    plan = plan.with_threads(threads)
    y = np.empty(plan.output_shape, dtype=plan.result) if out is None else out
    given = dict(weights) if weights is not None else initial_weights(layer, shape, dtype)

    broadcast = None
    if mask is not None:
        from poolnorm_cli.engine.masks import BroadcastMask, whole_mask_shape

        broadcast = BroadcastMask(mask, whole_mask_shape(layer, shape, mask.shape))
        plan = replace(plan, factor=require_maskable(layer, shape).mask_factor(shape, mask.shape))

    inner, whole = plan.inner, np.ascontiguousarray(x)
    step = inner.round_to_grains(rows) if rows else inner.rows

    def masks() -> Iterator[Array] | None:
        """Divide the mask as the blocks are."""
        return None if broadcast is None else plan.mask_blocks(broadcast, step)

    moments = plan.moments(plan.array_blocks(whole, step), masks())
    target = np.empty_like(y) if np.may_share_memory(y, whole) else y
    sizes = output_sizes(inner) if mask is None else None
    if (
        rows is None
        and mask is None
        and moments is None
        and fill_by_loops(plan, whole, given, target)
    ):
        pass
    elif sizes is None:
        _fill(target, plan.outputs(plan.array_blocks(whole, step), given, moments, masks()))
    else:
        put = fill_array(inner, given, inner.reshape_moments(moments), target)
        run_in_any_order(inner, plan.array_blocks(whole, step), sizes, put)
    if target is not y:
        y[...] = target
    if moments is None or not (training and isinstance(layer, Trainable)):
        return y, given
    return y, layer.updated(given, moments)


def _fill(y: Array, blocks: Iterable[Array]) -> None:
    """Copy blocks into an array, one after another."""
    flat, start = y.reshape(-1), 0
    for block in blocks:
        with np.errstate(all="ignore"):
            flat[start : start + block.size] = block.reshape(-1)
        start += block.size
