"""From nothing to the first result: the same few lines here and in Keras, each in a new process.

`python -m benchmarks.first_result --peer-python PYTHON` prints the table of `docs/python.md`.
PYTHON is the interpreter of an environment with Keras.
"""

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple


ROOT = Path(__file__).parent.parent


class Task(NamedTuple):
    """What is to be done, as it is typed here and in Keras; both end with an array `y`."""

    name: str
    ours: str
    keras: str


TASKS = (
    Task(
        "the maximum under 2x2 windows",
        """import numpy as np
from poolnorm_cli import MaxPooling
y = MaxPooling(2)(np.load("x.npy"))""",
        """import numpy as np
import keras
y = keras.layers.MaxPooling2D(2)(np.load("x.npy")).numpy()""",
    ),
    Task(
        "a training call, and the weights after it",
        """import numpy as np
from poolnorm_cli import BatchNormalization
y, weights = BatchNormalization().train(np.load("x.npy"))""",
        """import numpy as np
import keras
layer = keras.layers.BatchNormalization()
y = layer(np.load("x.npy"), training=True).numpy()
weights = layer.get_weights()""",
    ),
    Task(
        "one layer of a saved model",
        """import numpy as np
from poolnorm_cli import layer_from
y = layer_from("model.keras::bn1")(np.load("x.npy"))""",
        """import numpy as np
import keras
model = keras.models.load_model("model.keras")
y = model.get_layer("bn1")(np.load("x.npy")).numpy()""",
    ),
    Task(
        "three layers one after another",
        """import numpy as np
from poolnorm_cli import GlobalAveragePooling, LayerNormalization, MaxPooling, Pipeline
block = Pipeline([MaxPooling(2), LayerNormalization(), GlobalAveragePooling()])
y = block(np.load("x.npy"))""",
        """import numpy as np
import keras
from keras import layers as k
block = keras.Sequential([k.MaxPooling2D(2), k.LayerNormalization(), k.GlobalAveragePooling2D()])
y = block(np.load("x.npy")).numpy()""",
    ),
)
BARE = "import numpy as np\ny = np.load('x.npy')"
_MODEL = """import keras
model = keras.Sequential([keras.Input((28, 28, 3)), keras.layers.BatchNormalization(name="bn1")])
model.save("model.keras")"""
_X = """import numpy as np
np.save("x.npy", np.random.default_rng(0).standard_normal((4, 28, 28, 3)).astype(np.float32))"""


class Cost(NamedTuple):
    """What a process took: seconds on the clock, and of processors."""

    wall: float
    processor: float


def cost_of(python: str, code: str, folder: str) -> Cost:
    """Run a script to its end."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [python, "-c", code], cwd=folder, env=environment, check=True, stderr=subprocess.DEVNULL
    )
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, used)


def best(rounds: list[Cost]) -> str:
    """Write the least of both figures: other work on the machine only adds to them."""
    wall, used = (min(figures) for figures in zip(*rounds, strict=True))
    return f"{wall:.2f} / {used:.2f}"


def same(ours: str, keras: str, folder: str, peer: str) -> None:
    """Refuse scripts that do not give the same."""
    save = "\nnp.save({!r}, y)"
    cost_of(sys.executable, ours + save.format("ours.npy"), folder)
    cost_of(peer, keras + save.format("keras.npy"), folder)
    given = "*map(np.load, ('ours.npy', 'keras.npy')), atol=1e-5"
    cost_of(sys.executable, f"import numpy as np; np.testing.assert_allclose({given})", folder)


def main() -> None:
    """Time all tasks in turns, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", required=True, help="interpreter that has Keras")
    parser.add_argument("--rounds", type=int, default=5, help="the best of so many is told")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cost_of(sys.executable, _X, folder)
        cost_of(given.peer_python, _MODEL, folder)
        times: dict[tuple[str, str], list[Cost]] = {}
        for task in TASKS:
            same(task.ours, task.keras, folder, given.peer_python)
        for _ in range(given.rounds):
            times.setdefault(("", "bare"), []).append(cost_of(sys.executable, BARE, folder))
            for task in TASKS:
                for who, python, code in (
                    ("ours", sys.executable, task.ours),
                    ("keras", given.peer_python, task.keras),
                ):
                    times.setdefault((task.name, who), []).append(cost_of(python, code, folder))
    print("| | lines here | in Keras | seconds here | in Keras |")
    print("|---|---|---|---|---|")
    for task in TASKS:
        lines = f"{len(task.ours.splitlines())} | {len(task.keras.splitlines())}"
        own, peer = (best(times[task.name, who]) for who in ("ours", "keras"))
        print(f"| {task.name} | {lines} | {own} | {peer} |")
    print(f"\n`np.load` alone: {best(times['', 'bare'])}.", end=" ")
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"{platform.machine()}, {os.cpu_count()} processors, load {load}.")


if __name__ == "__main__":
    main()
