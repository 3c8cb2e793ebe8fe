"""The journal: what it says, what a resumed run leaves out, what it takes up again."""

import fcntl
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.batch.places import make_tensors, tree
from tests.conftest import Command


def lines(path: str = "j") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


RUN = "pool max in -O out -q --journal j"


@pytest.fixture(autouse=True)
def _inputs() -> None:
    make_tensors("in", 6)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_line_says_what_was_done(poolnorm: Command, jobs: str) -> None:
    Path("in/0004.npy").write_bytes(b"no tensor")
    assert poolnorm(f"{RUN} -j {jobs}").code == 1
    head, *rest = lines()

    assert head["items"] == 6
    by_input = {line["input"]: line for line in rest}
    seen, output = Path("in/0001.npy").stat(), Path("out/0001.npy").read_bytes()
    line = by_input["in/0001.npy"]
    assert (line["size"], line["mtime_ns"]) == (seen.st_size, seen.st_mtime_ns)
    assert (line["status"], line["output"]) == ("done", "out/0001.npy")
    assert line["bytes"] == len(output)
    assert line["sha256"] == hashlib.sha256(output).hexdigest()
    assert line["seconds"] >= 0
    failed = by_input["in/0004.npy"]
    assert (failed["status"], failed["code"]) == ("failed", 4)
    assert failed["error"].startswith("in/0004.npy: ")


def test_a_resumed_run_does_nothing_twice(poolnorm: Command) -> None:
    poolnorm(RUN)
    before = {path: path.stat().st_mtime_ns for path in Path("out").iterdir()}
    result = poolnorm(f"{RUN} --resume")

    assert result.code == 0
    assert len(lines()) == 8  # the head of the second run, and nothing else
    assert {path: path.stat().st_mtime_ns for path in Path("out").iterdir()} == before


def test_what_was_skipped_is_counted_not_listed(poolnorm: Command) -> None:
    poolnorm(RUN)
    result = poolnorm("pool max in -O out --journal j --resume")

    assert result.err == "0 done, 6 skipped, 0 failed\n"
    assert result.out == ""


def test_changed_inputs_and_lost_outputs_are_done_again(poolnorm: Command) -> None:
    poolnorm(RUN)
    np.save("in/0000.npy", np.zeros((1, 4, 4, 3), np.float32))
    Path("out/0001.npy").unlink()
    assert poolnorm(f"{RUN} --resume").code == 0

    assert [line["input"][-8:] for line in lines()[8:]] == ["0000.npy", "0001.npy"]
    poolnorm("pool max in -O fresh -q")
    assert tree("out") == tree("fresh")


def test_an_output_without_a_line_is_of_this_run(poolnorm: Command) -> None:
    poolnorm(RUN)
    text = Path("j").read_text().splitlines(keepends=True)
    Path("j").write_text("".join(text[:-1]) + text[-1][:20])  # killed while it wrote
    assert poolnorm(f"{RUN} --resume").code == 0

    assert len(tree("out")) == 6
    done = [line for line in Path("j").read_text().splitlines() if '"done"' in line]
    assert len(done) == 6


def test_an_output_of_nobody_is_not_replaced(poolnorm: Command) -> None:
    Path("out").mkdir()
    Path("out/0003.npy").write_text("mine")
    for flags in ("", "--resume"):
        result = poolnorm(f"{RUN} {flags}")
        assert result.code == 2
        assert "out/0003.npy: exists" in result.err
        assert not Path("j").exists()

    assert tree("out").keys() == {"0003.npy"}


def test_what_failed_is_tried_again_on_request(poolnorm: Command) -> None:
    Path("in/0004.npy").write_bytes(b"no tensor")
    poolnorm(RUN)
    again = poolnorm("pool max in -O out --journal j --resume")
    assert again.code == 1
    assert "in/0004.npy: " in again.err
    assert len(lines()) == 8
    dry = poolnorm("pool max in -O out --journal j --resume --dry-run")
    assert dry.code == 1
    assert dry.err.startswith("error: in/0004.npy: ")
    assert dry.out == ""
    assert poolnorm(f"{RUN} --retry-failed").code == 1
    assert lines()[-1]["status"] == "failed"
    np.save("in/0004.npy", np.ones((1, 4, 4, 3), np.float32))
    assert poolnorm(f"{RUN} --resume").code == 0  # the input has changed


def test_resuming_before_the_first_run_runs_all(poolnorm: Command) -> None:
    assert poolnorm(f"{RUN} --resume").code == 0
    assert len(tree("out")) == 6


def test_names_that_are_no_text_are_kept(poolnorm: Command) -> None:
    os.rename(b"in/0000.npy", b"in/\xff[red]\n.npy")  # noqa: PTH104 - bytes
    assert poolnorm(RUN).code == 0
    assert poolnorm(f"{RUN} --resume").code == 0
    assert len(lines()) == 8


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("pool max in --resume", "--resume without --journal; give --journal FILE too"),
        ("pool max in --retry-failed", "--retry-failed without --journal"),
        ("pool max in --verify", "--verify without --journal; give --journal FILE too"),
        ("pool max in -O out --journal in/0000.npy", "--journal is the input in/0000.npy"),
        ("pool max - --journal j", "--journal with a standard stream; give files"),
        ("bn in -O out --training --journal j --resume", "--resume with --training; a skipped"),
        ("bn in -O out --training --shard 1/2", "--shard with --training; a skipped"),
        ("pool max in --null", "--null without --files-from"),
        ("pool max - --files-from -", "standard input as a list and as a tensor"),
        ("pool max --files-from void -O out", "--files-from void names no input"),
        ("pool max -O out", "missing argument 'INPUT...'; type poolnorm pool max --help"),
        ("pool max in -O out --shard 5", "--shard '5' is not i/n; give one part of several"),
        ("pool max in -O out --shard 0/2", "--shard 0/2: there is no such part; give 1/2"),
        ("pool max in -O out -j 2 --dask local", "both --jobs and --dask; leave out --jobs"),
        ("pool max - -O out --dask local", "--dask with a standard stream; give files"),
        ("pool max in/0000.npy -O out --relative-to out", "not inside --relative-to out"),
    ],
)
def test_flags_that_cannot_be_are_refused(poolnorm: Command, words: str, told: str) -> None:
    Path("void").touch()
    before = Path("in/0000.npy").read_bytes()
    result = poolnorm(words)

    assert result.code == 2
    assert told in result.err
    assert result.err.count("\n") == 1
    assert not Path("out").exists()
    assert not Path("j").exists()
    assert Path("in/0000.npy").read_bytes() == before


def test_a_list_that_cannot_be_read_is_an_input_fault(poolnorm: Command) -> None:
    result = poolnorm("pool max --files-from nothing -O out")

    assert result.code == 4
    assert result.err.startswith("error: --files-from nothing: No such file or directory")


def test_a_journal_that_cannot_be_written_is_an_output_fault(poolnorm: Command) -> None:
    result = poolnorm("pool max in -O out --journal nowhere/j")

    assert result.code == 3
    assert "nowhere/j: No such file or directory; give a --journal that can be written" in (
        result.err
    )


def test_a_journal_is_written_by_one_run_at_a_time(poolnorm: Command) -> None:
    with Path("j").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        result = poolnorm(RUN)

    assert result.code == 2
    assert "j: another run writes to it; wait for it, or give another --journal" in result.err
