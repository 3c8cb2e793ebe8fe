"""The tasks of a run on a Dask cluster.

Outputs appear whole and under their names by the task itself, so a task that the cluster does
again, because a worker died or its answer was lost, does no harm. The cluster does that by itself.
"""

import asyncio
import concurrent.futures
from contextlib import ExitStack, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

from poolnorm_cli.batch.dask_cluster import (
    LOCAL,
    check_workers,
    checked_address,
    connected,
    insecure,
)
from poolnorm_cli.batch.dask_heartbeat import SILENCE, Heartbeat, attended, within
from poolnorm_cli.batch.dask_worker import (
    result_from_remote,
    run_tasks,
    task_to_remote,
    work_to_remote,
)
from poolnorm_cli.batch.tasks import Result, Task, Work
from poolnorm_cli.errors import PoolnormError, UnavailableError


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from poolnorm_cli.batch.inputs import Input


_CHUNK_SECONDS = 0.25
"""Seconds of work that are sent as one task of the cluster, which takes a millisecond for each."""
_LARGEST_CHUNK = 128
_CHUNKS_AHEAD = 3
_RETRIES = 2
"""Times that the cluster does a chunk again which a worker could not even begin."""
_CANCEL = 2.0
"""Seconds for the scheduler to take tasks back, at the end of a run."""
_CHECK = 1.0
"""Seconds without an answer after which it is checked whether the scheduler is still there."""
_RESUME = "start it, and repeat the run with --journal FILE --resume"


class DaskExecutor:
    """An executor on the workers of a Dask scheduler."""

    parallel = True
    by_number = None

    def __init__(
        self, work: Work, address: str, inputs: "Sequence[Input]", on_note: "Callable[[str], None]"
    ) -> None:
        """Prepare for a run.

        Args:
            work: What is done.
            address: `tcp://HOST:PORT`, `tls://HOST:PORT`, or `local` for a cluster of its own.
            inputs: To what; the first is looked for from every worker.
            on_note: Called with warnings and notes.

        Raises:
            UsageError: The address is of another kind.
        """
        self._work, self._inputs, self._on_note = work, inputs, on_note
        self._address = address if address == LOCAL else checked_address(address)
        self._client: Any = None
        self._connection = ExitStack()
        self._remote_work: Any = None
        self._unsent: list[Task] = []
        self._chunks: dict[Any, list[Task]] = {}
        self._completed: Any = None
        self._seconds = _CHUNK_SECONDS
        self._threads = 1
        self._heartbeat: Heartbeat
        self._has_workers = True

    def __enter__(self) -> Self:
        if insecure(self._address):
            self._on_note(
                f"warning: {self._address} is not encrypted, and whoever reaches it can run "
                "code there; tls:// is safe"
            )
        with ExitStack() as stack:
            self._client = stack.enter_context(connected(self._address))
            check_workers(self._client, self._work, self._inputs[0])
            self._threads = max(sum(within(SILENCE, self._client.nthreads).values()), 1)
            self._completed = import_module("distributed").as_completed(loop=self._client.loop)
            self._remote_work = self._client.submit(_same, work_to_remote(self._work), pure=False)
            self._heartbeat = Heartbeat(self._client)
            self._connection = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(Exception):  # the scheduler may be gone, or hang
            if self._client.status == "running" and self._chunks:
                futures = list(self._chunks)
                within(_CANCEL, lambda: self._client.cancel(futures, force=True))
        self._connection.close()

    def free(self) -> bool:
        """Whether a worker would begin soon with one more task."""
        tasks = sum(map(len, self._chunks.values())) + len(self._unsent)
        return tasks < self._threads * _CHUNKS_AHEAD * self._chunk

    def submit(self, task: Task) -> None:
        """Take a task; short ones are sent several at a time."""
        self._unsent.append(task)
        if len(self._unsent) >= self._chunk or task.part is not None:
            self._send_unsent()

    def wait(self) -> list[tuple[Task, Result]]:
        """Return what workers have answered.

        Raises:
            UnavailableError: The scheduler is gone, or the workers cannot do this work.
        """
        self._send_unsent()
        done: list[tuple[Task, Result]] = []
        while not done and self._chunks:
            for future in attended(self._completed.next_batch, _CHECK, self._check):
                done += self._on_completed(future)
        return done

    @property
    def _chunk(self) -> int:
        return min(max(int(_CHUNK_SECONDS / self._seconds), 1), _LARGEST_CHUNK)

    def _send_unsent(self) -> None:
        if self._unsent:
            self._send(self._unsent)
            self._unsent = []

    def _send(self, tasks: list[Task]) -> None:
        remote = [task_to_remote(task) for task in tasks]
        more = {"pure": False, "retries": _RETRIES}
        future = self._client.submit(run_tasks, self._remote_work, remote, **more)
        self._chunks[future] = tasks
        self._completed.add(future)

    def _check(self) -> None:
        """Check that the scheduler still answers; say once, each time, that no worker is left.

        Raises:
            UnavailableError: It is gone, or hangs.
        """
        if self._client.status != "running":
            raise self._lost()
        if self._heartbeat.has_stopped():
            what = f"has not answered for {SILENCE:.0f} seconds"
            raise UnavailableError(f"the Dask scheduler at {self._address} {what}", _RESUME)
        if self._heartbeat.has_workers != self._has_workers:
            self._has_workers = self._heartbeat.has_workers
            if not self._has_workers:
                self._on_note(
                    f"note: {self._address} has no worker any more; the run waits for one"
                )

    def _on_completed(self, future: Any) -> list[tuple[Task, Result]]:
        if future.status == "error":
            return self._on_error(self._chunks.pop(future), future.exception())
        try:
            results: Sequence[Result] = attended(future.result, _CHECK, self._check)
        except (OSError, asyncio.CancelledError, concurrent.futures.CancelledError):
            if future.cancelled() or self._client.status != "running":
                raise self._lost() from None
            self._completed.add(future)  # the answer is lost, and the cluster makes it again
            return []
        tasks = self._chunks.pop(future)
        for result in results:
            self._seconds += (max(result.seconds, 1e-5) - self._seconds) / 16
        pairs = zip(tasks, results, strict=True)
        return [(task, result_from_remote(result, task.input)) for task, result in pairs]

    def _on_error(self, tasks: list[Task], error: Exception) -> list[tuple[Task, Result]]:
        """Do tasks apart whose workers have died several times, until the one is found."""
        if not isinstance(error, import_module("distributed").KilledWorker):
            what = f"the workers cannot do this work: {type(error).__name__}: {error}"
            raise UnavailableError(what, "install the same poolnorm-cli for every worker")
        if len(tasks) > 1:
            for task in tasks:
                self._send([task])
            return []
        what, fix = "its worker died every time", "give the workers more memory"
        return [(tasks[0], Result(error=PoolnormError.at(tasks[0].input.name, what, fix)))]

    def _lost(self) -> UnavailableError:
        return UnavailableError(f"lost the Dask scheduler at {self._address}", _RESUME)


def _same(value: Work) -> Work:
    """Be a task whose result is the work: what is lost with a worker is made again."""
    return value
