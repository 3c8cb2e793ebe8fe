"""Run programs that poolnorm has printed, in the frameworks they are for.

    python framework_worker.py DIRECTORY keras|torch

The directory holds `calls.json`: a list of {input, keras, config, class, torch, weights}; each
leaves `FRAMEWORK.NUMBER.npy`, and for Keras `config.NUMBER.npy` too.
"""

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np


def with_keras(directory: Path, number: int, call: dict[str, Any], x: Any) -> None:
    """Run the program, and make the same layer of the config."""
    keras = import_module("keras")
    np.save(directory / f"keras.{number}.npy", np.asarray(result(call["keras"])))
    config = json.loads((directory / call["config"]).read_text())
    made = getattr(keras.layers, call["class"]).from_config(config)
    made.build(x.shape)
    if call["weights"]:
        made.set_weights(list(np.load(directory / call["weights"]).values()))
    np.save(directory / f"config.{number}.npy", np.asarray(made(x)))


def with_torch(directory: Path, number: int, call: dict[str, Any], x: Any) -> None:
    """Run the program."""
    del x
    np.save(directory / f"torch.{number}.npy", result(call["torch"]).numpy())


def result(program: str) -> Any:
    """Return the `y` of a program."""
    held: dict[str, Any] = {}
    exec(program, held)  # noqa: S102 - what the test is about
    return held["y"]


def main() -> None:
    """Run all programs."""
    directory, framework = Path(sys.argv[1]), sys.argv[2]
    run = {"keras": with_keras, "torch": with_torch}[framework]
    for number, call in enumerate(json.loads((directory / "calls.json").read_text())):
        run(directory, number, call, np.load(directory / call["input"]))


if __name__ == "__main__":
    main()
