"""A run of many inputs through one job: which task is next, and results reported in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, Self

from poolnorm_cli.batch.inputs import MANY, Input
from poolnorm_cli.batch.stages import InputResult, Stages
from poolnorm_cli.batch.tasks import Result, Task, Work
from poolnorm_cli.engine.outcome import Outcome
from poolnorm_cli.engine.training_step import TrainingStep
from poolnorm_cli.errors import OutputError, PoolnormError, UnavailableError, UsageError
from poolnorm_cli.layers.call import Call
from poolnorm_cli.tensors.names import STDIN
from poolnorm_cli.tensors.tensor import Layout
from poolnorm_cli.values import field, precompile_init, record, replace


if TYPE_CHECKING:
    from poolnorm_cli.batch.journal import Journal
    from poolnorm_cli.batch.plan import Plan
    from poolnorm_cli.engine.batch_job import BatchJob
    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.tensors.tensor import Tensor


_WINDOW = 4096
"""Inputs that may be done before the first that is not: so much is held back to keep the order."""


@record
class Counts:
    """How far a run is.

    Attributes:
        total: All inputs.
        done: Those that went through.
        skipped: Those whose output was there.
        failures: What is the matter with the others, and how often.
    """

    total: int
    done: int = 0
    skipped: int = 0
    failures: dict[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """Those that failed."""
        return sum(self.failures.values())

    @property
    def ended(self) -> int:
        """Those that are not to be waited for."""
        return self.done + self.skipped + self.failed

    def add(self, result: InputResult) -> None:
        """Count an input."""
        if result.error is not None:
            item = result.input
            reason = result.error.reason(item.name, item.word, str(item.shown_target))
            self.failures[reason] = self.failures.get(reason, 0) + 1
        elif result.skipped:
            self.skipped += 1
        else:
            self.done += 1


class ByNumber(Protocol):
    """Does inputs of which there is nothing to say but their numbers."""

    def room(self, left: int) -> int:
        """Count those that would not only wait.

        Args:
            left: Inputs that are still to come.
        """

    def submit_numbers(self, numbers: Iterable[int]) -> None:
        """Take inputs, no more than there is room for."""

    def take_outcomes(self) -> Mapping[int, Outcome]:
        """Return what came of those that went through since; `wait` returns the others."""


class Executor(Protocol):
    """Does tasks, and leaves nothing running behind."""

    parallel: bool
    """Several tasks may be under way at once."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """Stop what is still under way."""

    @property
    def by_number(self) -> ByNumber | None:
        """What takes inputs by their numbers, in less time than tasks take, if anything does."""

    def free(self) -> bool:
        """Whether one more task would not only wait."""

    def submit(self, task: Task) -> None:
        """Take a task."""

    def wait(self) -> list[tuple[Task, Result]]:
        """Return what has been done; nothing where none is under way, or more is waited for."""


class Listener(Protocol):
    """Reports how a run goes, input by input."""

    def done(self, outcome: Outcome) -> None:
        """Report a tensor that went through."""

    def noted(self, note: str) -> None:
        """Report something about the file of an input."""

    def failed(self, name: str, error: PoolnormError) -> None:
        """Report an input that failed.

        Args:
            name: The input.
            error: Why.
        """

    def resumed(self, name: str, output: str | None) -> None:
        """Report an input that an earlier part of the run has done.

        Args:
            name: The input.
            output: Its output; None where nothing is written.
        """

    def skipped(self, name: str, output: str) -> None:
        """Report an input whose output was there already.

        Args:
            name: The input.
            output: Its output.
        """

    def left(self, name: str, output: str | None) -> None:
        """Report an input that was not begun, or not ended, because another ended the run.

        Args:
            name: The input.
            output: Its output; None where nothing is written.
        """


class Batch:
    """A run over many inputs."""

    def __init__(
        self,
        plan: "Plan",
        work: Work,
        inputs: Sequence[Input],
        executor: Executor,
        listener: Listener,
        *,
        fail_fast: bool = False,
        failure_code: int | None = None,
        journal: "Journal | None" = None,
        on_progress: Callable[[Counts], None] = lambda _: None,
    ) -> None:
        """Prepare a run.

        Args:
            plan: Which outputs are left as they are, and how others are named that come later.
            work: What is done to each input.
            inputs: The inputs.
            executor: Does the tasks.
            listener: Hears of every input, in order.
            fail_fast: End with the first input that fails.
            failure_code: Exit code of such a run; None for that of the error.
            journal: Where all that is done is written down.
            on_progress: Called with how far the run is.
        """
        self._plan, self._work, self._inputs, self._executor = plan, work, inputs, executor
        self._listener, self._fail_fast, self._failure_code = listener, fail_fast, failure_code
        self._journal, self._ended = journal, set[int]()
        self._on_progress, self.counts = on_progress, Counts(len(inputs))
        self._ready: deque[Task] = deque()
        self._stages = Stages(work, len(inputs), parallel=executor.parallel)
        self._unreported: dict[int, InputResult | Outcome] = {}
        self._begun = self._reported = 0
        self._code = 0
        self._stopped = False

    def run(self) -> int:
        """Do all, and return the exit code: 1 if an input failed, or its own if that ended the run.

        Raises:
            PoolnormError: The error of the only input.
        """
        if len(self._inputs) >= MANY:
            precompile_init(Call, InputResult, Layout, Outcome, Result, Task, TrainingStep)
        try:
            with self._stages, self._executor as executor:
                self._run(executor)
        finally:
            self._report(to_the_end=True)
        for number, item in enumerate(self._inputs if self._stopped else ()):
            if number not in self._ended:
                self._listener.left(item.name, item.shown_target)
        return self._code

    def _run(self, executor: Executor) -> None:
        by_number = executor.by_number if self._is_plain() else None
        while True:
            if by_number is None:
                submitted, results = self._submit(executor), executor.wait()
                outcomes: Mapping[int, Outcome] = {}
            else:
                submitted, results = self._submit_numbers(by_number), executor.wait()
                outcomes = by_number.take_outcomes()
            if not (results or outcomes or submitted or self._ready):
                return
            for task, result in results:
                self._go_on(*self._stages.on_result(task, result))
            if outcomes:
                self._end_well(outcomes)
            if self._journal is not None:
                self._journal.sync_if_due()

    def _is_plain(self) -> bool:
        """Whether all that is to be said of each input is its number."""
        plain = self._journal is None and not self._plan.skip_existing and self._stages.are_one
        return plain and not any(item.is_split or item.error for item in self._inputs)

    def _submit(self, executor: Executor) -> bool:
        submitted = False
        while executor.free() and (task := self._next()):
            executor.submit(task)
            submitted = True
        return submitted

    def _submit_numbers(self, executor: ByNumber) -> bool:
        first, total = self._begun, len(self._inputs)
        room = 0 if self._stopped else executor.room(total - first)
        end = min(first + room, total, self._reported + _WINDOW)
        if end <= first:
            return False
        self._begun = end
        executor.submit_numbers(range(first, end))
        return True

    def _next(self) -> Task | None:
        """Return the next task, if there is one that can be begun."""
        # Where all inputs are one batch, none ends before all are begun.
        window = len(self._inputs) if self._work.job.is_synchronized else _WINDOW
        while not (self._ready or self._stopped or self._begun - self._reported >= window):
            if self._begun == len(self._inputs):
                break
            self._begun += 1
            self._begin(self._begun - 1, self._inputs[self._begun - 1])
        return self._ready.popleft() if self._ready else None

    def _begin(self, number: int, item: Input) -> None:
        if item.is_split:
            self._stream(number, item)
        elif item.error is not None:
            self._end(number, InputResult(item, error=item.error))
        elif self._plan.skips(item):
            self._end(number, InputResult(item, skipped=True))
        elif self._journal is None:
            self._go_on(*self._stages.begin(number, item))
        elif (known := self._journal.known_result(item)) is not None:
            self._end(number, known)
        else:
            again = self._journal.begin(item)
            if item.tees and not self._journal.owns_tees(item):
                item = replace(item, keeps_tees=True)
            self._go_on(*self._stages.begin(number, item, again=again))

    def _stream(self, number: int, item: Input) -> None:
        """Do what comes on standard input, and report each array as soon as it is done."""
        error = None
        try:
            for index, tensor in enumerate(self._work.reading.open(item)):
                named = self._plan.claim_next_output(index, item)
                for outcome in self._work.write(named, [tensor]):
                    self._listener.done(outcome)
        except PoolnormError as fault:
            error = fault
        self._end(number, InputResult(item, error=error))

    def _go_on(self, tasks: Sequence[Task], results: Sequence[tuple[int, InputResult]]) -> None:
        self._ready.extend(tasks if not self._stopped else ())
        for number, result in results:
            self._end(number, result)

    def _end(self, number: int, result: InputResult) -> None:
        """Take the result of an input."""
        error = result.error
        if error is not None and len(self._inputs) == 1:
            raise error
        fatal = isinstance(error, OutputError | UnavailableError)
        if fatal and self._stopped:
            return  # others met with what ended the run, which is reported once
        if self._journal is not None and not result.resumed:
            self._journal.write(result)
        self.counts.add(result)
        self._unreported[number] = result
        self._ended.add(number)
        if error is not None and not self._stopped:
            self._stopped = (fatal or self._fail_fast) and not result.resumed
            of_all = fatal or (self._work.job.is_synchronized and isinstance(error, UsageError))
            own = self._stopped and (of_all or self._failure_code is None)
            self._code = error.code if own else self._failure_code or 1
            self._ready = deque() if self._stopped else self._ready
        self._report()
        self._on_progress(self.counts)

    def _end_well(self, outcomes: Mapping[int, Outcome]) -> None:
        """Take inputs that went through, with one outcome each, of a run without a journal."""
        self.counts.done += len(outcomes)
        self._unreported.update(outcomes)
        self._ended.update(outcomes)
        self._report()
        self._on_progress(self.counts)

    def _report(self, *, to_the_end: bool = False) -> None:
        """Report what can be reported in order; at the end of a run that stopped, all there is."""
        numbers = sorted(self._unreported) if to_the_end else self._in_order()
        for number in numbers:
            result = self._unreported.pop(number)
            if isinstance(result, Outcome):
                self._listener.done(result)
                continue
            for outcome in result.outcomes:
                for note in outcome.notes:
                    self._listener.noted(note)
                self._listener.done(outcome)
            if result.error is not None:
                self._listener.failed(result.input.name, result.error)
            elif result.resumed:
                self._listener.resumed(result.input.name, result.input.shown_target)
            elif result.skipped:
                self._listener.skipped(result.input.name, str(result.input.shown_target))

    def _in_order(self) -> Iterator[int]:
        while self._reported in self._unreported:
            self._reported += 1
            yield self._reported - 1


def initialize_weights(plan: "Plan", job: "Job | BatchJob") -> None:
    """Read or make the weights for the first input that can be read, whichever is done first.

    Args:
        plan: The inputs. Where one of them is a stream, the first that comes decides.
        job: What is given the weights.
    """
    for source in plan.sources:
        if source.word == STDIN or source.is_stream:
            return
        try:
            for tensor in plan.reading.open(Input(source.word, plan.key)):
                job.initialize_weights(tensor)
                return
        except PoolnormError:
            continue  # it is reported when its turn comes


def first_tensor(plan: "Plan") -> "Tensor | None":
    """Return the first tensor of the first input, which decides on weights as above.

    Args:
        plan: The inputs.

    Returns:
        The tensor, of which nothing is read; None for what comes on a stream, or cannot be read.
    """
    source = plan.sources[0]
    if source.error is not None or source.word == STDIN or source.is_stream:
        return None
    try:
        return next(plan.reading.open(Input(source.word, plan.key)), None)
    except PoolnormError:
        return None
