"""What a layer verb does: open, run, write, report."""

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from poolnorm_cli.cli.backend_flags import Engine, say
from poolnorm_cli.cli.batch_flags import Batch, FileInputs
from poolnorm_cli.cli.checkpoint import Checkpoint
from poolnorm_cli.cli.definition import only_a_call, saved_config
from poolnorm_cli.cli.exporting import exporting, only_a_graph, report_graph
from poolnorm_cli.cli.file_flags import Prepared, check_folded, prepared, synced
from poolnorm_cli.cli.flag_groups import (
    Given,
    Inputs,
    Mask,
    Outputs,
    Printing,
    Training,
    Values,
    WeightFiles,
)
from poolnorm_cli.cli.run_batch import open_journal, unverified
from poolnorm_cli.cli.weight_files import save_weights, weights_of
from poolnorm_cli.errors import PoolnormError, UsageError
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.report.reporter import open_reporter
from poolnorm_cli.tensors.formats import NPZ, format_of


if TYPE_CHECKING:
    from collections.abc import Iterator

    from poolnorm_cli.batch.inputs import Input
    from poolnorm_cli.batch.plan import Plan
    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.report.estimates import Estimates
    from poolnorm_cli.tensors.tensor import Tensor
    from poolnorm_cli.weights.fit import Weights


def run_layer(layer: Layer, given: Given) -> int:
    """Run a layer as the flags say, and return the exit code.

    Raises:
        PoolnormError: A fault of the whole run, or of its only input.
    """
    if given[Training].training:
        _check_training(given)
    plan = _plan(layer, given)
    run = prepared(plan, layer, given)
    with saved_config(layer, given, plan.sources[0].word) as keep_config:
        if only_a_call(layer, given, [source.word for source in plan.sources]):
            keep_config()
            return 0
        return _run(layer, given, plan, run, keep_config)


def _run(
    layer: Layer, given: Given, plan: "Plan", run: Prepared, keep_config: Callable[[], None]
) -> int:
    """Run a layer; `keep_config` gives the file of its definition its name, once it is begun."""
    from poolnorm_cli.cli.run_batch import run_batch
    from poolnorm_cli.engine.profile import Clock

    outputs = given[Outputs]
    to_stderr = outputs.output == "-"
    style = given[Printing].style(precision=given[Values].precision, to_stderr=to_stderr)
    reporter = open_reporter(layer, style)
    with weights_of(layer, given) as weights:
        job = _job(layer, weights, given)
        if given[Batch].dry_run:
            keep_config()
            return dry_run(plan, run, job, given)
        code = 0
        with exporting(given, job, plan.sources[0].word) as tensor:
            if tensor and only_a_graph(given):
                keep_config()
                report_graph(given, job, tensor, reporter)
            else:
                code = run_batch(plan, run, job, reporter, given, begins=keep_config)
                if isinstance(job.clock, Clock):
                    reporter.profiled(job.clock.profile())
        if not code:
            save_weights(job, given, reporter)
    reporter.close()
    return code


def _job(layer: Layer, weights: "Weights | None", given: Given) -> "Job":
    from poolnorm_cli.engine.job import Job, load_constants
    from poolnorm_cli.engine.masks import MaskFile
    from poolnorm_cli.engine.profile import UNCLOCKED, Clock
    from poolnorm_cli.engine.threads import default_threads
    from poolnorm_cli.engine.training import TrainingState

    mask, engine = given[Mask].mask, given[Engine]
    if mask is not None and not given[Printing].quiet:
        _note_mask(layer, mask, training=given[Training].training)
    return Job(
        layer.with_arrays(load_constants),
        TrainingState(weights, is_saved=given[WeightFiles].save_weights is not None),
        given[Training].training,
        given[Outputs].dtype,
        preview=_shown(given),
        explain=given[Values].explain,
        mask=None if mask is None else MaskFile(mask),
        backend=engine.open(given[Printing].verbose),
        threads=engine.lanes or default_threads(),
        memory=engine.memory(1),
        clock=Clock() if engine.profile else UNCLOCKED,
        rank=entry.needed_rank if (entry := given[Checkpoint].entry) else None,
    )


def _note_mask(layer: Layer, word: str, *, training: bool) -> None:
    """Say where a mask does not do what one may expect of it."""
    from poolnorm_cli.engine.masks import MaskFile

    ignored = layer.ignores_mask(training=training)
    note = f"--mask makes no difference: {ignored}" if ignored else None
    with suppress(PoolnormError):  # a mask that cannot be read is told when its turn comes
        note = note or layer.mask_note(MaskFile(word).shape)
    if note:
        say(f"note: {note}")


