"""A run of many inputs: who works on them, what is remembered, what is printed of the whole."""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, NamedTuple

from poolnorm_cli.batch import batch as runs
from poolnorm_cli.batch.group_commit import Serial
from poolnorm_cli.batch.inputs import Reading, Shard, directories, expand, read_list
from poolnorm_cli.batch.plan import Plan, existing
from poolnorm_cli.batch.tasks import OutputFiles, Work
from poolnorm_cli.cli.dry_run_report import DryRunReport
from poolnorm_cli.cli.file_flags import roles
from poolnorm_cli.cli.layer_flags import LayerFlags
from poolnorm_cli.cli.layer_report import LayerReport
from poolnorm_cli.cli.run_flags import BackendFlags, BatchFlags
from poolnorm_cli.cli.standard_input import missing_input
from poolnorm_cli.errors import PoolnormError, UsageError
from poolnorm_cli.report.emit import open_progress, prints_notes
from poolnorm_cli.report.rows import print_message
from poolnorm_cli.tensors.atomic import remove_leftovers
from poolnorm_cli.values import replace


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from poolnorm_cli.backends import Backend
    from poolnorm_cli.batch.inputs import Input
    from poolnorm_cli.batch.journal import Journal
    from poolnorm_cli.engine.batch_job import BatchJob
    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.layers.described import Described
    from poolnorm_cli.tensors.sources import FirstInput


class ManyInputs(NamedTuple):
    """The inputs of a run, none of whose files has two roles.

    Attributes:
        plan: How inputs are read and outputs written.
        inputs: Inputs with their outputs.
        existing: Those whose output exists.
        flags: What was typed.
        first: The first of the inputs.
    """

    plan: Plan
    inputs: "Sequence[Input]"
    existing: "Sequence[Input]"
    flags: LayerFlags
    first: "FirstInput"

    @property
    def words(self) -> list[str]:
        """The inputs as they were named."""
        return [source.word for source in self.plan.sources]

    def run(
        self,
        job: "Job | BatchJob",
        reporter: LayerReport,
        on_start: "Callable[[], None] | None",
    ) -> int:
        """Run every input, and return the exit code: 1 if one failed, or its own with --fail-fast.

        What would befall all others too, as a full disk, ends the run with its own code. In
        training, a batch that failed would be missing from the moving statistics: it ends the run.

        Args:
            job: What is done to each.
            reporter: Told of each.
            on_start: Called when nothing is refused any more, before anything is written.

        Returns:
            The exit code.

        Raises:
            PoolnormError: A fault of the whole run, or of its only input.
        """
        plan, inputs, flags = self.plan, self.inputs, self.flags
        with open_journal(plan, job, flags) as journal:
            outputs = OutputFiles(plan.directory, plan.overwrite, flags.synced)
            work = Work(job, plan.reading, outputs, checksums=journal is not None)
            for note in plan.notes:
                reporter.noted(note)
            if job.is_synchronized:
                _check_streams(inputs, "--synchronized")
            if journal is not None:
                _check_streams(inputs, "--journal")
                self._start_journal(journal, work)
            if on_start is not None:
                on_start()
            if plan.directory is not None and len(inputs) > 1:
                remove_leftovers(directories(inputs))
            return self._run_tasks(work, reporter, journal)

    def _start_journal(self, journal: "Journal", work: Work) -> None:
        """Begin a journal with the inputs whose output is there without a line, and is theirs.

        Raises:
            UsageError: An output is there that is not of this run.
        """
        from poolnorm_cli.batch.verification import unverified, verify

        known = verify(work, journal, unverified(self.plan, self.existing, journal))
        journal.start(len(self.inputs))
        for result in known:
            journal.adopt(result)

    def _run_tasks(self, work: Work, reporter: LayerReport, journal: "Journal | None") -> int:
        """Do the work, show how far it is, and return the exit code."""
        flags = self.flags
        progress = open_progress(flags.batch.progress, flags.printing.style())
        run = runs.Batch(
            self.plan,
            work,
            self.inputs,
            executor_for(work, self.inputs, flags.batch, flags.backend),
            reporter,
            fail_fast=flags.outputs.fail_fast or flags.training.training,
            failure_code=None if flags.outputs.fail_fast else 1,
            journal=journal,
            on_progress=progress.update,
        )
        try:
            return run.run()
        finally:
            progress.close(run.counts, summary=_summarized(flags, run.counts))

    def dry_run(self, job: "Job") -> int:
        """Say what a run would do, and return the exit code that the headers would give it.

        Raises:
            PoolnormError: The fault of the only input, or of the whole run.
        """
        plan, inputs, flags = self.plan, self.inputs, self.flags
        report = DryRunReport(
            job.described, flags.printing.style(), _processes(inputs, flags.batch, job.backend)
        )
        with open_journal(plan, job, flags) as journal:
            failed = 0
            if journal is not None:
                from poolnorm_cli.batch.verification import unverified

                unverified(plan, self.existing, journal)
            for item in inputs:
                known = journal.known_result(item) if journal else None
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


def many_inputs(
    layer: "Described", flags: LayerFlags, first: "FirstInput", tees: "Sequence[str]" = ()
) -> ManyInputs:
    """Decide on all outputs, and refuse what cannot be, before anything is written.

    Args:
        layer: Its parameters may be files.
        flags: What was typed.
        first: The first input that was typed, which may be a directory.
        tees: Where else something of each input is written.

    Returns:
        The inputs.

    Raises:
        UsageError: A file has two roles, or an output exists that no journal can speak for.
    """
    plan = replace(_plan(layer, flags, first), tees=tuple(tees))
    every = plan.inputs()
    inputs = plan.of_shard(every)
    there = existing(inputs)
    plan.table.add(roles(layer, flags), [source.word for source in plan.sources])
    plan.table.check(every, there)
    if not flags.batch.resumes:
        plan.refuse_existing(there)
        plan.refuse_existing_tees(inputs)
    return ManyInputs(plan, inputs, there, flags, plan.reading.first or first)


