"""Files that others write are refused with the line that makes of them what is read."""

import bz2
import gzip
import lzma
import pickle
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from tests.conftest import Command


X = np.random.default_rng(0).standard_normal((2, 4, 4, 3)).astype(np.float32)


def typed(poolnorm: Command, name: str) -> str:
    result = poolnorm("pool max", name)
    assert (result.code, result.err.count("\n")) == (4, 1)
    assert "is not read; type " in result.err
    return result.err.split("; type ")[1].strip()


@pytest.mark.parametrize(
    ("suffix", "pack", "tool"),
    [
        (".gz", gzip.compress, "gunzip"),
        (".xz", lzma.compress, "xz"),
        (".bz2", bz2.compress, "bunzip2"),
    ],
)
def test_packed_files(poolnorm: Command, suffix: str, pack: object, tool: str) -> None:
    assert callable(pack)
    np.save("my x.npy", X)
    packed = pack(Path("my x.npy").read_bytes())
    Path(f"my x.npy{suffix}").write_bytes(packed)
    Path("my x.npy").unlink()
    line = typed(poolnorm, f"my x.npy{suffix}")

    assert line.startswith(tool)
    if subprocess.run(["which", tool], check=False, capture_output=True).returncode:
        pytest.skip(f"{tool} is not installed")
    ours = f"{sys.executable} -m poolnorm_cli pool max - -o y.npy"
    subprocess.run(line.split(", or ")[0].replace("poolnorm ... -", ours), shell=True, check=True)  # noqa: S602
    subprocess.run(line.split(", or ")[1], shell=True, check=True)  # noqa: S602
    np.testing.assert_array_equal(np.load("my x.npy"), X)
    assert np.load("y.npy").shape == (2, 2, 2, 3)


@pytest.mark.parametrize("name", ["my x.h5", "x.bmp", "x.pkl", "it's $x.gif"])
def test_files_of_libraries(poolnorm: Command, name: str) -> None:
    if name.endswith(".h5"):
        with h5py.File(name, "w") as file:
            file["x"] = X
    elif name.endswith(".pkl"):
        Path(name).write_bytes(pickle.dumps(X))
    else:
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(name)
    line = typed(poolnorm, name)

    subprocess.run(line.replace("python", sys.executable, 1), shell=True, check=True)  # noqa: S602
    made = next(path for path in Path().iterdir() if path.suffix in (".npz", ".npy", ".png"))
    assert poolnorm("info", str(made)).code == 0


@pytest.mark.parametrize(
    ("name", "part"), [("x.pt", "torch.load("), ("x.mat", "loadmat("), ("x.tif", "tifffile")]
)
def test_what_needs_other_libraries(poolnorm: Command, name: str, part: str) -> None:
    Path(name).write_bytes(b"anything")

    assert part in typed(poolnorm, name)


@pytest.mark.oracle
def test_a_file_of_torch(poolnorm: Command) -> None:
    torch = pytest.importorskip("torch")
    for value in (torch.from_numpy(X), {"a": torch.from_numpy(X)}):
        torch.save(value, "x.pt")
        line = typed(poolnorm, "x.pt").replace("python", sys.executable, 1)
        subprocess.run(line, shell=True, check=True)  # noqa: S602
        assert poolnorm("pool max x.npz").code == 0
