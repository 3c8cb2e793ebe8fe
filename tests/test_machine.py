"""Systems differ in what they tell and have: without it everything goes on, with the same bytes."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from poolnorm_cli import machine
from poolnorm_cli.batch import worker_process
from poolnorm_cli.engine import threads
from poolnorm_cli.tensors import atomic
from tests.batch.places import make_tensors, tree
from tests.conftest import Command


def test_processors_are_those_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 4, 5}, raising=False)
    assert machine.processors() == 3
    assert threads.default_threads() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    assert machine.processors() == 12
    assert threads.default_threads() == 12
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert machine.processors() == 1


def test_memory_is_asked_for_as_far_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1 << 20, "SC_AVPHYS_PAGES": 1 << 19}

    def sysconf(name: str) -> int:
        if name not in told:
            raise ValueError("unrecognized configuration name")
        return told[name]

    monkeypatch.setattr(os, "sysconf", sysconf)
    assert machine.total_memory() == 1 << 32
    assert machine.memory_allowance() == 1 << 30
    told["SC_AVPHYS_PAGES"] = 1
    assert machine.memory_allowance() == 1 << 29
    del told["SC_AVPHYS_PAGES"]  # as on macOS
    assert machine.memory_allowance() == 1 << 30
    told["SC_PHYS_PAGES"] = -1
    assert machine.total_memory() is None
    assert machine.memory_allowance() == 1 << 30
    monkeypatch.delattr(os, "sysconf")  # as on Windows
    assert machine.total_memory() is None
    assert machine.memory_allowance() == 1 << 30


def test_room_that_cannot_be_reserved_is_taken_as_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    for number in range(2):
        file = atomic.AtomicFile(tmp_path / f"{number}.npy", overwrite=False)
        file.extend(64)
        file.commit()
        assert (tmp_path / f"{number}.npy").stat().st_size == 64
        monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)


def test_a_worker_ends_with_its_parent_also_without_the_call_for_it(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tensors("in", 5)
    monkeypatch.setattr(worker_process, "_prctl", lambda: None)
    assert poolnorm("pool max in -O out -q -j 2").code == 0
    assert len(tree("out")) == 5


ELSEWHERE = """
import builtins, errno, multiprocessing.connection, os, subprocess, sys, urllib.request
import numpy

def missing(path):
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)

def without_proc(call):
    def asked(path, *words, **more):
        if isinstance(path, str) and path.startswith("/proc"):
            raise missing(path)
        return call(path, *words, **more)
    return asked

def heard(event, words):
    if event == "open" and str(words[0]).startswith("/proc"):
        raise missing(words[0])

whole = os.sysconf

def sysconf(name):
    if name == "SC_AVPHYS_PAGES":
        raise ValueError("unrecognized configuration name")
    return whole(name)

os.stat, os.lstat, os.sysconf = without_proc(os.stat), without_proc(os.lstat), sysconf
sys.addaudithook(heard)
for name in ("sched_getaffinity", "O_TMPFILE", "posix_fallocate", "posix_fadvise", "sendfile",
             "copy_file_range", "splice", "memfd_create", "eventfd", "sched_setaffinity",
             "process_cpu_count"):
    if hasattr(os, name):
        delattr(os, name)
sys.platform = "darwin"
"""
START = "from poolnorm_cli.__main__ import main\nmain()\n"
COMMANDS = [
    "pool max x.npy -o OUT",
    "pool average in -O OUT -j 2",
    "gpool max in -O OUT -j auto",
    "bn in --training --save-weights OUT -j 2",
    "ln f.npy -o OUT --threads 2",
    "rms x.npy --backend onnx -o OUT",
    "in x.npy -o OUT --max-memory 512M --profile",
    "unit in -O OUT --journal j --sync",
    "generate normal 3,4 --seed 1 -o OUT",
    "pool max big.npy -o OUT -j 2",
]
TELLING = ["info x.npy --stats", "compare x.npy f.npy", "doctor", "pool max in --dry-run", "--help"]


@pytest.fixture
def _files(poolnorm: Command) -> None:
    make_tensors("in", 3)
    poolnorm("generate normal 4,8,8,3 --seed 1 -o x.npy")
    np.save("f.npy", np.asfortranarray(np.load("x.npy")))


def elsewhere(words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", ELSEWHERE + START, *words.split()]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("_files")
@pytest.mark.parametrize("words", COMMANDS)
def test_the_bytes_are_the_same_on_a_system_without_what_linux_has(
    poolnorm: Command, words: str
) -> None:
    if "big.npy" in words:  # large enough to be cut, and written by two
        np.lib.format.open_memmap("big.npy", "w+", "<f4", (64, 1024, 512, 1)).flush()
    name = {"-O": "one", "--save-weights": "one.npz"}.get(
        words.split("OUT", maxsplit=1)[0].rsplit(maxsplit=1)[-1], "one.npy"
    )
    there = name.replace("one", "two")
    here = poolnorm(words.replace("OUT", name))
    Path("j").unlink(missing_ok=True)
    done = elsewhere(words.replace("OUT", there))

    assert (here.code, done.returncode) == (0, 0), done.stderr
    if Path(name).is_dir():
        assert tree(there) == tree(name)
        assert tree(there)
    else:
        assert Path(there).read_bytes() == Path(name).read_bytes()
    assert not list(Path().rglob(".poolnorm-*"))


@pytest.mark.usefixtures("_files")
@pytest.mark.parametrize("words", TELLING)
def test_nor_does_what_only_tells_miss_it(words: str) -> None:
    done = elsewhere(words)

    assert done.returncode in {0, 1}
    assert "error: " not in done.stderr
