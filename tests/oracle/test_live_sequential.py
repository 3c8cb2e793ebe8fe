"""Random Sequential models, as Keras saves them, give as recipes what Keras predicts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.oracle.live import needs


if TYPE_CHECKING:
    from tests.conftest import Command


pytestmark = [pytest.mark.oracle, pytest.mark.slow]

WORKER = Path(__file__).with_name("sequential_worker.py")
COUNT = 25


@needs("keras", "tensorflow", "tf_keras")
@pytest.mark.parametrize("framework", ["keras", "tf_keras"])
def test_models_give_what_keras_predicts(
    poolnorm: Command, framework: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, str(WORKER), framework, str(COUNT), "."]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr[-2000:]
    wrong = []
    for index in range(COUNT):
        expected = np.load(f"y{index}.npy")
        for file in sorted(Path().glob(f"m{index}.*")):
            if file.suffix == ".json":
                continue
            run = f"pipe x{index}.npy --recipe {file} -o own.npy --overwrite -q"
            done = poolnorm(run)
            y = np.load("own.npy") if done.code == 0 else np.empty(0)
            if y.shape != expected.shape or not np.allclose(y, expected, rtol=0, atol=5e-6):
                wrong.append((file.name, done.err, Path(f"m{index}.json").read_text()[:400]))
        done = poolnorm(f"pipe x{index}.npy --recipe m{index}.json -q --dry-run")
        assert done.code == 0, done.err
    assert not wrong, wrong[:5]
