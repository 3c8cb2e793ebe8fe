"""Several processes: the same bytes, the same order, the same faults."""

import errno
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.batch import process_pool, worker_process
from poolnorm_cli.batch.link import Link
from poolnorm_cli.batch.tasks import OutputFiles
from poolnorm_cli.errors import OutputError
from tests.batch.places import FAULTS, make_tensors, start, tree, until
from tests.conftest import Command


def test_the_bytes_and_the_order_do_not_depend_on_jobs(poolnorm: Command) -> None:
    make_tensors("in", 40)
    make_tensors("in", 3, (64, 40, 40, 8))  # the first ones take longer than those after them
    outs = {}
    for jobs in ("1", "2", "5", "auto"):
        result = poolnorm(f"pool average in --pool-size 3 -O out{jobs} -j {jobs}")
        assert result.code == 0
        outs[jobs] = [line.split("\t")[0] for line in result.out.splitlines()]

    assert outs["1"] == sorted(outs["1"])
    assert all(out == outs["1"] for out in outs.values())
    assert tree("out1") == tree("out2") == tree("out5") == tree("outauto")


def test_faults_are_told_in_order_and_the_others_go_on(poolnorm: Command) -> None:
    make_tensors("in", 20)
    Path("in/0003.npy").write_bytes(b"no tensor")
    np.save("in/0007.npy", np.ones(3, np.float32))
    one = poolnorm("pool max in -O one -j 1")
    two = poolnorm("pool max in -O two -j 2")

    assert (one.code, two.code) == (1, 1)
    assert one.err == two.err
    assert len(tree("two")) == 18
    lines = two.err.splitlines()
    assert lines[0].startswith("error: in/0003.npy: ")
    assert lines[1].startswith("error: in/0007.npy: the input has rank 1")
    assert lines[2] == "18 done, 0 skipped, 2 failed"
    assert sum("  1 x " in line for line in lines) == 2


def test_the_json_document_of_several_jobs_is_that_of_one(poolnorm: Command) -> None:
    make_tensors("in", 9)
    Path("in/0003.npy").write_bytes(b"no tensor")
    documents = []
    for jobs in ("1", "2"):
        out = poolnorm(f"gpool max in --json --values -j {jobs}").out
        document = json.loads(out)
        for result in document["results"]:
            result.pop("seconds", None)
        documents.append(document)

    assert documents[0] == documents[1]
    assert len(documents[1]["results"]) == 9


def test_a_disk_that_is_full_ends_the_run(poolnorm: Command) -> None:
    make_tensors("in", 20)
    Path("out").write_text("a file where the directory should be")
    result = poolnorm("pool max in -O out -j 2")

    assert result.code == 3
    assert "error: out: File exists" in result.err


def test_fail_fast_begins_nothing_more(poolnorm: Command) -> None:
    names = make_tensors("in", 300)
    for name in names[:4]:  # all that workers are sent at first: whichever answers, it has failed
        Path(name).write_bytes(b"no tensor")
    result = poolnorm("pool max in -O out -j 2 --fail-fast")

    assert result.code == 4
    assert len(tree("out")) < 296
    assert "not begun" in result.err


@pytest.mark.parametrize("flags", ["", "-j 2"])
def test_weights_are_made_for_the_first_input_whoever_is_first(
    poolnorm: Command, flags: str
) -> None:
    make_tensors("in", 1, (50, 40, 40, 3))
    np.save("in/0001.npy", np.ones((2, 5), np.float32))
    result = poolnorm(f"bn in -O out {flags}")

    assert result.code == 1
    assert "0001.npy" in result.err
    assert list(tree("out")) == ["0000.npy"]


def test_a_stream_is_read_by_one_process(poolnorm: Command) -> None:
    (name,) = make_tensors("in", 1)
    result = poolnorm("gpool max - -O out -j 4", stdin=Path(name).read_bytes() * 2)

    assert result.code == 0
    assert sorted(tree("out")) == ["stdin_0.npy", "stdin_1.npy"]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_training_gives_the_same_weights_and_outputs(poolnorm: Command, jobs: str) -> None:
    make_tensors("in", 30)
    poolnorm("bn in --training --save-weights one.npz -O one -q")
    result = poolnorm(f"bn in --training --save-weights w.npz -O out -q -j {jobs}")

    assert result.code == 0
    assert tree("out") == tree("one")
    assert Path("w.npz").read_bytes() == Path("one.npz").read_bytes()


def test_training_ends_with_a_batch_that_failed(poolnorm: Command) -> None:
    make_tensors("in", 30)
    np.save("in/0005.npy", np.full((2, 2, 2, 3), np.nan, np.float32))
    result = poolnorm("bn in --training --save-weights w.npz -O out -j 2")

    assert result.code == 1
    assert "in/0005.npy: channel 0 of the batch has a NaN or an infinity" in result.err
    assert not Path("w.npz").exists()
    assert "0006.npy" not in tree("out")


@pytest.mark.parametrize("flags", ["--training", "--training -j 2", "--training --synchronized"])
def test_what_training_has_not_begun_is_listed_as_such(poolnorm: Command, flags: str) -> None:
    for name in "abcd":
        np.save(f"{name}.npy", np.ones((2, 3, 4), np.float32))
    Path("b.npy").write_bytes(b"damaged")
    result = poolnorm(f"bn a.npy b.npy c.npy d.npy {flags} -O out --json --no-values")

    assert result.code == 1
    found = {each["input"]: each for each in json.loads(result.out)["results"]}
    assert found["b.npy"]["code"] == 4
    for name in ("c.npy", "d.npy"):
        assert found[name] == {"input": name, "output": f"out/{name}", "not_begun": True}
        assert not Path("out", name).exists()
    done = {name for name, each in found.items() if "output_shape" in each}
    assert done == {path.name for path in Path("out").glob("*.npy")}
    assert set(found) == {"a.npy", "b.npy", "c.npy", "d.npy"}


