"""Work on the items of a source in several threads, with results in the order of the items.

NumPy and the operating system let other threads run while they compute, read and write, so one
lane reads while another computes. The caller is one of them, while it does not write.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from threading import Condition, Lock, Thread
from typing import Any, Generic, NamedTuple, TypeVar

from poolnorm_cli.machine import processors


Item = TypeVar("Item")
Result = TypeVar("Result")


class Line(Generic[Item, Result]):
    """Items on their way, at most `held` from the first that is worked on to the last taken."""

    def __init__(self, work: Callable[[Item], Result], items: Iterator[Item], held: int) -> None:
        """Prepare to work on the items."""
        self.work, self.items, self.held = work, items, held
        self.turn, self.reading = Condition(), Lock()
        self.done: dict[int, tuple[Any, BaseException | None]] = {}
        self.begun = self.ended = 0
        self.count: int | None = None

    @contextmanager
    def running(self, threads: int) -> Iterator[None]:
        """Run the lanes, and stop them whatever happens."""
        lanes = [Thread(target=self._lane, daemon=True) for _ in range(threads)]
        for lane in lanes:
            lane.start()
        try:
            yield
        finally:
            with self.turn:
                self.count = self.begun  # no lane takes another item
                self.ended = self.begun + self.held  # nor waits for room
                self.turn.notify_all()
            for lane in lanes:
                lane.join()

    def results(self) -> Iterator[Result]:
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

    def _lane(self) -> None:
        while (taken := self._take()) is not None:
            self._work(*taken, BaseException)

    def _help(self) -> bool:
        """Work on one item, if one can be had at once; say whether. Interrupts go through."""
        if self.begun >= self.ended + self.held or not self.reading.acquire(blocking=False):
            return False
        try:
            taken = self._next(Exception)
        finally:
            self.reading.release()
        if taken is not None:
            self._work(*taken, Exception)
        return taken is not None

    def _work(self, place: int, item: Item, kept: type[BaseException]) -> None:
        """Work on an item; errors of a kind that is kept are raised where results are taken."""
        try:
            found: tuple[Any, BaseException | None] = self.work(item), None
        except kept as error:
            found = None, error
        self._tell(place, found)

    def _take(self) -> tuple[int, Item] | None:
        """Take the next item, when there is room; the source is asked by one lane at a time."""
        with self.reading:
            with self.turn:
                self.turn.wait_for(lambda: self.begun < self.ended + self.held)
            return self._next(BaseException)

    def _next(self, kept: type[BaseException]) -> tuple[int, Item] | None:
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
            self._tell(place, (None, error))
            self._end(place + 1)
            return None
        self.begun = place + 1
        return place, item

    def _tell(self, place: int, found: tuple[Any, BaseException | None]) -> None:
        with self.turn:
            self.done[place] = found
            self.turn.notify_all()

    def _end(self, count: int) -> None:
        with self.turn:
            self.count = count if self.count is None else self.count
            self.turn.notify_all()


_WORTH = 32 << 20
"""Bytes below which handing blocks from thread to thread takes longer than it saves. In NumPy it is
twice as much, whose short loops get in each other's way at the interpreter's lock.
"""
_MOST = 4
"""Threads beyond which the memory's bandwidth is used up."""


def default_threads() -> int:
    """Return how many threads there are by default: one for each processor, up to 4."""
    return min(processors(), _MOST)


class Lanes(NamedTuple):
    """Some threads.

    Attributes:
        threads: How many, the caller's among them; with 1 it does all work.
    """

    threads: int = 1

    @property
    def held(self) -> int:
        """Items that may be in use at once."""
        return 1 if self.threads == 1 else self.threads + 2

    def map(self, work: Callable[[Item], Result], source: Iterable[Item]) -> Iterator[Result]:
        """Return what `work` makes of each item, in order; an item is held till it is done.

        An error of the source or of `work` is raised at its place, after the results before it.
        """
        return map(work, source) if self.threads == 1 else self._spread(work, iter(source))

    def _spread(self, work: Callable[[Item], Result], items: Iterator[Item]) -> Iterator[Result]:
        first = list(islice(items, 2))
        if len(first) < 2:
            yield from map(work, first)
            return

        line: Line[Item, Result] = Line(work, chain(first, items), self.held)
        with line.running(self.threads - 1):  # the caller is the last
            yield from line.results()


ONE_LANE = Lanes()


def lanes_for(threads: int, nbytes: int) -> Lanes:
    """Return the lanes for a tensor of so many bytes: one where more would not pay."""
    from poolnorm_cli.kernels.native import compiled

    return Lanes(threads) if nbytes >= (_WORTH if compiled() else 2 * _WORTH) else ONE_LANE
