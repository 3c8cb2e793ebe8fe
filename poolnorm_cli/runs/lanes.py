"""Work on the items of a source in several threads, with results in the order of the items.

NumPy and the operating system let other threads run while they compute, read and write, so one
lane reads while another computes. The caller is one of them, while it does not write.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import NamedTuple, TypeVar

from poolnorm_cli.machine import processors


Item = TypeVar("Item")
Result = TypeVar("Result")

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
        from poolnorm_cli.runs.line import Line

        line: Line[Item, Result] = Line(work, chain(first, items), self.held)
        with line.running(self.threads - 1):  # the caller is the last
            yield from line.results()


ONE_LANE = Lanes()


def lanes_for(threads: int, nbytes: int) -> Lanes:
    """Return the lanes for a tensor of so many bytes: one where more would not pay."""
    from poolnorm_cli.kernels.native import compiled

    return Lanes(threads) if nbytes >= (_WORTH if compiled() else 2 * _WORTH) else ONE_LANE
