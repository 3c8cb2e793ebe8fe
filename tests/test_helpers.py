"""Threads that are kept between calls."""

import os
import sys
import threading

import pytest

from poolnorm_cli.engine import helpers
from poolnorm_cli.engine.helpers import Team
from poolnorm_cli.engine.threads import ThreadPool


def meeting(count: int) -> set[int]:
    """Have so many threads meet, the caller among them, and return which these were."""
    barrier, seen = threading.Barrier(count), set[int]()

    def work(_: int) -> None:
        seen.add(threading.get_ident())
        barrier.wait(20)

    ThreadPool(count).for_each(work, range(count))
    return seen


def test_the_same_threads_help_again() -> None:
    first = meeting(3)

    assert len(first) == 3
    assert meeting(3) == first
    assert meeting(2) < first


def test_who_comes_too_late_is_not_waited_for() -> None:
    go_on, did = threading.Event(), list[int]()

    class Late(Team):
        def enter(self) -> None:
            go_on.wait(20)
            super().enter()
            done.set()

    done = threading.Event()
    team = Late(lambda: did.append(1), 1)
    team.wait()
    go_on.set()

    assert done.wait(20)
    assert not did


def test_without_more_threads_the_caller_does_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(helpers, "_IDLE", [])
    monkeypatch.setattr(helpers, "start_new_thread", refuse)
    done: list[int] = []

    ThreadPool(4).for_each(done.append, range(9))

    assert done == list(range(9))
    assert list(ThreadPool(4).ordered_map(abs, range(9))) == done


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_process_has_helpers_of_its_own() -> None:
    meeting(3)
    sys.stdout.flush()
    if not (pid := os.fork()):
        os._exit(len(meeting(3)))

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
