"""How far poolnorm may stand from a framework, and the comparison itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tests.oracle.jobs import Array, Job, Outcome


if TYPE_CHECKING:
    from collections.abc import Mapping


RELATIVE = {"float64": 1e-12, "float32": 1e-5, "float16": 2e-3}
"""Against the largest value of the array or, in an average, of its terms.

That of float16 is a little more than its rounding, 2**-10.
"""

EXACT = {("pool", "max"), ("gpool", "max"), ("apool", "max")}


def compute(job: Job, rows: int | None = None) -> Outcome:
    """Run the job in poolnorm, in blocks of `rows` samples where given."""
    from poolnorm_cli.engine.in_memory import run_array
    from poolnorm_cli.layers import find

    params = dict(job.params)
    if job.adjustment is not None:
        params["adjustment"] = dict(zip(("scale", "bias"), job.adjustment, strict=True))
    layer = find(*job.words)(**params)
    weights: Mapping[str, Array] = dict(job.weights)
    outputs = []
    for x in job.inputs:
        y, weights = run_array(layer, x, weights, training=job.training, rows=rows, mask=job.mask)
        outputs.append(y)
    return Outcome(outputs=tuple(outputs), weights=weights)


def difference(
    job: Job, ours: Outcome, expected: Outcome, bounds: Mapping[str, float] = RELATIVE
) -> str | None:
    """What differs between two outcomes of a job, in words, or None."""
    if len(ours.outputs) != len(expected.outputs):
        return f"{job}: {len(ours.outputs)} outputs for {len(expected.outputs)}"
    pairs = {
        f"y{n}": pair for n, pair in enumerate(zip(ours.outputs, expected.outputs, strict=True))
    }
    for name, theirs in expected.weights.items():
        if name not in ours.weights:
            return f"{job}: no weight {name}"
        pairs[name] = (ours.weights[name], theirs)
    size = float(np.mean(np.abs(job.inputs[0]))) if job.words[-1] == "average" else 0.0
    for name, (mine, theirs) in pairs.items():
        if (gap := apart(mine, theirs, None if job.words in EXACT else size, bounds)) is not None:
            return f"{job}: {name} {gap}"
    return None


def apart(
    mine: Array, theirs: Array, size: float | None, bounds: Mapping[str, float] = RELATIVE
) -> str | None:
    """What differs between two arrays, in words, or None.

    `size` is how large a result is before its terms cancel; None asks for equal bits.
    """
    if mine.shape != theirs.shape or mine.dtype != theirs.dtype:
        return f"{mine.dtype}{list(mine.shape)} for {theirs.dtype}{list(theirs.shape)}"
    if size is None:
        same = np.array_equal(mine, theirs, equal_nan=mine.dtype.kind == "f")
        return None if same else f"differs at {np.argwhere(mine != theirs)[:3].tolist()}"
    if not np.array_equal(np.isnan(mine), np.isnan(theirs)):
        return "has NaN in other places"
    if mine.size == 0:
        return None
    bound = bounds[str(theirs.dtype)] * max(size, float(np.nanmax(np.abs(theirs))))
    error = float(np.nanmax(np.abs(mine.astype("float64") - theirs.astype("float64"))))
    return None if error <= bound else f"is {error:.3g} away, {bound:.3g} allowed"
