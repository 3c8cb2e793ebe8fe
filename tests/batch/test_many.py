"""Ten thousand files: all done, in memory that does not grow, and nothing done twice."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.batch.places import make_tensors, start, tree, until


pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]


def memory(pid: int) -> int:
    """Return the bytes that a process has in memory; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("VmRSS"))


def soak(count: int) -> None:
    make_tensors("in", count, (4, 28, 28, 3))
    words = ["pool", "max", "in", "-O", "out", "-q", "-j", "auto", "--journal", "j"]
    run = start(*words, limit="-n 64")

    def done() -> int:
        return sum(1 for _ in Path("out").iterdir()) if Path("out").exists() else 0

    until(lambda: done() > count // 10 or run.poll() is not None)
    early, late, most = memory(run.pid), 0, 0
    while run.poll() is None:
        late = memory(run.pid) or late
        files = Path(f"/proc/{run.pid}/fd")
        try:
            most = max(most, sum(1 for _ in files.iterdir()))
        except OSError:
            break

    assert run.wait() == 0
    assert late - early < 20 << 20
    assert most <= 32
    assert len(tree("out")) == count
    size = Path("j").stat().st_size
    assert start(*words, "--resume").wait() == 0
    assert Path("j").stat().st_size - size < 200  # the head of the second run


def test_a_thousand_files_in_memory_that_does_not_grow() -> None:
    soak(1000)


@pytest.mark.slow
def test_ten_thousand_files_in_memory_that_does_not_grow() -> None:
    soak(10_000)


def test_outputs_that_collide_are_found_among_ten_thousand_before_any_work() -> None:
    names = "\n".join(f"{'a' if n % 2 else 'b'}/{n // 2}.npy" for n in range(10_000))
    command = [sys.executable, "-m", "poolnorm_cli", "pool", "max", "--files-from", "-", "-O", "o"]
    done = subprocess.run(command, input=names, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert done.stderr.startswith("error: o/0.npy: the output of b/0.npy and of a/0.npy")
    assert not Path("o").exists()
