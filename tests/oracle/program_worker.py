"""Runs whole programs, each with the names that are its own, and keeps what they call `y`.

    python program_worker.py FOLDER

FOLDER holds `programs.json`, a list of texts, and is where the programs find their inputs. Each
leaves `y<index>.npy`, or `error<index>.txt`.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np


def as_numpy(y: Any) -> Any:
    """Return a tensor of any framework as an array; bfloat16 as float32."""
    if "bfloat16" in str(y.dtype):
        y = y.float() if hasattr(y, "float") else __import__("tensorflow").cast(y, "float32")
    return np.asarray(y)


def main(folder: Path) -> None:
    """Run all programs of a folder."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.chdir(folder)
    for index, text in enumerate(json.loads(Path("programs.json").read_text())):
        names: dict[str, Any] = {}
        if Path(f"y{index}.npy").exists() or Path(f"error{index}.txt").exists():
            continue
        Path("started").write_text(str(index))
        try:
            exec(text, names)  # noqa: S102 - our own program
            np.save(f"y{index}.npy", as_numpy(names["y"]))
        except Exception:  # noqa: BLE001 - whatever goes wrong in it is a result
            Path(f"error{index}.txt").write_text(traceback.format_exc())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
