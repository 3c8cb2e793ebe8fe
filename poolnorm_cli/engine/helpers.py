"""Threads that help the caller, and are kept for its next call: to begin one takes longer.

They are begun without `threading`, whose import a short run does without; nobody waits for them at
the end of the process, where they do nothing.
"""

import os
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from _thread import LockType


class _Helper:
    """A thread that does what it is given, and then waits to be given more."""

    def __init__(self) -> None:
        """Begin the thread.

        Raises:
            RuntimeError: The system gives no more threads.
        """
        self.given = allocate_lock()
        self.given.acquire()
        self.team: Team | None = None
        start_new_thread(self._live, ())

    def help(self, team: "Team") -> None:
        """Have the thread work for a team."""
        self.team = team
        self.given.release()

    def _live(self) -> None:
        while True:
            self.given.acquire()
            team, self.team = self.team, None
            if team is not None:
                team.enter()
            del team
            _IDLE.append(self)


_IDLE: list[_Helper] = []
"""Helpers with nothing to do: those who became so last are taken first."""
_STATE = {"watched": False}


class Team:
    """Helpers who do the same as the caller, at the same time.

    One who comes when the work is over already is not waited for.
    """

    def __init__(self, work: Callable[[], None], helpers: int) -> None:
        """Have helpers begin.

        Args:
            work: What each of them does once; it raises nothing.
            helpers: How many there should be. There are fewer where the system gives no more.
        """
        self._work = work
        self._lock = allocate_lock()
        self._inside, self._is_over = 0, False
        self._empty: LockType | None = None
        _watch_forks()
        for _ in range(helpers):
            helper = _idle_helper()
            if helper is None:
                break
            helper.help(self)

    def enter(self) -> None:
        """Do the work, as one of the helpers."""
        with self._lock:
            if self._is_over:
                return
            self._inside += 1
        try:
            self._work()
        finally:
            with self._lock:
                self._inside -= 1
                if self._empty is not None and not self._inside:
                    self._empty.release()

    def wait(self) -> None:
        """Wait for those who are at work; nobody else begins."""
        with self._lock:
            self._is_over = True
            if not self._inside:
                return
            self._empty = allocate_lock()
            self._empty.acquire()
        self._empty.acquire()


def _idle_helper() -> _Helper | None:
    try:
        return _IDLE.pop()
    except IndexError:
        pass
    try:
        return _Helper()
    except RuntimeError:
        return None


def _watch_forks() -> None:
    """Forget the helpers in processes that are forked from this one, which do not have them."""
    if not _STATE["watched"]:
        _STATE["watched"] = True
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_IDLE.clear)
