"""Where the time of a run goes: to its start, to reading, computing, writing and waiting."""

import os
import time
from _thread import allocate_lock, get_ident  # `threading` is not imported by a short run
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

from poolnorm_cli.sizes import COPIED_BYTES
from poolnorm_cli.values import frozen


T = TypeVar("T")

WORK = ("read", "compute", "write")
_NOTHING = nullcontext()


@frozen
class Profile:
    """What a profiler has counted.

    Attributes:
        seconds: From the start of the process to the end of the run.
        spans: Seconds of `start`, `read`, `compute`, `write` and `wait`. Those of read and compute
            are of all threads together; wait is what the main thread waits for the others.
        read_bytes: Bytes of the inputs, as often as they were read.
        written_bytes: Bytes of the outputs.
        rate: Bytes read and written a second, between the start and the end.
        copy_rate: Bytes that a copy in memory reads and writes a second, measured just now.
    """

    seconds: float
    spans: dict[str, float]
    read_bytes: int
    written_bytes: int
    rate: float
    copy_rate: float


class Profiler:
    """Counts seconds by what they go to, in all threads."""

    def __init__(self) -> None:
        """Begin: what was before is the start."""
        self.began = time.perf_counter()
        self.start = _age()
        self.bytes: Counter[str] = Counter()
        self._spans: defaultdict[tuple[str, bool], float] = defaultdict(float)
        self._lock, self._main = allocate_lock(), get_ident()

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Count what happens inside as `name`."""
        began = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - began
            with self._lock:
                self._spans[name, get_ident() == self._main] += seconds

    def timed(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """Return items, and count what it takes to get each.

        Args:
            name: What the seconds go to: one of `WORK`, or `next`.
            items: The source.

        Returns:
            Its items.
        """
        rest, end = iter(items), object()
        while True:
            with self.span(name):
                item: Any = next(rest, end)
            if item is end:
                return
            yield item

    def timing(self, name: str, work: Callable[..., T]) -> Callable[..., T]:
        """Return a function, and count what each call of it takes.

        Args:
            name: What the seconds go to.
            work: The function.

        Returns:
            What does the same.
        """

        def timed(*given: Any) -> T:
            with self.span(name):
                return work(*given)

        return timed

    def count_bytes(self, name: str, size: int) -> None:
        """Add to what was read or written.

        Args:
            name: `read` or `written`.
            size: Bytes.
        """
        self.bytes[name] += size

    def profile(self) -> Profile:
        """Say what has been counted, and measure how fast this machine copies."""
        run = time.perf_counter() - self.began
        spans = {name: sum(self._spans[name, main] for main in (True, False)) for name in WORK}
        # The writing thread reads and computes itself where there is one block or one thread.
        own = sum(self._spans[name, True] for name in ("read", "compute"))
        wait = max(self._spans["next", True] - own, 0.0) + self._spans["wait", True]
        moved = self.bytes["read"] + self.bytes["written"]
        return Profile(
            seconds=self.start + run,
            spans={"start": self.start, **spans, "wait": wait},
            read_bytes=self.bytes["read"],
            written_bytes=self.bytes["written"],
            rate=moved / max(run, 1e-9),
            copy_rate=_copy_rate(),
        )


class NoProfiler:
    """Counts nothing."""

    def span(self, name: str) -> AbstractContextManager[None]:
        """Do nothing."""
        del name
        return _NOTHING

    def timed(self, name: str, items: Iterable[T]) -> Iterable[T]:
        """Return items.

        Args:
            name: Not used.
            items: The source.

        Returns:
            The source.
        """
        del name
        return items

    def timing(self, name: str, work: Callable[..., T]) -> Callable[..., T]:
        """Do nothing.

        Args:
            name: Not used.
            work: The function.

        Returns:
            The function.
        """
        del name
        return work

    def count_bytes(self, name: str, size: int) -> None:
        """Do nothing.

        Args:
            name: Not used.
            size: Not used.
        """


NO_PROFILER = NoProfiler()


def _age() -> float:
    """Return how many seconds ago this process began; 0 where nobody says."""
    from pathlib import Path

    try:
        fields = Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        ticks = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return max(time.clock_gettime(time.CLOCK_BOOTTIME) - ticks, 0.0)
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0


def _copy_rate() -> float:
    import numpy as np

    source = np.zeros(COPIED_BYTES, np.uint8)
    target = np.zeros(COPIED_BYTES, np.uint8)
    source[:] = 1  # pages that nobody has written are all one page
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        np.copyto(target, source)
        best = min(best, time.perf_counter() - began)
    return 2 * COPIED_BYTES / best
