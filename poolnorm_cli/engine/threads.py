"""Work on the items of a source in several threads, with results in the order of the items.

Compiled loops, NumPy and the operating system let other threads run while they compute, read and
write, so one reads while another computes. The caller is one of them, while it does not write.
"""

from _thread import RLock, allocate_lock
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from itertools import chain, islice
from typing import Any, Generic, NamedTuple, TypeVar

from poolnorm_cli.engine.helpers import Team
from poolnorm_cli.machine import processors
from poolnorm_cli.sizes import THREAD_BYTES, THREADED_ARRAYS_BYTES, THREADED_BYTES


T = TypeVar("T")
R = TypeVar("R")


class BoundedMap(Generic[T, R]):
    """A bounded map: at most `max_in_flight` items from the first in work to the last taken."""

    def __init__(self, work: Callable[[T], R], items: Iterator[T], max_in_flight: int) -> None:
        """Prepare to work on items.

        Args:
            work: Makes a result of an item.
            items: The source, which is asked by one thread at a time.
            max_in_flight: Items that may be in work, or have results that are not taken.
        """
        from threading import Condition  # which a run with one thread does without

        self.work, self.items, self.max_in_flight = work, items, max_in_flight
        self.turn, self.reading = Condition(), RLock()
        self.done: dict[int, tuple[Any, BaseException | None]] = {}
        self.begun = self.ended = 0
        self.count: int | None = None

    @contextmanager
    def running(self, threads: int) -> Iterator[None]:
        """Run this number of threads, and stop them whatever happens."""
        team = Team(self._run, threads)
        try:
            yield
        finally:
            self._let_go()
            with self.turn:
                self.count = self.begun  # no thread takes another item
                self.ended = self.begun + self.max_in_flight  # nor waits to be let in
                self.turn.notify_all()
            team.wait()

    def _let_go(self) -> None:
        """Release the locks that the caller still has.

        A signal may have ended it when it had taken one, and was not yet in the block that gives
        it back.
        """
        for release in (self.turn.release, self.reading.release):
            with suppress(RuntimeError):  # it is not, or no longer, the caller's
                while True:
                    release()

    def results(self) -> Iterator[R]:
        """Yield the results in order; who takes them works on items as well, rather than wait."""
        while True:
            while self.ended not in self.done and self._help():
                pass
            with self.turn:
                self.turn.wait_for(lambda: self.ended in self.done or self.count == self.ended)
                if self.ended not in self.done:
                    return
                result, error = self.done.pop(self.ended)
            if error is not None:
                raise error
            yield result
            with self.turn:
                self.ended += 1
                self.turn.notify_all()

    def _run(self) -> None:
        while (taken := self._take()) is not None:
            self._work(*taken, BaseException)

    def _help(self) -> bool:
        """Work on one item, if one can be had at once; say whether. Interrupts go through."""
        if self.begun >= self.ended + self.max_in_flight or not self.reading.acquire(
            blocking=False
        ):
            return False
        try:
            taken = self._next(Exception)
        finally:
            self.reading.release()
        if taken is not None:
            self._work(*taken, Exception)
        return taken is not None

    def _work(self, place: int, item: T, kept: type[BaseException]) -> None:
        """Work on an item; errors of a kind that is kept are raised where results are taken."""
        try:
            found: tuple[Any, BaseException | None] = self.work(item), None
        except kept as error:
            found = None, error
        self._keep(place, found)

    def _take(self) -> tuple[int, T] | None:
        """Take the next item, when there is room; the source is asked by one thread at a time."""
        with self.reading:
            with self.turn:
                self.turn.wait_for(lambda: self.begun < self.ended + self.max_in_flight)
            return self._next(BaseException)

    def _next(self, kept: type[BaseException]) -> tuple[int, T] | None:
        """Ask the source; errors are kept as those of `_work` are."""
        if self.count is not None:
            return None
        place = self.begun
        try:
            item = next(self.items)
        except StopIteration:
            self._end(place)
            return None
        except kept as error:
            self._keep(place, (None, error))
            self._end(place + 1)
            return None
        self.begun = place + 1
        return place, item

    def _keep(self, place: int, found: tuple[Any, BaseException | None]) -> None:
        with self.turn:
            self.done[place] = found
            self.turn.notify_all()

    def _end(self, count: int) -> None:
        with self.turn:
            self.count = count if self.count is None else self.count
            self.turn.notify_all()


