"""From the steps that were typed to a job: layers and weights of files, everything checked."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from poolnorm_cli.cli.checkpoint import (
    Checkpoint,
    find_entry,
    layer_from_files,
    locked_checkpoint,
    locked_file,
    read_weights,
)
from poolnorm_cli.cli.layer_flags import DefinitionFlags, LayerFlags, TrainingFlags
from poolnorm_cli.cli.pipe_flags import PipeFlags
from poolnorm_cli.cli.pipe_steps import MARK, LayerStep, require_rank, whole_step_fix
from poolnorm_cli.cli.verb_layer import open_mask, shows_values
from poolnorm_cli.errors import UsageError, error_context, shown
from poolnorm_cli.layers.pipeline import Pipeline, Step, make_pipeline, unique_names
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.tensors.sources import FirstInput
from poolnorm_cli.values import replace


if TYPE_CHECKING:
    from poolnorm_cli.engine.pipeline_job import PipelineJob
    from poolnorm_cli.engine.pipeline_run import StepJob, Tee
    from poolnorm_cli.layers.base import Layer
    from poolnorm_cli.shapes import Ints


class MadeStep(NamedTuple):
    """A step with its layer.

    Attributes:
        step: The step.
        flags: What was typed of it, and of the run.
        checkpoint: The layer that its --weights names.
        first: What comes to it of the first input.
        rank: Axes that its input must have, for which a model was built; None for any.
    """

    step: Step
    flags: LayerFlags
    checkpoint: Checkpoint
    first: FirstInput
    rank: int | None = None

    @property
    def needed_rank(self) -> int | None:
        """Axes that its input must have, for which the file of its weights may speak."""
        entry = self.checkpoint.entry
        return self.rank if entry is None else entry.needed_rank or self.rank


class _Coming(FirstInput):
    """What comes to a step, of which only the shape is known, or not even that."""

    def __init__(self, word: str, shape: "Ints | None") -> None:
        super().__init__(word)
        self._shape = shape

    def shape(self) -> "Ints | None":
        return self._shape


def made_steps(flags: PipeFlags, first: FirstInput) -> list[MadeStep]:
    """Make the layers of all steps; the shapes are checked where the first input is known.

    Args:
        flags: What was typed.
        first: The first input.

    Returns:
        The steps, in order.

    Raises:
        PoolnormError: A step cannot be, with its title in front.
    """
    shape = first.shape()
    found: list[tuple[LayerStep, Layer, LayerFlags, Checkpoint, FirstInput]] = []
    for typed, name in zip(flags.steps, _names(flags.steps), strict=True):
        coming = _Coming(first.word, shape)
        with error_context(typed.title):
            own = _flags_of(typed, name, flags)
            require_rank(typed.rank, shape)
            layer, checkpoint = layer_from_files(typed.kind, dict(typed.parameters), own, coming)
            if shape is not None:
                shape = tuple(int(size or 0) for size in layer.output_shape(shape))
        found.append((typed, layer, own, checkpoint, coming))
    pipeline = make_pipeline([(typed.number, layer) for typed, layer, *_ in found])
    return [
        MadeStep(step, own, checkpoint, coming, typed.rank)
        for step, (typed, _, own, checkpoint, coming) in zip(pipeline.steps, found, strict=True)
    ]


def pipeline_of_steps(steps: Sequence[MadeStep]) -> Pipeline:
    """Return the layers alone."""
    return Pipeline(tuple(each.step for each in steps))


def _names(steps: Sequence[LayerStep]) -> list[str]:
    """Return what the steps are called, as far as that was typed."""
    typed = [(each.number, _Named(each.kind.words, each.parameters.get("name"))) for each in steps]
    return unique_names(typed)


class _Named(NamedTuple):
    """What a layer is called."""

    words: str
    name: str | None


def _flags_of(typed: LayerStep, name: str, flags: PipeFlags) -> LayerFlags:
    """Return the flags that a step would have if it were run alone."""
    own, file = typed.flags, flags.weights.file
    weights = own.weights
    if file is not None and weights.weights is None and typed.kind.weight_names:
        weights = replace(weights, weights=f"{file}::{name}")
    training = own.training.training or flags.training.training
    return LayerFlags(
        inputs=flags.inputs,
        outputs=flags.outputs,
        printing=flags.printing,
        values=flags.values,
        backend=flags.backend,
        export=flags.export,
        pictures=flags.pictures,
        definition=DefinitionFlags(config=own.config.config),
        batch=flags.batch,
        weights=weights,
        training=TrainingFlags(training=training and issubclass(typed.kind, Trainable)),
        mask=own.mask,
    )


@contextmanager
def locked_steps(steps: Sequence[MadeStep], flags: PipeFlags) -> Iterator[list[MadeStep]]:
    """Hold the files of weights that a run replaces, and find the layers in them.

    Args:
        steps: The steps.
        flags: What was typed.

    Yields:
        The steps, each with where its weights are.

    Raises:
        PoolnormError: Weights cannot be read, or could not be saved after the run.
    """
    with ExitStack() as stack:
        stack.enter_context(locked_file(flags.weights, flags.outputs))
        if flags.weights.in_place:
            _require_no_others(str(flags.weights.file), steps)
        found = []
        for each in steps:
            with error_context(each.step.title):
                held, files = each.checkpoint, each.flags.weights
                if files.save_weights is not None:
                    lock = locked_checkpoint(each.step.layer, held, each.flags)
                    held = stack.enter_context(lock)
                elif flags.weights.in_place and held.entry is not None:  # as it is now
                    held = Checkpoint(entry=find_entry(type(each.step.layer), files.weights))
            found.append(each._replace(checkpoint=held))
        yield found


def _require_no_others(file: str, steps: Sequence[MadeStep]) -> None:
    """Refuse to replace a file in which there are weights of other layers.

    Raises:
        UsageError: There are.
    """
    from poolnorm_cli.weights.naming import layer_and_weight
    from poolnorm_cli.weights.npz import member_keys

    names = {each.step.name for each in steps}
    others = [key for key in member_keys(file) if layer_and_weight(key)[0] not in names]
    if others:
        what = f"{shown(file)} holds {shown(others[0])}, which --save-weights would drop"
        raise UsageError(what, "give --save-weights another file")


def pipeline_job(
    steps: Sequence[MadeStep], tees: "Sequence[Tee]", flags: PipeFlags
) -> "PipelineJob":
    """Make the job of all steps, weights read and checked.

    Args:
        steps: The steps.
        tees: What is written in between.
        flags: What was typed.

    Returns:
        The job.

    Raises:
        PoolnormError: A step cannot be, with its title in front.
    """
    from poolnorm_cli.engine.pipeline_job import PipelineJob
    from poolnorm_cli.engine.profile import NO_PROFILER, Profiler

    backend = flags.backend.open(flags.printing.notify_details)
    profiler = Profiler() if flags.backend.profile else NO_PROFILER
    jobs = []
    for place, made in enumerate(steps, 1):
        with error_context(made.step.title):
            jobs.append(_step_job(made, flags, backend, profiler, is_last=place == len(steps)))
    last = jobs[-1].job
    return PipelineJob(
        layer=last.layer,
        state=last.state,
        training=any(each.job.training for each in jobs),
        dtype=flags.outputs.dtype,
        backend=backend,
        threads=flags.backend.thread_count,
        memory=flags.backend.memory(1),
        profiler=profiler,
        unbatched=flags.inputs.unbatched,
        steps=tuple(jobs),
        tees=tuple(tees),
    )


def _step_job(
    made: MadeStep, flags: PipeFlags, backend: object, profiler: object, *, is_last: bool
) -> "StepJob":
    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.engine.pipeline_run import StepJob
    from poolnorm_cli.engine.training import TrainingState, with_constants

    step, own, checkpoint = made.step, made.flags, made.checkpoint
    training, entry = own.training.training, checkpoint.entry
    if training and isinstance(step.layer, Trainable) and step.layer.is_synchronized(training=True):
        what = "--synchronized in training, where all inputs are one batch"
        raise UsageError(what, "run the steps up to this one first, and this one alone")
    weights = None
    if entry is not None:
        weights = read_weights(step.layer, checkpoint, own, made.first)
    saved = own.weights.save_weights is not None or flags.weights.save_weights is not None
    mask = own.mask.mask
    job = Job(
        with_constants(step.layer),
        TrainingState(weights, is_saved=saved),
        training,
        flags.outputs.dtype if is_last else None,
        preview=is_last and shows_values(flags),
        explain=is_last and flags.values.explain,
        mask=None if mask is None else open_mask(step.layer, mask, own),
        backend=backend,  # type: ignore[arg-type]
        threads=flags.backend.thread_count,
        profiler=profiler,  # type: ignore[arg-type]
        rank=made.needed_rank,
        unbatched=flags.inputs.unbatched,
    )
    return StepJob(step, job)


def check_steps(flags: PipeFlags) -> None:
    """Refuse what cannot be of a pipe, before a file is looked at.

    Raises:
        UsageError: There is no step, one is written as an input, or there is nothing to train
            or to save.
    """
    for word in flags.inputs.inputs or ():
        fix = whole_step_fix(word) if word.startswith(MARK) else None
        if fix is not None and not os.path.lexists(word):
            raise UsageError(f"no input {shown(word)!r}", fix)
    if not flags.steps:
        example = "poolnorm pipe x.npy -o y.npy ! pool max --pool-size 2 ! bn ! gpool average"
        raise UsageError("pipe without a layer", f"add steps, as {example}")
    if flags.training.training and not any(issubclass(s.kind, Trainable) for s in flags.steps):
        raise UsageError("--training without a step that is trained", "add ! bn, or leave it out")
    if flags.weights.save_weights is not None and not any(s.kind.weight_names for s in flags.steps):
        what = "--save-weights without a step that has weights"
        raise UsageError(what, "add ! bn, or leave it out")
