"""Whether what was typed takes NumPy, whose import is most of a small run."""

from functools import partial
from typing import TYPE_CHECKING

from poolnorm_cli.backends import DEFAULT_BACKEND
from poolnorm_cli.cli.checkpoint import decides_on_weights, note_assumptions, save_trained
from poolnorm_cli.cli.layer_flags import LayerFlags
from poolnorm_cli.cli.run_one import OneInput
from poolnorm_cli.errors import PoolnormError
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.tensors.names import STDIN, is_stream


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from poolnorm_cli.cli.checkpoint import Checkpoint
    from poolnorm_cli.cli.layer_report import LayerReport
    from poolnorm_cli.cli.pipe_flags import PipeFlags
    from poolnorm_cli.cli.run_batch import ManyInputs
    from poolnorm_cli.engine.buffer_job import BufferJob, BufferPipeline
    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.layers.pipeline import Step
    from poolnorm_cli.shapes import Ints
    from poolnorm_cli.tensors.tensor import Tensor

    Buffers = dict[str, memoryview]
    Made = tuple[Step, Checkpoint, LayerFlags, int | None]
    Run = Callable[[LayerReport, Callable[[], None] | None], int]
    """Runs the inputs, and tells of each, as `OneInput.run` does; returns the exit code."""


def buffer_job(
    layer: Layer,
    checkpoint: "Checkpoint",
    flags: LayerFlags,
    run: "OneInput | ManyInputs",
    arrays: "Callable[[], Job]",
) -> "Run | None":
    """Return what runs a layer without NumPy, where that can be.

    No values of the output are to be printed.

    Args:
        layer: The layer.
        checkpoint: The layer that --weights names.
        flags: What was typed.
        run: The inputs, of the first of which only headers are read; nothing of a stream.
        arrays: Returns the job that runs everything, for what is known only later.

    Returns:
        The run; None where anything is wanted, or in the input, for which NumPy is needed, or where
        something is wrong with the input, which is told when that is run.
    """
    if _takes_numpy(flags) or not run.first.has_data:
        return None
    if flags.training.training:
        return _training_run(layer, checkpoint, flags, run, arrays)
    if flags.weights.save_weights:
        return None

    def plain(shape: "Ints", dtype: str) -> "BufferJob | None":
        from poolnorm_cli.engine.buffer_job import BufferJob

        weights = _weights(layer, checkpoint, flags, shape, dtype)
        if weights is None:
            return None
        backend, entry = flags.backend, checkpoint.entry
        more = backend.thread_count, flags.inputs.unbatched, backend.memory(1)
        rank = None if entry is None else entry.needed_rank
        return BufferJob(layer, weights, flags.outputs.dtype, *more, rank)

    def told() -> None:
        note_assumptions(layer, checkpoint, flags)

    return _job(layer, run, plain, told, arrays)


def _job(
    layer: Layer,
    run: "OneInput | ManyInputs",
    plain: "Callable[[Ints, str], BufferJob | None]",
    told: "Callable[[], None]",
    arrays: "Callable[[], Job]",
) -> "Run | None":
    """Return the run of an input that is here, or comes on a stream, or for several.

    Args:
        layer: The layer.
        run: The inputs.
        plain: Returns the job for a shape and a dtype, or None, or raises a PoolnormError.
        told: Called when it is known that a job is to run.
        arrays: As for `buffer_job`.

    Returns:
        As `buffer_job`.
    """

    def served(tensors: "Sequence[Tensor]") -> "BufferJob | None":
        try:
            job = plain(tensors[0].shape, tensors[0].dtype.name)
        except PoolnormError:
            return None
        if job is None or not job.serves(tensors):
            return None
        told()
        return job

    if not isinstance(run, OneInput):
        return _batch_job(run, served, arrays)
    first = run.first
    if first.word == STDIN or is_stream(first.word):
        from poolnorm_cli.engine.stream_job import StreamJob

        return partial(run.run, StreamJob(layer, served, arrays))
    try:
        tensors = first.tensors()
    except PoolnormError:
        return None
    job = served(tensors)
    return None if job is None else partial(run.run, job)


def _training_run(
    layer: Layer,
    checkpoint: "Checkpoint",
    flags: LayerFlags,
    run: "OneInput | ManyInputs",
    arrays: "Callable[[], Job]",
) -> "Run | None":
    """Return the run of training calls on one tensor after another; then weights are saved."""
    tensors = _first_tensors(run)
    if not tensors:
        return None
    if not isinstance(layer, Trainable) or not layer.takes_plain_step:
        return None
    from poolnorm_cli.engine.batch_job import BatchJob
    from poolnorm_cli.engine.buffer_training import TrainingBufferJob
    from poolnorm_cli.weights.buffers import kept_dtypes

    try:
        shape, dtype = tensors[0].shape, tensors[0].dtype.name
        weights = _weights(layer, checkpoint, flags, shape, dtype)
        if weights is None:
            return None
        entry, backend = checkpoint.entry, flags.backend
        job = TrainingBufferJob(
            layer=layer,
            weights=weights,
            dtype=flags.outputs.dtype,
            threads=backend.thread_count,
            unbatched=flags.inputs.unbatched,
            memory=backend.memory(1),
            rank=None if entry is None else entry.needed_rank,
            kinds=kept_dtypes(layer, entry, shape, dtype),
            arrays=arrays,
        )
    except PoolnormError:
        return None
    if not job.serves(tensors):
        return None
    note_assumptions(layer, checkpoint, flags)

    def run_and_save(reporter: "LayerReport", on_start: "Callable[[], None] | None") -> int:
        if isinstance(run, OneInput):
            code = run.run(job, reporter, on_start)
        else:
            every = BatchJob(job, job.arrays_now, job.threads, job.memory)
            code = run.run(every, reporter, on_start)
        if not code:
            save_trained(job, flags, reporter)
        return code

    return run_and_save


