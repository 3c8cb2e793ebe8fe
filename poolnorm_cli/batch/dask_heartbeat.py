"""The heartbeat of a scheduler: one that hangs keeps its connections, and is silent."""

import asyncio
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar


if TYPE_CHECKING:
    from concurrent.futures import Future


T = TypeVar("T")

SILENCE = 30.0
"""Seconds without an answer after which a scheduler, or a worker, is taken to hang."""
_PAUSE = 2.0
"""Seconds from an answer to the next question."""


class Heartbeat:
    """Asks a scheduler for its workers, again and again."""

    def __init__(self, client: Any) -> None:
        """Begin with the client of a scheduler that has just answered."""
        self._client = client
        self._question: Future[Mapping[str, int]] | None = None
        self._since = time.monotonic()
        self.has_workers = True

    def has_stopped(self) -> bool:
        """Whether it has left a question open for so long that it will not answer; or ask it."""
        now = time.monotonic()
        if self._question is None:
            if now - self._since >= _PAUSE:
                self._since = now
                self._question = asyncio.run_coroutine_threadsafe(
                    self._client.scheduler.ncores(), self._client.loop.asyncio_loop
                )
        elif self._question.done():
            with suppress(Exception):  # a connection that breaks is seen by the client's status
                self.has_workers = bool(self._question.result())
            self._question, self._since = None, now
        return self._question is not None and now - self._since > SILENCE


def within(seconds: float, work: Callable[[], T]) -> T:
    """Return what `work` returns, if it does so in time; else it is left to itself.

    Args:
        seconds: The time that it has.
        work: What is done, in a thread of its own.

    Returns:
        What `work` returns.

    Raises:
        TimeoutError: It takes longer.
        Exception: What `work` raises.
    """

    def over() -> None:
        raise TimeoutError

    return attended(work, seconds, over)


def attended(work: Callable[[], T], seconds: float, check: Callable[[], None]) -> T:
    """Return what `work` returns; every so many seconds `check` may raise, to wait no longer.

    Args:
        work: What is done, in a thread of its own.
        seconds: From one call of `check` to the next.
        check: Raises an error where it is no use to wait.

    Returns:
        What `work` returns.

    Raises:
        Exception: What `work` raises, or `check`.
    """
    answers: SimpleQueue[tuple[bool, Any]] = SimpleQueue()

    def run() -> None:
        # Interrupts are for the main thread, and not for processes that are started from here.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            answers.put((True, work()))
        except BaseException as error:  # noqa: BLE001 - raised below, where it is waited for
            answers.put((False, error))

    Thread(target=run, daemon=True).start()
    while True:
        with suppress(Empty):
            done, result = answers.get(timeout=seconds)
            break
        check()
    if not done:
        raise result
    value: T = result
    return value
