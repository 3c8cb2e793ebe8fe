"""Several threads: results in the order of the items, errors at their place, nothing left over."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import count as count_up

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.engine.layer_pass import LayerPass, initial_weights
from poolnorm_cli.engine.threads import BoundedMap, ThreadPool
from poolnorm_cli.layers import find


def counting(stop: int, taken: list[int], fails_at: int | None = None) -> Iterator[int]:
    for i in range(stop):
        if i == fails_at:
            raise ValueError("source")
        taken.append(i)
        yield i


@given(count=st.integers(0, 40), threads=st.integers(1, 5), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_results_come_in_order(count: int, threads: int, seed: int) -> None:
    pauses = np.random.default_rng(seed).random(count + 1) / 2000

    def work(i: int) -> int:
        time.sleep(pauses[i])
        return i * i

    assert list(ThreadPool(threads).ordered_map(work, range(count))) == [
        i * i for i in range(count)
    ]


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("place", [0, 1, 5, 19])
def test_an_error_comes_after_the_results_before_it(threads: int, place: int) -> None:
    def work(i: int) -> int:
        if i == place:
            raise ValueError("work")
        return i

    before = threading.active_count()
    for name, source, job in (
        ("work", range(20), work),
        ("source", counting(20, [], fails_at=place), int),
    ):
        seen: list[int] = []
        with pytest.raises(ValueError, match=name):
            seen.extend(ThreadPool(threads).ordered_map(job, source))
        if place > 1 or name == "work":
            assert seen == list(range(place))
    assert threading.active_count() == before


@pytest.mark.parametrize("threads", [2, 3])
def test_no_thread_runs_far_ahead_and_none_is_left_when_the_caller_goes(threads: int) -> None:
    pool, taken = ThreadPool(threads), list[int]()
    before = threading.active_count()
    results = pool.ordered_map(int, counting(100, taken))
    for place, _ in zip(range(5), results, strict=False):
        time.sleep(0.01)
        assert len(taken) <= place + pool.max_in_flight + 1
    del results

    assert threading.active_count() == before


def test_the_caller_works_as_well_rather_than_wait() -> None:
    seen: set[int] = set()
    before, main = threading.active_count(), threading.get_ident()
    by_caller, by_other = threading.Event(), threading.Event()

    def work(i: int) -> int:
        seen.add(threading.get_ident())
        assert threading.active_count() <= before + 1
        own, other = by_caller, by_other
        if threading.get_ident() != main:
            own, other = other, own
        own.set()
        other.wait(0.2)  # each of the 20 times, so that neither can do all the work alone
        return i

    assert list(ThreadPool(2).ordered_map(work, range(20))) == list(range(20))
    assert threading.get_ident() in seen
    assert len(seen) == 2


def test_an_interrupt_of_the_caller_is_not_kept_back() -> None:
    interrupted = threading.Event()

    def work(i: int) -> int:
        if threading.current_thread() is threading.main_thread():
            interrupted.set()
            raise KeyboardInterrupt
        interrupted.wait(0.2)  # each of the 100 times, so that the caller's turn comes
        return i

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        list(ThreadPool(2).ordered_map(work, range(100)))
    assert threading.active_count() == before


@pytest.mark.parametrize("words", ["pool max", "pool average", "gpool average", "bn", "ln"])
def test_threads_leave_the_bytes_as_they_are(words: str) -> None:
    layer = find(*words.split())()
    x = np.random.default_rng(1).standard_normal((90, 31, 33, 3)).astype(np.float32)
    training = words == "bn"
    expected, _ = run_array(layer, x, training=training)
    weights = initial_weights(layer, x.shape, "float32")
    for threads in (1, 2, 3):
        run = LayerPass(layer, x.shape, "float32", "float32", training, pool=ThreadPool(threads))
        blocks = [x[i : i + run.round_to_grains(21)] for i in range(0, 90, run.round_to_grains(21))]
        moments = run.moments(blocks)
        found = [y.copy() for y in run.outputs(blocks, weights, moments)]
        assert np.concatenate(found).tobytes() == expected.tobytes()


def test_locks_that_a_signal_left_taken_hold_nobody_up() -> None:
    began, taken, ended = threading.Event(), threading.Event(), threading.Event()

    def work(place: int) -> int:
        began.set()
        taken.wait(60)
        return place

    def interrupted() -> None:
        results = BoundedMap(work, count_up(), 4)
        with suppress(KeyboardInterrupt), results.running(2):
            began.wait(60)
            results.turn.acquire()
            taken.set()
            raise KeyboardInterrupt
        ended.set()

    threading.Thread(target=interrupted, daemon=True).start()

    assert ended.wait(20)
