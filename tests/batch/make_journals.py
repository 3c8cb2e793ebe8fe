"""Write the journals of `earlier_journals.json` anew, with the version that is installed.

    python -m tests.batch.make_journals

They are those of the version that wrote them: later versions have to take up its runs.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import poolnorm_cli


JOURNALS = Path(__file__).parent / "earlier_journals.json"
COMMANDS = (
    "pool max --pool-size 3 --strides 2 --padding same",
    "pool average --data-format channels_first",
    "gpool average --keepdims",
    "apool max --output-size 3",
    "bn --epsilon 0.01",
    "bn --gamma-initializer random_normal(mean=0,stddev=0.05,seed=1) --no-center",
    "bn --gamma-regularizer l2 --beta-constraint max_norm",
    "bn --renorm --renorm-clipping rmax=3,dmax=5",
    "ln --axis 1,2",
    "gn --groups 2",
    "in --epsilon 0.01",
    "rms --axis 3 --dtype float16",
)


def make_inputs() -> None:
    """Write three tensors, and one that no layer but a normalization takes, into `in`."""
    Path("in").mkdir(exist_ok=True)
    for number in range(3):
        x = np.arange(2 * 8 * 8 * 4, dtype=np.float32).reshape(2, 8, 8, 4) + number
        np.save(f"in/{number}.npy", x)
    np.save("in/3.npy", np.arange(6, dtype=np.float32))


def words_of(command: str) -> list[str]:
    """Return the words of a command that writes a journal."""
    return [*command.split(), "in", "-O", "out", "-q", "--journal", "j", "--no-sync"]


def lines_of(command: str) -> list[str]:
    """Return the journal of a command, in an empty directory."""
    with tempfile.TemporaryDirectory() as directory:
        code = "from tests.batch.make_journals import make_inputs; make_inputs()"
        path = {"PYTHONPATH": ":".join(map(str, sys.path))}
        subprocess.run([sys.executable, "-c", code], cwd=directory, env=path, check=True)
        run = [sys.executable, "-m", "poolnorm_cli", *words_of(command)]
        done = subprocess.run(run, cwd=directory, env=path, capture_output=True, check=False)
        assert done.returncode in (0, 1), done.stderr
        return (Path(directory) / "j").read_text().splitlines()


if __name__ == "__main__":
    runs = {command: lines_of(command) for command in COMMANDS}
    document = {"version": poolnorm_cli.__version__, "runs": runs}
    JOURNALS.write_text(json.dumps(document, indent=1) + "\n")
