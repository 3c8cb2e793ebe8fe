"""A layer and its weights from files: a checkpoint, a config; and weights saved after a run."""

import os
import sys
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from poolnorm_cli.cli.layer_flags import LayerFlags, OutputFlags, WeightFlags
from poolnorm_cli.errors import PoolnormError, UsageError, shown
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.make_layer import make_layer
from poolnorm_cli.report.emit import note
from poolnorm_cli.sizes import LARGEST_CONFIG_BYTES
from poolnorm_cli.tensors.formats import NPZ, format_of
from poolnorm_cli.tensors.space import require_file_target
from poolnorm_cli.values import field, frozen


if TYPE_CHECKING:
    from collections.abc import Iterator

    from poolnorm_cli.cli.layer_report import LayerReport
    from poolnorm_cli.engine.buffer_training import TrainingBufferJob
    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.tensors.sources import FirstInput
    from poolnorm_cli.weights.entry import Entry
    from poolnorm_cli.weights.fit import Weights


@frozen(kw_only=True)
class Checkpoint:
    """The layer that --weights names.

    Attributes:
        entry: The layer in its file; None without --weights.
        lacks_epsilon: Neither the file nor a flag says epsilon.
        is_told: What there is to say of the file has been said, in this process or before it.
    """

    entry: "Entry | None" = None
    lacks_epsilon: bool = False
    is_told: list[bool] = field(default_factory=list, init=False)


def layer_from_files(
    kind: type[Layer], parameters: dict[str, Any], flags: LayerFlags, first: "FirstInput"
) -> tuple[Layer, Checkpoint]:
    """Make a layer of parameters, of --config and of what --weights says besides the weights.

    Args:
        kind: The class of the layer.
        parameters: Those that were typed, by name.
        flags: What else was typed.
        first: The first input, whose rank a checkpoint may depend on.

    Returns:
        The layer, and the checkpoint that --weights names; an empty one if it is also written,
        since it is read once it is locked.

    Raises:
        PoolnormError: A file cannot be read, or contradicts a flag.
    """
    file = flags.definition.config
    if file is not None:
        config = _read_config(kind, file)
        layer = make_layer(kind, parameters, config, file)
        parameters = {**{name: getattr(layer, name) for name in config}, **parameters}
    word, entry = flags.weights.weights, None
    if word is not None and not flags.weights.in_place:
        entry = find_entry(kind, word)
    if entry is None:
        return make_layer(kind, parameters, {}, ""), Checkpoint()
    from poolnorm_cli.weights.stated_layer import stated_layer

    shape = first.shape()
    entry = entry.for_rank(None if shape is None else len(shape))
    layer, lacks_epsilon = stated_layer(kind, parameters, entry)
    return layer, Checkpoint(entry=entry, lacks_epsilon=lacks_epsilon)


def _read_config(kind: type[Layer], file: str) -> dict[str, Any]:
    """Read the parameters of a layer from a config in JSON.

    Raises:
        InputError: It cannot be read, or a value is not of the parameter's type.
        UsageError: It is of another class, or has a parameter that the layer has not.
    """
    from poolnorm_cli.layers.keras.config import from_config
    from poolnorm_cli.tensors.untrusted import read_json

    return from_config(kind, read_json(file, LARGEST_CONFIG_BYTES), file)


def find_entry(kind: type[Layer], reference: str | None) -> "Entry | None":
    """Find the layer that --weights names.

    Args:
        kind: The class of the layer.
        reference: `FILE` or `FILE::LAYER`, as it was typed.

    Returns:
        The layer in its file; None without --weights.

    Raises:
        PoolnormError: There is no such layer, or the file cannot be read.
    """
    if reference is None:
        return None
    from poolnorm_cli.weights.formats import entry_for

    return entry_for(reference, kind)


def read_weights(
    layer: Layer, checkpoint: Checkpoint, flags: LayerFlags, first: "FirstInput"
) -> "Weights | None":
    """Read the weights that --weights names, their shapes checked first.

    Where the shape of the input is known beforehand, it is what decides.

    Args:
        layer: The layer that they are for.
        checkpoint: Where they are.
        flags: What was typed.
        first: The first input.

    Returns:
        The weights; None without --weights.

    Raises:
        PoolnormError: They cannot be read, or are not those of the layer.
    """
    entry = checkpoint.entry
    if entry is None:
        return None
    from poolnorm_cli.weights.stated_layer import require_axis_of_torch

    shape, known = None, first.shape()
    if known is not None and decides_on_weights(flags):
        with suppress(PoolnormError):  # which is reported when its turn comes
            layer.output_shape(known)
            shape = known
    shape = entry.input_shape(layer) if shape is None else shape
    require_axis_of_torch(layer, entry, shape)
    weights = entry.read_weights(
        layer, layer.weight_shapes(shape), training=flags.training.training
    )
    note_assumptions(layer, checkpoint, flags)
    return weights


