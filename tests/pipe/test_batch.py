"""Many inputs through a pipe: workers, clusters, journals; resumed after a kill, the same tree."""

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.batch.places import alive, children, make_tensors, start, tree, until
from tests.conftest import Command


STEPS = "! pool max --pool-size 2 ! bn --epsilon 0.1 ! tee mid/ ! gpool average"


def test_workers_and_clusters_write_what_one_process_writes(poolnorm: Command) -> None:
    make_tensors("in", 5)
    assert poolnorm(f"pipe in -O one -q {STEPS}").code == 0
    mid = tree("mid")
    for number, more in enumerate(("-j 2", "--threads 2", "--shard 1/1")):
        result = poolnorm(f"pipe in -O more{number} -q {more} --overwrite {STEPS}")
        assert result.code == 0, result.err
        assert tree(f"more{number}") == tree("one")
        assert tree("mid") == mid


@pytest.mark.slow
def test_a_cluster_writes_what_one_process_writes(poolnorm: Command) -> None:
    pytest.importorskip("distributed")
    make_tensors("in", 4)
    assert poolnorm(f"pipe in -O one -q {STEPS}").code == 0
    mid = tree("mid")

    assert poolnorm(f"pipe in -O more -q --dask local --overwrite {STEPS}").code == 0

    assert (tree("more"), tree("mid")) == (tree("one"), mid)


CHANGES = (
    "! pool max --pool-size 2 ! bn --epsilon 0.2 ! tee mid/ ! gpool average",
    "! pool max --pool-size 2 ! bn --epsilon 0.1 --weights w.npz ! tee mid/ ! gpool average",
    "! pool max --pool-size 2 ! tee mid/ ! bn --epsilon 0.1 ! gpool average",
    "! pool max --pool-size 2 ! bn --epsilon 0.1 ! gpool average",
)


@pytest.mark.parametrize("steps", CHANGES)
def test_a_journal_knows_every_step_and_its_weights(poolnorm: Command, steps: str) -> None:
    make_tensors("in", 2)
    weights = {"gamma": [1, 2, 3], "beta": [0, 0, 1], "moving_mean": [1] * 3}
    weights["moving_variance"] = [2, 2, 2]
    made: Any = {name: np.array(value, "f4") for name, value in weights.items()}
    np.savez("w.npz", **made)
    words = "pipe in -O out -q --journal j --resume"
    assert poolnorm(f"{words} {STEPS}").code == 0
    assert poolnorm(f"{words} {STEPS}").code == 0

    result = poolnorm(f"{words} {steps}")

    assert result.code == 2
    assert "exists" in result.err


def test_a_dry_run_has_the_shapes_after_each_step(poolnorm: Command) -> None:
    make_tensors("in", 2, (4, 8, 8, 3))

    plain = poolnorm("pipe in --dry-run ! pool max ! gpool max --keepdims").out.splitlines()

    assert [line.split("\t")[2:4] for line in plain if line.startswith("step")] == [
        ["(4, 4, 4, 3)", "float32"],
        ["(4, 1, 1, 3)", "float32"],
    ] * 2
    assert not Path("mid").exists()


@pytest.mark.usefixtures("threads_of_loops")
def test_more_memory_than_is_allowed_is_refused_and_less_threads_are_taken(
    poolnorm: Command,
) -> None:
    np.save("x.npy", np.zeros((40, 64, 64, 64), "f4"))
    steps = "! pool max ! bn ! pool max"
    needed = poolnorm(f"pipe x.npy --dry-run --threads 4 {steps}").out.split("\t")[5]

    refused = poolnorm(f"pipe x.npy -q --max-memory 40M {steps}")
    taken = poolnorm(f"pipe x.npy -q -o y.npy --threads 4 --max-memory {int(needed) - 1} {steps}")

    assert refused.code == 2
    assert "in all steps" in refused.err
    assert taken.code == 0


@pytest.mark.usefixtures("threads_of_loops")
def test_steps_that_share_a_thread_need_the_memory_of_one(poolnorm: Command) -> None:
    np.save("x.npy", np.zeros((1000, 32, 32, 16), "f4"))

    def needed(steps: str) -> int:
        return int(poolnorm(f"pipe x.npy --dry-run --threads 4 {steps}").out.split("\t")[5])

    one, more = needed("! bn"), needed("! bn ! bn ! bn ! bn ! bn")
    apart = needed("! bn ! tee a.npy ! bn ! tee b.npy ! bn")

    assert one <= more < 1.5 * one
    assert apart > 1.5 * one  # each in threads of its own, at once


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_killed_pipe_is_taken_up_where_it_ended(jobs: str) -> None:
    make_tensors("in", 60, (8, 32, 32, 8))
    steps = STEPS.split()
    assert start("pipe", "in", "-O", "golden", "-q", *steps).wait() == 0
    expected, mid = tree("golden"), tree("mid")
    words = ["pipe", "in", "-O", "out", "-q", "--journal", "j", "-j", jobs]
    chance = random.Random(int(jobs))  # noqa: S311
    for _ in range(8):
        for name in ("out", "j", "mid"):
            subprocess.run(["rm", "-rf", name], check=True)
        run = start(*words, *steps)
        until(lambda: Path("j").exists() or run.poll() is not None)  # noqa: B023
        time.sleep(chance.random() * 0.4)
        below = children(run.pid)
        run.kill()
        run.wait()
        until(lambda: not any(map(alive, below)))  # noqa: B023
        for place, whole in (("out", expected), ("mid", mid)):
            assert not Path(place).exists() or tree(place).items() <= whole.items()
        assert start(*words, "--resume", *steps).wait() == 0
        assert (tree("out"), tree("mid")) == (expected, mid)
