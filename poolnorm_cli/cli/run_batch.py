"""How the inputs of a run are worked on, as the flags about many inputs say."""

from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import TYPE_CHECKING

from poolnorm_cli.batch import batch as runs
from poolnorm_cli.batch.executors import Serial
from poolnorm_cli.batch.inputs import directories
from poolnorm_cli.batch.tasks import Work
from poolnorm_cli.cli.backend_flags import BackendFlags, say
from poolnorm_cli.cli.batch_flags import BatchFlags
from poolnorm_cli.cli.file_flags import Prepared
from poolnorm_cli.cli.layer_flags import LayerFlags
from poolnorm_cli.errors import UsageError
from poolnorm_cli.machine import processors
from poolnorm_cli.report.progress import open_progress
from poolnorm_cli.report.reporter import Reporter
from poolnorm_cli.tensors.atomic import remove_leftovers


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from poolnorm_cli.batch.executors import Executor
    from poolnorm_cli.batch.inputs import Input
    from poolnorm_cli.batch.journal import Journal
    from poolnorm_cli.batch.plan import Plan
    from poolnorm_cli.batch.stages import InputResult
    from poolnorm_cli.engine.job import Job


def run_batch(
    plan: "Plan",
    prepared: Prepared,
    job: "Job",
    reporter: Reporter,
    flags: LayerFlags,
    *,
    begins: "Callable[[], None]",
) -> int:
    """Run every input, and return the exit code: 1 if one failed, or its own with --fail-fast.

    What would befall all others too, as a full disk, ends the run with its own code. In training, a
    batch that failed would be missing from the moving statistics: it ends the run.

    Args:
        plan: How inputs are read and outputs written.
        prepared: Which there are.
        job: What is done to each.
        reporter: Told of each.
        flags: What a person typed.
        begins: Called when nothing is refused any more, before anything is written.

    Raises:
        PoolnormError: A fault of the whole run, or of its only input.
    """
    with ExitStack() as stack:
        journal = stack.enter_context(open_journal(plan, job, flags))
        inputs, work = prepared.inputs, Work(plan, job, checksums=journal is not None)
        for note in plan.notes:
            reporter.noted(note)
        if job.is_synchronized:
            _check_streams(inputs, "--synchronized")
        if journal is not None:
            _check_streams(inputs, "--journal")
            known = _resumed(work, prepared, journal)
            journal.start(len(inputs))
            for ending in known:
                journal.adopt(ending)
        begins()
        if plan.directory is not None and len(inputs) > 1:
            remove_leftovers(directories(inputs))
        progress = open_progress(flags.batch.progress, quiet=flags.printing.quiet)
        run = runs.Batch(
            work,
            inputs,
            executor_for(work, inputs, flags.batch, flags.backend),
            reporter,
            stops=flags.outputs.fail_fast or flags.training.training,
            fails=None if flags.outputs.fail_fast else 1,
            journal=journal,
            counted=progress.counted,
        )
        stack.callback(lambda: progress.close(run.counts, summary=_summarized(flags, run.counts)))
        return run.run()


def _resumed(work: Work, prepared: Prepared, journal: "Journal") -> "list[InputResult]":
    """Return what came of inputs whose output is there without a line: all others are verified.

    Raises:
        UsageError: An output is there that is not of this run.
    """
    doubtful = unverified(work.plan, prepared, journal)
    if not doubtful:
        return []
    from poolnorm_cli.batch.verification import verified

    return verified(work, journal, doubtful)


def unverified(plan: "Plan", prepared: Prepared, journal: "Journal") -> "list[Input]":
    """Return the inputs whose output is there, and may be of a run that was killed.

    Raises:
        UsageError: One cannot, since no such run has begun in this journal.
    """
    if plan.replaces:
        return []
    doubtful = [item for item in prepared.there if not journal.owns(item)]
    if doubtful and not journal.begun:
        raise plan.exists(doubtful[0], ", and no run with these parameters began in the journal")
    return doubtful


def executor_for(
    work: Work, inputs: "Sequence[Input]", batch: BatchFlags, backend: BackendFlags
) -> "Executor":
    """Choose who works: this process, several, or a cluster.

    Raises:
        UsageError: A cluster cannot work on standard streams, nor can others be profiled.
    """
    if batch.dask is not None:
        _check_streams(inputs, "--dask")
        if backend.profile:
            raise UsageError("--profile with --dask", "leave out --dask")
        from poolnorm_cli.batch.dask_executor import Cluster

        return Cluster(work, batch.dask, inputs, say)
    jobs = _jobs(inputs) if batch.jobs == "auto" else int(batch.jobs)
    if jobs == 1 or any(item.streams for item in inputs):
        return Serial(work)
    if backend.profile:
        raise UsageError(f"--profile with {jobs} processes", "give --jobs 1")
    from poolnorm_cli.batch.process_pool import Workers

    return Workers(work, jobs)


_SMALL_RUN = 16
_LARGE_BYTES = 64 << 20


def _jobs(inputs: "Sequence[Input]") -> int:
    """Count the processes that pay: one, where starting more takes longer than the work."""
    from poolnorm_cli.batch.fingerprints import stamp_of

    if len(inputs) < _SMALL_RUN:
        sizes = (stamp[0] for item in inputs if (stamp := stamp_of(item)))
        if sum(sizes) < _LARGE_BYTES:
            return 1
    return processors()


def open_journal(
    plan: "Plan", job: "Job", flags: LayerFlags
) -> "AbstractContextManager[Journal | None]":
    """Open the journal that the flags name, if any, once the weights are there.

    Raises:
        PoolnormError: It cannot be written, or is none.
    """
    batch, backend = flags.batch, flags.backend
    initial = job.state.weights is None
    if len(plan.sources) > 1 or batch.journal or batch.dask or batch.jobs != "1":
        runs.initialize_weights(plan, job)
    if batch.journal is None:
        return nullcontext()
    from poolnorm_cli.batch.fingerprints import parameters
    from poolnorm_cli.batch.journal import Journal

    weights = None if initial else job.state.trained
    params = parameters(plan, job, f"{backend.backend} {backend.provider}", weights)
    return Journal(
        batch.journal,
        params,
        resume=batch.resumes,
        retry_failed=batch.retry_failed,
        verify=batch.verify,
        sync=plan.sync,
    )


def _check_streams(inputs: "Sequence[Input]", flag: str) -> None:
    if any(item.streams for item in inputs):
        raise UsageError(f"{flag} with a standard stream", "give files")


def _summarized(flags: LayerFlags, counts: runs.Counts) -> bool:
    """Whether the end of a run is worth a line: several inputs, and not all simply done."""
    several = counts.total > 1 and counts.ended and not flags.printing.quiet
    return bool(several) and (flags.batch.journal is not None or counts.done < counts.total)
