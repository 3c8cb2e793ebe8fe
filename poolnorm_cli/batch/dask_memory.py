"""The memory that the tasks of one worker of a cluster share, so that the worker lives on.

A worker does a task in each of its threads, and its cluster pauses it, or kills it, when all of
them together take too much. So each task says what it is going to take, and waits its turn.
"""

from collections import deque
from importlib import import_module
from threading import Condition, get_ident
from typing import TYPE_CHECKING, Any

from poolnorm_cli.engine.memory_estimate import format_size, memory_of
from poolnorm_cli.errors import PoolnormError, UsageError
from poolnorm_cli.kernels.memory import clear as clear_kernel_memory
from poolnorm_cli.machine import memory_in_use
from poolnorm_cli.sizes import KEPT_TASK_BYTES, PROCESS_BYTES
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.engine.layer_pass import LayerPass
    from poolnorm_cli.tensors.tensor import Tensor


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

    def admit(self, plan: "LayerPass", tensor: "Tensor") -> None:
        """Wait until there is memory for a tensor; `release` gives it back.

        Args:
            plan: The layer on the tensor.
            tensor: The tensor.

        Raises:
            UsageError: It takes more than there is, even alone.
        """
        needed = memory_of(plan, tensor) - PROCESS_BYTES
        if needed > self.limit:
            raise self._refused(tensor, needed)
        _QUEUE.acquire(needed, self.limit)

    @staticmethod
    def release() -> None:
        """Give back what the task of this thread has taken."""
        _QUEUE.release()

    def _refused(self, tensor: "Tensor", needed: int) -> PoolnormError:
        whole = int((needed + self.used) / self.share)
        told = f"shape {tensor.shape} needs about {format_size(whole)} of a worker's memory"
        has = format_size(int((max(self.limit, 0) + self.used) / self.share))
        if self.asked:
            fix = f"give --max-memory {format_size(whole)} or more"
            return UsageError(f"{told}, and --max-memory allows {has}", fix)
        fix = f"start workers with --memory-limit {-(-whole // 2**20)}MiB or more"
        return UsageError(f"{told}, and it has {has}", fix)


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
