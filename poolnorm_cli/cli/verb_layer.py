"""The layer verbs, `pool`, `bn` and whatever else `LAYERS` names: open, run, write, report."""

from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from poolnorm_cli.cli.checkpoint import (
    Checkpoint,
    layer_from_files,
    locked_checkpoint,
    read_weights,
    save_weights,
)
from poolnorm_cli.cli.command import Command
from poolnorm_cli.cli.file_flags import check_files
from poolnorm_cli.cli.layer_flags import LayerFlags
from poolnorm_cli.cli.layer_report import LayerReport
from poolnorm_cli.cli.run_one import OneInput, has_one_input, one_input
from poolnorm_cli.errors import PoolnormError, UsageError
from poolnorm_cli.layers import find
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.maskable import Maskable, require_maskable
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.report.emit import note, prints_notes, prints_values
from poolnorm_cli.report.rows import print_note
from poolnorm_cli.tensors.file_roles import Role
from poolnorm_cli.tensors.formats import NPZ, format_of
from poolnorm_cli.tensors.names import STDIN
from poolnorm_cli.values import replace


if TYPE_CHECKING:
    from collections.abc import Iterator

    from poolnorm_cli.cli.run_batch import ManyInputs
    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.engine.masks import MaskFile
    from poolnorm_cli.tensors.sources import FirstInput
    from poolnorm_cli.tensors.tensor import Tensor


_REFUSED = 2
"""The first of the exit codes of a run that was not made."""


def layer_command(name: str) -> Command:
    """Make the command that runs a layer."""
    return command_of(name, find(*name.split()))


def command_of(name: str, layer: type[Layer]) -> Command:
    """Make the command that runs a layer of some class.

    Args:
        name: Its words.
        layer: The class.

    Returns:
        The command, without the flags of what such a layer does not have.
    """
    takes_indices = name == "unpool"
    has = {
        "weights": bool(layer.weight_names),
        "training": issubclass(layer, Trainable),
        "folding": issubclass(layer, Trainable),
        "mask": issubclass(layer, Maskable) and not takes_indices,
        "indices": name in {"pool max", "apool max"},
        "places": takes_indices,
    }
    without = [group for group, there in has.items() if not there]
    more = ["--indices i.npy"] if takes_indices else []
    example = " ".join(["poolnorm", name, "x.npy", *more, *layer.example.split(), "-o", "y.npy"])
    text = f"{layer.__doc__}\n\nExample: {example}"
    return Command(groups=LayerFlags, text=text, action=_run, layer=layer, without=without)


def _run(kind: type[Layer], parameters: dict[str, Any], flags: LayerFlags) -> int:
    """Make the layer, and run or fold it."""
    first = flags.first_input()
    layer, checkpoint = layer_from_files(kind, parameters, flags, first)
    if layer.words == "unpool" and flags.places.indices is None and not flags.needs_no_data:
        raise UsageError("unpool without --indices", "give the file of them as --indices FILE")
    if flags.indices.indices is not None:
        from poolnorm_cli.cli.indices_file import check_indices

        check_indices(flags, first, is_alone=has_one_input(layer, flags))
    if flags.folding.fold:
        code = _fold(layer, checkpoint, flags)
    else:
        if flags.training.training:
            check_training(flags)
        run = _one_or_many(layer, flags, first)
        code = _run_and_define(run, layer, checkpoint, flags)
    if code < _REFUSED and ((parameters and layer.weight_names) or flags.has_extras):
        from poolnorm_cli.cli.idle_flags import idle_note

        if text := idle_note(layer, parameters, flags):
            note(text, flags.printing.style())  # at the end: a refusal is one line
    return code


def _run_and_define(
    run: "OneInput | ManyInputs", layer: Layer, checkpoint: Checkpoint, flags: LayerFlags
) -> int:
    """Run a layer, or write it down as a config or a program, or both; return the exit code."""
    wants_program = flags.wants_program
    if flags.definition.save_config is None and not wants_program:
        return _run_on(run, layer, checkpoint, flags)
    from poolnorm_cli.cli.exporting import print_programs, saved_config

    with saved_config(layer, flags, run.first) as keep_config:
        if not wants_program and (run.first.has_data or flags.export.export is not None):
            return _run_on(run, layer, checkpoint, flags, keep_config)
        if wants_program:
            print_programs(layer, checkpoint, flags, run.words, run.first)
        keep_config()
    return 0