def _first_tensors(run: "OneInput | ManyInputs") -> "Sequence[Tensor]":
    """Return the tensors that decide whether training takes NumPy; none where it does."""
    if isinstance(run, OneInput):
        if run.first.word == STDIN or is_stream(run.first.word):
            return ()
        try:
            return run.first.tensors()
        except PoolnormError:
            return ()
    batch = run.flags.batch
    if batch.jobs != "1" or batch.journal is not None or batch.dask is not None:
        return ()
    from poolnorm_cli.batch.batch import first_tensor

    first = first_tensor(run.plan)
    return () if first is None else (first,)


def _batch_job(
    run: "ManyInputs",
    served: "Callable[[Sequence[Tensor]], BufferJob | None]",
    arrays: "Callable[[], Job]",
) -> "Run | None":
    """Return the run of several inputs, whose weights are those for the first."""
    batch = run.flags.batch
    if batch.journal is not None or batch.dask is not None:  # which ask more of a job
        return None
    from poolnorm_cli.batch.batch import first_tensor, initialize_weights
    from poolnorm_cli.engine.batch_job import BatchJob

    tensor = first_tensor(run.plan)
    plain = None if tensor is None else served([tensor])
    if plain is None:
        return None

    def with_weights() -> "Job":
        job = arrays()
        initialize_weights(run.plan, job)
        return job

    return partial(run.run, BatchJob(plain, with_weights, plain.threads, plain.memory))


def _weights(
    layer: Layer, checkpoint: "Checkpoint", flags: LayerFlags, shape: "Ints", dtype: str
) -> "Buffers | None":
    """Return the weights for an input of a shape and dtype; None where they take NumPy.

    Raises:
        PoolnormError: The layer has none for it, or they cannot be read.
    """
    if not layer.weight_names:
        return {}
    from poolnorm_cli.weights.buffers import starting_weights, stored_weights

    layer.output_shape(shape)
    entry = checkpoint.entry
    if entry is None:
        return starting_weights(layer, shape, dtype)
    if not decides_on_weights(flags):
        shape = entry.input_shape(layer)
    from poolnorm_cli.weights.stated_layer import require_axis_of_torch

    require_axis_of_torch(layer, entry, shape)
    return stored_weights(layer, entry, shape)


def buffer_pipeline(
    made: "Sequence[Made]",
    flags: "PipeFlags",
    run: "OneInput | ManyInputs",
    arrays: "Callable[[], Job]",
) -> "Run | None":
    """Return what runs a pipe without NumPy, where that can be.

    No values of the output are to be printed, and nothing is written in between.

    Args:
        made: The steps, with the layers that their --weights name, what was typed of them, and the
            rank that their inputs must have, None for any.
        flags: What was typed.
        run: The inputs, as for `buffer_job`.
        arrays: As for `buffer_job`.

    Returns:
        As `buffer_job`.
    """
    if flags.weights.save_weights is not None:
        return None
    for _, _, own, _ in made:
        if _takes_numpy(own) or own.training.training or own.weights.save_weights:
            return None
    if not run.first.has_data:
        return None

    def plain(shape: "Ints", dtype: str) -> "BufferPipeline | None":
        from poolnorm_cli.engine.buffer_job import BufferPipeline

        weights = _weights_of_steps(made, shape, dtype)
        if weights is None:
            return None
        return BufferPipeline(
            layer=made[-1][0].layer,
            dtype=flags.outputs.dtype,
            threads=flags.backend.thread_count,
            unbatched=flags.inputs.unbatched,
            memory=flags.backend.memory(1),
            steps=tuple(step for step, *_ in made),
            each=weights,
            ranks=tuple(rank for *_, rank in made),
        )

    def told() -> None:
        for step, checkpoint, own, _ in made:
            note_assumptions(step.layer, checkpoint, own)

    return _job(made[-1][0].layer, run, plain, told, arrays)


def _weights_of_steps(
    made: "Sequence[Made]", shape: "Ints", dtype: str
) -> "tuple[Buffers, ...] | None":
    """Return the weights of each step, for what comes to it; None where any takes NumPy.

    Raises:
        PoolnormError: As `_weights`.
    """
    found = []
    for step, checkpoint, own, _ in made:
        weights = _weights(step.layer, checkpoint, own, shape, dtype)
        if weights is None:
            return None
        found.append(weights)
        shape = tuple(int(size or 0) for size in step.layer.output_shape(shape))
        dtype = step.layer.result_dtype(dtype)
    return tuple(found)


def _takes_numpy(flags: LayerFlags) -> bool:
    """Whether a flag asks for what is made of arrays."""
    backend = flags.backend
    if backend.backend not in (None, DEFAULT_BACKEND) or backend.provider is not None:
        return True
    if backend.profile:
        return True
    if flags.mask.mask is not None:
        return True
    if flags.export.export is not None or flags.batch.dry_run or flags.pictures.is_wanted:
        return True
    return flags.values.explain
