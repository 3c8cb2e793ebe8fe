"""Writes `shapes.json`: what Keras' `compute_output_shape` says of random layers and shapes.

python -m tests.goldens.make_shapes
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poolnorm_cli.layers import find
from tests.goldens.shape_cases import ShapeCase, shape_cases


if TYPE_CHECKING:
    from collections.abc import Sequence

FILE = Path(__file__).with_name("shapes.json")
COUNT, SEED = 2800, 20260204


def ask(cases: Sequence[ShapeCase]) -> list[list[int | None] | None]:
    """Ask Keras, in a process of its own, for the output shapes; None where it refuses."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.goldens.make_shapes", "answer"],
        input=json.dumps(cases),
        env=os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=True,
    )
    answers: list[list[int | None] | None] = json.loads(done.stdout.splitlines()[-1])
    return answers


def _answer(case: ShapeCase) -> Any:
    keras: Any = importlib.import_module("keras")
    kind: Any = find(*case.words.split())
    name = kind.keras_name
    if name.endswith("Pooling"):
        name += f"{len(case.shape) - 2}D"
    try:
        made = getattr(keras.layers, name)(**kind.fixed, **case.params)
        return list(made.compute_output_shape(tuple(case.shape)))
    except ValueError:
        return None


def main() -> None:
    """Write the file, or answer the cases on standard input."""
    if sys.argv[1:] == ["answer"]:
        cases = [ShapeCase(*row) for row in json.load(sys.stdin)]
        sys.stdout.write(json.dumps([_answer(case) for case in cases]) + "\n")
        return
    cases = list(shape_cases(COUNT, SEED))
    rows = [json.dumps([*case, after]) for case, after in zip(cases, ask(cases), strict=True)]
    FILE.write_text("[\n" + ",\n".join(rows) + "\n]\n")


if __name__ == "__main__":
    main()
