"""What a worker on another machine does: the same tasks, their files named from the root.

A worker does a task in each of its threads, and its cluster pauses it, or kills it, when all of
them together take too much. So each task says what memory it is going to take, and waits its turn.
"""

import os
from collections import deque
from collections.abc import Sequence
from importlib import import_module
from threading import Condition, get_ident
from typing import TYPE_CHECKING, Any

from poolnorm_cli import __version__
from poolnorm_cli.batch.group_commit import Done, GroupCommit
from poolnorm_cli.batch.inputs import Input
from poolnorm_cli.batch.tasks import Result, Task, Work
from poolnorm_cli.engine.memory_estimate import format_size
from poolnorm_cli.errors import PoolnormError, UsageError
from poolnorm_cli.kernels.memory import clear as clear_kernel_memory
from poolnorm_cli.machine import memory_in_use
from poolnorm_cli.sizes import KEPT_TASK_BYTES, PROCESS_BYTES
from poolnorm_cli.values import frozen, replace


if TYPE_CHECKING:
    from poolnorm_cli.tensors.tensor import Tensor


@frozen
class WorkerInfo:
    """What a worker is, and which files it sees.

    Attributes:
        version: Its poolnorm.
        missing: The paths that it does not see.
        memory: Bytes that it has for tasks; None for any number.
    """

    version: str
    missing: tuple[str, ...]
    memory: int | None = None


def probe(paths: Sequence[str], dask_worker: Any = None) -> WorkerInfo:
    """Return what the worker that runs this is, and sees.

    Args:
        paths: Files that it should see, named from the root.
        dask_worker: The worker: the cluster gives it to what has an argument of this name.

    Returns:
        Its version, its memory, and the files that are missing.
    """
    missing = tuple(path for path in paths if not os.path.exists(path))  # noqa: PTH110
    memory = worker_memory(None, dask_worker)
    return WorkerInfo(__version__, missing, memory.limit if memory else None)


def run_tasks(work: Work, tasks: Sequence[Task]) -> list[Result]:
    """Do tasks one after another; another thread may be at others with the same work.

    Args:
        work: What the tasks have in common.
        tasks: The tasks, their files named from the root.

    Returns:
        What came of each, in order.
    """
    memory = worker_memory(work.job.memory)
    own = replace(work, job=work.job.any_job().in_worker(memory))
    commits = GroupCommit(own, safely=True)
    done: Done = []
    try:
        for task in tasks:
            try:
                done += commits.run(task)
            finally:
                if memory is not None:
                    memory.release()
        done += commits.flush()
    finally:
        commits.discard()
    return [result for _, result in done]


def work_to_remote(work: Work) -> Work:
    """Return the work with its files named from the root."""
    return replace(work, job=work.job.any_job().with_files(absolute))


def task_to_remote(task: Task) -> Task:
    """Return a task with its files named from the root.

    A cluster does a task again when it has lost the answer, so the output may be there already.
    """
    item = task.input
    target = None if item.target is None else absolute(item.target)
    part = task.part
    if part is not None and part.file is not None:
        part = replace(part, file=absolute(part.file))
    tees = tuple(map(absolute, item.tees))
    away = replace(item, word=absolute(item.word), target=target, tees=tees)
    return replace(task, input=away, part=part, again=True)


def result_from_remote(result: Result, item: Input) -> Result:
    """Return a result with the names that the person gave.

    Args:
        result: What a worker made of a task.
        item: The input of the task, as it was given.

    Returns:
        The result, in which files have those names.
    """
    word, target = absolute(item.word), absolute(item.target or ".")
    error = result.error
    if error is not None:
        error = error.renamed({target: item.target or target, word: item.word})
    outcomes = []
    for outcome in result.outcomes:
        name = outcome.input.replace(word, item.word, 1)
        pictures = tuple((replace(given, name=name), made) for given, made in outcome.pictures)
        own = replace(outcome, input=name, output=item.shown_target, pictures=pictures)
        outcomes.append(own)
    return replace(result, error=error, outcomes=tuple(outcomes))


def absolute(path: str) -> str:
    """Name a file from the root; one in the cloud has its name already."""
    return path if "://" in path else os.path.abspath(path)  # noqa: PTH100 - keeps links


