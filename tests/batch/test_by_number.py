"""Many small inputs go to workers by their numbers: the same bytes, order, faults and refusals."""

import json
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from poolnorm_cli.batch import stages
from poolnorm_cli.batch.answers import Kinds, result_of
from poolnorm_cli.batch.inputs import Input
from poolnorm_cli.batch.process_pool import ProcessPool
from poolnorm_cli.batch.tasks import Result, Task, Work
from poolnorm_cli.engine.outcome import Outcome, StepOutcome
from poolnorm_cli.errors import InputError
from poolnorm_cli.values import replace
from tests.batch.places import make_tensors, tree
from tests.conftest import Command


@pytest.fixture(autouse=True)
def numbers(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the numbers that are submitted: of as few inputs as tests have."""
    submitted: list[int] = []
    submit = ProcessPool.submit_numbers

    def noted(self: ProcessPool, numbers: Iterable[int]) -> None:
        submitted.extend(numbers)
        submit(self, numbers)

    monkeypatch.setattr(stages, "_PLENTY", 4)
    monkeypatch.setattr(ProcessPool, "submit_numbers", noted)
    return submitted


def _dies(
    monkeypatch: pytest.MonkeyPatch, *, name: str, again: Callable[[], bool] = lambda: True
) -> None:
    """Have workers die at an input."""
    run = Work.run

    def dying(self: Work, task: Task) -> Result:
        if task.input.word.endswith(name) and again():
            os.kill(os.getpid(), signal.SIGKILL)
        return run(self, task)

    monkeypatch.setattr(Work, "run", dying)


def _first_time() -> bool:
    marker = Path("died")
    if marker.exists():
        return False
    marker.touch()
    return True


def test_bytes_and_order_are_those_of_one_process(poolnorm: Command, numbers: list[int]) -> None:
    make_tensors("in", 40)
    make_tensors("in", 3, (64, 40, 40, 8))  # the first ones take longer than those after them
    one = poolnorm("pool average in --pool-size 3 -O one -j 1")
    many = poolnorm("pool average in --pool-size 3 -O many -j 5")

    assert numbers == list(range(40))
    assert (many.code, tree("many")) == (0, tree("one"))
    assert [line.split("\t")[:5] for line in many.out.replace("many/", "one/").splitlines()] == [
        line.split("\t")[:5] for line in one.out.splitlines()
    ]


def test_faults_are_told_in_order_and_the_others_go_on(
    poolnorm: Command, numbers: list[int]
) -> None:
    make_tensors("in", 20)
    Path("in/0003.npy").write_bytes(b"no tensor")
    np.save("in/0007.npy", np.ones(3, np.float32))
    one = poolnorm("pool max in -O one -j 1")
    two = poolnorm("pool max in -O two -j 2")

    assert len(numbers) == 20
    assert (one.code, two.code) == (1, 1)
    assert one.err == two.err
    assert len(tree("two")) == 18


def test_an_archive_of_several_arrays_is_told_array_by_array(
    poolnorm: Command, numbers: list[int]
) -> None:
    make_tensors("in", 5)
    np.savez("in/a b.npz", x=np.ones((1, 4, 4, 1)), y=np.zeros((1, 4, 4, 1), np.float32))
    told = [poolnorm(f"pool max in --json -O out{jobs} -j {jobs}") for jobs in ("1", "2")]
    results = [json.loads(each.out)["results"] for each in told]

    assert len(numbers) == 6
    for each in (*results[0], *results[1]):
        del each["seconds"], each["output"]
    assert results[0] == results[1]


def test_a_step_of_a_pipe_is_told(poolnorm: Command) -> None:
    make_tensors("in", 6)
    told = [
        poolnorm(f"pipe in --json -O out{jobs} -j {jobs} ! pool max ! gpool max").out
        for jobs in ("1", "2")
    ]
    results = [json.loads(each)["results"] for each in told]

    assert [each["steps"] for each in results[0]] == [each["steps"] for each in results[1]]
    assert tree("out1") == tree("out2")


def test_a_worker_that_dies_once_is_replaced(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tensors("in", 30)
    poolnorm("pool max in -O one -q")
    _dies(monkeypatch, name="0007.npy", again=_first_time)
    result = poolnorm("pool max in -O out -q -j 2")

    assert Path("died").exists()
    assert (result.code, result.err, tree("out")) == (0, "", tree("one"))


def test_an_input_that_kills_two_workers_fails_alone(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tensors("in", 30)
    _dies(monkeypatch, name="0007.npy")
    result = poolnorm("pool max in -O out -q -j 2")

    assert result.code == 1
    assert result.err.startswith("error: in/0007.npy: its worker was killed by signal 9, twice")
    assert len(result.err.splitlines()) == 1
    assert len(tree("out")) == 29


def test_a_worker_that_is_no_copy_does_the_same(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tensors("in", 6)
    poolnorm("pool max in -O one -q")
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    result = poolnorm("pool max in -O out -q -j 2")

    assert (result.code, result.err, tree("out")) == (0, "", tree("one"))


def test_a_run_that_ends_with_its_first_failure_says_what_is_left(
    poolnorm: Command, numbers: list[int]
) -> None:
    make_tensors("in", 200)
    Path("in/0000.npy").write_bytes(b"no tensor")
    result = poolnorm("pool max in -O out --fail-fast --json -j 2")
    results = json.loads(result.out)["results"]

    assert result.code == 4
    assert len(results) == 200
    left = [each["input"] for each in results if each.get("not_begun")]
    assert len(left) == 200 - len(numbers)
    assert len(tree("out")) == len(numbers) - 1


@pytest.mark.parametrize("clash", ["in/a.npy in/b/a.npy", "in/a.npy ./in/a.npy in/c.npy"])
def test_two_outputs_of_one_name_are_refused_before_anything_is_written(
    poolnorm: Command, numbers: list[int], clash: str
) -> None:
    Path("in/b").mkdir(parents=True)
    for name in ("in/a.npy", "in/b/a.npy", "in/c.npy"):
        np.save(name, np.ones((1, 4, 4, 1), np.float32))
    result = poolnorm(f"pool max {clash} in/b in/c.npy -O out -q -j 2")

    assert result.code == 2
    assert "the output of in/a.npy and of " in result.err
    assert (numbers, Path("out").exists()) == ([], False)


_OUTCOME = Outcome("in/a.npy", "out/a.npy", (1, 4, 4, 1), (1, 2, 2, 1), "float32", "float32", 0.5)


@pytest.mark.parametrize(
    "outcome",
    [
        _OUTCOME,
        replace(_OUTCOME, steps=(StepOutcome(1, "a", "pool max", "P()", (1, 2, 2, 1), "float32"),)),
        replace(_OUTCOME, unbatched=True),
        replace(_OUTCOME, explanation=("a line",)),
        replace(_OUTCOME, penalties={"gamma": 1.0}),
        replace(_OUTCOME, notes=("a note",)),
        replace(_OUTCOME, input="in/a.npy::x"),
        replace(_OUTCOME, output=None),
    ],
)
def test_an_answer_tells_all_of_an_outcome(outcome: Outcome) -> None:
    item = Input("in/a.npy", target="out/a.npy")
    answer = Kinds().answer(item, Result(0.5, (outcome,)))
    there = result_of(item, pickle.loads(pickle.dumps(answer)))  # noqa: S301 - of this process

    assert there == Result(0.5, (outcome,))


def test_what_outcomes_have_in_common_is_sent_once() -> None:
    kinds, items = Kinds(), [Input(f"in/{n}.npy", target=f"out/{n}.npy") for n in range(100)]
    results = [
        Result(0.5, (replace(_OUTCOME, input=item.word, output=item.target),)) for item in items
    ]
    answers = [kinds.answer(*pair) for pair in zip(items, results, strict=True)]

    assert len(pickle.dumps(answers)) < 30 * len(answers)
    error = Result(error=InputError.at("in/a.npy", "is missing", "make it"))
    assert kinds.answer(items[0], error) is error
