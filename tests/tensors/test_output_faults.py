"""A disk that fails or fills, and targets that cannot be: told with a reason, and nothing left."""

from __future__ import annotations

import os
import resource
import signal
from typing import TYPE_CHECKING

import numpy as np
import pytest

from poolnorm_cli.errors import OutputError, PoolnormError, UsageError
from poolnorm_cli.tensors import atomic
from poolnorm_cli.tensors.outputs import open_output
from tests.tensors.test_outputs import F4, KINDS, ONES, names, write


if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_grows_too_large_is_told_and_removed(kind: str, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        with (
            pytest.raises(OutputError, match="File too large; raise the limit") as caught,
            open_output(str(tmp_path / kind), overwrite=False) as output,
        ):
            output.add(None, (4096,), F4).write(np.ones(4096, np.float32))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.code == 3
    assert names(tmp_path) == []


@pytest.mark.parametrize("unnamed", [0, atomic._UNNAMED])
@pytest.mark.parametrize("code", [28, 122, 5, 30])
def test_a_failing_disk_is_told_with_its_reason(
    code: int, unnamed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(fd: int, data: bytes) -> int:
        raise OSError(code, os.strerror(code), fd, data)

    monkeypatch.setattr(atomic, "_UNNAMED", unnamed)
    output = open_output(str(tmp_path / "y.npy"), overwrite=False)
    monkeypatch.setattr(os, "write", failing)
    with pytest.raises(OutputError, match=os.strerror(code)), output:
        output.add(None, ONES.shape, F4).write(ONES)
    assert names(tmp_path) == []


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: whole(fd, data[:5]))
    write(tmp_path / "y.npy")
    assert np.load(tmp_path / "y.npy").tolist() == ONES.tolist()


@pytest.mark.parametrize(
    ("target", "kind", "told"),
    [
        ("no/y.npy", OutputError, "no such directory; create"),
        ("file/y.npy", OutputError, "Not a directory"),
        ("y" * 300 + ".npy", OutputError, "File name too long"),
        ("dir.npy", UsageError, "directory"),
        ("y.txt", UsageError, r"neither \.npy nor \.npz"),
        ("y\0.npy", OutputError, "not a name"),
    ],
)
def test_targets_that_cannot_be(
    target: str, kind: type[PoolnormError], told: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "dir.npy").mkdir()
    before = names(tmp_path)
    with pytest.raises(kind, match=told) as caught:
        open_output(str(tmp_path / target), overwrite=True)
    assert len(str(caught.value)) <= 200
    assert names(tmp_path) == before
