"""`pipe`: several layers in one pass over the inputs, with no tensor in between."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from poolnorm_cli.cli.command import Command
from poolnorm_cli.cli.pipe_flags import PipeFlags
from poolnorm_cli.cli.pipe_recipe import saved_recipe, with_recipe
from poolnorm_cli.cli.pipe_report import PipeReport
from poolnorm_cli.cli.pipe_setup import (
    MadeStep,
    check_steps,
    locked_steps,
    made_steps,
    pipeline_job,
    pipeline_of_steps,
)
from poolnorm_cli.cli.pipe_steps import LayerStep, TeeStep, TypedStep
from poolnorm_cli.cli.run_one import OneInput, has_one_input, one_input
from poolnorm_cli.cli.verb_layer import check_training, shows_values
from poolnorm_cli.errors import UsageError
from poolnorm_cli.report.emit import note
from poolnorm_cli.tensors.names import STDIN
from poolnorm_cli.values import replace


if TYPE_CHECKING:
    from poolnorm_cli.cli.run_batch import ManyInputs
    from poolnorm_cli.engine.pipeline_job import PipelineJob
    from poolnorm_cli.engine.pipeline_run import Tee
    from poolnorm_cli.layers.pipeline import Pipeline
    from poolnorm_cli.tensors.sources import FirstInput


def _run(flags: PipeFlags, steps: Sequence[TypedStep] = ()) -> int:
    """Make the layers, and run them."""
    steps = with_recipe(flags, steps)
    layers = tuple(step for step in steps if isinstance(step, LayerStep))
    flags = replace(flags, steps=layers)
    check_steps(flags)
    first = flags.first_input()
    made = made_steps(flags, first)
    trains = any(each.flags.training.training for each in made)
    flags = replace(flags, training=replace(flags.training, training=trains))
    if trains:
        check_training(flags)
    code = _run_and_write(made, steps, flags, first)
    if not code and (flags.pictures.is_wanted or any(step.parameters for step in layers)):
        _note_idle(made, flags)  # at the end: a refusal is one line
    return code


def _run_and_write(
    made: Sequence[MadeStep], steps: Sequence[TypedStep], flags: PipeFlags, first: "FirstInput"
) -> int:
    """Run the steps, or write them as a recipe or a program; return the exit code."""
    tees, wants_program = _tees(steps), flags.wants_program
    with saved_recipe(made, steps, flags) as keep_recipe:
        if flags.recipe.save_recipe is not None and not _has_inputs(flags) and not wants_program:
            keep_recipe()
            return 0
        run = _one_or_many(pipeline_of_steps(made), flags, first, tees)
        if not wants_program:
            return _run_on(run, made, tees, flags, keep_recipe)
        from poolnorm_cli.cli.pipe_programs import print_pipe_programs

        print_pipe_programs(made, flags, run.first)
        keep_recipe()
    return 0


def _note_idle(made: Sequence[MadeStep], flags: PipeFlags) -> None:
    """Say which parameters of steps and which flags of pictures do nothing in this run."""
    from poolnorm_cli.cli.idle_flags import idle_steps_note

    saved = flags.weights.save_weights
    is_kept = flags.recipe != type(flags.recipe)() or flags.export.export is not None
    steps = []
    for typed, each in zip(() if is_kept else flags.steps, made, strict=not is_kept):
        own = each.flags
        if saved is not None:
            own = replace(own, weights=replace(own.weights, save_weights=saved))
        steps.append((typed.title, each.step.layer, typed.parameters, own))
    if text := idle_steps_note(steps, flags):
        note(text, flags.printing.style())


def _has_inputs(flags: PipeFlags) -> bool:
    return bool(flags.inputs.inputs) or flags.inputs.files_from is not None


def _tees(steps: Sequence[TypedStep]) -> "list[Tee]":
    """Return the steps that write, each with the number of layers before it."""
    if not any(isinstance(step, TeeStep) for step in steps):
        return []
    from poolnorm_cli.engine.pipeline_run import Tee

    found, layers = [], 0
    for step in steps:
        if isinstance(step, TeeStep):
            found.append(Tee(step.number, layers, step.target))
        else:
            layers += 1
    return found


def _one_or_many(
    pipeline: "Pipeline", flags: PipeFlags, first: "FirstInput", tees: "Sequence[Tee]"
) -> "OneInput | ManyInputs":
    if not tees and has_one_input(pipeline, flags):
        return one_input(pipeline, flags, first)
    from poolnorm_cli.cli.run_batch import many_inputs

    return many_inputs(pipeline, flags, first, [tee.target for tee in tees])


def _run_on(
    run: "OneInput | ManyInputs",
    made: Sequence[MadeStep],
    tees: "Sequence[Tee]",
    flags: PipeFlags,
    on_start: Callable[[], None],
) -> int:
    """Run the steps, or say what a run would do; save their weights after it.

    `on_start` is called once nothing is refused.
    """
    style = flags.printing.style(
        precision=flags.values.precision,
        to_stderr=flags.outputs.output == STDIN,
        values=bool(flags.values.values),
    )
    pipeline = pipeline_of_steps(made)
    pictures = None
    if flags.pictures.is_wanted:
        from poolnorm_cli.cli.layer_pictures import layer_pictures

        pictures = layer_pictures(pipeline, flags, run.words, style)
    reporter = PipeReport(pipeline, style, pictures, steps=len(run.words) == 1)
    with locked_steps(made, flags) as held:
        if not tees and not shows_values(flags):
            from poolnorm_cli.cli.without_numpy import buffer_pipeline

            typed = [(each.step, each.checkpoint, each.flags, each.needed_rank) for each in held]
            arrays = partial(pipeline_job, held, tees, flags)
            plain = buffer_pipeline(typed, flags, run, arrays)
            if plain is not None:
                code = plain(reporter, on_start)
                reporter.close()
                return code
        job = pipeline_job(held, tees, flags)
        if pictures is not None:
            job = replace(job, pictures=pictures.wanted)
        if flags.batch.dry_run:
            on_start()
            return run.dry_run(job)
        code = _run_job(run, job, flags, reporter, on_start)
        if not code:
            save_weights(job, held, flags, reporter)
    reporter.close()
    return code


def _run_job(
    run: "OneInput | ManyInputs",
    job: "PipelineJob",
    flags: PipeFlags,
    reporter: PipeReport,
    on_start: Callable[[], None],
) -> int:
    """Run a job, with the file of its graph around it, where one is wanted; or make that alone."""
    if flags.export.export is None:
        code = run.run(job, reporter, on_start)
    else:
        from poolnorm_cli.cli.exporting import exporting, only_a_graph, report_graph

        with exporting(flags, job, run.first) as tensor:
            if only_a_graph(flags):
                on_start()
                report_graph(flags, job, tensor, reporter)
                return 0
            code = run.run(job, reporter, on_start)
    if flags.backend.profile:
        _report_profile(job, reporter)
    return code


def _report_profile(job: "PipelineJob", reporter: PipeReport) -> None:
    from poolnorm_cli.engine.profile import Profiler

    if isinstance(job.profiler, Profiler):
        reporter.profiled(job.profiler.profile())


def save_weights(
    job: "PipelineJob", made: Sequence[MadeStep], flags: PipeFlags, reporter: PipeReport
) -> None:
    """Write the weights as the run has left them, where that is wanted: of all steps, and of each.

    Args:
        job: What was run.
        made: Its steps.
        flags: What was typed.
        reporter: Told of the weights that constraints have projected.

    Raises:
        PoolnormError: There are none, or they cannot be written.
    """
    every = flags.weights.save_weights
    if every is None and all(each.flags.weights.save_weights is None for each in made):
        return
    from poolnorm_cli.weights.npz import save

    def write(file: str, weights: "dict[str, object]", *, in_place: bool) -> None:
        if not weights:
            raise UsageError("no weights to save", "give an input, and a step that has weights")
        target = os.path.realpath(file) if in_place else file
        overwrite = flags.outputs.overwrite or in_place
        save(target, weights, overwrite=overwrite, sync=flags.synced)  # type: ignore[arg-type]

    collected: dict[str, object] = {}
    for (step, own), each in zip(job.steps, made, strict=True):
        if not step.layer.weight_names:
            continue
        constrained = own.constrained_weights
        weights = (own.state.trained or {}) | constrained
        collected |= {f"{step.name}/{name}": weight for name, weight in weights.items()}
        files = each.flags.weights
        if files.save_weights is not None:
            write(files.save_weights, dict(weights), in_place=files.in_place)
        if constrained:
            reporter.projected_step(step.name, constrained)
    if every is not None:
        write(every, collected, in_place=flags.weights.in_place)


NODE = Command(
    groups=PipeFlags,
    text="Run several layers in one pass, with no tensor in between.\n\n"
    "A step is a layer verb with its own flags, or tee FILE, which writes what passes.\n\n"
    "Example: poolnorm pipe x.npy -o y.npy ! pool max --pool-size 2 ! bn --weights bn.npz "
    "! gpool average",
    action=_run,
    without=["steps", "definition"],
    takes_steps=True,
)
