"""Worker processes under a supervisor: one that dies is replaced, and its task tried once more.

Every worker has a socket of its own and does what it is sent in order, so the task that a dead
worker was doing is the first one it has not answered.
"""

import os
import selectors
import signal
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Self

from poolnorm_cli.batch.answers import outcome_of, result_of
from poolnorm_cli.batch.link import Link
from poolnorm_cli.batch.processes import guessed_seconds
from poolnorm_cli.batch.tasks import Result, Task
from poolnorm_cli.batch.worker_process import start
from poolnorm_cli.engine.threads import default_threads
from poolnorm_cli.errors import PoolnormError
from poolnorm_cli.values import field, record, replace


if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from poolnorm_cli.batch.answers import Answer
    from poolnorm_cli.batch.inputs import Input
    from poolnorm_cli.batch.tasks import Work
    from poolnorm_cli.engine.outcome import Outcome


_ATTEMPTS = 2
_AHEAD = 0.05
"""Seconds of work that a worker is sent ahead, so that it does not wait for its supervisor."""
_FEWEST, _MOST = 2, 256
"""Tasks that it is sent ahead."""
_SMOOTHING = 15 / 16
"""Share that what was known before has in the seconds of a task, at each new answer."""
_BALANCED = 0.002
"""Seconds of work that a worker is sent at the end, too, when what is left is shared out finely."""
_GRACE = 1.0
"""Seconds that workers are given to end, before they are killed."""
_FILES_OF_OURS = 32


class _SentTask(NamedTuple):
    """A task that was sent to a worker, or is going to be.

    Attributes:
        task: The task.
        deaths: How many workers have died at it.
        alone: It was behind, or at, a death: its answer is wanted before the next one begins.
    """

    task: Task
    deaths: int = 0
    alone: bool = False


@record
class _Worker:
    """A worker, and the tasks it has been sent and has not answered, the first one under way.

    A number is the task to do the input that has it, of which there is nothing else to say.
    """

    pid: int = 0
    link: Link | None = None
    knows_inputs: bool = False
    tasks: "deque[_SentTask | int]" = field(default_factory=deque)
    unsent: "list[Task | int]" = field(default_factory=list)


