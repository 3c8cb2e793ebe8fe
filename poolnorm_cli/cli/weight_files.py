"""The files of weights of a run: read before it, and written after it."""

import os
import sys
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from poolnorm_cli.cli.checkpoint import Checkpoint, find_entry
from poolnorm_cli.cli.layer_flags import LayerFlags, OutputFlags, WeightFlags
from poolnorm_cli.errors import UsageError, shown
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.tensors.formats import NPY, NPZ, format_of
from poolnorm_cli.tensors.space import require_place


if TYPE_CHECKING:
    from collections.abc import Iterator

    from poolnorm_cli.cli.layer_report import LayerReport
    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.weights.entry import Entry


@contextmanager
def locked_checkpoint(
    layer: Layer, checkpoint: Checkpoint, flags: LayerFlags
) -> "Iterator[Checkpoint]":
    """Hold the checkpoint of a run: a file that new weights will replace is locked meanwhile.

    Args:
        layer: The layer.
        checkpoint: The one that --weights names; empty if it is also written.
        flags: What was typed.

    Yields:
        The checkpoint to read weights from.

    Raises:
        PoolnormError: It cannot be read, or weights could not be saved after the run.
    """
    files = flags.weights
    _check_save(files, flags.outputs)
    with _lock(files):
        if files.in_place:
            entry = find_entry(type(layer), files.weights)
            _check_kept(str(files.file), entry)
            checkpoint = Checkpoint(entry=entry)
        yield checkpoint


def save_weights(job: "Job", flags: LayerFlags, reporter: "LayerReport") -> None:
    """Write the weights as the run has left them, where that is wanted; report constraints.

    Args:
        job: What was run.
        flags: What was typed.
        reporter: Told of the weights that constraints have projected.

    Raises:
        PoolnormError: There are none, or they cannot be written.
    """
    files, outputs = flags.weights, flags.outputs
    if files.save_weights is None:
        return
    from poolnorm_cli.weights.npz import save

    weights = job.state.trained
    if weights is None:
        raise UsageError("no input, so no weights to save", "give an input")
    replaced = files.in_place
    target = os.path.realpath(files.save_weights) if replaced else files.save_weights
    overwrite = outputs.overwrite or replaced
    save(target, weights | job.projected, overwrite=overwrite, sync=flags.synced)
    reporter.projected(job.projected)


def _check_save(files: WeightFlags, outputs: OutputFlags) -> None:
    """Refuse, before any work, weights that could not be saved after it."""
    file = files.save_weights
    if file is None:
        return
    require_place(file)
    if format_of(file) is not NPZ:
        raise UsageError(f"--save-weights {file!r} is not an .npz file", "name it weights.npz")
    if os.path.lexists(file) and not outputs.overwrite and not files.in_place:
        raise UsageError.at(file, "exists", "give --overwrite, or another name")


def _check_kept(file: str, entry: "Entry | None") -> None:
    """Refuse to replace a file in which there is more than the layer that is saved.

    Raises:
        UsageError: There is, or the layer has a name there, which would be lost.
    """
    from zipfile import ZipFile

    from poolnorm_cli.weights.naming import IGNORED, layer_and_weight

    if entry is None:
        return
    fix = "give --save-weights another file"
    with ZipFile(file) as archive:
        keys = [name.removesuffix(NPY.suffix) for name in archive.namelist()]
    kept = [key for key in keys if layer_and_weight(key)[1] not in IGNORED]
    if len(kept) > len(entry.arrays):
        told = f"{shown(file)} holds more than {shown(entry.name) or 'the weights of the layer'}"
        raise UsageError(f"{told}, which --save-weights would drop", fix)
    if entry.name:
        told = f"{shown(file)} has it as {shown(entry.name)}, a name that --save-weights drops"
        raise UsageError(told, fix)


def _lock(files: WeightFlags) -> AbstractContextManager[None]:
    if not files.in_place:
        return nullcontext()
    from poolnorm_cli.weights.npz import locked

    file = str(files.file)
    return locked(file, lambda: print(f"waiting: {file} is being updated", file=sys.stderr))
