"""Safetensors files larger than memory may be, and runs that are killed while they write."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, measured, process


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="asks Linux"),
]
SAMPLE = (112, 112, 64)
MIB = 1 << 20
LAYERS = {
    "pool max": 256,
    "pool average --pool-size 3": 256,
    "pool min": 256,
    "pool lp": 384,
    "gpool max": 256,
    "gpool average": 256,
    "gpool min": 256,
    "gpool lp": 256,
    "apool average --output-size 7": 256,
    "bn": 256,
    "bn --training": 256,
    "ln": 256,
    "gn": 256,
    "in": 256,
    "rms": 256,
    "unit": 256,
    "lrn": 384,
}
"""Layers, and the MiB that a process may take of which the file is 2 GiB."""


def sparse(path: Path, size: int) -> Path:
    """Write a safetensors file of zeros that takes no room on the disk."""
    samples = size // (4 * SAMPLE[0] * SAMPLE[1] * SAMPLE[2])
    end = samples * 4 * SAMPLE[0] * SAMPLE[1] * SAMPLE[2]
    entry = {"dtype": "F32", "shape": [samples, *SAMPLE], "data_offsets": [0, end]}
    header = json.dumps({"x": entry}).encode()
    header += b" " * (-len(header) % 8)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + end)
    return path


@pytest.fixture
def large(tmp_path: Path) -> Iterator[Path]:
    """Give a file of 2 GiB, and remove what was made of it."""
    file = sparse(tmp_path / "x.safetensors", 2048 * MIB)
    yield file
    for each in tmp_path.iterdir():
        each.unlink()


@pytest.mark.parametrize("words", LAYERS)
def test_a_file_of_2_gib_goes_through_each_layer_in_little_memory(words: str, large: Path) -> None:
    verb, *flags = words.split(" --", 1)
    more = f"--{flags[0]}".split() if flags else []
    done = measured(*verb.split(), str(large), "-o", "y.safetensors", "-q", *more)

    assert done.code == 0, done.err
    assert done.megabytes <= LAYERS[words]


def test_a_file_of_2_gib_goes_through_a_pipe_in_little_memory(large: Path) -> None:
    steps = ["!", "pool", "max", "!", "bn", "--training", "!", "ln", "!", "gpool", "average"]
    done = measured("pipe", str(large), "-o", "y.safetensors", "-q", *steps)

    assert done.code == 0, done.err
    assert done.megabytes <= 256


def written(pid: int) -> int:
    """Return the bytes that a process has written so far."""
    counts = Path(f"/proc/{pid}/io").read_text().split()
    return int(counts[counts.index("wchar:") + 1])


def in_the_middle_of(*words: str) -> "subprocess.Popen[bytes]":
    """Start a command, and hold it with SIGSTOP where it has written some, but not all."""
    run = subprocess.Popen(
        [sys.executable, "-m", "poolnorm_cli", *words],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
    )
    until = time.monotonic() + 120
    while run.poll() is None and written(run.pid) < 8 * MIB and time.monotonic() < until:
        pass
    if run.poll() is None:
        run.send_signal(signal.SIGSTOP)
    return run


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("target", ["y.safetensors", "y.npz", "y.npy"])
@pytest.mark.parametrize("is_there", [False, True], ids=["new", "replaced"])
def test_a_run_that_is_killed_leaves_nothing_torn(
    number: signal.Signals, target: str, tmp_path: Path, *, is_there: bool
) -> None:
    source = sparse(tmp_path / "x.safetensors", 512 * MIB)
    if is_there:
        Path(target).write_bytes(b"what was there")
    words = ["bn", str(source), "-o", target, "-q", "--overwrite"]
    run = in_the_middle_of(*words)
    assert run.returncode is None, "it came to its end at once"
    run.send_signal(number)
    run.send_signal(signal.SIGCONT)

    try:
        _, said = run.communicate(timeout=120)
    finally:
        run.kill()
        run.wait()

    assert run.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 143), said
    assert (
        (Path(target).read_bytes() == b"what was there")
        if is_there
        else not os.path.lexists(target)
    )
    left = {each.name for each in tmp_path.iterdir()} - {source.name, target}
    assert not left
    assert process(*words).returncode == 0
    assert process("info", target, "-q").returncode == 0
