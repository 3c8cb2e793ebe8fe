"""What is done at one go, here or in a worker, and what comes of it."""

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from poolnorm_cli.errors import OutputError, PoolnormError
from poolnorm_cli.tensors.sources import is_url
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.runs.files import Job
    from poolnorm_cli.runs.item import Item
    from poolnorm_cli.runs.outcome import Outcome
    from poolnorm_cli.runs.parts import Part
    from poolnorm_cli.runs.plan import Plan
    from poolnorm_cli.runs.turns import Gathered, Turn


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
    item: "Item"
    gathers: bool = False
    turns: "tuple[Turn, ...] | None" = None
    part: "Part | None" = None
    again: bool = False


@frozen
class Stored:
    """What a file is known by.

    Attributes:
        size: Its bytes.
        sha256: Their checksum, in hexadecimal.
    """

    size: int
    sha256: str


@frozen
class Result:
    """What came of a task.

    Attributes:
        seconds: The time it took.
        outcomes: What came of each tensor.
        gathered: What was gathered of each tensor.
        stored: The output, where that was asked for.
        error: Why it failed; None where it did not.
    """

    seconds: float = 0.0
    outcomes: "tuple[Outcome, ...]" = ()
    gathered: "tuple[Gathered, ...]" = ()
    stored: Stored | None = None
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
        return replace(self, plan=replace(self.plan, sources=()))

    def perform_safely(self, task: Task) -> Result:
        """Do a task as `perform`, but let no fault out: one input's are not the others'."""
        try:
            return self.perform(task)
        except Exception as error:  # noqa: BLE001 - as said
            told = f"{task.item.name}: {type(error).__name__}: {error}"
            return Result(error=PoolnormError(told, "this is a bug: --jobs 1 -vv shows where"))

    def perform(self, task: Task) -> Result:
        """Do a task; what is the matter with its input is in the result, not raised."""
        began = time.perf_counter()
        try:
            return self._perform(task, began)
        except PoolnormError as error:
            result = Result(error=error)
        except MemoryError:
            fix = "free some, or give a smaller --jobs"
            result = Result(error=PoolnormError(f"{task.item.name}: out of memory", fix))
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
        stored = self._stored(item.target) if self.checksums and item.target else None
        return Result(time.perf_counter() - began, outcomes, stored=stored)

    def _stored(self, target: str) -> Stored:
        """Read an output again, which somebody may have removed since it was written."""
        try:
            return stored_at(target)
        except OSError as error:
            self.plan.make_directory(target)  # which tells if the directory is what has gone
            told = f"{target}: cannot be read again: {error.strerror}"
            raise OutputError(told, "leave outputs where they are until the run ends") from error


def stored_at(target: str) -> Stored:
    """Read a file for its size and checksum."""
    import hashlib

    if is_url(target):
        from poolnorm_cli.tensors.cloud import checksum_at

        return Stored(*checksum_at(target))
    with open(target, "rb") as file:  # noqa: PTH123 - for each of many files
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Stored(os.fstat(file.fileno()).st_size, digest)
