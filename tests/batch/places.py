"""Trees of small tensors, and the command on them as a process that can be killed."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.conftest import ROOT


FAULTS = "stderr.txt"
"""Where a command that is started writes what it has to say."""
ENVIRONMENT = {"PYTHONPATH": str(ROOT)}
"""What a process is given besides the environment of the test."""


def make_tensors(directory: str, count: int, shape: tuple[int, ...] = (4, 8, 8, 3)) -> list[str]:
    """Write tensors 0000.npy, 0001.npy, ... and return their names."""
    Path(directory).mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(count)
    names = [f"{directory}/{number:04}.npy" for number in range(count)]
    for name in names:
        np.save(name, generator.standard_normal(shape).astype(np.float32))
    return names


def tree(directory: str) -> dict[str, str]:
    """Return the checksum of every file below a directory, by its name there."""
    root = Path(directory)
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


def start(*words: str, limit: str = "") -> "subprocess.Popen[bytes]":
    """Start the command in a process of its own; `limit` is a word for ulimit."""
    command = [sys.executable, "-m", "poolnorm_cli", *words]
    if limit:
        command = ["bash", "-c", f'ulimit {limit}; exec "$@"', "bash", *command]
    with Path(FAULTS).open("wb") as faults:
        return subprocess.Popen(
            command,
            env=os.environ | ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=faults,
            start_new_session=True,
        )


def children(pid: int) -> list[int]:
    """Return the processes that a process has started and not buried."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        found = [int(n) for task in tasks for n in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return found


def alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def holds(pid: int, path: str) -> bool:
    """Whether a process has a file open."""
    wanted = os.path.realpath(path)
    try:
        opened = [os.path.realpath(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return False
    return wanted in opened


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something is so; a minute stands for ever."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


def make_files_of_every_format(directory: str) -> list[str]:
    """Write a tensor in each kind of file that can be here; return the names, in order."""
    import json

    from poolnorm_cli.kernels.halves import narrow_bfloat16

    chance, place = np.random.default_rng(5), Path(directory)
    place.mkdir(parents=True)
    x = chance.standard_normal((2, 6, 6, 3)).astype(np.float32)
    np.save(place / "a.npy", x)
    np.savez_compressed(place / "b.npz", u=x, v=x[:1])
    halves = narrow_bfloat16(x).tobytes()
    header = {
        "p/ü": {"dtype": "F32", "shape": x.shape, "data_offsets": [0, x.nbytes]},
        "q": {
            "dtype": "BF16",
            "shape": x.shape,
            "data_offsets": [x.nbytes, x.nbytes + len(halves)],
        },
    }
    stated = json.dumps(header).encode()
    stated += b" " * (-len(stated) % 8)
    size = len(stated).to_bytes(8, "little")
    (place / "c.safetensors").write_bytes(size + stated + x.tobytes() + halves)
    names = ["a.npy", "b.npz", "c.safetensors", "d.csv", "e.txt"]
    for name, sign in (("d.csv", ","), ("e.txt", " ")):
        np.savetxt(place / name, x[0, :, :, 0], delimiter=sign)
    try:
        from PIL import Image
    except ImportError:
        return names
    Image.fromarray(chance.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(place / "f.png")
    return [*names, "f.png"]
