"""What the live comparisons share: what must be installed, and the comparison of many jobs."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING

import pytest

from tests.oracle.bounds import RELATIVE, compute, difference
from tests.oracle.jobs import run_jobs


if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.oracle.jobs import Job


def needs(*modules: str) -> pytest.MarkDecorator:
    absent = [name for name in modules if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(absent), reason=f"not installed: {', '.join(absent)}")


KERAS_2 = {**RELATIVE, "float64": 3e-8}
"""Keras 2 rounds `1 - momentum` to float32, whatever the kind of the weights."""


def check(
    jobs: Sequence[Job],
    framework: str,
    bounds: Mapping[str, float] = RELATIVE,
    python: str = sys.executable,
) -> None:
    """Compare all jobs; none may be without an answer."""
    outcomes = run_jobs(jobs, framework, python=python)
    pairs = list(zip(jobs, outcomes, strict=True))
    refused = [f"{job}: {outcome.error}" for job, outcome in pairs if outcome.error is not None]
    assert not refused, f"{len(refused)} jobs have no answer, such as {refused[:5]}"
    differences = [difference(job, compute(job), outcome, bounds) for job, outcome in pairs]
    apart = [text for text in differences if text is not None]
    assert not apart, f"{len(apart)} of {len(jobs)} differ:\n" + "\n".join(apart[:20])
