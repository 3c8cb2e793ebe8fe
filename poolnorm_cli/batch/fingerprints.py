"""What an output follows from: the state of its input, and the parameters of its run."""

import hashlib
import json
import os
import stat
import sys
from typing import TYPE_CHECKING

import numpy as np

from poolnorm_cli.batch.inputs import Input
from poolnorm_cli.tensors.names import source_path
from poolnorm_cli.urls import fit_to_show, is_url


if TYPE_CHECKING:
    from poolnorm_cli.batch.plan import Plan
    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.engine.layer_pass import Weights


Stamp = tuple[int, int]
"""Size and time of the last change."""


def parameters(plan: "Plan", job: "Job", engine: str, weights: "Weights | None") -> str:
    """Return a checksum of all that decides on the bytes of an output, besides its input.

    Args:
        plan: How inputs are read.
        job: What is done.
        engine: What computes.
        weights: The weights that were given; None for the initial ones.
    """
    import poolnorm_cli

    digest = hashlib.sha256()
    with np.printoptions(threshold=sys.maxsize, floatmode="unique"):
        layer = repr(job.layer)
    mask = job.mask and [fit_to_show(job.mask.word), stamp_of(Input(job.mask.word))]
    facts = [poolnorm_cli.__version__, layer, mask, job.training, job.dtype, engine]
    digest.update(json.dumps([*facts, plan.key, plan.bfloat16]).encode())
    for name, weight in sorted((weights or {}).items()):
        digest.update(f"{name} {weight.dtype.str} {weight.shape} ".encode())
        digest.update(weight.tobytes())
    return digest.hexdigest()[:32]


def stamp_at_name(target: str) -> Stamp:
    """Return size and time of the last change of an output; -1 for both where no file is there."""
    if is_url(target):
        from poolnorm_cli.errors import OutputError
        from poolnorm_cli.tensors.cloud import stamp_at

        return stamp_at(target, OutputError)
    try:
        seen = os.lstat(target)
    except (OSError, ValueError):
        return (-1, -1)
    return (seen.st_size, seen.st_mtime_ns) if stat.S_ISREG(seen.st_mode) else (-1, -1)


def stamp_of(item: Input) -> Stamp | None:
    """Return size and time of the last change of an input; None where it has none."""
    if is_url(item.word):
        from poolnorm_cli.tensors.cloud import stamp_at

        return stamp_at(str(source_path(item.word)))
    path = source_path(item.word)
    if path is None:
        return None
    try:
        seen = os.stat(path)  # noqa: PTH116 - for each of many files
    except (OSError, ValueError):
        return (-1, -1)
    return seen.st_size, seen.st_mtime_ns
