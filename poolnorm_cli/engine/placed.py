"""A layer over blocks in any order: each thread reads one, computes it, and puts it in its place.

The place of every output is known before any work, since it follows from shapes. So no thread waits
for another, and none writes for all.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from poolnorm_cli.engine.layer_pass import Block, DeferredBlock, LayerPass, Weights, placed_blocks
from poolnorm_cli.kernels.halves import narrow_float16
from poolnorm_cli.kernels.memory import Array, offered, release
from poolnorm_cli.tensors.codecs import encode
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.tensor import RowRange


if TYPE_CHECKING:
    from poolnorm_cli.engine.preview import Preview
    from poolnorm_cli.kernels.moments import Moments
    from poolnorm_cli.tensors.array_writer import ArrayWriter
    from poolnorm_cli.tensors.by_place import SliceAt

Put = Callable[[Block, int, int], None]


def output_sizes(plan: LayerPass) -> list[int] | None:
    """Count what comes of the blocks of an inner plan.

    Args:
        plan: The plan.

    Returns:
        Items of the output of each strip of a sample, or of a sample where these are whole; None
        where a block of the output is put together from several.
    """
    layer, width = plan.layer, prod(plan.output_shape[1:])
    if plan.output_shape[:1] != plan.shape[:1]:
        return None
    if not plan.strips:
        return [width]
    if any(strip.place is not None for strip in plan.strips):
        return None
    sizes = [prod(layer.block_shape(s.shape(plan.shape), s)) for s in plan.strips]
    return sizes if sum(sizes) == width else None


def deferred(read: "SliceAt", ranges: Iterable[RowRange]) -> Iterator[Any]:
    """Yield blocks that are read by the threads that work on them.

    Args:
        read: Reads the rows from one index up to another.
        ranges: The rows of each block.

    Yields:
        The blocks.
    """
    for start, stop in ranges:
        yield DeferredBlock(partial(read, start, stop), stop - start)


def run_in_any_order(plan: LayerPass, blocks: Iterable[Any], sizes: list[int], put: Put) -> None:
    """Have the threads of a plan do something with each block.

    Args:
        plan: An inner plan.
        blocks: Its blocks, in order.
        sizes: What `output_sizes` returned.
        put: Takes a block, the first item of its output, and how many it has.

    Raises:
        PoolnormError: The first error by the order of the blocks.
    """

    def placed() -> Iterator[tuple[Block, int, int]]:
        done = 0
        found = placed_blocks(blocks, None, plan.first_sample, plan.strips)
        for index, block in enumerate(found):
            size = sizes[index % len(sizes)] * (1 if plan.strips else len(block.cells))
            yield block, done, size
            done += size

    waiting = plan.profiler.span("wait")
    plan.pool.for_each(lambda found: put(*found), placed(), waiting)


def write_outputs(
    plan: LayerPass,
    weights: Weights,
    moments: "Moments | None",
    writer: "ArrayWriter | None",
    preview: "Preview | None" = None,
) -> Put:
    """Return what computes a block, and writes it where it belongs.

    Args:
        plan: An inner plan.
        weights: What the layer names, in the shapes given there.
        moments: Statistics as `LayerPass.moments` returns them, for this plan.
        writer: Has begun, for items in any order; None to compute only.
        preview: Keeps what is shown of the output.

    Returns:
        What `run_in_any_order` takes.
    """
    compute = plan.computing(weights, moments)

    def put(block: Block, start: int, _: int) -> None:
        _call, y = compute(block)
        if writer is not None:
            with plan.profiler.span("write"):
                stored = encode(y, writer.dtype)
                place = start * writer.dtype.itemsize
                writer.write_at(stored.reshape(-1).view("u1").data, place)
                if not np.may_share_memory(stored, y):
                    release(stored)
        if preview is not None:
            preview.add_at(y, start)
        release(y)

    return put


def fill_array(plan: LayerPass, weights: Weights, moments: "Moments | None", y: Array) -> Put:
    """Return what computes a block into the array of all outputs.

    Args:
        plan: An inner plan.
        weights: What the layer names, in the shapes given there.
        moments: Statistics as `LayerPass.moments` returns them, for this plan.
        y: C-contiguous, of as many items as all outputs have.

    Returns:
        What `run_in_any_order` takes.
    """
    flat, compute = y.reshape(-1), plan.computing(weights, moments)

    def put(block: Block, start: int, size: int) -> None:
        target = flat[start : start + size]
        with offered(target):
            _call, found = compute(block)
        if not _is(found, target):
            put_items(target, found)
            release(found)

    return put


def put_items(target: Array, found: Array) -> None:
    """Put what a layer gave into its place, in the dtype that is wanted there.

    Args:
        target: The place, of one axis; bfloat16 of any package's type, or another type.
        found: As many items.
    """
    if target.dtype.name == "bfloat16":
        target.view(np.uint16)[...] = encode(found, DTYPES["bfloat16"]).reshape(-1)
        return
    if target.dtype == np.float16 and found.dtype == np.float32:
        narrow = narrow_float16(found)  # sooner than NumPy's
        target[...] = narrow.reshape(-1)
        release(narrow)
        return
    with np.errstate(all="ignore"):
        target[...] = found.reshape(-1)


def _is(found: Array, target: Array) -> bool:
    """Whether an array is the whole of another, item by item."""
    same = found.ctypes.data == target.ctypes.data and found.size == target.size
    return same and found.dtype == target.dtype and found.flags.c_contiguous
