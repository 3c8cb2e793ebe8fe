"""The line along which items pass through several threads and come out in order."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, Lock, Thread
from typing import Any, Generic, TypeVar


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
