"""Layers out of real checkpoints give what their framework gives."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poolnorm_cli.layers import LAYERS, find
from tests.conftest import Command
from tests.weights.make_fixtures import FIXTURES


Array = NDArray[Any]
SUFFIXES = {".keras": "h5py", ".h5": "h5py", ".json": "h5py"}
FRAMEWORKS = {name: name for name in ("keras", "tf_keras", "torch", "onnx")}
FRAMEWORKS |= {"nested": "keras", "legacy": "tf_keras", "torch_onnx": "torch"}


def cases() -> list[str]:
    """List what there is to run."""
    words = []
    for file in sorted(FIXTURES.glob("*.expected.npz")):
        with np.load(file) as expected:
            words += [f"{file.name} {key}" for key in expected if key != "x"]
    return words


def require(words: str) -> None:
    """Skip what needs a package that is not there."""
    file = words.rpartition("--weights ")[2].partition("::")[0]
    package = SUFFIXES.get(Path(file).suffix)
    if package and find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    if words.split(maxsplit=1)[0] not in LAYERS:
        pytest.skip(f"no layer {words.split(maxsplit=1)[0]}")
    if "renorm" in words and "renorm" not in {p.name for p in find("bn").parameters()}:
        pytest.skip("no --renorm")


def run(poolnorm: Command, words: str, x: Array, directory: Path) -> Array:
    """Run a layer of a checkpoint on `x`."""
    np.save("x.npy", x)
    words = words.replace("--weights ", f"--weights {directory}/")
    result = poolnorm(f"{words} -q -o y.npy --overwrite")
    assert (result.code, result.err) == (0, ""), words
    y: Array = np.load("y.npy")
    return y


@pytest.mark.parametrize("case", cases())
def test_a_layer_of_a_checkpoint_gives_what_its_framework_gives(
    poolnorm: Command, case: str
) -> None:
    file, _, words = case.partition(" ")
    require(words)
    with np.load(FIXTURES / file) as expected:
        x, wanted = expected["x"], expected[words]

    y = run(poolnorm, words, x, FIXTURES)

    np.testing.assert_allclose(y, wanted, rtol=0, atol=2e-6)


@pytest.mark.oracle
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_checkpoint_made_now_gives_what_its_framework_gives(
    poolnorm: Command, framework: str, tmp_path: Path
) -> None:
    pytest.importorskip(FRAMEWORKS[framework])
    script = Path(__file__).parent / "make_fixtures.py"
    made = subprocess.run(
        [sys.executable, str(script), framework, str(tmp_path)], capture_output=True, check=False
    )
    assert made.returncode == 0, made.stderr.decode()
    with np.load(tmp_path / f"{framework}.expected.npz") as expected:
        outputs = dict(expected)

    x = outputs.pop("x")
    for words, wanted in outputs.items():
        if words.split()[0] in LAYERS:
            y = run(poolnorm, words, x, tmp_path)
            np.testing.assert_allclose(y, wanted, rtol=0, atol=2e-6, err_msg=words)


def test_every_format_has_a_fixture() -> None:
    names = " ".join(cases())
    for suffix in (
        ".keras",
        ".h5",
        ".weights.h5",
        ".weights.json",
        ".safetensors",
        ".onnx",
        ".npz",
    ):
        assert f"{suffix}::" in names
