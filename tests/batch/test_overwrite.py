"""What `--overwrite` does with a file that is read-only, and with links."""

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from tests.batch.places import make_tensors
from tests.conftest import Command


OLD = b"the old contents"


@pytest.fixture(autouse=True)
def _files() -> None:
    make_tensors("in", 2)
    Path("out").mkdir()


@pytest.mark.parametrize("flags", ["", " --sync", " --journal j", " -j 2"])
@pytest.mark.parametrize("kind", ["read-only", "symlink", "dangling", "hard link"])
def test_what_is_there_is_replaced_and_what_it_names_stays(
    poolnorm: Command, kind: str, flags: str
) -> None:
    target, other = Path("out/0000.npy"), Path("other")
    if kind != "dangling":
        other.write_bytes(OLD)
        other.chmod(0o440)
    if kind == "read-only":
        target.write_bytes(OLD)
        target.chmod(0o440)
    elif kind == "hard link":
        os.link(other, target)
    else:
        target.symlink_to("../other")

    refused = poolnorm(f"pool max in -O out -q{flags}")
    assert refused.code == 2
    assert refused.err.startswith("error: out/0000.npy: exists")
    assert poolnorm(f"pool max in -O out -q --overwrite{flags}").code == 0

    seen = target.lstat()
    assert stat.S_ISREG(seen.st_mode)
    assert seen.st_nlink == 1
    assert np.load(target).shape == (4, 4, 4, 3)
    if kind != "dangling":
        assert stat.S_IMODE(seen.st_mode) == 0o440
        assert other.read_bytes() == OLD
    else:
        assert not other.exists()


@pytest.mark.parametrize("kind", ["directory", "fifo"])
def test_what_is_no_file_is_not_replaced(poolnorm: Command, kind: str) -> None:
    target = Path("out/0000.npy")
    if kind == "fifo":
        os.mkfifo(target)
    else:
        target.mkdir()
    result = poolnorm("pool max in/0000.npy -O out -q --overwrite")

    assert result.code == 2
    assert "out/0000.npy: " in result.err
    assert result.err.count("\n") == 1
    assert not target.is_file()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_may_not_be_written_is_told(poolnorm: Command) -> None:
    Path("out").chmod(0o555)
    result = poolnorm("pool max in/0000.npy -O out -q --overwrite")

    assert result.code == 3
    assert "Permission denied; write to a directory of yours" in result.err
