"""A scheduler that hangs keeps its connections: it is known by its silence."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from poolnorm_cli.batch import dask_heartbeat
from poolnorm_cli.batch.dask_heartbeat import SILENCE, Heartbeat, within
from tests.batch.clusters import cluster
from tests.batch.places import make_tensors, until
from tests.conftest import Command


class Scheduler:
    """Answers, fails, or hangs."""

    def __init__(self) -> None:
        self.workers: Any = {"tcp://here": 1}
        self.asked = 0

    async def ncores(self) -> Any:
        self.asked += 1
        if self.workers is None:
            await asyncio.Event().wait()
        if isinstance(self.workers, Exception):
            raise self.workers
        return self.workers


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever)
    thread.start()
    yield made

    async def cancel() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for each in others:
            each.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    asyncio.run_coroutine_threadsafe(cancel(), made).result()
    made.call_soon_threadsafe(made.stop)
    thread.join()
    made.close()


def test_a_scheduler_is_asked_again_and_again_until_it_is_silent(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(dask_heartbeat, "time", SimpleNamespace(monotonic=lambda: now[0]))
    scheduler = Scheduler()
    there = Heartbeat(SimpleNamespace(scheduler=scheduler, loop=SimpleNamespace(asyncio_loop=loop)))

    def look(seconds: float) -> bool:
        now[0] += seconds
        stopped = there.has_stopped()
        question = there._question
        if question is not None and scheduler.workers is not None:
            until(question.done)
        return stopped

    assert not any(look(each) for each in (0, 1, 2, 3, 4, SILENCE - 1))
    assert scheduler.asked == 2
    assert there.has_workers
    scheduler.workers = {}
    assert not any(look(each) for each in (3, 0, 3))
    assert not there.has_workers
    scheduler.workers = OSError("broken off")
    assert not any(look(each) for each in (3, 0))
    asked, scheduler.workers = scheduler.asked, None
    assert not any(look(each) for each in (3, 10, 20))
    assert look(1)
    until(lambda: scheduler.asked == asked + 1)


def test_what_takes_too_long_is_left_to_itself() -> None:
    asked = threading.Event()
    with pytest.raises(TimeoutError):
        within(0.01, asked.wait)
    asked.set()
    assert within(60, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        within(60, lambda: 1 // 0)


def test_interrupts_do_not_reach_what_is_started_there() -> None:
    blocked = within(60, lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ()))

    assert signal.SIGINT in blocked
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_scheduler_that_hangs_ends_the_run(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    make_tensors("in", 400, (8, 64, 64, 8))
    with cluster(2) as place:

        def stop() -> None:
            until(lambda: Path("out").exists() and len(list(Path("out").iterdir())) > 5)
            place.processes[0].send_signal(signal.SIGSTOP)
            monkeypatch.setattr(dask_heartbeat, "SILENCE", 3.0)

        thread = threading.Thread(target=stop)
        thread.start()
        result = poolnorm(f"pool max in -O out -q --journal j --dask {place.address}")
        thread.join()

    assert result.code == 3
    assert f"error: the Dask scheduler at {place.address} has not answered for 30 seconds; " in (
        result.err
    )
    assert "--journal FILE --resume" in result.err


def test_a_scheduler_that_hangs_from_the_start_is_told(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    make_tensors("in", 2)
    monkeypatch.setattr("poolnorm_cli.batch.dask_cluster._CONNECT", 1)
    with cluster(0) as place:
        place.processes[0].send_signal(signal.SIGSTOP)
        result = poolnorm(f"pool max in -O out -q --dask {place.address}")

    assert result.code == 3
    assert f"error: no Dask scheduler answers at {place.address}; start one" in result.err


def test_workers_that_do_not_answer_are_told(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    make_tensors("in", 2)
    with cluster(1) as place:

        def too_long(seconds: float, work: object) -> object:
            if seconds == SILENCE:
                raise TimeoutError
            return within(seconds, work)  # type: ignore[arg-type]

        monkeypatch.setattr("poolnorm_cli.batch.dask_cluster.within", too_long)
        result = poolnorm(f"pool max in -O out -q --dask {place.address}")

    assert result.code == 3
    told = (
        "a worker, or the Dask scheduler, has not answered for 30 seconds; restart those that hang"
    )
    assert told in result.err
