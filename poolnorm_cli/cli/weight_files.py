"""The files of weights of a run: read before it, and written after it."""

import os
import sys
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from poolnorm_cli.cli.checkpoint import Checkpoint, checkpoint_of, file_of, in_place, read_weights
from poolnorm_cli.cli.file_flags import synced
from poolnorm_cli.cli.flag_groups import Given, Outputs, WeightFiles
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.tensors.formats import NPY, NPZ, format_of
from poolnorm_cli.tensors.messages import shown
from poolnorm_cli.tensors.space import require_place


if TYPE_CHECKING:
    from collections.abc import Iterator

    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.report.reporter import Reporter
    from poolnorm_cli.weights.entry import Entry
    from poolnorm_cli.weights.fit import Weights


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
            entry = checkpoint_of(type(layer), files.weights)
            _check_kept(file_of(str(files.weights)), entry)
            given.add(Checkpoint(entry=entry))
        yield read_weights(layer, given)


def save_weights(job: "Job", given: Given, reporter: "Reporter") -> None:
    """Write the weights as the run has left them, where that is wanted; tell of constraints.

    Raises:
        PoolnormError: There are none, or they cannot be written.
    """
    files, outputs = given[WeightFiles], given[Outputs]
    if files.save_weights is None:
        return
    from poolnorm_cli.weights.npz import save

    weights = job.state.trained
    if weights is None:
        raise UsageError("no input, so no weights to save", "give an input")
    replaced = in_place(files)
    target = os.path.realpath(files.save_weights) if replaced else files.save_weights
    overwrite = outputs.overwrite or replaced
    save(target, weights | job.projected, overwrite=overwrite, sync=synced(given))
    reporter.constrained(job.projected)


def _check_save(files: WeightFiles, outputs: Outputs) -> None:
    """Refuse, before any work, weights that could not be saved after it."""
    file = files.save_weights
    if file is None:
        return
    require_place(file)
    if format_of(file) is not NPZ:
        raise UsageError(f"--save-weights {file!r} is not an .npz file", "name it weights.npz")
    if os.path.lexists(file) and not outputs.overwrite and not in_place(files):
        raise UsageError(f"{file}: exists", "give --overwrite, or another name")


def _check_kept(file: str, entry: "Entry | None") -> None:
    """Refuse to replace a file in which there is more than the layer that is saved.

    Raises:
        UsageError: There is, or the layer has a name there, which would be lost.
    """
    from zipfile import ZipFile

    from poolnorm_cli.weights.naming import IGNORED, split

    if entry is None:
        return
    fix = "give --save-weights another file"
    with ZipFile(file) as archive:
        keys = [name.removesuffix(NPY.suffix) for name in archive.namelist()]
    kept = [key for key in keys if split(key)[1] not in IGNORED]
    if len(kept) > len(entry.arrays):
        told = f"{shown(file)} holds more than {shown(entry.name) or 'the weights of the layer'}"
        raise UsageError(f"{told}, which --save-weights would drop", fix)
    if entry.name:
        told = f"{shown(file)} has it as {shown(entry.name)}, a name that --save-weights drops"
        raise UsageError(told, fix)


def _lock(files: WeightFiles) -> AbstractContextManager[None]:
    if not in_place(files):
        return nullcontext()
    from poolnorm_cli.weights.npz import locked

    file = file_of(str(files.weights))
    return locked(file, lambda: print(f"waiting: {file} is being updated", file=sys.stderr))
