"""Unfinished files of killed runs are taken away, those of others are not."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from poolnorm_cli.tensors import atomic
from poolnorm_cli.tensors.atomic import lock, remove_leftovers
from tests.batch.places import make_tensors
from tests.conftest import Command


def dead() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_next_run_removes_them(poolnorm: Command) -> None:
    make_tensors("in", 2)
    Path("out").mkdir()
    gone = Path(f"out/.poolnorm-{dead()}-0123456789abcdef.tmp")
    own = Path(f"out/.poolnorm-{os.getpid()}-0123456789abcdef.tmp")
    others = [Path("out/.poolnorm-x-1.tmp"), Path("out/.other-1-1.tmp"), Path("out/poolnorm.tmp")]
    for path in (gone, own, *others):
        path.touch()
    assert poolnorm("pool max in -O out -q").code == 0

    assert not gone.exists()
    assert own.exists()
    assert all(path.exists() for path in others)


def test_a_file_that_is_being_written_is_locked() -> None:
    path = Path(f".poolnorm-{dead()}-0123456789abcdef.tmp")
    with path.open("w") as file:
        assert lock(file.fileno())
        assert remove_leftovers(["."]) == 0
    assert remove_leftovers([".", "nowhere"]) == 1
    assert not path.exists()


def test_a_file_that_others_write_too_has_a_name_until_it_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = atomic.AtomicFile(Path("y.npy"), overwrite=False, shared=True)
    file.extend(64)
    assert Path(file.unfinished).stat().st_size == 64
    file.commit()

    assert [path.name for path in Path().iterdir()] == ["y.npy"]
    np.testing.assert_equal(Path("y.npy").read_bytes(), bytes(64))
