"""The blocks of a tensor on their way through a layer to whoever takes the results."""

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from poolnorm_cli.engine.layer_pass import LayerPass, Masks, computed
from poolnorm_cli.tensors.dtypes import DTYPES


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Protocol

    from poolnorm_cli.engine.preview import FirstSample, Preview
    from poolnorm_cli.engine.training_step import TrainingStep
    from poolnorm_cli.engine.view import Wanted
    from poolnorm_cli.kernels.moments import Moments
    from poolnorm_cli.shapes import Ints
    from poolnorm_cli.tensors.array_writer import ArrayWriter
    from poolnorm_cli.tensors.outputs import ArraySink, Output
    from poolnorm_cli.tensors.tensor import Tensor

    class Watched(Protocol):
        """A run of which something is to be shown."""

        @property
        def preview(self) -> bool:
            """Whether values of the output are shown."""

        @property
        def explain(self) -> bool:
            """Whether the output is explained."""

        @property
        def pictures(self) -> "tuple[Wanted, ...]":
            """The pictures that are drawn."""

        @property
        def unbatched(self) -> bool:
            """Whether inputs have no batch axis."""


def stream(
    plan: LayerPass,
    masks: Masks,
    step: "TrainingStep",
    tensor: "Tensor",
    out: "Output | None",
    preview: "Preview | None" = None,
    first: "FirstSample | None" = None,
    sinks: "Sequence[ArraySink]" = (),
    written: "Ints | None" = None,
) -> None:
    """Push the blocks of a tensor through a layer.

    Args:
        plan: The layer on the tensor.
        masks: The mask in the blocks of the plan; None without one.
        step: The weights, and the statistics where the layer asks for them.
        tensor: The tensor.
        out: Where the result goes; None to compute it only.
        preview: Keeps what is shown of it.
        first: Keeps the first sample.
        sinks: Take the result, too.
        written: Shape of the result in `out`; None for that of the plan.

    Raises:
        PoolnormError: The tensor cannot be read, or the result not be written.
    """
    writer = None
    if masks is None and first is None:
        plan = plan.fitted_to(tensor)
    if out:
        dtype = DTYPES[plan.result]
        shape = plan.output_shape if written is None else written
        writer = out.add(tensor.key, shape, dtype, tensor.compressed)
        plan.profiler.count_bytes("written", plan.output_bytes)
    plan.profiler.count_bytes("read", tensor.stored_bytes)
    write_blocks(plan, masks, step, tensor, writer, preview, first, sinks)
    if writer:
        writer.close()


def write_blocks(
    plan: LayerPass,
    masks: Masks,
    step: "TrainingStep",
    tensor: "Tensor",
    writer: "ArrayWriter | None",
    preview: "Preview | None" = None,
    first: "FirstSample | None" = None,
    sinks: "Sequence[ArraySink]" = (),
) -> None:
    """Push the blocks of a tensor, or of some of its samples, to what takes the result.

    Args:
        plan: The layer on the tensor, or the inner plan where that is some of the samples.
        masks: The mask in the blocks of the plan; None without one.
        step: The weights, and the statistics where the layer asks for them.
        tensor: The tensor.
        writer: Takes the result; None to compute it only.
        preview: Keeps what is shown of it.
        first: Keeps the first sample.
        sinks: Take the result, too.

    Raises:
        PoolnormError: The tensor cannot be read, or the result not be written.
    """
    profiler = plan.profiler
    writers = [*sinks] if writer is None else [writer, *sinks]
    shown = first is not None or (preview is not None and not preview.in_any_order)
    bits = masks is None and not shown and not sinks and plan.takes_bits
    with open_blocks(plan, tensor, bits=bits) as (blocks, in_any_order):
        alone = in_any_order and masks is None and first is None and not sinks
        if not (alone and _in_any_order(plan, blocks, step, writer, preview)):
            watched = blocks
            if first is not None:
                read = map(computed, blocks)
                watched = first.watch(read, plan.tensor_ranges(tensor)[0], plan.shape[1:])
            outputs = plan.outputs(watched, step.weights, step.moments, masks)
            for block in profiler.timed("next", outputs):
                if writers:
                    with profiler.span("write"):
                        for each in writers:
                            each.write(block)
                if preview:
                    preview.add(block)