def _one_or_many(layer: Layer, flags: LayerFlags, first: "FirstInput") -> "OneInput | ManyInputs":
    """Decide, once, whether there is one input: then nothing that is for many is passed through."""
    if has_one_input(layer, flags):
        return one_input(layer, flags, first)
    from poolnorm_cli.cli.run_batch import many_inputs

    return many_inputs(layer, flags, first)


def _run_on(
    run: "OneInput | ManyInputs",
    layer: Layer,
    checkpoint: Checkpoint,
    flags: LayerFlags,
    on_start: Callable[[], None] | None = None,
) -> int:
    """Run a layer, or say what a run would do; `on_start` is called once nothing is refused."""
    style = flags.printing.style(
        precision=flags.values.precision,
        to_stderr=flags.outputs.output == STDIN,
        values=bool(flags.values.values),
    )
    pictures = None
    if flags.pictures.is_wanted:
        from poolnorm_cli.cli.layer_pictures import layer_pictures

        pictures = layer_pictures(layer, flags, run.words, style)
    reporter = LayerReport(layer, style, pictures)
    saves = flags.weights.save_weights is not None
    lock = locked_checkpoint(layer, checkpoint, flags) if saves else nullcontext(checkpoint)
    with lock as held:
        if not shows_values(flags):
            from poolnorm_cli.cli.without_numpy import buffer_job

            arrays = partial(_job, layer, held, flags, run.first)
            plain = buffer_job(layer, held, flags, run, arrays)
            if plain is not None:
                code = plain(reporter, on_start)
                reporter.close()
                return code
        job = _job(layer, held, flags, run.first)
        if pictures is not None:
            job = replace(job, pictures=pictures.wanted)
        if flags.batch.dry_run:
            if on_start is not None:
                on_start()
            return run.dry_run(job)
        code = _run_job(run, job, flags, reporter, on_start)
        if saves and not code:
            save_weights(job, flags, reporter)
    reporter.close()
    return code


def _run_job(
    run: "OneInput | ManyInputs",
    job: "Job",
    flags: LayerFlags,
    reporter: LayerReport,
    on_start: Callable[[], None] | None,
) -> int:
    """Run a job, with the file of its graph around it, where one is wanted; or make that alone."""
    from poolnorm_cli.engine.profile import Profiler

    if flags.export.export is None:
        code = run.run(job, reporter, on_start)
    else:
        from poolnorm_cli.cli.exporting import exporting, only_a_graph, report_graph

        with exporting(flags, job, run.first) as tensor:
            if only_a_graph(flags):
                if on_start is not None:
                    on_start()
                report_graph(flags, job, tensor, reporter)
                return 0
            code = run.run(job, reporter, on_start)
    if isinstance(job.profiler, Profiler):
        reporter.profiled(job.profiler.profile())
    return code


def _job(layer: Layer, checkpoint: Checkpoint, flags: LayerFlags, first: "FirstInput") -> "Job":
    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.engine.profile import NO_PROFILER, Profiler
    from poolnorm_cli.engine.training import TrainingState, with_constants

    weights = None if checkpoint.entry is None else read_weights(layer, checkpoint, flags, first)
    backend = flags.backend
    return Job(
        with_constants(layer),
        TrainingState(weights, is_saved=flags.weights.save_weights is not None),
        flags.training.training,
        flags.outputs.dtype,
        preview=shows_values(flags),
        explain=flags.values.explain,
        mask=_second_input(layer, flags),
        backend=backend.open(flags.printing.notify_details),
        threads=backend.thread_count,
        memory=backend.memory(1),
        profiler=Profiler() if backend.profile else NO_PROFILER,
        rank=entry.needed_rank if (entry := checkpoint.entry) else None,
        unbatched=flags.inputs.unbatched,
    )


