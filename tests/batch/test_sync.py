"""What is waited for, and in which order: contents, names, directories, the journal."""

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.batch import group_commit, journal_file
from poolnorm_cli.tensors import atomic
from tests.batch.places import make_tensors, tree
from tests.conftest import Command


Log = list[tuple[str, str]]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    """Write down what is waited for, and what gets a name."""
    told: Log = []

    def seen(what: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def logged(*args: Any, **more: Any) -> Any:
            name = args[0] if what != "name" else args[1]
            if isinstance(name, int):
                name = Path(f"/proc/self/fd/{name}").readlink()
            told.append((what, str(name)))
            return call(*args, **more)

        return logged

    for module in (group_commit, atomic, journal_file):
        monkeypatch.setattr(module, "sync_file", seen("contents", module.sync_file))
        monkeypatch.setattr(module, "sync_directories", seen("folders", module.sync_directories))
    monkeypatch.setattr(os, "link", seen("name", os.link))
    monkeypatch.setattr(os, "replace", seen("name", os.replace))
    return told


@pytest.mark.parametrize(
    ("words", "waits"),
    [
        ("pool max in/0000.npy -o y.npy", False),
        ("pool max in/0000.npy -o y.npy --sync", True),
        ("pool max in -O out", False),
        ("pool max in -O out --sync", True),
        ("pool max in -O out --journal j", True),
        ("pool max in -O out --journal j --no-sync", False),
        ("bn in --training --save-weights n.npz", False),
        ("bn in --training --save-weights n.npz --sync", True),
        ("bn in --training --weights w.npz --save-weights w.npz", True),
        ("bn in --training --weights w.npz --save-weights w.npz --no-sync", False),
        ("bn in --training --weights w.npz --save-weights n.npz", False),
        ("bn in/0000.npy --fold --weights w.npz -o f.npz", False),
        ("bn in/0000.npy --fold --weights w.npz -o f.npz --sync", True),
        ("ln in/0000.npy --save-config c.json --sync", True),
        ("ln in/0000.npy --save-config c.json", False),
        ("generate ones 2,3 -o y.npy --sync", True),
        ("generate ones 2,3 -o y.npy", False),
    ],
)
def test_it_is_waited_where_a_later_run_relies_on_it(
    poolnorm: Command, log: Log, words: str, waits: bool
) -> None:
    make_tensors("in", 3)
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    weights: dict[str, Any] = {name: np.ones(3, np.float32) for name in names}
    np.savez("w.npz", **weights)
    result = poolnorm(f"{words} -q")

    assert (result.code, result.err) == (0, "")
    assert {what for what, _ in log} == ({"contents", "name", "folders"} if waits else {"name"})


def test_contents_come_before_names_and_the_journal_last(poolnorm: Command, log: Log) -> None:
    make_tensors("in", 40)
    assert poolnorm("pool max in -O out -q --journal j").code == 0

    journal = str(Path("j").absolute())
    kinds = ["journal" if name == journal else what for what, name in log]
    assert kinds[:2] == ["journal", "folders"]  # the file is there, with its first line
    assert kinds[-1] == "journal"
    middle = kinds[2:-1]
    while middle:
        group = middle.index("folders")
        contents = [kind for kind in middle[:group] if kind == "contents"]
        assert middle[:group] == contents + ["name"] * len(contents)
        middle = middle[group + 1 :]
        middle = middle[1:] if middle[:1] == ["journal"] else middle
    assert kinds.count("contents") == kinds.count("name") == 40


@pytest.mark.parametrize("what", ["sync_file", "sync_directories"])
def test_a_disk_that_fails_is_told(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    make_tensors("in", 40)
    for module in (group_commit, atomic):
        monkeypatch.setattr(module, what, fails)
    for words in ("pool max in -O out --sync", "pool max in/0000.npy -o y.npy --sync"):
        result = poolnorm(f"{words} -q")
        assert result.code == 3
        assert result.err.count("error: ") == 1
        assert ".npy: Input/output error; check the disk" in result.err
    if what == "sync_file":
        assert not Path("y.npy").exists()
        assert tree("out") == {}


def test_a_failure_ends_a_run_that_waits(poolnorm: Command) -> None:
    make_tensors("in", 20)
    Path("in/0003.npy").write_bytes(b"torn")
    result = poolnorm("pool max in -O out -q --sync --fail-fast")

    assert result.code == 4
    assert sorted(tree("out")) == ["0000.npy", "0001.npy", "0002.npy"]


def test_what_is_held_back_is_given_up_on_a_signal(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tensors("in", 20)
    run = group_commit.GroupCommit.run
    done = []

    def interrupted(self: group_commit.GroupCommit, task: Any) -> Any:
        done.append(task)
        if len(done) == 6:
            os.kill(os.getpid(), signal.SIGINT)
        return run(self, task)

    monkeypatch.setattr(group_commit.GroupCommit, "run", interrupted)
    monkeypatch.setattr(group_commit, "_GROUP_SECONDS", 1e9)
    assert poolnorm("pool max in -O out -q --journal j").code == 130
    assert list(Path("out").iterdir()) == []
    monkeypatch.setattr(group_commit.GroupCommit, "run", run)
    assert poolnorm("pool max in -O out -q --journal j --resume").code == 0
    assert len(tree("out")) == 20


def test_few_open_files_are_held(poolnorm: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tensors("in", 60)
    held = []
    publish = atomic.AtomicFile.publish

    def counted(self: atomic.AtomicFile) -> None:
        held.append(sum(1 for _ in Path("/proc/self/fd").iterdir()))
        publish(self)

    monkeypatch.setattr(atomic.AtomicFile, "publish", counted)
    monkeypatch.setattr("resource.getrlimit", lambda _: (64, 64))
    monkeypatch.setattr(group_commit, "_GROUP_SECONDS", 1e9)
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    assert poolnorm("pool max in -O out -q --sync").code == 0
    assert len(tree("out")) == 60
    assert max(held) - before <= 40


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_the_bytes_are_those_of_a_run_that_does_not_wait(poolnorm: Command, jobs: str) -> None:
    make_tensors("in", 200)
    assert poolnorm(f"pool max in -O a -q --sync -j {jobs}").code == 0
    assert poolnorm(f"pool max in -O b -q --no-sync -j {jobs}").code == 0
    assert poolnorm(f"pool max in -O c -q --journal j -j {jobs}").code == 0
    assert tree("a") == tree("b") == tree("c")
    assert len(tree("a")) == 200
