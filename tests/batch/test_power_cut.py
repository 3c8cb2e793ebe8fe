"""Power cuts: what has a name is whole after them, and a journal claims nothing that is not there.

The power of a small ext4 file system on a loop device is cut in two ways: its image is copied
while it is mounted, which loses all that was not on the disk; or the file system is told to go down
in the middle of a run, without writing its log. Both need root.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.batch.places import make_tensors, start, tree, until


_SIZE = 96 << 20
_OPTIONS = "loop,noauto_da_alloc"
"""Without ext4's help for programs that rename what is not on the disk."""
_GO_DOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN
_WITHOUT_LOG = 2
_UNDER = Path("/sbin"), Path("/usr/sbin"), Path("/bin"), Path("/usr/bin")
MANY = 1500


def can_mount() -> bool:
    """Whether this process may make a file system on a loop device."""
    tools = [shutil.which(name, path=":".join(map(str, _UNDER))) for name in ("mkfs.ext4", "mount")]
    return sys.platform == "linux" and os.geteuid() == 0 and all(tools) and loops()


def loops() -> bool:
    """Whether there is a loop device to be had."""
    asked = subprocess.run(["losetup", "-f"], capture_output=True, check=False)
    return asked.returncode == 0


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not can_mount(), reason="needs root, mkfs.ext4 and a loop device"),
]


@contextmanager
def mounted(image: str, place: str) -> Iterator[None]:
    """Mount an image, and unmount it whatever happens."""
    Path(place).mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", _OPTIONS, image, place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.fixture(autouse=True)
def _disk() -> None:
    """Make an empty file system, mounted on `disk`; the inputs are on another."""
    make_tensors("in", 40, (2, 16, 16, 3))
    with Path("image").open("wb") as file:
        file.truncate(_SIZE)
    subprocess.run(["mkfs.ext4", "-q", "-F", "image"], check=True)


def cut(check: Callable[[Path], None]) -> None:
    """Cut the power of `disk`, and look at what is there when it has come back.

    The log of the file system is written, as it is every five seconds: then names are on the disk.
    Of contents only those are that somebody waited for.
    """
    fd = os.open("disk/marker", os.O_CREAT | os.O_WRONLY)
    os.fsync(fd)
    os.close(fd)
    subprocess.run(["cp", "--sparse=always", "image", "copy"], check=True)
    with mounted("copy", "after"):
        check(Path("after"))


def run(*words: str) -> None:
    """Run a command in peace."""
    assert start(*words).wait() == 0


def whole(directory: Path, expected: dict[str, str]) -> None:
    """Check that what has a name is whole, and that a journal claims nothing else."""
    there = tree(str(directory / "out")) if (directory / "out").exists() else {}
    assert there.items() <= expected.items()
    for line in (directory / "j").read_text().splitlines() if (directory / "j").exists() else ():
        told = json.loads(line) if line.endswith("}") else {}
        if told.get("status") == "done":
            assert there[Path(told["output"]).name] == told["sha256"]


def count(directory: Path) -> int:
    """Return how many files there are."""
    return sum(1 for _ in directory.iterdir())


def golden() -> dict[str, str]:
    run("pool", "max", "in", "-O", "golden", "-q")
    return tree("golden")


BATCH = ["pool", "max", "in", "-O", "disk/out", "-q", "--journal", "disk/j"]


@pytest.mark.parametrize("jobs", [["-j", "1"], ["-j", "2"], ["--dask", "local"]], ids=" ".join)
def test_a_batch_with_a_journal_outlasts_a_power_cut(jobs: list[str]) -> None:
    if "--dask" in jobs:
        pytest.importorskip("distributed")
    expected = golden()

    def check(after: Path) -> None:
        whole(after, expected)
        assert len(tree(str(after / "out"))) == 40
        assert (after / "j").read_text().count('"done"') == 40

    with mounted("image", "disk"):
        run(*BATCH, *jobs)
        cut(check)


def test_without_sync_there_is_something_to_lose() -> None:
    def check(after: Path) -> None:
        sizes = [path.stat().st_size for path in (after / "out").iterdir()]
        assert sizes == [0] * 40

    with mounted("image", "disk"):
        run(*BATCH, "--no-sync")
        cut(check)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("pool max in/0000.npy -q -o disk/y.npy --sync", "y.npy"),
        ("bn in/0000.npy --training -q --save-weights disk/w.npz --sync", "w.npz"),
        ("bn in/0000.npy --training -q --weights disk/o.npz --save-weights disk/o.npz", "o.npz"),
        ("ln in/0000.npy -q --save-config disk/c.json --sync", "c.json"),
        ("ln in/0000.npy -q --export disk/g.onnx --sync", "g.onnx"),
        ("pool max in/0000.npy in/0001.npy -q -O disk/deep/er --sync", "deep/er/0001.npy"),
        ("generate normal 2,3 -q -o disk/x.npy --sync", "x.npy"),
    ],
)
def test_one_file_outlasts_a_power_cut(words: str, name: str) -> None:
    if "onnx" in name:
        pytest.importorskip("onnx")

    def check(after: Path) -> None:
        assert (after / name).read_bytes() == Path("disk", name).read_bytes() != b""

    with mounted("image", "disk"):
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        np.savez("disk/o.npz", **dict.fromkeys(names, np.ones(3, np.float32)))  # type: ignore[arg-type]
        run(*words.split())
        cut(check)


def test_parts_of_a_large_file_outlast_a_power_cut() -> None:
    shape = (320, 128, 256, 4)  # 160 MiB: two workers write parts of one output
    np.lib.format.open_memmap("large.npy", "w+", "<f4", shape)[:] = 1

    def check(after: Path) -> None:
        with (after / "y.npy").open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        assert json.loads((after / "j").read_text().splitlines()[1])["sha256"] == found
        assert (np.load(after / "y.npy", mmap_mode="r") == 1).all()

    with mounted("image", "disk"):
        flags = ["--pool-size", "2", "-q", "-j", "2", "--journal", "disk/j"]
        run("pool", "max", "large.npy", "-o", "disk/y.npy", *flags)
        cut(check)


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("after", [1, MANY // 3, MANY - 1])
def test_a_batch_whose_power_is_cut_is_taken_up(jobs: str, after: int) -> None:
    make_tensors("in", MANY, (2, 16, 16, 3))
    expected = golden()
    words = [*BATCH, "-j", jobs]
    with mounted("image", "disk"):
        going = start(*words)
        out = Path("disk/out")
        until(lambda: going.poll() is not None or (out.exists() and count(out) >= after))
        top = os.open("disk", os.O_RDONLY)
        try:
            fcntl.ioctl(top, _GO_DOWN, _WITHOUT_LOG.to_bytes(4, sys.byteorder))
        finally:
            os.close(top)
        assert going.wait() in (0, 3)
    with mounted("image", "disk"):
        whole(Path("disk"), expected)
        run(*words, "--resume")
        assert tree("disk/out") == expected