def _second_input(layer: Layer, flags: LayerFlags) -> "MaskFile | None":
    """Open the mask, or the indices of a layer that takes them; None without."""
    if flags.mask.mask is not None:
        return open_mask(layer, flags.mask.mask, flags)
    if (word := flags.places.indices) is None:
        return None
    from poolnorm_cli.engine.indices import IndicesFile

    return IndicesFile(word, flags.inputs.unbatched)


def open_mask(layer: Layer, word: str, flags: LayerFlags) -> "MaskFile":
    """Open the mask, and say where it does not do what one may expect of it.

    Args:
        layer: What is run under it.
        word: The file, or `file.npz::NAME`.
        flags: What was typed.

    Returns:
        The mask.

    Raises:
        UsageError: The layer takes none.
    """
    from poolnorm_cli.engine.masks import MaskFile

    mask = MaskFile(word, flags.inputs.unbatched)
    if prints_notes(flags.printing.style()):
        maskable = require_maskable(layer, ())
        ignored = maskable.ignores_mask(training=flags.training.training)
        text = f"--mask makes no difference: {ignored}" if ignored else None
        with suppress(PoolnormError):  # one that cannot be read is refused when it is needed
            text = text or maskable.mask_note(mask.shape)
        if text:
            print_note(text, flags.printing.color)
    return mask


def check_training(flags: LayerFlags) -> None:
    """Refuse to train on a part of the inputs.

    Raises:
        UsageError: A flag asks for that.
    """
    refused = {
        "--skip-existing": flags.outputs.skip_existing,
        "--resume": flags.batch.resumes,
        "--shard": flags.inputs.shard,
    }
    for flag, is_given in refused.items():
        if is_given:
            raise UsageError(f"{flag} with --training", "a skipped batch would not be counted")


def shows_values(flags: LayerFlags) -> bool:
    """Whether values are printed: where nothing is written, unless a flag says otherwise."""
    outputs = flags.outputs
    if not prints_values(flags.printing.style()):
        return False
    if flags.values.values is not None:
        return bool(flags.values.values)
    if flags.pictures.show:
        return False
    return outputs.output is None and outputs.output_dir is None


def _fold(layer: Layer, checkpoint: Checkpoint, flags: LayerFlags) -> int:
    """Fold a layer as the flags say, and return the exit code."""
    from poolnorm_cli.cli.folded_report import emit_folded
    from poolnorm_cli.engine.batch_norm_folding import fold, save_folded

    outputs, entry = flags.outputs, checkpoint.entry
    if entry is None:
        raise UsageError("--fold without --weights", "give the weights to fold")
    if flags.training.training or flags.weights.save_weights:
        flag = "--training" if flags.training.training else "--save-weights"
        raise UsageError(f"--fold with {flag}", "leave one out: what is folded is inference")
    if outputs.output_dir is not None:
        raise UsageError("--fold with --output-dir", "give -o FILE.npz for scale and shift")
    own = Role("--output", outputs.output, written=True) if outputs.output is not None else None
    check_files(layer, flags, own, flags.inputs.inputs or ())
    shapes = layer.weight_shapes(entry.input_shape(layer))
    weights = entry.read_weights(layer, shapes, training=False)
    folded = fold(layer, weights, _tensors(flags))
    if outputs.output is not None:
        if format_of(outputs.output) is not NPZ:
            raise UsageError(f"--fold with -o {outputs.output}", "give -o FILE.npz")
        save_folded(folded, outputs.output, overwrite=outputs.overwrite, sync=bool(outputs.sync))
    emit_folded(layer, folded, flags.printing.style(precision=flags.values.precision))
    return 0


def _tensors(flags: LayerFlags) -> "Iterator[Tensor]":
    from poolnorm_cli.tensors.sources import open_tensors
    from poolnorm_cli.tensors.tensor import with_batch_axis

    for name in flags.inputs.inputs or ():
        opened = open_tensors(name, flags.inputs.key, flags.outputs.dtype == "bfloat16")
        yield from with_batch_axis(opened) if flags.inputs.unbatched else opened
