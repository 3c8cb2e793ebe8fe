"""Outputs are whole or absent, never over an input, and never over a file by accident."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from poolnorm_cli.errors import OutputError, UsageError
from poolnorm_cli.tensors import atomic
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.outputs import open_output
from poolnorm_cli.tensors.sources import open_tensors


if TYPE_CHECKING:
    from pathlib import Path

F4 = DTYPES["float32"]
ONES = np.ones((4, 3), np.float32)
KINDS = ["y.npy", "y.npz"]

DYING = """
import os, signal, sys
import numpy as np
from poolnorm_cli.tensors import DTYPES, open_output
with open_output(sys.argv[1], True) as output:
    writer = output.add(None, (4, 250_000), DTYPES["float32"])
    writer.write(np.ones((2, 250_000), np.float32))
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(params=["unnamed", "hidden"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "hidden":
        monkeypatch.setattr(atomic, "_UNNAMED", 0)
    return str(request.param)


def write(target: Path, *, overwrite: bool = False, value: float = 1.0) -> None:
    with open_output(str(target), overwrite) as output:
        output.add(None, ONES.shape, F4).write(ONES * np.float32(value))


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def interrupted(target: Path, error: BaseException) -> None:
    with open_output(str(target), overwrite=True) as output:
        output.add(None, ONES.shape, F4).write(ONES[:2])
        raise error


def first(target: Path) -> float:
    (tensor,) = open_tensors(str(target))
    return float(next(tensor.blocks(1))[0, 0])


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_but_the_output_is_left(kind: str, tmp_path: Path) -> None:
    write(tmp_path / kind)
    assert names(tmp_path) == [kind]
    write(tmp_path / kind, overwrite=True, value=2)
    assert names(tmp_path) == [kind]
    assert first(tmp_path / kind) == 2.0


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_an_exception_leaves_things_as_they_were(
    kind: str, error: type[BaseException], tmp_path: Path
) -> None:
    write(tmp_path / kind)
    before = (tmp_path / kind).read_bytes()
    with pytest.raises(error):
        interrupted(tmp_path / kind, error())
    assert names(tmp_path) == [kind]
    assert (tmp_path / kind).read_bytes() == before


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("kind", KINDS)
def test_missing_and_surplus_items_keep_nothing(kind: str, tmp_path: Path) -> None:
    for rows, told in ((3, "9 items written"), (5, "15 items written")):
        with (
            pytest.raises(OutputError, match=told),
            open_output(str(tmp_path / kind), overwrite=False) as output,
        ):
            output.add(None, ONES.shape, F4).write(np.ones((rows, 3), np.float32))
    assert names(tmp_path) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("there", [False, True])
def test_a_killed_process_leaves_nothing_new(kind: str, there: bool, tmp_path: Path) -> None:
    if there:
        write(tmp_path / kind, value=7)
    done = subprocess.run([sys.executable, "-c", DYING, str(tmp_path / kind)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert names(tmp_path) == ([kind] if there else [])
    assert not there or first(tmp_path / kind) == 7.0


@pytest.mark.usefixtures("way")
def test_an_existing_file_is_refused_before_any_work(tmp_path: Path) -> None:
    write(tmp_path / "y.npy")
    with pytest.raises(UsageError, match=r"y\.npy: exists; --overwrite"):
        open_output(str(tmp_path / "y.npy"), overwrite=False)
    (tmp_path / "z.npy").symlink_to("nowhere")
    with pytest.raises(UsageError, match="exists"):
        open_output(str(tmp_path / "z.npy"), overwrite=False)


@pytest.mark.usefixtures("way")
def test_a_file_that_appears_meanwhile_is_not_clobbered(tmp_path: Path) -> None:
    output = open_output(str(tmp_path / "y.npy"), overwrite=False)
    output.add(None, ONES.shape, F4).write(ONES)
    (tmp_path / "y.npy").write_text("theirs")
    with pytest.raises(UsageError, match="exists"):
        output.commit()
    assert (tmp_path / "y.npy").read_text() == "theirs"
    assert names(tmp_path) == ["y.npy"]


def test_a_file_system_without_links_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted", source, None, target)

    monkeypatch.setattr(atomic, "_UNNAMED", 0)
    monkeypatch.setattr(os, "link", no_links)
    write(tmp_path / "y.npy")
    output = open_output(str(tmp_path / "y.npy"), overwrite=True)
    output.add(None, ONES.shape, F4).write(ONES * np.float32(2))
    output.commit()
    assert first(tmp_path / "y.npy") == 2.0
    (tmp_path / "y.npy").unlink()
    output = open_output(str(tmp_path / "y.npy"), overwrite=False)
    output.add(None, ONES.shape, F4).write(ONES)
    (tmp_path / "y.npy").write_text("theirs")
    with pytest.raises(UsageError, match="exists"):
        output.commit()
    assert names(tmp_path) == ["y.npy"]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_the_umask_is_respected_and_an_old_mode_kept(mask: int, tmp_path: Path) -> None:
    old = os.umask(mask)
    try:
        write(tmp_path / "y.npy")
        assert (tmp_path / "y.npy").stat().st_mode & 0o777 == 0o666 & ~mask
        (tmp_path / "y.npy").chmod(0o640)
        write(tmp_path / "y.npy", overwrite=True)
        assert (tmp_path / "y.npy").stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(old)
