"""Goldens on disk: arrays end to end in one .npz, one entry for each kind of number, and a table.

The table, a .json of one job a line, says where in its kind each array starts and its shape.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.oracle.jobs import Array, Job, Outcome


if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


FOLDER = Path(__file__).parent
REGENERATE = "python -m tests.goldens.make, from the root, with the `oracle` extra installed"


@dataclass(frozen=True)
class Golden:
    """A job and what a framework made of it."""

    framework: str
    job: Job
    outcome: Outcome


@dataclass
class Shelf:
    """Arrays of each kind of number, end to end."""

    parts: dict[str, list[Array]] = field(default_factory=dict)
    starts: dict[tuple[str, bytes], int] = field(default_factory=dict)

    def put(self, array: Array) -> list[Any]:
        """Add an array unless it is there; return where it lies, as JSON has it."""
        kind = str(array.dtype)
        parts = self.parts.setdefault(kind, [])
        key = (kind, array.tobytes())
        if key not in self.starts:
            self.starts[key] = sum(part.size for part in parts)
            parts.append(array.ravel())
        return [kind, self.starts[key], list(array.shape)]

    def put_all(self, arrays: Mapping[str, Array]) -> dict[str, list[Any]]:
        """Add named arrays."""
        return {name: self.put(array) for name, array in arrays.items()}


def write(name: str, goldens: Sequence[Golden], versions: Mapping[str, str]) -> None:
    """Write the goldens and their table."""
    shelf = Shelf()
    rows = [json.dumps(_row(golden, shelf)) for golden in goldens]
    head = json.dumps({"how to regenerate": REGENERATE, "versions": versions})
    table = head[:-1] + ', "jobs": [\n' + ",\n".join(rows) + "\n]}\n"
    (FOLDER / f"{name}.json").write_text(table, encoding="utf-8")
    flat: dict[str, Any] = {kind: np.concatenate(parts) for kind, parts in shelf.parts.items()}
    np.savez_compressed(FOLDER / f"{name}.npz", **flat)


def _row(golden: Golden, shelf: Shelf) -> dict[str, Any]:
    job, outcome = golden.job, golden.outcome
    extras: dict[str, Any] = {}
    if job.mask is not None:
        extras["mask"] = shelf.put(job.mask)
    if job.adjustment is not None:
        extras["adjustment"] = [shelf.put(term) for term in job.adjustment]
    return extras | {
        "framework": golden.framework,
        "words": job.words,
        "params": job.params,
        "training": job.training,
        "x": [shelf.put(x) for x in job.inputs],
        "y": [shelf.put(y) for y in outcome.outputs],
        "weights": shelf.put_all(job.weights),
        "after": shelf.put_all(outcome.weights) if job.training else {},
    }


def read(name: str) -> list[Golden]:
    """Read the goldens."""
    table = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as stored:
        flat = {kind: stored[kind] for kind in stored.files}

    def array(place: list[Any]) -> Array:
        kind, start, shape = place
        stop = start + int(np.prod(shape))
        return np.array(flat[kind][start:stop].reshape(shape))

    def named(places: Mapping[str, list[Any]]) -> dict[str, Array]:
        return {weight: array(place) for weight, place in places.items()}

    goldens = []
    for row in table["jobs"]:
        params = {key: _frozen(value) for key, value in row["params"].items()}
        scale_and_bias = tuple(map(array, row.get("adjustment", ())))
        job = Job(
            words=tuple(row["words"]),
            params=params,
            inputs=tuple(map(array, row["x"])),
            weights=named(row["weights"]),
            training=row["training"],
            mask=array(row["mask"]) if "mask" in row else None,
            adjustment=(scale_and_bias[0], scale_and_bias[1]) if scale_and_bias else None,
        )
        outputs = tuple(map(array, row["y"]))
        outcome = Outcome(outputs=outputs, weights=named(row["after"] or row["weights"]))
        goldens.append(Golden(row["framework"], job, outcome))
    return goldens


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