def _check_training(given: Given) -> None:
    """Refuse to train on a part of the inputs."""
    flags = {
        "--skip-existing": given[Outputs].skip_existing,
        "--resume": given[Batch].resumes,
        "--shard": given[FileInputs].shard,
    }
    for flag, is_given in flags.items():
        if is_given:
            raise UsageError(f"{flag} with --training", "a skipped batch would not be counted")


def _plan(layer: Layer, given: Given) -> "Plan":
    from poolnorm_cli.backends import ignore
    from poolnorm_cli.batch.inputs import Shard, expand, listed
    from poolnorm_cli.batch.plan import Plan

    outputs, inputs = given[Outputs], given[FileInputs]
    words = list(inputs.inputs or ())
    more = []
    if inputs.files_from is not None:
        more = listed(inputs.files_from, null=inputs.null)
    if not (words or more):
        told = "missing argument 'INPUT...'"
        if inputs.files_from is not None:
            told = f"--files-from {inputs.files_from} names no input"
        raise UsageError(told, f"type poolnorm {layer.words} --help")
    sources = expand(
        words,
        recursive=inputs.recursive,
        relative_to=inputs.relative_to,
        without=outputs.output_dir,
        listed=more,
        tell=ignore if given[Printing].quiet else say,
    )
    return Plan(
        sources=list(sources),
        key=inputs.key,
        op=layer.words.replace(" ", "_"),
        output=outputs.output,
        directory=outputs.output_dir,
        template=outputs.output_name,
        bfloat16=outputs.dtype == "bfloat16",
        overwrite=outputs.overwrite,
        skip_existing=outputs.skip_existing,
        sync=synced(given),
        shard=Shard.parse(inputs.shard) if inputs.shard is not None else None,
        limit=given[Engine].memory(1),
    )


def _shown(given: Given) -> bool:
    """Whether values are printed: where nothing is written, unless a flag says otherwise."""
    printing, outputs = given[Printing], given[Outputs]
    if printing.quiet and not printing.json:
        return False
    if given[Values].values is not None:
        return bool(given[Values].values)
    return outputs.output is None and outputs.output_dir is None


def dry_run(plan: "Plan", prepared: Prepared, job: "Job", given: Given) -> int:
    """Say what a run would do, and return the exit code that the headers would give it.

    Args:
        plan: How inputs are read and outputs written.
        prepared: Which there are.
        job: What would be done to each.
        given: The flags.

    Raises:
        PoolnormError: The fault of the only input, or of the whole run.
    """
    from poolnorm_cli.report.estimates import Estimates

    report = Estimates(job.layer, given[Printing].style())
    with open_journal(plan, job, given) as journal:
        inputs, failed = prepared.inputs, 0
        if journal is not None:
            unverified(plan, prepared, journal)
        for item in inputs:
            known = journal.ending(item) if journal else None
            if plan.skips(item) or (known and known.skipped):
                continue
            try:
                if error := item.error or (known and known.error):
                    raise error
                _add(report, plan, job, item)
            except PoolnormError as error:
                if len(inputs) == 1:
                    raise
                report.failed(item.name, error)
                failed += 1
    report.close()
    return 1 if failed else 0


def _add(report: "Estimates", plan: "Plan", job: "Job", item: "Input") -> None:
    from poolnorm_cli.batch.estimate import estimates

    for estimate in estimates(plan, job, item):
        report.add(estimate)


def run_fold(layer: Layer, given: Given) -> int:
    """Fold a layer as the flags say, and return the exit code.

    Raises:
        PoolnormError: A fault of the whole run, or of an input.
    """
    from poolnorm_cli.engine.batch_norm_folding import fold, save_folded
    from poolnorm_cli.report.folding import print_folded

    outputs, entry = given[Outputs], given[Checkpoint].entry
    if entry is None:
        raise UsageError("--fold without --weights", "give the weights to fold")
    if given[Training].training or given[WeightFiles].save_weights:
        flag = "--training" if given[Training].training else "--save-weights"
        raise UsageError(f"--fold with {flag}", "leave one out: what is folded is inference")
    if outputs.output_dir is not None:
        raise UsageError("--fold with --output-dir", "give -o FILE.npz for scale and shift")
    check_folded(layer, given)
    weights = entry.take(layer, layer.weight_shapes(entry.input_shape(layer)), training=False)
    folded = fold(layer, weights, _tensors(given))
    if outputs.output is not None:
        if format_of(outputs.output) is not NPZ:
            raise UsageError(f"--fold with -o {outputs.output}", "give -o FILE.npz")
        save_folded(folded, outputs.output, overwrite=outputs.overwrite, sync=bool(outputs.sync))
    print_folded(layer, folded, given[Printing].style(precision=given[Values].precision))
    return 0


def _tensors(given: Given) -> "Iterator[Tensor]":
    from poolnorm_cli.tensors.sources import open_tensors

    for word in given[Inputs].inputs or ():
        yield from open_tensors(word, given[Inputs].key, given[Outputs].dtype == "bfloat16")
