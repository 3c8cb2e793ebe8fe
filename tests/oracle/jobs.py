"""Jobs for the frameworks, and the process that runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt


if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


Array = npt.NDArray[Any]

WORKER = Path(__file__).with_name("keras_worker.py")


@dataclass(frozen=True, kw_only=True)
class Job:
    """One layer, its weights and the inputs that pass through it one after the other."""

    words: tuple[str, ...]
    params: Mapping[str, Any]
    inputs: tuple[Array, ...]
    weights: Mapping[str, Array] = field(default_factory=dict)
    training: bool = False
    mask: Array | None = None
    adjustment: tuple[Array, Array] | None = None
    """Scale and bias of Keras 2's `adjustment`."""

    @property
    def policy(self) -> str:
        """The Keras dtype policy that keeps the input's kind and float32 weights."""
        name = str(self.inputs[0].dtype)
        if self.inputs[0].dtype.kind != "f":
            return "float32"
        return "mixed_float16" if name == "float16" and self.weights else name

    def arrays(self) -> dict[str, Array]:
        """Everything that travels to the worker, by name."""
        named = {f"x{step}": x for step, x in enumerate(self.inputs)} | dict(self.weights)
        if self.mask is not None:
            named["mask"] = self.mask
        if self.adjustment is not None:
            named["adjustment_scale"], named["adjustment_bias"] = self.adjustment
        return named

    def line(self, name: str) -> str:
        """The job's line in `jobs.jsonl`."""
        return json.dumps(
            {
                "id": name,
                "words": self.words,
                "params": self.params,
                "training": self.training,
                "steps": len(self.inputs),
                "weights": list(self.weights),
                "dtype": self.policy,
            }
        )

    def __str__(self) -> str:
        x = self.inputs[0]
        mode = f" training, {len(self.inputs)} steps" if self.training else ""
        params = ", ".join(f"{name}={value}" for name, value in self.params.items())
        return f"{' '.join(self.words)}({params}) on {x.dtype}{list(x.shape)}{mode}"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the framework gave: outputs in order and weights, or the text of its refusal."""

    outputs: tuple[Array, ...] = ()
    weights: Mapping[str, Array] = field(default_factory=dict)
    error: str | None = None

    @property
    def crashed(self) -> bool:
        """Whether the job killed the framework's process."""
        return self.error is not None and self.error.startswith("crashed")


def run_jobs(
    jobs: Sequence[Job],
    framework: str = "keras",
    *,
    python: str = sys.executable,
    backend: str = "tensorflow",
) -> list[Outcome]:
    """Run the jobs in `framework`, starting its process again after every crash."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "outcomes").mkdir()
        lines = [job.line(str(number)) for number, job in enumerate(jobs)]
        (folder / "jobs.jsonl").write_text("\n".join(lines))
        arrays: dict[str, Any] = {
            f"{number}.{key}": array
            for number, job in enumerate(jobs)
            for key, array in job.arrays().items()
        }
        np.savez(folder / "arrays.npz", **arrays)
        command = [python, str(WORKER), str(folder), framework]
        while (died := _run_once(command, backend)) is not None:
            _mark_crashed(folder, died)
        return [_outcome(folder / "outcomes" / f"{n}.npz") for n in range(len(jobs))]


def _run_once(command: list[str], backend: str) -> int | None:
    """Return the signal that ended the process, or None once every job is done."""
    environment = os.environ | {
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # Off by default on processors without AVX-512; without it 3-D 'same' pooling is wrong
        # where the stride is larger than the window.
        "TF_ENABLE_ONEDNN_OPTS": "1",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode > 0:
        raise RuntimeError(f"the worker failed: {done.stderr[-2000:]}")
    return -done.returncode or None


def _mark_crashed(folder: Path, died: int) -> None:
    started = folder / "started"
    if not started.exists():
        raise RuntimeError(f"the worker died of signal {died} before its first job")
    path = folder / "outcomes" / f"{started.read_text()}.npz"
    if path.exists():
        raise RuntimeError(f"the worker died of signal {died} between two jobs")
    np.savez(path, error=np.array(f"crashed: signal {died}"))


def _outcome(path: Path) -> Outcome:
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    if "error" in arrays:
        return Outcome(error=str(arrays["error"]))
    steps = [name for name in arrays if name.startswith("y") and name[1:].isdigit()]
    return Outcome(
        outputs=tuple(arrays.pop(name) for name in sorted(steps, key=lambda y: int(y[1:]))),
        weights=arrays,
    )
