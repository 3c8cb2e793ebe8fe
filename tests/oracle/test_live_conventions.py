"""Every PyTorch and Keras call of `shape --conventions` is run there, and what is said holds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from poolnorm_cli.calculator.conventions import conventions_of
from tests.calculator.convention_cases import KINDS, Case, cases
from tests.oracle.live import needs


if TYPE_CHECKING:
    from collections.abc import Sequence

    from poolnorm_cli.calculator.convention import Convention
    from poolnorm_cli.shapes import Shape

pytestmark = pytest.mark.oracle
WORKER = Path(__file__).with_name("convention_worker.py")
COUNT = {"PyTorch": 120, "Keras": 25}


class Job:
    """Lines of a convention, and what is said of them."""

    def __init__(self, case: Case, shape: Shape, convention: Convention, *, like: bool) -> None:
        """Take the lines of Keras' answer, or those with the same numbers."""
        self.case, self.shape, self.convention, self.like = case, shape, convention, like
        self.lines = convention.like if like else convention.call

    def line(self) -> dict[str, Any]:
        """Return the job as the worker reads it."""
        return {
            "framework": self.convention.framework,
            "lines": list(self.lines),
            "state": dict(self.convention.weights),
        }

    def arrays(self) -> dict[str, Any]:
        """Return its arrays by name."""
        return {"x": self.case.turned(self.convention, self.case.x), **self.case.weights}

    def check(self, y: Any, error: str) -> str | None:
        """Return what is wrong; None where all that is said holds."""
        told = f"{self.case}, {self.shape}: {list(self.lines)}: {error}"
        agrees = y is not None and self.case.agrees(self.convention, y)
        if not self.like:
            return None if agrees else f"not Keras' answer: {told}"
        if self.convention.same is not None and agrees != self.convention.same:
            return f"said {self.convention.same} ({self.convention.why}): {told}"
        if self.convention.like_shape is None:
            refused = y is None or self.convention.framework == "Keras"
            return None if refused else f"said to be refused: {told}"
        sizes = dict(zip(map(str, self.shape), self.case.shape, strict=True))
        want = [eval(str(size), dict(sizes)) for size in self.convention.like_shape]  # noqa: S307 - our own text
        if self.shape != self.case.shape and y is None:
            return None  # names say nothing of sizes that are too small
        return None if y is not None and list(y.shape) == want else f"not of shape {want}: {told}"


def jobs_of(framework: str, words: str) -> list[Job]:
    jobs = []
    for case in cases(words, COUNT[framework]):
        notes = [note for c in conventions_of(case.layer, case.shape) for note in c.notes]
        if framework == "Keras" and any("it fails for such an input" in note for note in notes):
            continue
        shapes = [case.shape] if 1 in case.shape[1:] else [case.shape, case.named()]
        for shape in shapes:
            (found,) = (c for c in conventions_of(case.layer, shape) if c.framework == framework)
            assert found.call or found.none, str(case)
            jobs += [Job(case, shape, found, like=like) for like in (False, True)]
    # In inference a momentum changes nothing: what is said of it is said of training.
    return [job for job in jobs if job.lines and not (job.like and words == "bn")]


def run(jobs: Sequence[Job], folder: Path) -> list[tuple[Any, str]]:
    (folder / "jobs.json").write_text(json.dumps([job.line() for job in jobs]))
    arrays = {
        f"{number}.{name}": array
        for number, job in enumerate(jobs)
        for name, array in job.arrays().items()
    }
    np.savez(folder / "arrays.npz", **arrays)
    while True:
        command = [sys.executable, str(WORKER), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            break
        assert done.returncode < 0, done.stderr[-2000:]  # a signal: it goes on behind that job
    answers = []
    for number in range(len(jobs)):
        file, error = folder / f"{number}.npy", folder / f"{number}.error"
        y = np.load(file) if file.exists() else None
        answers.append((y, error.read_text() if error.exists() else ""))
    return answers


@needs("torch")
@pytest.mark.parametrize("words", KINDS)
def test_what_is_said_of_torch_is_what_torch_does(words: str, tmp_path: Path) -> None:
    jobs = jobs_of("PyTorch", words)
    wrong = [job.check(*a) for job, a in zip(jobs, run(jobs, tmp_path), strict=True)]
    found = [text for text in wrong if text is not None]

    assert not found, f"{len(found)} of {len(jobs)}:\n" + "\n".join(found[:10])


@needs("keras", "tensorflow", "tf_keras")
def test_the_calls_of_keras_give_what_is_given_here(tmp_path: Path) -> None:
    jobs = [job for words in KINDS for job in jobs_of("Keras", words)]
    wrong = [job.check(*a) for job, a in zip(jobs, run(jobs, tmp_path), strict=True)]
    found = [text for text in wrong if text is not None]

    assert not found, f"{len(found)} of {len(jobs)}:\n" + "\n".join(found[:10])
