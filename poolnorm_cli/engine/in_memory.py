"""A layer over an array in memory: what the command does to a file, without the file."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from poolnorm_cli.backends import Backend
from poolnorm_cli.backends.numpy_backend import NUMPY
from poolnorm_cli.engine.array_loops import ArrayLoops, fill_by_strips, plan_of, several_threads
from poolnorm_cli.engine.array_tensor import ArrayTensor
from poolnorm_cli.engine.layer_pass import LayerPass, Weights, initial_weights
from poolnorm_cli.engine.placed import fill_array, output_sizes, put_items, run_in_any_order
from poolnorm_cli.engine.streaming import open_blocks
from poolnorm_cli.kernels.memory import Array
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.maskable import require_maskable
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.values import replace


if TYPE_CHECKING:
    from collections.abc import Sequence

    from poolnorm_cli.engine.pipeline_run import StepJob
    from poolnorm_cli.kernels.moments import Moments


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
    result: str | None = None,
) -> tuple[Array, dict[str, Array]]:
    """Run a layer on an array.

    Args:
        layer: The layer.
        x: Samples along axis 0; float16, float32, float64, bfloat16 of `ml_dtypes`, an integer type
            or bool.
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
        result: Name of the dtype of the output; None for what the layer gives.

    Returns:
        The output, and the weights as the call leaves them.

    Raises:
        UsageError: The layer cannot take `x`, or such a mask for it.
        InputError: A training batch has statistics that are not finite.
    """
    shape = tuple(map(int, x.shape))
    dtype = x.dtype.name
    kind = result or layer.result_dtype(dtype)
    plan, loops = plan_of(layer, shape, (dtype, kind), backend, threads, training=training)
    y = np.empty(plan.output_shape, dtype=plan.result) if out is None else out
    given = dict(weights) if weights is not None else initial_weights(layer, shape, dtype)

    whole = np.ascontiguousarray(x)
    target = np.empty_like(y) if np.may_share_memory(y, whole) else y
    is_filled, moments = False, None
    if loops is not None and rows is None and mask is None:
        moments, is_filled = _fill_by_loops(plan, loops, whole, given, target)
    if loops is None and rows is None and mask is None:
        is_filled = fill_by_strips(plan, whole, target, threads)
    if not is_filled:
        # Where no other thread works on blocks, those of the loops share them.
        with several_threads(threads if plan.pool.threads == 1 else 1):
            moments = _fill_by_blocks(plan, whole, given, target, moments, rows, mask)
    if target is not y:
        y[...] = target
    if moments is None or not (training and isinstance(layer, Trainable)):
        return y, given
    return y, layer.updated(given, moments)


def run_steps(steps: "Sequence[StepJob]", x: Array, name: str, out: Array) -> list[Weights]:
    """Run layers one after another on an array: a block goes through all of them in one thread.

    Args:
        steps: The layers, and how they are run.
        x: Samples along axis 0, C-contiguous; bfloat16 of any package's type, or another type.
        name: What messages call it.
        out: Where the output goes, of its shape and of the dtype that the last step has; it may
            be `x`.

    Returns:
        The weights of each step as the call leaves them.

    Raises:
        UsageError: A layer cannot take what comes to it.
        InputError: A training batch has statistics that are not finite.
    """
    from poolnorm_cli.engine.pipeline_run import PipelineRun

    run = PipelineRun(steps, (), ArrayTensor(x, name), ())
    apart = np.may_share_memory(out, x) or not out.flags.c_contiguous
    target = np.empty(out.shape, out.dtype) if apart else out
    plan, step, tensor = run.last
    plan = plan.fitted_to(tensor)
    with open_blocks(plan, tensor) as (blocks, in_any_order):
        inner, sizes = plan.inner, output_sizes(plan.inner)
        if sizes is not None and (in_any_order or plan.pool.threads == 1):
            moments = inner.reshape_moments(step.moments)
            run_in_any_order(inner, blocks, sizes, fill_array(inner, step.weights, moments, target))
        else:
            _fill(target, plan.outputs(blocks, step.weights, step.moments))
    if apart:
        out[...] = target
    return [each.updated or each.weights for each in run.trained]


def _fill_by_loops(
    plan: LayerPass, loops: ArrayLoops, x: Array, weights: Weights, y: Array
) -> "tuple[Moments | None, bool]":
    """Compute an array by loops alone: return its statistics, and whether the output is there."""
    moments = loops.moments(x)
    fixed: Weights | None = weights
    if moments is not None:
        layer = plan.layer
        fixed = layer.weights_of_batch(weights, moments) if isinstance(layer, Trainable) else None
    return moments, fixed is not None and loops.fill(x, fixed, y)


def _fill_by_blocks(
    plan: LayerPass,
    x: Array,
    weights: Weights,
    y: Array,
    moments: "Moments | None",
    rows: int | None,
    mask: Array | None,
) -> "Moments | None":
    """Compute an array block by block: return its statistics, which may be known."""
    layer, shape, broadcast = plan.layer, plan.shape, None
    if mask is not None:
        from poolnorm_cli.engine.masks import BroadcastMask, whole_mask_shape

        broadcast = BroadcastMask(mask, whole_mask_shape(layer, shape, mask.shape))
        plan = replace(plan, factor=require_maskable(layer, shape).mask_factor(shape, mask.shape))
    inner = plan.inner
    step = inner.round_to_grains(rows) if rows else inner.rows

    def masks() -> Iterator[Array] | None:
        """Divide the mask as the blocks are."""
        return None if broadcast is None else plan.mask_blocks(broadcast, step)

    if moments is None:
        moments = plan.moments(plan.array_blocks(x, step), masks())
    sizes = output_sizes(inner) if mask is None else None
    if sizes is None:
        _fill(y, plan.outputs(plan.array_blocks(x, step), weights, moments, masks()))
    else:
        put = fill_array(inner, weights, inner.reshape_moments(moments), y)
        run_in_any_order(inner, plan.array_blocks(x, step), sizes, put)
    return moments


def _fill(y: Array, blocks: Iterable[Array]) -> None:
    """Copy blocks into an array, one after another."""
    flat, start = y.reshape(-1), 0
    for block in blocks:
        put_items(flat[start : start + block.size], block)
        start += block.size
