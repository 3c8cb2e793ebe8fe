"""The tasks of a run on a Dask cluster.

Outputs appear whole and under their names by the task itself, so a task that the cluster does
again, because a worker died or its answer was lost, does no harm.
"""

import asyncio
import concurrent.futures
import queue
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Self

from poolnorm_cli.batch.dask_addresses import LOCAL, checked_address, insecure
from poolnorm_cli.batch.dask_cluster import connected, probe
from poolnorm_cli.batch.dask_heartbeat import SILENCE, Pulse, attended, within
from poolnorm_cli.batch.dask_worker import perform_all, result_home, task_abroad, work_abroad
from poolnorm_cli.batch.tasks import Result, Task, Work
from poolnorm_cli.errors import PoolnormError, UnavailableError


if TYPE_CHECKING:
    from types import TracebackType

    from poolnorm_cli.batch.inputs import Input


_CHUNK_SECONDS = 0.25
_LARGEST_CHUNK = 128
_CHUNKS_AHEAD = 3
_CANCEL = 2.0
"""Seconds for the scheduler to take tasks back, at the end of a run."""
_RESUME = "start it, and repeat the run with --journal FILE --resume"
_LOOK = 1.0
"""Seconds after which it is seen to whether the scheduler is still there."""
_LOST = (OSError, asyncio.CancelledError, concurrent.futures.CancelledError)
_SETTLE = 0.2
_LOST_ANSWERS = 20
"""Answers that may be lost one after another, before the scheduler is taken to be gone."""


class DaskExecutor:
    """An executor on the workers of a Dask scheduler."""

    parallel = True

    def __init__(
        self, work: Work, address: str, inputs: "Sequence[Input]", tell: Callable[[str], None]
    ) -> None:
        """Prepare for a run.

        Args:
            work: What is done.
            address: `tcp://HOST:PORT`, `tls://HOST:PORT`, or `local` for a cluster of its own.
            inputs: To what; the first is looked for from every worker.
            tell: Told what a person should know.

        Raises:
            UsageError: The address is of another kind.
        """
        self._work, self._inputs, self._tell = work, inputs, tell
        self._address = address if address == LOCAL else checked_address(address)
        self._client: Any = None
        self._connection = ExitStack()
        self._held: Any = None
        self._unsent: list[Task] = []
        self._under_way: dict[Any, list[Task]] = {}
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._seconds = _CHUNK_SECONDS
        self._threads = 1
        self._lost_answers = 0
        self._pulse: Pulse
        self._has_workers = True

    def __enter__(self) -> Self:
        if insecure(self._address):
            self._tell(
                f"warning: {self._address} is not encrypted, and whoever reaches it can run "
                "code there; tls:// is safe"
            )
        with ExitStack() as stack:
            self._client = stack.enter_context(connected(self._address))
            probe(self._client, self._work, self._inputs[0])
            self._threads = max(sum(within(SILENCE, self._client.nthreads).values()), 1)
            self._held = self._client.submit(_same, work_abroad(self._work), pure=False)
            self._pulse = Pulse(self._client)
            self._connection = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: BaseException | None,
        trace: "TracebackType | None",
    ) -> None:
        with suppress(Exception):  # the scheduler may be gone, or hang
            if self._client.status == "running" and self._under_way:
                futures = list(self._under_way)
                within(_CANCEL, lambda: self._client.cancel(futures, force=True))
        self._connection.close()

    def free(self) -> bool:
        """Whether a worker would begin soon with one more task."""
        tasks = sum(map(len, self._under_way.values())) + len(self._unsent)
        return tasks < self._threads * _CHUNKS_AHEAD * self._chunk

    def submit(self, task: Task) -> None:
        """Take a task; short ones are sent several at a time."""
        self._unsent.append(task)
        if len(self._unsent) >= self._chunk or task.part is not None:
            self._send(self._unsent)
            self._unsent = []

    def wait(self) -> list[tuple[Task, Result]]:
        """Return what workers have answered.

        Raises:
            UnavailableError: The scheduler is gone, or the workers cannot do such work.
        """
        if self._unsent:
            self._send(self._unsent)
            self._unsent = []
        done: list[tuple[Task, Result]] = []
        while not done and self._under_way:
            done += self._heard(self._next_answer())
        return done

    @property
    def _chunk(self) -> int:
        return min(max(int(_CHUNK_SECONDS / self._seconds), 1), _LARGEST_CHUNK)

    def _send(self, tasks: list[Task]) -> None:
        away = [task_abroad(task) for task in tasks]
        future = self._client.submit(perform_all, self._held, away, pure=False)
        self._under_way[future] = tasks
        future.add_done_callback(self._answers.put)

    def _next_answer(self) -> Any:
        while True:
            with suppress(queue.Empty):
                return self._answers.get(timeout=_LOOK)
            if self._client.status != "running":
                raise self._lost()
            self._look()

    def _look(self) -> None:
        """See to it that the scheduler still answers; say once, each time, that no worker is left.

        Raises:
            UnavailableError: It hangs.
        """
        if self._pulse.stopped():
            told = f"has not answered for {SILENCE:.0f} seconds"
            raise UnavailableError(f"the Dask scheduler at {self._address} {told}", _RESUME)
        if self._pulse.has_workers != self._has_workers:
            self._has_workers = self._pulse.has_workers
            if not self._has_workers:
                self._tell(f"note: {self._address} has no worker any more; the run waits for one")

    def _heard(self, future: Any) -> list[tuple[Task, Result]]:
        tasks = self._under_way.pop(future, None)
        if tasks is None:
            return []
        try:
            if future.status == "error":
                return self._faulted(tasks, future.exception())
            if future.status == "finished":
                return self._answered(tasks, attended(future.result, _LOOK, self._look))
        except _LOST:
            pass  # the answer was with a worker that has died since
        return self._repeated(tasks)

    def _answered(
        self, tasks: list[Task], results: "Sequence[Result]"
    ) -> list[tuple[Task, Result]]:
        self._lost_answers = 0
        for result in results:
            self._seconds += (max(result.seconds, 1e-5) - self._seconds) / 16
        pairs = zip(tasks, results, strict=True)
        return [(task, result_home(result, task.item)) for task, result in pairs]

    def _repeated(self, tasks: list[Task]) -> list[tuple[Task, Result]]:
        """Send tasks again whose answer was lost, unless it was lost with the scheduler."""
        self._lost_answers += 1
        time.sleep(_SETTLE)  # a client learns by and by that its scheduler is gone
        if self._client.status != "running" or self._lost_answers > _LOST_ANSWERS:
            raise self._lost()
        self._send(tasks)
        return []

    def _faulted(self, tasks: list[Task], error: Exception) -> list[tuple[Task, Result]]:
        """Do tasks apart whose worker has died several times, until the one is found."""
        if type(error).__name__ != "KilledWorker":
            told = f"the workers cannot do such work: {type(error).__name__}: {error}"
            raise UnavailableError(told, "install the same poolnorm-cli for every worker")
        if len(tasks) > 1:
            for task in tasks:
                self._send([task])
            return []
        told = "its worker died every time"
        fault = PoolnormError.at(tasks[0].item.name, told, "give the workers more memory")
        return [(tasks[0], Result(error=fault))]

    def _lost(self) -> UnavailableError:
        return UnavailableError(f"lost the Dask scheduler at {self._address}", _RESUME)


def _same(value: Work) -> Work:
    """Be a task whose result is the work: what is lost with a worker is made again."""
    return value