def _in_any_order(
    plan: LayerPass,
    blocks: "Iterator[Any]",
    step: "TrainingStep",
    writer: "ArrayWriter | None",
    preview: "Preview | None",
) -> bool:
    """Have each thread write what it has computed, if it can; False where nothing was done."""
    if preview is not None and not preview.in_any_order:
        return False
    from poolnorm_cli.engine.placed import output_sizes, run_in_any_order, write_outputs

    inner = plan.inner
    sizes = output_sizes(inner)
    if sizes is None or (writer is not None and not writer.begin_at(plan.pool.threads)):
        return False
    moments = inner.reshape_moments(step.moments)
    put = write_outputs(inner, step.weights, moments, writer, preview)
    run_in_any_order(inner, blocks, sizes, put)
    return True


@contextmanager
def open_blocks(
    plan: LayerPass, tensor: "Tensor", *, bits: bool = False
) -> "Iterator[tuple[Iterator[Any], bool]]":
    """Open a tensor for one pass over its blocks, all work on which is done inside.

    Args:
        plan: The layer on the tensor.
        tensor: The tensor.
        bits: Blocks of bfloat16 may be as they are stored.

    Yields:
        The blocks of the inner plan in order, and whether they may be computed in any order: then
        the thread that works on one reads it.
    """
    if plan.pool.threads > 1 and tensor.nbytes:
        ranges, shape = plan.tensor_ranges(tensor)
        opened = None
        if bits:
            from poolnorm_cli.tensors.by_place import bits_of

            opened = bits_of(tensor, shape)
        opened = opened or tensor.slices_at(shape, plan.longest)
        if opened is not None:
            from poolnorm_cli.engine.placed import deferred

            with opened as read:
                yield deferred(plan.profiler.timing("read", read), ranges), True
            return
    yield plan.blocks(tensor), False


def explained(
    plan: LayerPass, step: "TrainingStep", first: "FirstSample", *, is_masked: bool
) -> tuple[str, ...]:
    """Have a layer explain how its output came about.

    Args:
        plan: The layer on the tensor.
        step: The weights, and the statistics where the layer asks for them.
        first: Has the first sample, and knows whether it is wanted.
        is_masked: Some cells do not count.

    Returns:
        The lines; none where nobody wants them.
    """
    if not first.is_wanted:
        return ()
    from poolnorm_cli.layers.call import Facts

    more = step.updated, first.sample, is_masked
    return tuple(plan.layer.explain(Facts(plan.shape, step.weights, step.moments, *more)))


def gathered(
    plan: LayerPass, tensor: "Tensor", under_mask: "Callable[..., tuple[LayerPass, Masks]]"
) -> "Moments | None":
    """Read a tensor for the statistics that a layer asks for.

    Args:
        plan: The layer on the tensor.
        tensor: The tensor.
        under_mask: Returns the mask in the blocks of the plan, behind the plan.

    Returns:
        The statistics; None where the layer asks for none.

    Raises:
        PoolnormError: The tensor cannot be read, or has no such mask.
    """
    if not plan.statistics_axes:
        return None
    tensor.spool()
    plan.profiler.count_bytes("read", tensor.stored_bytes)
    with open_blocks(plan, tensor) as (blocks, _):
        return plan.moments(blocks, under_mask(plan, tensor)[1])


def watchers(
    run: "Watched", plan: LayerPass, shape: "Ints"
) -> "tuple[Preview | None, FirstSample | None]":
    """Return what keeps the edges of an output and the first sample, where they are shown.

    Args:
        run: What is shown.
        plan: The layer on the tensor.
        shape: Shape of the output, as it is written.

    Returns:
        Both; None for what is not wanted.
    """
    if not (run.preview or run.explain or run.pictures):
        return None, None
    from poolnorm_cli.engine.preview import FirstSample, Preview

    preview = Preview(shape) if run.preview else None
    first = FirstSample() if run.explain else None
    if not run.pictures:
        return preview, first
    from poolnorm_cli.engine.watching import Passage, Pictures

    call = plan.layer.call_text(plan.shape)
    passage = Passage(call, plan.shape, plan.output_shape, plan.result)
    return Pictures(passage, run.pictures, unbatched=run.unbatched).watchers(preview, first)
