"""Runs the lines of `shape --conventions` in torch or Keras, as a process of its own.

    python convention_worker.py FOLDER

FOLDER holds `jobs.json`, a list of jobs (lines, names of arrays, state) and `arrays.npz`
(`<number>.x`, `<number>.gamma`, ...). It leaves `<number>.npy` for each job that has an answer:
TensorFlow dies on some shapes, so a job that was begun is not run again.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np


def run_torch(job: dict[str, Any], arrays: dict[str, Any]) -> Any:
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(1)
    names: dict[str, Any] = {"torch": torch, "x": torch.from_numpy(arrays["x"])}
    with torch.no_grad():
        for line in job["lines"]:
            exec(line, names)  # noqa: S102 - the lines under test
            if line.startswith("layer = ") and job["state"]:
                state = names["layer"].state_dict()
                for theirs, ours in job["state"].items():
                    state[theirs] = torch.from_numpy(arrays[ours]).reshape(state[theirs].shape)
                names["layer"].load_state_dict(state)
                names["layer"].eval()
    return names["y"].numpy()


def run_keras(job: dict[str, Any], arrays: dict[str, Any]) -> Any:
    names: dict[str, Any] = {"x": arrays["x"]}
    for line in job["lines"]:
        for package in ("tf_keras", "keras"):
            if f" {package}." in line:
                names[package] = importlib.import_module(package)
        if line.startswith("y = ") and ".layers." in line:
            call = line.removeprefix("y = ").removesuffix("(x)")
            layer: Any = eval(call, names)  # noqa: S307 - the line under test
            layer.build(names["x"].shape)
            for variable in layer.weights:
                name = variable.name.rpartition("/")[2].partition(":")[0]
                variable.assign(arrays[name].reshape(variable.shape))
            names["layer"], line = layer, "y = layer(x)"  # noqa: PLW2901 - with its weights
        exec(line, names)  # noqa: S102 - the line under test
    return np.array(names["y"])


def main(folder: Path) -> None:
    jobs = json.loads((folder / "jobs.json").read_text())
    stored = np.load(folder / "arrays.npz", allow_pickle=False)
    for number, job in enumerate(jobs):
        answer, begun = folder / f"{number}.npy", folder / f"{number}.begun"
        if answer.exists() or begun.exists():
            continue
        begun.touch()
        own = {n.partition(".")[2]: stored[n] for n in stored.files if n.startswith(f"{number}.")}
        try:
            found = (run_torch if job["framework"] == "PyTorch" else run_keras)(job, own)
        except Exception as error:  # noqa: BLE001 - what a framework refuses is an answer, too
            (folder / f"{number}.error").write_text(f"{type(error).__name__}: {error}"[:300])
            continue
        np.save(answer, found)


if __name__ == "__main__":
    os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    main(Path(sys.argv[1]))
