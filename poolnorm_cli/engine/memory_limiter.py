"""The memory that the tasks of one worker of a cluster share, so that the worker lives on.

A worker does a task in each of its threads, and its cluster pauses it, or kills it, when all of
them together take too much. So each task says what it is going to take, and waits its turn.
"""

from collections import deque
from importlib import import_module
from threading import Condition, get_ident
from typing import TYPE_CHECKING, Any

from poolnorm_cli.backends import PROCESS_BYTES
from poolnorm_cli.engine.memory_estimate import format_size, memory_of
from poolnorm_cli.errors import PoolnormError, UsageError
from poolnorm_cli.kernels.memory import forget
from poolnorm_cli.machine import memory_in_use
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.engine.layer_pass import Pass
    from poolnorm_cli.tensors.tensor import Tensor


_LARGE = 32 << 20
"""Bytes of a task after which nothing is kept for the next one, which may be of another shape."""


class Gate:
    """Lets threads take bytes in the order in which they ask, so that none waits for ever."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._waiting: deque[int] = deque()
        self._taken: dict[int, int] = {}

    def take(self, nbytes: int, limit: int) -> None:
        """Wait until this thread can have `nbytes` and all together `limit`, in place of before."""
        me = get_ident()
        with self._changed:
            self._taken.pop(me, None)
            self._waiting.append(me)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting[0] == me and self._fits(nbytes, limit))
            self._waiting.popleft()
            self._taken[me] = nbytes
            self._changed.notify_all()

    def leave(self) -> None:
        """Give back what this thread has."""
        with self._changed:
            if self._taken.pop(get_ident(), 0) > _LARGE:
                forget()
            self._changed.notify_all()

    def _fits(self, nbytes: int, limit: int) -> bool:
        return sum(self._taken.values()) + nbytes <= limit


@frozen
class Room:
    """What the tasks of this process may take.

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

    def fit(self, run: "Pass", tensor: "Tensor") -> "Pass":
        """Wait until a tensor has room; `leave` gives it back.

        Raises:
            UsageError: It takes more than there is, even alone.
        """
        needed = memory_of(run, tensor) - PROCESS_BYTES
        if needed > self.limit:
            raise self._refused(tensor, needed)
        _GATE.take(needed, self.limit)
        return run

    def leave(self) -> None:
        """Give back what the task of this thread has taken."""
        _GATE.leave()

    def _refused(self, tensor: "Tensor", needed: int) -> PoolnormError:
        whole = int((needed + self.used) / self.share)
        told = f"shape {tensor.shape} needs about {format_size(whole)} of a worker's memory"
        has = format_size(int((max(self.limit, 0) + self.used) / self.share))
        if self.asked:
            fix = f"give --max-memory {format_size(whole)} or more"
            return UsageError(f"{told}, and --max-memory allows {has}", fix)
        fix = f"start workers with --memory-limit {-(-whole // 2**20)}MiB or more"
        return UsageError(f"{told}, and it has {has}", fix)


def room_here(asked: int | None, worker: Any = None) -> Room | None:
    """Return the room in the worker that runs this; None where nothing limits it.

    Args:
        asked: Bytes of `--max-memory`, which hold for a worker; None without.
        worker: The worker; a task knows it without.
    """
    used, (limit, share) = _used(), _limit_of(worker)
    least = None if limit is None else int(limit * share)
    if asked is not None and (least is None or asked < least):
        return Room(asked - used, used, asked=True)
    return None if least is None else Room(least - used, used, share=share)


def _limit_of(worker: Any) -> tuple[int | None, float]:
    """Return the limit of the worker that runs this, and the part of it that it should not pass."""
    try:
        manager = (worker or import_module("distributed").get_worker()).memory_manager
    except (ImportError, ValueError, AttributeError):  # not in a worker, or in one of its own kind
        return None, 1.0
    return manager.memory_limit or None, float(manager.memory_pause_fraction or 1.0)


_GATE = Gate()
_BEFORE: list[int] = []


def _used() -> int:
    """Return the bytes of this process before its first task."""
    if not _BEFORE:
        # A worker has the cluster's own modules, where nothing says how much it has.
        _BEFORE.append(max(memory_in_use() or 2 * PROCESS_BYTES, PROCESS_BYTES))
    return _BEFORE[0]