class MemoryQueue:
    """Lets threads have bytes in the order in which they ask, so that none waits for ever."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._waiting: deque[int] = deque()
        self._taken: dict[int, int] = {}

    def acquire(self, nbytes: int, limit: int) -> None:
        """Wait until there are bytes for this thread, in place of those that it has.

        Args:
            nbytes: How many.
            limit: How many all threads may have together.
        """
        me = get_ident()
        with self._changed:
            self._taken.pop(me, None)
            self._waiting.append(me)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting[0] == me and self._fits(nbytes, limit))
            self._waiting.popleft()
            self._taken[me] = nbytes
            self._changed.notify_all()

    def release(self) -> None:
        """Give back what this thread has."""
        with self._changed:
            if self._taken.pop(get_ident(), 0) > KEPT_TASK_BYTES:
                clear_kernel_memory()
            self._changed.notify_all()

    def _fits(self, nbytes: int, limit: int) -> bool:
        return sum(self._taken.values()) + nbytes <= limit


@frozen
class WorkerMemory:
    """The bytes that the tasks of this process may take together: a `MemoryLimiter`.

    Attributes:
        limit: Bytes for all at once, beyond those of the process before them.
        used: Bytes of the process before them.
        asked: `--max-memory` is what sets the limit, and not the worker.
        share: The part of its memory up to which a worker goes on with new tasks.
    """

    limit: int
    used: int = PROCESS_BYTES
    asked: bool = False
    share: float = 1.0

    def admit(self, needed: int, tensor: "Tensor") -> None:
        """Wait until there is memory for a tensor; `release` gives it back.

        Args:
            needed: Bytes that a process needs for it.
            tensor: The tensor.

        Raises:
            UsageError: It takes more than there is, even alone.
        """
        needed -= PROCESS_BYTES
        if needed > self.limit:
            raise self._refused(tensor, needed)
        _QUEUE.acquire(needed, self.limit)

    @staticmethod
    def release() -> None:
        """Give back what the task of this thread has taken."""
        _QUEUE.release()

    def _refused(self, tensor: "Tensor", needed: int) -> PoolnormError:
        whole = int((needed + self.used) / self.share)
        what = f"shape {tensor.shape} needs about {format_size(whole)} of a worker's memory"
        has = format_size(int((max(self.limit, 0) + self.used) / self.share))
        if self.asked:
            fix = f"give --max-memory {format_size(whole)} or more"
            return UsageError(f"{what}, and --max-memory allows {has}", fix)
        fix = f"start workers with --memory-limit {-(-whole // 2**20)}MiB or more"
        return UsageError(f"{what}, and it has {has}", fix)


def worker_memory(asked: int | None, worker: Any = None) -> WorkerMemory | None:
    """Return the memory of the worker that runs this.

    Args:
        asked: Bytes of `--max-memory`, which hold for a worker; None without.
        worker: The worker; a task knows it without.

    Returns:
        What its tasks may take; None where nothing limits it.
    """
    used, (limit, share) = _used(), _limit_of(worker)
    least = None if limit is None else int(limit * share)
    if asked is not None and (least is None or asked < least):
        return WorkerMemory(asked - used, used, asked=True)
    return None if least is None else WorkerMemory(least - used, used, share=share)


def _limit_of(worker: Any) -> tuple[int | None, float]:
    """Return the limit of the worker that runs this, and the part of it that it should not pass."""
    try:
        manager = (worker or import_module("distributed").get_worker()).memory_manager
    except (ImportError, ValueError, AttributeError):  # not in a worker, or in one of its own kind
        return None, 1.0
    return manager.memory_limit or None, float(manager.memory_pause_fraction or 1.0)


_QUEUE = MemoryQueue()
_BEFORE: list[int] = []


def _used() -> int:
    """Return the bytes of this process before its first task."""
    if not _BEFORE:
        # A worker has the cluster's own modules, where nothing says how much it has.
        _BEFORE.append(max(memory_in_use() or 2 * PROCESS_BYTES, PROCESS_BYTES))
    return _BEFORE[0]
