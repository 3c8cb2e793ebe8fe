"""What `--keras` and `--torch` print is run in the frameworks, and gives what a run gives here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.oracle.live import needs
from tests.oracle.program_files import write_files
from tests.oracle.program_lines import lines
from tests.oracle.random_programs import random_lines


if TYPE_CHECKING:
    from tests.conftest import Command


pytestmark = [pytest.mark.oracle, pytest.mark.slow]

WORKER = Path(__file__).with_name("program_worker.py")
BOUNDS = {"float64": 1e-9, "float32": 3e-5, "float16": 2e-3}


@needs("keras", "tensorflow", "tf_keras", "torch")
@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_programs_give_what_a_run_gives(poolnorm: Command, framework: str) -> None:
    write_files()
    check(poolnorm, framework, list(lines()))


@needs("keras", "tensorflow", "tf_keras", "torch")
@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_programs_of_random_layers_give_what_a_run_gives(poolnorm: Command, framework: str) -> None:
    listed = random_lines(400, seed=20261127)
    # A window may be larger than what there is below it: then there is nothing to compare.
    runs = [line for line in listed if poolnorm(f"{line} -q").code == 0]
    assert len(runs) > 300
    check(poolnorm, framework, runs, scale=10)


def check(poolnorm: Command, framework: str, listed: list[str], scale: float = 1) -> None:
    """Compare the programs of command lines with their outputs."""
    written: dict[str, str] = {}
    for line in listed:
        result = poolnorm(f"{line} --{framework}")
        assert result.code == 0, f"{line}: {result.err}"
        written[line] = result.out
    run_all(list(written.values()))
    wrong = []
    for index, (line, program) in enumerate(written.items()):
        done = poolnorm(f"{line} -o expected.npy --overwrite -q")
        assert done.code == 0, f"{line}: {done.err}"
        rounded = 1e4 if "has no float64" in program else 1
        difference = differs(index, np.load("expected.npy"), scale * rounded)
        if difference is not None:
            wrong.append(f"{line}: {difference}\n{program}")
    assert not wrong, f"{len(wrong)} of {len(written)} differ:\n" + "\n".join(wrong[:20])


def run_all(programs: list[str]) -> None:
    """Run programs in a process of their own, which is begun again where it dies of one."""
    Path("programs.json").write_text(json.dumps(programs))
    for _ in range(40):
        done = subprocess.run([sys.executable, str(WORKER), "."], capture_output=True, check=False)
        if not done.returncode:
            return
        index = Path("started").read_text()
        Path(f"error{index}.txt").write_text(f"the process died: {done.returncode}")
    pytest.fail("the frameworks die again and again")


def differs(index: int, expected: Any, scale: float) -> str | None:
    """Say how the `y` of a program differs from an output; None where it does not.

    Inputs are `scale` times as large as what cancels out of them.
    """
    error = Path(f"error{index}.txt")
    if error.exists():
        return error.read_text()[-300:]
    y = np.load(f"y{index}.npy")
    bound = BOUNDS.get(expected.dtype.name)
    if expected.dtype == "V2":  # bfloat16, as float32 it has 8 bits
        expected, bound = (expected.view("<u2").astype("<u4") << 16).view("<f4"), 2**-8
    if (y.shape, y.dtype) != (expected.shape, expected.dtype):
        return f"{y.dtype}{y.shape}, not {expected.dtype}{expected.shape}"
    if bound is None:
        return None if np.array_equal(y, expected) else "other integers"
    if not np.array_equal(np.isnan(y), np.isnan(expected)):
        return "NaN in other places"
    mine, theirs = (np.nan_to_num(each.astype("float64")) for each in (expected, y))
    apart = float(np.abs(mine - theirs).max(initial=0))
    return None if apart <= bound * max(scale, np.abs(mine).max(initial=0)) else f"{apart:.3g} away"
