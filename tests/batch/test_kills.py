"""Runs and workers that are killed: nothing torn, nothing left behind, nothing lost."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.batch.places import FAULTS, alive, children, holds, make_tensors, start, tree, until


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc"),
]

SYNCED = ["pool", "max", "in", "-O", "out", "-q", "--journal", "j"]
WORDS = [*SYNCED, "--no-sync"]
"""Without it outputs appear many at a time, and a run cannot be met in the middle of them."""


@pytest.fixture(autouse=True)
def heeded_signals() -> None:
    """Heed them: what nohup starts, or a shell in the background, is told to ignore some."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def in_the_middle(jobs: str) -> "subprocess.Popen[bytes]":
    """Start a run and hold it, with SIGSTOP, where some of its 400 outputs are there."""
    for _ in range(10):
        subprocess.run(["rm", "-rf", "out", "j"], check=True)
        run = start(*WORDS, "-j", jobs)
        until(lambda: run.poll() is not None or count("out") > 5)  # noqa: B023
        os.kill(run.pid, signal.SIGSTOP)
        if run.poll() is None and count("out") < 300:
            return run
        run.kill()  # this process was held up for so long that the run came to its end
        run.wait()
    pytest.fail("a run is never seen in its middle")


def count(directory: str) -> int:
    return sum(1 for _ in Path(directory).iterdir()) if Path(directory).exists() else 0


def golden() -> dict[str, str]:
    """Run in peace."""
    assert start("pool", "max", "in", "-O", "golden", "-q").wait() == 0
    return tree("golden")


def kill_and_resume(rounds: int, seed: int, jobs: str) -> None:
    make_tensors("in", 60, (8, 32, 32, 8))
    expected, chance = golden(), random.Random(seed)  # noqa: S311
    for _ in range(rounds):
        for name in ("out", "j"):
            subprocess.run(["rm", "-rf", name], check=True)
        run = start(*SYNCED, "-j", jobs)
        until(lambda: Path("j").exists() or run.poll() is not None)  # noqa: B023
        time.sleep(chance.random() * 0.3)
        below = children(run.pid)
        run.kill()
        run.wait()
        until(lambda: not any(map(alive, below)))  # noqa: B023
        assert tree("out").items() <= expected.items() if Path("out").exists() else True
        assert start(*SYNCED, "-j", jobs, "--resume").wait() == 0
        assert tree("out") == expected


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_killed_run_is_taken_up_where_it_ended(jobs: str) -> None:
    kill_and_resume(10, seed=int(jobs), jobs=jobs)


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_hundred_killed_runs_are_taken_up(jobs: str) -> None:
    kill_and_resume(100, seed=10 + int(jobs), jobs=jobs)


@pytest.mark.parametrize("jobs", ["1", "3"])
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_a_run_cleanly(number: signal.Signals, code: int, jobs: str) -> None:
    make_tensors("in", 400, (8, 32, 32, 8))
    expected = golden()
    run = in_the_middle(jobs)
    below = children(run.pid)
    assert len(below) == (0 if jobs == "1" else 3)
    run.send_signal(number)
    run.send_signal(signal.SIGCONT)

    assert run.wait() == code
    assert not any(map(alive, below))
    there = tree("out")
    assert there.items() <= expected.items()
    assert len(there) < 400
    assert start(*WORDS, "-j", jobs, "--resume").wait() == 0
    assert tree("out") == expected


def test_an_interrupt_from_the_keyboard_reaches_the_whole_group() -> None:
    make_tensors("in", 400, (8, 32, 32, 8))
    run = in_the_middle("2")
    below = children(run.pid)
    os.killpg(run.pid, signal.SIGINT)
    run.send_signal(signal.SIGCONT)

    assert run.wait() == 130
    assert Path(FAULTS).read_text() == ""
    assert not any(map(alive, below))


def test_workers_do_not_outlive_a_killed_parent() -> None:
    make_tensors("in", 400, (8, 32, 32, 8))
    run = start(*WORDS, "-j", "3")
    until(lambda: len(children(run.pid)) == 3)
    below = children(run.pid)
    run.kill()
    run.wait()

    until(lambda: not any(map(alive, below)))
    assert not list(Path("out").glob(".*"))


def kill_workers(files: int, kills: int) -> None:
    """Kill a worker so many times in one run; with more files where the run is too quick for it."""
    for number in (files, 2 * files, 4 * files):
        for name in ("in", "golden", "out", "j"):
            subprocess.run(["rm", "-rf", name], check=True)
        make_tensors("in", number, (8, 32, 32, 8))
        expected = golden()
        run = start(*WORDS, "-j", "2")
        killed = kill_workers_of(run, sorted(expected), kills)
        code = run.wait()
        assert (code, Path(FAULTS).read_text()) == (0, "")
        assert tree("out") == expected
        if killed == kills:
            return
    pytest.fail(f"only {killed} workers were there to be killed")


def kill_workers_of(run: "subprocess.Popen[bytes]", names: list[str], kills: int) -> int:
    chance, killed, gone, known = random.Random(len(names)), 0, 10, set[int]()  # noqa: S311
    while run.poll() is None and killed < kills:
        time.sleep(0.01)
        # Two deaths at a file fail it, and rightly: first all that the last one held up is there.
        if not all(Path("out", name).exists() for name in names[:gone]):
            continue
        # And not the one that was started for it, which may be slow to begin.
        below = [pid for pid in children(run.pid) if pid in known or not known]
        known |= set(children(run.pid))
        if below:
            os.kill(chance.choice(below), signal.SIGKILL)
            there = [at for at, name in enumerate(names) if Path("out", name).exists()]
            killed, gone = killed + 1, max(there) + 10
    return killed


def test_killed_workers_cost_no_file() -> None:
    kill_workers(500, 5)


@pytest.mark.slow
def test_fifty_killed_workers_cost_no_file() -> None:
    kill_workers(6000, 50)


def test_a_file_that_kills_every_worker_is_the_only_one_that_fails() -> None:
    make_tensors("in", 40)
    poison = "in/0020_poison.npy"
    # Large enough to be caught, and not so large that it is done in parts.
    np.lib.format.open_memmap(poison, "w+", "<f4", (480, 256, 256, 1)).flush()
    deaths = 0
    while deaths < 2:  # a process that is held up may not see who has the file
        deaths = 0
        subprocess.run(["rm", "-rf", "out"], check=True)
        run = start("pool", "max", "in", "-O", "out", "-j", "2", "--no-values")
        while run.poll() is None:
            for child in children(run.pid):
                if holds(child, poison):
                    os.kill(child, signal.SIGKILL)
                    until(lambda: not alive(child))  # noqa: B023
                    deaths += 1
    err = Path(FAULTS).read_text()

    assert run.returncode == 1
    assert deaths in {2, 3}
    assert len(tree("out")) == 40
    assert f"error: {poison}: its worker was killed by signal 9, twice" in err
    assert err.count("error: ") == 1


def test_few_open_files_suffice() -> None:
    make_tensors("in", 200)
    run = start("pool", "max", "in", "-O", "out", "-q", "-j", "4", limit="-n 64")

    assert run.wait() == 0
    assert len(tree("out")) == 200


def test_more_workers_than_files_may_be_open_are_not_started() -> None:
    make_tensors("in", 200)
    run = start("pool", "max", "in", "-O", "out", "-q", "-j", "500", limit="-n 40")

    assert run.wait() == 0
    assert len(tree("out")) == 200
