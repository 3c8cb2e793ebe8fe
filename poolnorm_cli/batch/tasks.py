"""What is done at one go, here or in a worker, and what comes of it."""

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from poolnorm_cli.batch.file_table import FileTable
from poolnorm_cli.errors import OutputError, PoolnormError
from poolnorm_cli.urls import is_url
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.batch.file_parts import Part
    from poolnorm_cli.batch.fingerprints import Stamp
    from poolnorm_cli.batch.inputs import Input
    from poolnorm_cli.batch.plan import Plan
    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.engine.outcome import Outcome
    from poolnorm_cli.engine.training import BatchStatistics, TrainingStep
    from poolnorm_cli.tensors.atomic import AtomicFile


@frozen
class Task:
    """An item, or a step of one.

    Attributes:
        number: The place of the item among all.
        item: What is read and written.
        gathers: Only gather what has to be known before the outputs.
        turns: What was made of that, one for each tensor; None where the job does it itself.
        part: The samples to which the step is confined; None for all.
        again: The output may be there already: from an attempt that was not heard of, or from
            an earlier part of the run.
    """

    number: int
    item: "Input"
    gathers: bool = False
    turns: "tuple[TrainingStep, ...] | None" = None
    part: "Part | None" = None
    again: bool = False


@frozen
class Fingerprint:
    """What a file is known by.

    Attributes:
        stamp: Its size, and the time of its last change.
        sha256: The checksum of its bytes, in hexadecimal.
    """

    stamp: "Stamp"
    sha256: str


@frozen
class Result:
    """What came of a task.

    Attributes:
        seconds: The time it took.
        outcomes: What came of each tensor.
        gathered: What was gathered of each tensor.
        fingerprint: The output, where that was asked for.
        error: Why it failed; None where it did not.
    """

    seconds: float = 0.0
    outcomes: "tuple[Outcome, ...]" = ()
    gathered: "tuple[BatchStatistics, ...]" = ()
    fingerprint: Fingerprint | None = None
    error: PoolnormError | None = None


@frozen
class Work:
    """What all tasks of a run have in common.

    Attributes:
        plan: The inputs and outputs.
        job: What is done to each.
        checksums: Whether outputs are read again for their checksums.
    """

    plan: "Plan"
    job: "Job"
    checksums: bool = False

    def portable(self) -> "Work":
        """Return what another process needs of it: not the names of all inputs."""
        return replace(self, plan=replace(self.plan, sources=(), table=FileTable(), keep=None))

    def perform_safely(self, task: Task) -> Result:
        """Do a task as `perform`, but let no fault out: one input's are not the others'."""
        try:
            return self.perform(task)
        except Exception as error:  # noqa: BLE001 - as said
            told = f"{type(error).__name__}: {error}"
            return Result(
                error=PoolnormError.at(
                    task.item.name, told, "this is a bug: --jobs 1 -vv shows where"
                )
            )

    def perform(self, task: Task) -> Result:
        """Do a task; what is the matter with its input is in the result, not raised."""
        began = time.perf_counter()
        try:
            return self._perform(task, began)
        except PoolnormError as error:
            result = Result(error=error)
        except MemoryError:
            fix = "free some, or give a smaller --jobs"
            result = Result(error=PoolnormError.at(task.item.name, "out of memory", fix))
        return replace(result, seconds=time.perf_counter() - began)

    def _perform(self, task: Task, began: float) -> Result:
        if task.part is not None:
            return replace(task.part.perform(self, task), seconds=time.perf_counter() - began)
        item = task.item
        if task.gathers:
            tensors = self.plan.tensors(item)
            gathered = tuple(self.job.gather(tensor) for tensor in tensors)
            return Result(time.perf_counter() - began, gathered=gathered)
        plan = replace(self.plan, overwrite=True) if task.again else self.plan
        outcomes = tuple(plan.run(item, self.job, task.turns))
        return Result(time.perf_counter() - began, outcomes)


def fingerprint_of(file: "AtomicFile") -> Fingerprint:
    """Read an output that is whole, and has no name yet, for what it is known by.

    Raises:
        OutputError: The disk fails.
    """
    try:
        return _fingerprint_in(file.fileno())
    except OSError as error:
        raise file.failed(error) from error


def fingerprint_at(target: str) -> Fingerprint:
    """Read an output for what it is known by.

    Raises:
        OSError: It cannot be read.
        OutputError: The same, of one at a URL.
    """
    if is_url(target):
        from poolnorm_cli.tensors.cloud import checksum_at, stamp_at

        return Fingerprint(stamp_at(target, OutputError), checksum_at(target)[1])
    fd = os.open(target, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return _fingerprint_in(fd)
    finally:
        os.close(fd)


def _fingerprint_in(fd: int) -> Fingerprint:
    import hashlib

    with open(fd, "rb", buffering=0, closefd=False) as file:
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    seen = os.fstat(fd)
    return Fingerprint((seen.st_size, seen.st_mtime_ns), digest)
