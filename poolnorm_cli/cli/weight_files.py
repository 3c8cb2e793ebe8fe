"""The files of weights of a run: read before it, and written after it."""

import os
import sys
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from poolnorm_cli.cli.checkpoint import Checkpoint, checkpoint_of, in_place, read_weights
from poolnorm_cli.cli.groups import Given, Outputs, WeightFiles
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.base import Layer


if TYPE_CHECKING:
    from collections.abc import Iterator

    from poolnorm_cli.report.reporter import Reporter
    from poolnorm_cli.runs.files import Job
    from poolnorm_cli.weights import Weights


@contextmanager
def weights_of(layer: Layer, given: Given) -> "Iterator[Weights | None]":
    """Read the weights of a layer; a file that the new ones will replace is locked meanwhile.

    Raises:
        PoolnormError: They cannot be read, or could not be saved after the run.
    """
    files = given[WeightFiles]
    _check_save(files, given[Outputs])
    with _lock(files):
        if in_place(files):
            given.add(Checkpoint(entry=checkpoint_of(type(layer), files.weights)))
        yield read_weights(layer, given)


def save_weights(job: "Job", files: WeightFiles, outputs: Outputs, reporter: "Reporter") -> None:
    """Write the weights as the run has left them, where that is wanted; tell of constraints.

    Raises:
        PoolnormError: There are none, or they cannot be written.
    """
    if files.save_weights is None:
        return
    from poolnorm_cli.weights.npz import save

    weights = job.trained
    if weights is None:
        raise UsageError("no input, so no weights to save", "give an input")
    replaced = in_place(files)
    target = os.path.realpath(files.save_weights) if replaced else files.save_weights
    save(target, weights | job.projected, overwrite=outputs.overwrite or replaced)
    reporter.constrained(job.projected)


def _check_save(files: WeightFiles, outputs: Outputs) -> None:
    """Refuse, before any work, weights that could not be saved after it."""
    file = files.save_weights
    if file is None:
        return
    if not file.endswith(".npz"):
        raise UsageError(f"--save-weights {file!r} is not an .npz file", "name it weights.npz")
    if os.path.lexists(file) and not outputs.overwrite and not in_place(files):
        raise UsageError(f"{file}: exists", "give --overwrite, or another name")


def _lock(files: WeightFiles) -> AbstractContextManager[None]:
    if not in_place(files):
        return nullcontext()
    from poolnorm_cli.weights.lock import locked

    file = str(files.weights)
    return locked(file, lambda: print(f"waiting: {file} is being updated", file=sys.stderr))