class _Unordered(Generic[T]):
    """Work on items in several threads, none of which waits for another."""

    def __init__(self, work: Callable[[T], object], items: Iterator[T]) -> None:
        self.work, self.items = work, items
        self.taking, self.taken = allocate_lock(), 0
        self.errors: dict[int, Exception] = {}
        self.is_over = False

    def run(self, threads: int, waiting: AbstractContextManager[None]) -> None:
        """Work on all items, in this number of threads and the caller's.

        Those before an error have been taken already, so that the first of all is found.
        """
        team = Team(self._work, threads)
        try:
            self._work()
        finally:
            self.is_over = True  # an interrupt of the caller goes through
            with waiting:
                team.wait()
        if self.errors:
            raise self.errors[min(self.errors)]

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            place, item = taken
            try:
                self.work(item)
            except Exception as error:  # noqa: BLE001 - the caller raises it
                self.errors[place], self.is_over = error, True

    def _take(self) -> tuple[int, T] | None:
        with self.taking:
            place, self.taken = self.taken, self.taken + 1
            try:
                return None if self.is_over else (place, next(self.items))
            except StopIteration:
                pass
            except Exception as error:  # noqa: BLE001 - as above
                self.errors[place] = error
            self.is_over = True
            return None


_NOTHING = nullcontext()
_MORE_FOR_TWO = 4
"""Times as much that a tensor has to have for two threads, where a second one gains least."""
_MOST_IN_ORDER = 4
"""Threads whose results one thread takes in order, unless more are asked for: it writes or copies
them, and that is all that the machine does then."""


def default_threads() -> int:
    """Return how many threads there are by default: one for each processor."""
    return processors()


class ThreadPool(NamedTuple):
    """Some threads.

    Attributes:
        threads: How many, the caller's among them; with 1 it does all work.
        in_order: How many where the caller takes large results in order; 0 for as many.
    """

    threads: int = 1
    in_order: int = 0

    @property
    def max_in_flight(self) -> int:
        """Items that may be in use at once."""
        return 1 if self.threads == 1 else self.threads + 2

    @property
    def taken_in_order(self) -> "ThreadPool":
        """The threads where the caller takes large results in order."""
        return ThreadPool(self.in_order or self.threads)

    def for_each(
        self,
        work: Callable[[T], object],
        items: Iterable[T],
        waiting: AbstractContextManager[None] = _NOTHING,
    ) -> None:
        """Work on each item, in any order.

        Args:
            work: What is done, in any of the threads.
            items: The source, of which as many items as there are threads are in use at once.
            waiting: Is entered while the caller waits for the last items of the others.

        Raises:
            Exception: The first error by the order of the items, of the source or of `work`. No
                item is begun after it.
        """
        if self.threads == 1:
            for item in items:
                work(item)
            return
        rest = iter(items)
        first = list(islice(rest, self.threads))
        if first:
            _Unordered(work, chain(first, rest)).run(len(first) - 1, waiting)

    def ordered_map(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Return what `work` makes of each item, in order.

        An error of the source or of `work` is raised at its place, after the results before it.

        Args:
            work: Makes a result of an item, in any of the threads.
            items: The source, of which `max_in_flight` items are in use at once.

        Returns:
            The results.
        """
        return map(work, items) if self.threads == 1 else self._spread(work, iter(items))

    def _spread(self, work: Callable[[T], R], items: Iterator[T]) -> Iterator[R]:
        first = list(islice(items, 2))
        if len(first) < 2:
            yield from map(work, first)
            return

        results: BoundedMap[T, R] = BoundedMap(work, chain(first, items), self.max_in_flight)
        with results.running(self.threads - 1):  # the caller is the last
            yield from results.results()


ONE_THREAD = ThreadPool()


def pool_for(threads: int | None, nbytes: int, *, in_strips: bool = False) -> ThreadPool:
    """Return the threads for a tensor: one where more would not pay.

    Args:
        threads: How many there may be; None for as many as there are by default.
        nbytes: Bytes of the tensor.
        in_strips: It is an array whose samples are cut into strips: there is more to do for each
            than one loop does, and nothing to read.

    Returns:
        The threads.
    """
    most = default_threads() if threads is None else threads
    least = THREADED_BYTES if most > 2 or in_strips else _MORE_FOR_TWO * THREADED_BYTES
    if most == 1 or nbytes < least:
        return ONE_THREAD
    from poolnorm_cli.kernels.native import compiled

    if not compiled() and nbytes < THREADED_ARRAYS_BYTES:
        return ONE_THREAD
    if threads is not None:
        return ThreadPool(threads)
    count = max(min(most, nbytes // THREAD_BYTES), 1)
    return ThreadPool(count, min(count, _MOST_IN_ORDER))