def _plan(layer: "Described", flags: LayerFlags, first: "FirstInput") -> Plan:
    from poolnorm_cli.backends import ignore

    outputs, inputs = flags.outputs, flags.inputs
    words = list(inputs.inputs or ())
    more = []
    if inputs.files_from is not None:
        more = read_list(inputs.files_from, null=inputs.null)
    if not (words or more):
        if inputs.files_from is None:
            raise missing_input(layer.words)
        what = f"--files-from {inputs.files_from} names no input"
        raise UsageError(what, f"type poolnorm {layer.words} --help")
    expanded = expand(
        words,
        recursive=inputs.recursive,
        relative_to=inputs.relative_to,
        without=outputs.output_dir,
        listed=more,
        on_note=print_message if prints_notes(flags.printing.style()) else ignore,
    )
    sources = list(expanded)
    return Plan(
        sources=sources,
        key=inputs.key,
        op=layer.words.replace(" ", "_"),
        output=outputs.output,
        directory=outputs.output_dir,
        template=outputs.output_name,
        reading=Reading(
            outputs.dtype == "bfloat16",
            flags.backend.memory(1),
            first.at(sources[0].word),
            inputs.unbatched,
        ),
        overwrite=outputs.overwrite,
        skip_existing=outputs.skip_existing,
        shard=Shard.parse(inputs.shard) if inputs.shard is not None else None,
    )


def _add(report: DryRunReport, plan: Plan, job: "Job", item: "Input") -> None:
    for tensor in plan.reading.open(item):
        report.add(job.estimate(tensor, item.target, item.shown_target))


def executor_for(
    work: Work, inputs: "Sequence[Input]", batch: BatchFlags, backend: BackendFlags
) -> runs.Executor:
    """Choose who works: this process, several, or a cluster.

    Args:
        work: What is done.
        inputs: To what.
        batch: How many processes, or which cluster.
        backend: Whether the run is profiled.

    Returns:
        The executor, which has not begun.

    Raises:
        UsageError: A cluster cannot work on standard streams, nor can others be profiled.
    """
    if batch.dask is not None:
        _check_streams(inputs, "--dask")
        if backend.profile:
            raise UsageError("--profile with --dask", "leave out --dask")
        if work.job.is_serial:
            what = "--dask with --training of a pipe, whose batches are run in order"
            raise UsageError(what, "leave out --dask")
        from poolnorm_cli.batch.dask_executor import DaskExecutor

        return DaskExecutor(work, batch.dask, inputs, print_message)
    jobs = _processes(inputs, batch, work.job.backend)
    undivided = len(inputs) == 1 and not work.job.is_divisible  # a second process has no work
    if jobs == 1 or work.job.is_serial or undivided:
        return Serial(work)
    if backend.profile:
        raise UsageError(f"--profile with {jobs} processes", "give --jobs 1")
    from poolnorm_cli.batch.process_pool import ProcessPool

    return ProcessPool(work, jobs, inputs)


def _processes(inputs: "Sequence[Input]", batch: BatchFlags, backend: "Backend") -> int:
    """Count the processes of this machine that work: only this one can use its streams."""
    if batch.jobs == "1" or any(item.uses_stream for item in inputs):
        return 1
    if batch.jobs != "auto":
        return int(batch.jobs)
    from poolnorm_cli.batch.processes import worthwhile_processes

    return worthwhile_processes(inputs, backend)


def open_journal(
    plan: Plan, job: "Job | BatchJob", flags: LayerFlags
) -> "AbstractContextManager[Journal | None]":
    """Open the journal that the flags name, if any, once the weights are there.

    Args:
        plan: How inputs are read and outputs written.
        job: What is done to each.
        flags: What was typed.

    Returns:
        The journal; None without --journal.

    Raises:
        PoolnormError: It cannot be written, or is none.
    """
    batch, backend = flags.batch, flags.backend
    given = [part.state.weights is not None for part in job.parts]
    if len(plan.sources) > 1 or batch.journal or batch.dask or batch.jobs != "1":
        runs.initialize_weights(plan, job)
    if batch.journal is None:
        return nullcontext()
    from poolnorm_cli.batch.fingerprints import parameters
    from poolnorm_cli.batch.journal import Journal

    pairs = zip(job.parts, given, strict=True)
    params = parameters(
        job.any_job(),
        [part.state.trained if was_given else None for part, was_given in pairs],
        engine=f"{backend.backend} {backend.provider}",
        key=plan.key,
        bfloat16=plan.reading.bfloat16,
    )
    return Journal(
        batch.journal,
        params,
        resume=batch.resumes,
        retry_failed=batch.retry_failed,
        verify=batch.verify,
        sync=flags.synced,
    )


def _check_streams(inputs: "Sequence[Input]", flag: str) -> None:
    if any(item.uses_stream for item in inputs):
        raise UsageError(f"{flag} with a standard stream", "give files")


def _summarized(flags: LayerFlags, counts: runs.Counts) -> bool:
    """Whether the end of a run is worth a line: several inputs, and not all simply done."""
    several = counts.total > 1 and counts.ended > 0
    return several and (flags.batch.journal is not None or counts.done < counts.total)
