"""Tasks, and how they are run, here or in a worker; their results."""

import os
import time
from typing import TYPE_CHECKING

from poolnorm_cli.errors import OutputError, PoolnormError, reason_of
from poolnorm_cli.sizes import PIECE_BYTES
from poolnorm_cli.tensors.file_roles import already_exists
from poolnorm_cli.tensors.names import directory_of
from poolnorm_cli.tensors.outputs import open_output
from poolnorm_cli.urls import is_url
from poolnorm_cli.values import field, frozen, replace


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from poolnorm_cli.batch.file_parts import Part
    from poolnorm_cli.batch.fingerprints import Fingerprint
    from poolnorm_cli.batch.inputs import Input, Reading
    from poolnorm_cli.engine.batch_job import BatchJob
    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.engine.outcome import Outcome
    from poolnorm_cli.engine.training_step import BatchStatistics, TrainingStep
    from poolnorm_cli.tensors.atomic import AtomicFile
    from poolnorm_cli.tensors.outputs import Output
    from poolnorm_cli.tensors.tensor import Tensor


@frozen
class Task:
    """An input, or a stage of one.

    Attributes:
        number: The place of the input among all.
        input: What is read and written.
        gathers: Only gather what has to be known before the outputs.
        steps: What was made of that, one for each tensor; None where the job does it itself.
        part: The samples to which the stage is confined; None for all.
        again: The output may be there already: from an attempt whose answer was lost, or from an
            earlier part of the run.
    """

    number: int
    input: "Input"
    gathers: bool = False
    steps: "tuple[TrainingStep, ...] | None" = None
    part: "Part | None" = None
    again: bool = False


@frozen
class Result:
    """The result of a task.

    Attributes:
        seconds: The time it took.
        outcomes: What was done to each tensor.
        statistics: What was gathered of each tensor.
        fingerprint: The output, where that was asked for.
        error: Why it failed; None where it did not.
    """

    seconds: float = 0.0
    outcomes: "tuple[Outcome, ...]" = ()
    statistics: "tuple[BatchStatistics, ...]" = ()
    fingerprint: "Fingerprint | None" = None
    error: PoolnormError | None = None


@frozen
class OutputFiles:
    """How outputs are written.

    Attributes:
        directory: The directory of all outputs; None where their directories have to be there.
        overwrite: Replace outputs that exist.
        sync: Outputs are on the disk before they get their names.
        keep: Takes outputs when they are whole, and gives them their names later.
        keeps_all: It takes what is written on the way to an output, too.
        seen: Directories of outputs that were there.
    """

    directory: str | None = None
    overwrite: bool = False
    sync: bool = False
    keep: "Callable[[AtomicFile], None] | None" = field(default=None)
    keeps_all: bool = False
    seen: set[str] = field(default_factory=set)

    def open(self, target: str, *, again: bool = False) -> "Output":
        """Open an output, its directory made where all outputs have one.

        Args:
            target: The file.
            again: It may be there already, and is replaced then.

        Returns:
            The output, whose context gives it its name, or removes it after an error.

        Raises:
            OutputError: It cannot be written.
            UsageError: It exists.
        """
        if directory_of(target) not in self.seen:
            self.make_directory(target)
        try:
            return open_output(target, self.overwrite or again, sync=self.sync, keep=self.keep)
        except OutputError:
            self.make_directory(target)  # which says so if it has been removed
            raise

    def open_tee(self, target: str, item: "Input", *, again: bool) -> "Output":
        """Open the file of a tee, its directory made where it is one of many.

        It gets its name before the output does, and at once.

        Args:
            target: The file.
            item: The input.
            again: It may be there already, and is replaced then.

        Returns:
            The output, whose context gives it its name, or removes it after an error.

        Raises:
            OutputError: It cannot be written.
            UsageError: It exists.
        """
        own = replace(self, directory=directory_of(target) or None)
        own = own if self.keeps_all else replace(own, keep=None)
        if item.keeps_tees and not self.overwrite and os.path.lexists(target):
            own = replace(own, overwrite=True, keep=publish_if_same)
        return own.open(target, again=again and not item.keeps_tees)

    def make_directory(self, target: str) -> None:
        """Make the directory of an output, where it is below that of all outputs.

        Raises:
            OutputError: It cannot be made, or somebody has removed it.
        """
        directory = os.path.dirname(target)  # noqa: PTH120 - for each of many files
        if self.directory is None or is_url(target):
            return
        if os.path.isdir(directory):  # noqa: PTH112 - as above
            self.seen.add(directory_of(target))
            return
        if directory_of(target) in self.seen:
            fix = "repeat the run, with --resume if it has a --journal"
            raise OutputError.at(directory, "was removed, with the outputs in it", fix)
        try:
            os.makedirs(directory, exist_ok=True)  # noqa: PTH103 - as above
        except OSError as error:
            fix = "give a directory that can be made"
            raise OutputError.at(directory, reason_of(error), fix) from error
        self.seen.add(directory_of(target))


