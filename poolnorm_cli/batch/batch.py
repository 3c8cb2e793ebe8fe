"""Many inputs through one job: what is next, what came of it, told in the order of the inputs."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

from poolnorm_cli.batch.inputs import MANY, Input
from poolnorm_cli.batch.stages import InputResult, Stages
from poolnorm_cli.batch.tasks import Result, Task, Work
from poolnorm_cli.engine.outcome import Outcome
from poolnorm_cli.engine.training import TrainingStep
from poolnorm_cli.errors import OutputError, PoolnormError, UnavailableError, UsageError
from poolnorm_cli.layers.call import Call
from poolnorm_cli.tensors.header import Header
from poolnorm_cli.tensors.names import STDIN
from poolnorm_cli.values import precompile_init, record


if TYPE_CHECKING:
    from poolnorm_cli.batch.executors import Executor
    from poolnorm_cli.batch.journal import Journal
    from poolnorm_cli.batch.plan import Plan
    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.engine.outcome import Listener


_WINDOW = 4096
"""Items that may be done before the first that is not: so much is held back to keep the order."""


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

    def add(self, ending: InputResult) -> None:
        """Count an item."""
        if ending.error is not None:
            item = ending.item
            reason = ending.error.reason(item.name, item.word, str(item.place))
            self.failures[reason] = self.failures.get(reason, 0) + 1
        elif ending.skipped:
            self.skipped += 1
        else:
            self.done += 1


class Batch:
    """A run over inputs."""

    def __init__(
        self,
        work: Work,
        inputs: Sequence[Input],
        executor: "Executor",
        listener: "Listener",
        *,
        stops: bool = False,
        fails: int | None = None,
        journal: "Journal | None" = None,
        counted: Callable[[Counts], None] = lambda _: None,
    ) -> None:
        """Prepare a run.

        Args:
            work: What is done.
            inputs: To what.
            executor: Where.
            listener: Told of every item, in order.
            stops: End with the first item that fails.
            fails: Exit code of such a run; None for that of the error.
            journal: Where all that is done is written down.
            counted: Told how far the run is.
        """
        self._work, self._inputs, self._executor = work, inputs, executor
        self._listener, self._stops, self._fails = listener, stops, fails
        self._journal, self._ended = journal, set[int]()
        self._counted, self.counts = counted, Counts(len(inputs))
        self._ready: deque[Task] = deque()
        self._stages = Stages(work, len(inputs), parallel=executor.parallel)
        self._endings: dict[int, InputResult] = {}
        self._begun = self._told = 0
        self._code = 0
        self._stopped = False

    def run(self) -> int:
        """Do all, and return the exit code: 1 if an item failed, or its own if that ended the run.

        Raises:
            PoolnormError: The fault of the only item.
        """
        if len(self._inputs) >= MANY:
            precompile_init(Call, InputResult, Header, Outcome, Result, Task, TrainingStep)
        try:
            with self._stages, self._executor as executor:
                self._run(executor)
        finally:
            self._tell(to_the_end=True)
        for number, item in enumerate(self._inputs if self._stopped else ()):
            if number not in self._ended:
                self._listener.left(item.name, item.place)
        return self._code

    def _run(self, executor: "Executor") -> None:
        while True:
            submitted = False
            while executor.free() and (task := self._next()):
                executor.submit(task)
                submitted = True
            results = executor.wait()
            if not (results or submitted or self._ready):
                return
            for task, result in results:
                self._go_on(*self._stages.on_result(task, result))
            if self._journal is not None:
                self._journal.settle()

    def _next(self) -> Task | None:
        """Return the next task, if there is one that can be begun."""
        # Where all inputs are one batch, none ends before all are begun.
        window = len(self._inputs) if self._work.job.is_synchronized else _WINDOW
        while not (self._ready or self._stopped or self._begun - self._told >= window):
            if self._begun == len(self._inputs):
                break
            self._begun += 1
            self._begin(self._begun - 1, self._inputs[self._begun - 1])
        return self._ready.popleft() if self._ready else None

    def _begin(self, number: int, item: Input) -> None:
        if item.each:
            self._stream(number, item)
        elif item.error is not None:
            self._end(number, InputResult(item, error=item.error))
        elif self._work.plan.skips(item):
            self._end(number, InputResult(item, skipped=True))
        elif self._journal is None:
            self._go_on(*self._stages.begin(number, item))
        elif (known := self._journal.ending(item)) is not None:
            self._end(number, known)
        else:
            again = self._journal.began(item)
            self._go_on(*self._stages.begin(number, item, again=again))

    def _stream(self, number: int, item: Input) -> None:
        """Do what comes on standard input, and tell of each array as soon as it is done."""
        error = None
        try:
            for outcome in self._work.plan.run(item, self._work.job):
                self._listener.done(outcome)
        except PoolnormError as fault:
            error = fault
        self._end(number, InputResult(item, error=error))

    def _go_on(self, tasks: Sequence[Task], endings: Sequence[tuple[int, InputResult]]) -> None:
        self._ready.extend(tasks if not self._stopped else ())
        for number, ending in endings:
            self._end(number, ending)

    def _end(self, number: int, ending: InputResult) -> None:
        """Take note of what came of an item."""
        error = ending.error
        if error is not None and len(self._inputs) == 1:
            raise error
        fatal = isinstance(error, OutputError | UnavailableError)
        if fatal and self._stopped:
            return  # others met with what ended the run, which is told once
        if self._journal is not None and not ending.resumed:
            self._journal.write(ending)
        self.counts.add(ending)
        self._endings[number] = ending
        self._ended.add(number)
        if error is not None and not self._stopped:
            self._stopped = (fatal or self._stops) and not ending.resumed
            of_all = fatal or (self._work.job.is_synchronized and isinstance(error, UsageError))
            own = self._stopped and (of_all or self._fails is None)
            self._code = error.code if own else self._fails or 1
            self._ready = deque() if self._stopped else self._ready
        self._tell()
        self._counted(self.counts)

    def _tell(self, *, to_the_end: bool = False) -> None:
        """Tell what can be told in order; at the end of a run that stopped, all there is."""
        numbers = sorted(self._endings) if to_the_end else self._in_order()
        for number in numbers:
            ending = self._endings.pop(number)
            for outcome in ending.outcomes:
                for note in outcome.notes:
                    self._listener.noted(note)
                self._listener.done(outcome)
            if ending.error is not None:
                self._listener.failed(ending.item.name, ending.error)
            elif ending.resumed:
                self._listener.resumed(ending.item.name, ending.item.place)
            elif ending.skipped:
                self._listener.skipped(ending.item.name, str(ending.item.place))

    def _in_order(self) -> Iterator[int]:
        while self._told in self._endings:
            self._told += 1
            yield self._told - 1


def initialize_weights(plan: "Plan", job: "Job") -> None:
    """Read or make the weights for the first input that can be read, whichever is done first."""
    for source in plan.sources:
        if source.word == STDIN or source.stream:
            return
        try:
            for tensor in plan.tensors(Input(source.word, plan.key)):
                job.initialize_weights(tensor)
                return
        except PoolnormError:
            continue  # it will be told when its turn comes
