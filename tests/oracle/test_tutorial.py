"""The tutorial's snippets of Keras give what the commands beside them give."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT, Command


pytestmark = pytest.mark.oracle
_STEP = re.compile(r"```python\n(.*?)```\s+```console\n\$ poolnorm (.*?)\n", re.DOTALL)


def test_snippets_and_commands_agree(poolnorm: Command) -> None:
    pytest.importorskip("keras")
    steps = _STEP.findall((ROOT / "docs" / "tutorial.md").read_text())
    shutil.copytree(ROOT / "samples", "samples")
    program = "".join(
        f"{snippet}\nnp.save('keras{i}.npy', np.asarray(y))\n"
        for i, (snippet, _) in enumerate(steps)
    )
    Path("program.py").write_text(program)
    subprocess.run([sys.executable, "program.py"], check=True, capture_output=True)

    assert len(steps) >= 9
    for i, (_, words) in enumerate(steps):
        done = poolnorm(f"{words} -q -o ours{i}.npy")
        assert done.code == 0, done.err
        expected, found = np.load(f"keras{i}.npy"), np.load(f"ours{i}.npy")
        assert found.dtype == expected.dtype, words
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6, err_msg=words)