@pytest.mark.parametrize(
    ("flags", "code"), [("ln {} --fail-fast", 4), ("ln {}", 1), ("bn {} --training", 1)]
)
def test_the_exit_code_of_several_is_1_unless_the_first_is_to_end_all(
    poolnorm: Command, flags: str, code: int
) -> None:
    for name in "ac":
        np.save(f"{name}.npy", np.ones((2, 3, 4), np.float32))
    Path("b.npy").write_bytes(b"damaged")

    assert poolnorm(flags.format("a.npy b.npy c.npy")).code == code


@pytest.mark.parametrize("jobs", ["0", "-2", "many", "1.5"])
def test_a_number_of_jobs_that_cannot_be_is_refused(poolnorm: Command, jobs: str) -> None:
    make_tensors("in", 1)
    result = poolnorm(f"pool max in -j {jobs}")

    assert result.code == 2
    assert f"--jobs '{jobs}' is not a number of processes" in result.err


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_outputs_that_are_removed_meanwhile_are_not_passed_over(jobs: str) -> None:
    make_tensors("in", 400, (8, 32, 32, 8))
    words = ["pool", "max", "in", "-O", "out/all", "-q", "-j", jobs, "--journal", "j", "--no-sync"]
    run = start(*words)
    until(lambda: Path("out/all").exists() and len(list(Path("out/all").iterdir())) > 5)
    Path("out").rename("moved")

    assert run.wait() == 3
    assert Path(FAULTS).read_text().count("error: ") == 1
    assert "out/all" in Path(FAULTS).read_text()
    assert start(*words, "--resume").wait() == 0
    assert len(tree("out/all")) == 400


def test_a_directory_that_was_there_is_not_made_again() -> None:
    outputs = OutputFiles(directory="out")
    outputs.make_directory("out/x.npy")
    replace(outputs, overwrite=True).make_directory("out/y.npy")
    Path("out").rmdir()

    with pytest.raises(OutputError, match=r"out: was removed, with the outputs in it; repeat"):
        outputs.make_directory("out/z.npy")


def test_what_ends_a_run_is_told_once() -> None:
    make_tensors("in", 40, (8, 64, 64, 8))
    run = start("pool", "max", "in", "-O", "out", "-q", "-j", "2", limit="-f 64")

    assert run.wait() == 3
    assert Path(FAULTS).read_text().count("error: ") == 1
    assert "File too large; raise the limit (ulimit -f)" in Path(FAULTS).read_text()
    assert tree("out") == {}


def test_a_run_below_nohup_outlives_its_terminal() -> None:
    make_tensors("in", 200, (8, 32, 32, 8))
    words = ["pool", "max", "in", "-O", "out", "-q", "-j", "2"]
    run = subprocess.Popen(["nohup", sys.executable, "-m", "poolnorm_cli", *words])
    until(lambda: Path("out").exists() and len(list(Path("out").iterdir())) > 5)
    run.send_signal(signal.SIGHUP)

    assert run.wait() == 0
    assert len(tree("out")) == 200


def test_inputs_that_are_removed_meanwhile_fail_alone() -> None:
    names = make_tensors("in", 400, (8, 32, 32, 8))
    run = start("pool", "max", "in", "-O", "out", "-q", "-j", "2")
    until(lambda: Path("out").exists() and len(list(Path("out").iterdir())) > 5)
    Path(names[-1]).unlink()

    assert run.wait() == 1
    assert Path(FAULTS).read_text() == "error: in/0399.npy: no such file; check the name\n"
    assert len(tree("out")) == 399


class _Deaf(Link):
    """A socket to a worker that lives, and to which nothing can be sent."""

    def send(self, message: object) -> None:  # noqa: ARG002 - the name is that of the class above
        raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))


@pytest.mark.parametrize("deaf", [1, 100])
def test_a_worker_to_which_nothing_can_be_sent_is_replaced(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch, deaf: int
) -> None:
    started: list[int] = []

    def start_deaf(*words: Any) -> worker_process.Started:
        worker = worker_process.start(*words)
        if len(started) < deaf:
            worker.link.__class__ = _Deaf
        started.append(worker.pid)
        return worker

    def hung(*_: object) -> None:
        raise AssertionError("it waits for ever")

    make_tensors("in", 5)
    monkeypatch.setattr(process_pool, "start", start_deaf)
    signal.signal(signal.SIGALRM, hung)
    signal.alarm(60)
    result = poolnorm("pool max in -O out -q -j 2")
    signal.alarm(0)

    if deaf == 1:
        assert (result.code, result.err, len(tree("out"))) == (0, "", 5)
    else:
        told = result.err.splitlines()[:5]
        ends = "its worker was killed by signal 9, twice"
        assert result.code == 1
        assert [line.split(";")[0] for line in told] == [
            f"error: in/000{n}.npy: {ends}" for n in range(5)
        ]


def test_a_worker_that_cannot_be_started_is_told(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fork() -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    make_tensors("in", 5)
    monkeypatch.setattr(os, "fork", fork)
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: fork())
    result = poolnorm("pool max in -O out -q -j 2")

    assert result.code == 3
    told = f"a worker cannot be started: {os.strerror(errno.EAGAIN)}; give a smaller --jobs"
    assert result.err.splitlines()[-1] == f"error: {told}"