def publish_if_same(file: "AtomicFile") -> None:
    """Leave the file that is there if it holds what was written now.

    Args:
        file: What was written, without its name.

    Raises:
        UsageError: The one that is there holds something else.
    """
    try:
        if not are_equal(file.fileno(), str(file.path)):
            raise already_exists(
                str(file.path), ", and neither the journal nor its contents show whose it is"
            )
    except OSError as error:
        raise OutputError.at(str(file.path), reason_of(error)) from error
    finally:
        file.discard()


def are_equal(made: int, target: str) -> bool:
    """Compare an open file with one that has a name.

    Args:
        made: The descriptor of the open file.
        target: The other.

    Returns:
        Whether they hold the same bytes.

    Raises:
        OSError: One cannot be read.
    """
    there = os.open(target, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        place, size = 0, os.fstat(made).st_size
        if os.fstat(there).st_size != size:
            return False
        while place < size:
            piece = os.pread(made, PIECE_BYTES, place)
            if not piece or piece != os.pread(there, PIECE_BYTES, place):
                return False
            place += len(piece)
        return True
    finally:
        os.close(there)


@frozen
class Work:
    """What all tasks of a run have in common.

    Attributes:
        job: What is done to each input.
        reading: How inputs are read.
        outputs: How outputs are written.
        checksums: Whether outputs are read again for their checksums.
    """

    job: "Job | BatchJob"
    reading: "Reading"
    outputs: OutputFiles
    checksums: bool = False

    def run_safely(self, task: Task) -> Result:
        """Do a task as `run`, but let no exception out: one input's are not the others'."""
        try:
            return self.run(task)
        except Exception as error:  # noqa: BLE001 - as said
            what = f"{type(error).__name__}: {error}"
            fix = "this is a bug: --jobs 1 -vv shows where"
            return Result(error=PoolnormError.at(task.input.name, what, fix))

    def run(self, task: Task) -> Result:
        """Do a task; an error of its input is in the result, not raised."""
        began = time.perf_counter()
        outcomes: tuple[Outcome, ...] = ()
        statistics: tuple[BatchStatistics, ...] = ()
        error: PoolnormError | None = None
        try:
            if task.part is not None:
                statistics = self._run_part(task, task.part)
            elif task.gathers:
                statistics = tuple(
                    self.job.gather_statistics(tensor) for tensor in self.reading.open(task.input)
                )
            else:
                tensors = self.reading.open(task.input)
                outcomes = self.write(task.input, tensors, task.steps, again=task.again)
        except PoolnormError as fault:
            error = fault
        except MemoryError:
            fix = "free some, or give a smaller --jobs"
            error = PoolnormError.at(task.input.name, "out of memory", fix)
        return Result(time.perf_counter() - began, outcomes, statistics, error=error)

    def write(
        self,
        item: "Input",
        tensors: "Iterable[Tensor]",
        steps: "Sequence[TrainingStep] | None" = None,
        *,
        again: bool = False,
    ) -> "tuple[Outcome, ...]":
        """Run the job on the tensors of one input, and write its output.

        Args:
            item: The input.
            tensors: Its tensors.
            steps: Their places in a training that is run elsewhere; None to have the job train.
            again: The output may be there already, and is replaced then.

        Returns:
            What was done to each tensor.

        Raises:
            PoolnormError: The input failed, and has left no output.
        """
        output = None if item.target is None else self.outputs.open(item.target, again=again)
        if not item.tees:
            return tuple(self.job.run_all(tensors, output, item.shown_target, steps))
        others = [self.outputs.open_tee(tee, item, again=again) for tee in item.tees]
        return tuple(self.job.run_all(tensors, output, item.shown_target, steps, others))

    def _run_part(self, task: Task, part: "Part") -> "tuple[BatchStatistics, ...]":
        (whole,) = self.reading.open(task.input)
        if part.file is None:
            return (part.gather(self.job.any_job(), whole),)
        assert task.steps is not None  # noqa: S101 - those that write have them
        job, target = self.job.job_of(whole), str(task.input.target)
        part.write(job, whole, task.steps[0], target, sync=self.outputs.sync)
        return ()