def decides_on_weights(flags: LayerFlags) -> bool:
    """Whether the first input decides on the shapes of weights; else their file does."""
    return len(flags.inputs.inputs or ()) == 1


def note_assumptions(layer: Layer, checkpoint: Checkpoint, flags: LayerFlags) -> None:
    """Say, once, what the file of the weights leaves open, or has that is not used.

    Args:
        layer: The layer.
        checkpoint: Where its weights were read.
        flags: What was typed.
    """
    if checkpoint.entry is None or checkpoint.is_told:
        return
    from poolnorm_cli.weights.stated_layer import assumptions

    checkpoint.is_told.append(True)
    training, lacks_epsilon = flags.training.training, checkpoint.lacks_epsilon
    found = assumptions(layer, checkpoint.entry, lacks_epsilon=lacks_epsilon, training=training)
    for text in found:
        note(text, flags.printing.style())


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
    with locked_file(files, flags.outputs):
        if files.in_place:
            entry = find_entry(type(layer), files.weights)
            _check_kept(str(files.file), entry)
            checkpoint = Checkpoint(entry=entry)
        yield checkpoint


@contextmanager
def locked_file(files: WeightFlags, outputs: OutputFlags) -> "Iterator[None]":
    """Hold the file that new weights will replace, if it is one that weights are read from.

    Args:
        files: Where weights are read and written.
        outputs: Whether files are replaced.

    Yields:
        Nothing; the lock is held meanwhile.

    Raises:
        PoolnormError: Weights could not be saved after the run.
    """
    _check_save(files, outputs)
    with _lock(files):
        yield


def save_trained(job: "TrainingBufferJob", flags: LayerFlags, reporter: "LayerReport") -> None:
    """Write the weights as training without NumPy has left them, where that is wanted.

    Args:
        job: What was run.
        flags: What was typed.
        reporter: As for `save_weights`.

    Raises:
        PoolnormError: They cannot be written.
    """
    if job.left.arrays is not None:
        save_weights(job.left.arrays, flags, reporter)
        return
    if flags.weights.save_weights is None:
        return
    from poolnorm_cli.weights.npz import save_buffers

    target, overwrite = _saved_as(flags)
    save_buffers(target, job.trained, overwrite=overwrite, sync=flags.synced)


def _saved_as(flags: LayerFlags) -> tuple[str, bool]:
    """Return the file that weights are saved to, and whether it is replaced."""
    replaced, file = flags.weights.in_place, str(flags.weights.save_weights)
    return os.path.realpath(file) if replaced else file, flags.outputs.overwrite or replaced


def save_weights(job: "Job", flags: LayerFlags, reporter: "LayerReport") -> None:
    """Write the weights as the run has left them, where that is wanted; report constraints.

    Args:
        job: What was run.
        flags: What was typed.
        reporter: Told of the weights that constraints have projected.

    Raises:
        PoolnormError: There are none, or they cannot be written.
    """
    if flags.weights.save_weights is None:
        return
    from poolnorm_cli.weights.npz import save

    weights = job.state.trained
    if weights is None:
        raise UsageError("no input, so no weights to save", "give an input")
    target, overwrite = _saved_as(flags)
    save(target, weights | job.constrained_weights, overwrite=overwrite, sync=flags.synced)
    reporter.projected(job.constrained_weights)


def _check_save(files: WeightFlags, outputs: OutputFlags) -> None:
    """Refuse, before any work, weights that could not be saved after it."""
    file = files.save_weights
    if file is None:
        return
    require_file_target(file)
    if format_of(file) is not NPZ:
        raise UsageError(f"--save-weights {file!r} is not an .npz file", "name it weights.npz")
    if os.path.lexists(file) and not outputs.overwrite and not files.in_place:
        raise UsageError.at(file, "exists", "give --overwrite, or another name")


def _check_kept(file: str, entry: "Entry | None") -> None:
    """Refuse to replace a file in which there is more than the layer that is saved.

    Raises:
        UsageError: There is, or the layer has a name there, which would be lost.
    """
    from poolnorm_cli.weights.naming import IGNORED, layer_and_weight
    from poolnorm_cli.weights.npz import member_keys

    if entry is None:
        return
    fix = "give --save-weights another file"
    kept = [key for key in member_keys(file) if layer_and_weight(key)[1] not in IGNORED]
    if len(kept) > len(entry.arrays):
        what = f"{shown(file)} holds more than {shown(entry.name) or 'the weights of the layer'}"
        raise UsageError(f"{what}, which --save-weights would drop", fix)
    if entry.name:
        what = f"{shown(file)} has it as {shown(entry.name)}, a name that --save-weights drops"
        raise UsageError(what, fix)


def _lock(files: WeightFlags) -> AbstractContextManager[None]:
    if not files.in_place:
        return nullcontext()
    from poolnorm_cli.weights.npz import locked

    file = str(files.file)
    return locked(file, lambda: print(f"waiting: {file} is being updated", file=sys.stderr))