class ProcessPool:
    """An executor of several processes on this machine."""

    parallel = True

    def __init__(self, work: "Work", jobs: int, inputs: "Sequence[Input]" = ()) -> None:
        """Prepare workers, each started when there is a task for it.

        Args:
            work: What is done. Workers share its threads and its memory.
            jobs: How many there are, if there can be so many open files.
            inputs: The inputs, in order, for those that are submitted by number.
        """
        memory = None if work.job.memory is None else work.job.memory // jobs
        jobs = max(min(jobs, _most()), 1)
        threads = max((work.job.threads or default_threads()) // jobs, 1)
        self._work = replace(work, job=replace(work.job, threads=threads, memory=memory))
        self._workers = [_Worker() for _ in range(jobs)]
        self._queue: deque[_SentTask] = deque()
        self._selector = selectors.DefaultSelector()
        self._seats = list[_Worker]()
        self._inputs = inputs
        self._outcomes: dict[int, Outcome] = {}
        self._seconds = (inputs and guessed_seconds(inputs[0])) or _AHEAD / _FEWEST

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._selector.close()

    @property
    def by_number(self) -> Self:
        """What takes inputs by their numbers: this."""
        return self

    def free(self) -> bool:
        """Whether a worker would begin soon with one more task.

        They are filled up when one is half done with what it has, so that messages are few.
        """
        return self.room(_MOST * len(self._workers)) > 0

    def room(self, left: int) -> int:
        """Count the tasks which workers would begin soon.

        They are filled up when one is half done with what it has, so that messages are few.

        Args:
            left: Tasks that are still to come, if not more: none gets so many that others wait at
                the end.
        """
        if not self._seats and not self._queue:
            fair = max(left // (2 * len(self._workers)), int(_BALANCED / self._seconds))
            depth = max(min(int(_AHEAD / self._seconds), fair, _MOST), _FEWEST)
            counts = [len(worker.tasks) for worker in self._workers]
            if min(counts) < -(-depth // 2):
                self._seats = _seats(self._workers, counts, depth)
        return len(self._seats)

    def submit_numbers(self, numbers: "Iterable[int]") -> None:
        """Take inputs by their numbers, no more than there is room for: all of each is one task.

        Args:
            numbers: Their places among all.
        """
        for number in numbers:
            worker = self._seats.pop()
            worker.tasks.append(number)
            worker.unsent.append(number)

    def take_outcomes(self) -> "dict[int, Outcome]":
        """Return what came of inputs that were submitted by number, but of those that failed.

        These are among what `wait` returns.
        """
        outcomes, self._outcomes = self._outcomes, {}
        return outcomes

    def submit(self, task: Task) -> None:
        """Take a task, for the worker that has the fewest."""
        self._queue.append(_SentTask(task))
        self._assign()
        if self._queue:
            self._seats = []

    def wait(self) -> list[tuple[Task, Result]]:
        """Return what workers have answered, and the tasks that have killed two of them."""
        done: list[tuple[Task, Result]] = []
        while not (done or self._outcomes) and any(worker.tasks for worker in self._workers):
            self._send()
            for key, _ in self._selector.select():
                done += self._receive(key.data)
            self._assign()
        self._send()
        return done

    def _least_busy(self) -> _Worker:
        return min(self._workers, key=lambda worker: len(worker.tasks))

    def _assign(self) -> None:
        """Assign the tasks of the queue to workers.

        A task with weights or statistics may be larger than a socket's buffer. It goes only to a
        worker that has nothing to say meanwhile: two that write to each other wait for ever.
        """
        while self._queue:
            sent = self._queue[0]
            worker = self._seats.pop() if self._seats else self._least_busy()
            if sent.task.steps is not None and worker.tasks:
                worker = self._least_busy()
                if worker.tasks:
                    return
            worker.tasks.append(self._queue.popleft())
            worker.unsent.append(sent.task)
            if sent.alone:
                self._send()

    def _send(self) -> None:
        """Send every worker what it was dealt, in one message."""
        for worker in self._workers:
            if worker.unsent:
                if worker.link is None:
                    self._start(worker)
                unsent: Sequence[Task | int] = worker.unsent
                if not worker.knows_inputs:
                    unsent = [self._sent(each).task for each in unsent]
                try:
                    self._link(worker).send(unsent)
                except OSError:
                    # It has died, or else never will answer: `wait` learns of it by the socket.
                    with suppress(ProcessLookupError):
                        os.kill(worker.pid, signal.SIGKILL)
                worker.unsent = []

    def _start(self, worker: _Worker) -> None:
        others = [each.link for each in self._workers if each.link is not None]
        started = start(self._work, others, self._inputs)
        worker.pid, worker.link, worker.knows_inputs = started
        self._selector.register(started.link, selectors.EVENT_READ, worker)

    def _sent(self, task: "_SentTask | Task | int") -> _SentTask:
        """Return a task in full, whichever way it was submitted."""
        if isinstance(task, int):
            return _SentTask(Task(task, self._inputs[task]))
        return _SentTask(task) if isinstance(task, Task) else task

    def _link(self, worker: _Worker) -> Link:
        assert worker.link is not None  # noqa: S101 - only asked of a worker that was started
        return worker.link

    def _receive(self, worker: _Worker) -> list[tuple[Task, Result]]:
        """Read the answers of a worker, or learn that it has died."""
        answers: list[Answer]
        try:
            seconds, answers = self._link(worker).recv()
        except (EOFError, OSError):
            return self._on_death(worker)
        seconds = max(seconds, 1e-6)
        self._seconds = seconds + (self._seconds - seconds) * _SMOOTHING ** len(answers)
        done, tasks = [], worker.tasks
        for answer in answers:
            sent = tasks.popleft()
            if isinstance(sent, int) and isinstance(answer, tuple):
                self._outcomes[sent] = outcome_of(self._inputs[sent], *answer)
            else:
                task = self._sent(sent).task
                done.append((task, result_of(task.input, answer)))
        return done

    def _on_death(self, worker: _Worker) -> list[tuple[Task, Result]]:
        """Replace a worker: the task it was at is tried once more, those behind it go on.

        It may have died at a later task than the first, before its answers were sent. So all of
        them are sent again one at a time, and the next death is laid to the right one.
        """
        tasks, status = [*map(self._sent, worker.tasks)], self._reap(worker)
        exact = len(tasks) == 1 or bool(tasks and tasks[0].alone)
        again = [sent._replace(task=replace(sent.task, again=True), alone=True) for sent in tasks]
        if exact:
            again[0] = again[0]._replace(deaths=again[0].deaths + 1)
            if again[0].deaths >= _ATTEMPTS:
                victim = tasks[0].task
                self._queue.extendleft(reversed(again[1:]))
                return [(victim, Result(error=_killed(victim, status)))]
        self._queue.extendleft(reversed(again))
        return []

    def _reap(self, worker: _Worker) -> int:
        link = self._link(worker)
        self._selector.unregister(link)
        link.close()
        _, status = os.waitpid(worker.pid, 0)
        worker.pid, worker.link = 0, None
        worker.tasks.clear()
        worker.unsent.clear()
        return os.waitstatus_to_exitcode(status)

    def _stop(self) -> None:
        """End all workers: those that do not heed it are killed.

        One that has nothing to do ends because its socket is closed.
        """
        pids = {worker.pid for worker in self._workers if worker.pid}
        busy = {worker.pid for worker in self._workers if worker.pid and worker.tasks}
        for worker in self._workers:
            if worker.link is not None:
                worker.link.close()
        deadline = time.monotonic() + _GRACE
        number: signal.Signals | None = signal.SIGTERM
        while pids:
            for pid in busy if number else ():
                with suppress(ProcessLookupError):
                    os.kill(pid, number or 0)
            time.sleep(0.002)
            pids -= {pid for pid in pids if os.waitpid(pid, os.WNOHANG)[0]}
            late = time.monotonic() > deadline
            number, busy = (signal.SIGKILL, pids) if late else (None, busy)


def _seats(workers: list[_Worker], counts: list[int], depth: int) -> list[_Worker]:
    """Return for whom tasks are that come now, the last one first: each is the one with the fewest.

    Args:
        workers: The workers.
        counts: Tasks that each has.
        depth: Tasks that each may have.

    Returns:
        The workers, each as often as it may be given one.
    """
    levels = range(depth - 1, min(counts) - 1, -1)
    pairs = [*zip(workers, counts, strict=True)][::-1]
    return [worker for level in levels for worker, count in pairs if count <= level]


def _most() -> int:
    """Return how many workers there can be: each takes an open file."""
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(limit - _FILES_OF_OURS, 1) if limit > 0 else 1024


def _killed(task: Task, status: int) -> PoolnormError:
    how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
    what = f"its worker {how}, twice"
    return PoolnormError.at(task.input.name, what, "free some memory, or give a smaller --jobs")
