"""A layer made of flags and of files that say something of it: a checkpoint, a config."""

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from poolnorm_cli.cli.definition import Definition, read_config
from poolnorm_cli.cli.flag_groups import Given, Inputs, Printing, Training, WeightFiles
from poolnorm_cli.errors import PoolnormError, UsageError
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.keras.config import computing_config, make_layer
from poolnorm_cli.tensors.formats import format_of
from poolnorm_cli.tensors.messages import shown
from poolnorm_cli.tensors.names import source_path
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from collections.abc import Mapping

    from poolnorm_cli.shapes import Ints
    from poolnorm_cli.weights.entry import Entry
    from poolnorm_cli.weights.fit import Weights


_CHANNELS_SECOND = ("torch", "gluon")
_GAMMA_BETA = ("BatchNormalization", "LayerNormalization", "GroupNormalization")
_EPSILONS = {
    "torch": dict.fromkeys(_GAMMA_BETA, 1e-5),
    "gluon": dict.fromkeys(_GAMMA_BETA, 1e-5),
    "flax": {"BatchNormalization": 1e-5}
    | dict.fromkeys((*_GAMMA_BETA[1:], "RMSNormalization"), 1e-6),
}
"""The epsilons that layers of frameworks have without being asked for another."""


@frozen(kw_only=True)
class Checkpoint:
    """The layer that --weights names.

    Attributes:
        entry: The layer in its file; None without --weights.
        unsaid: Neither the file nor a flag says epsilon, and that is worth a note.
    """

    entry: "Entry | None" = None
    unsaid: bool = False


def made_of_files(kind: type[Layer], flags: dict[str, Any], given: Given) -> Layer:
    """Make a layer of flags, of --config and of what --weights says besides the weights.

    Raises:
        PoolnormError: A file cannot be read, or contradicts a flag.
    """
    file, word = given[Definition].config, given[WeightFiles].weights
    if file is not None:
        told = read_config(kind, file)
        layer = make_layer(kind, flags, told, file)
        flags = {**{name: getattr(layer, name) for name in told}, **flags}
    entry = None if in_place(given[WeightFiles]) else checkpoint_of(kind, word)
    if entry is None:  # one that is also written says nothing of parameters, and is locked first
        return make_layer(kind, flags, {}, "")
    shape = _first_shape(given)
    entry = entry.for_rank(None if shape is None else len(shape))
    told = computing_config(kind, _of_instances(kind, entry), entry.place)
    layout = computing_config(kind, entry.layout, entry.place)
    _require_sure(kind, flags, entry)
    unsaid = "epsilon" not in {*told, *flags} and not given[Printing].quiet
    given.add(Checkpoint(entry=entry, unsaid=unsaid))
    return make_layer(kind, flags, told, entry.place, layout, entry.rank)


_DECISIVE = ("epsilon", "axis", "groups")


def _require_sure(kind: type[Layer], flags: "Mapping[str, Any]", entry: "Entry") -> None:
    """Refuse a layer whose parameters are in the file but cannot be told from those of others.

    Raises:
        UsageError: Flags do not give them either.
    """
    known = {*flags, *entry.config}
    wanted = [p.flag for p in kind.parameters() if p.name in _DECISIVE and p.name not in known]
    if entry.unsure and wanted:
        raise UsageError(
            f"{entry.place}: {entry.unsure}", f"give {' and '.join(wanted)} as the model has them"
        )


def checkpoint_of(kind: type[Layer], word: str | None) -> "Entry | None":
    """Find the layer that --weights names; None where it names none.

    Raises:
        PoolnormError: There is no such layer, or the file cannot be read.
    """
    if word is None:
        return None
    from poolnorm_cli.weights.formats import entry_for

    return entry_for(word, kind)


def read_weights(layer: Layer, given: Given) -> "Weights | None":
    """Read the weights that --weights names, their shapes checked first; None without it.

    Where the shape of the input is known beforehand, it is what decides.

    Raises:
        PoolnormError: They cannot be read, or are not those of the layer.
    """
    entry = given[Checkpoint].entry
    if entry is None:
        return None
    shape, first = None, _first_shape(given)
    if first is not None and len(given[Inputs].inputs or ()) == 1:
        with suppress(PoolnormError):  # that is told when its turn comes
            layer.output_shape(first)
            shape = first
    shape = entry.input_shape(layer) if shape is None else shape
    if entry.framework in _CHANNELS_SECOND:
        _require_axis_of_torch(layer, entry, shape)
    weights = entry.take(layer, layer.weight_shapes(shape), training=given[Training].training)
    if entry.kind and entry.of_subclass and not given[Printing].quiet:
        told = f"a {shown(entry.class_name, 60)}, run as the {entry.kind} whose parameters it has"
        print(f"note: {entry.place}: {told}", file=sys.stderr)
    if given[Checkpoint].unsaid:
        _note_epsilon(layer, entry)
    for told in () if given[Printing].quiet else entry.beside:
        print(f"note: {told}", file=sys.stderr)
    if entry.note and not given[Printing].quiet and not given[Training].training:
        print(f"note: {entry.place}: {entry.note}", file=sys.stderr)
    return weights


def _first_shape(given: Given) -> "Ints | None":
    """Return the shape of the first input, where that is a file and can be read."""
    words = given[Inputs].inputs or ()
    if not words or format_of(source_path(words[0]) or words[0]) is None:
        return None
    from poolnorm_cli.tensors.sources import open_tensors

    with suppress(PoolnormError, StopIteration):  # that is told when its turn comes
        return next(open_tensors(words[0], given[Inputs].key, True)).shape  # noqa: FBT003
    return None


def in_place(files: WeightFiles) -> bool:
    """Whether the weights that are read are those that are written, by whatever names."""
    if files.weights is None or files.save_weights is None:
        return False
    read = file_of(files.weights)
    return os.path.realpath(read) == os.path.realpath(files.save_weights)


def file_of(word: str) -> str:
    """Return the file in `FILE` or `FILE::LAYER`."""
    from poolnorm_cli.weights.formats import split_word

    return split_word(word)[0]


def _of_instances(kind: type[Layer], entry: "Entry") -> "Mapping[str, Any]":
    """Return the config; Keras writes one group for each channel as their number, once built."""
    sizes = [array.shape for array in entry.arrays.values()]
    each = kind.fixed == {"groups": -1} and sizes[:1] == [(entry.config.get("groups"),)]
    return {**entry.config, "groups": -1} if each else entry.config


def _require_axis_of_torch(layer: Layer, entry: "Entry", shape: "Ints") -> None:
    """Refuse an axis along which the weights do not run, where those of torch would.

    Raises:
        UsageError: The channels are the second axis, and the layer has them last.
    """
    (size, *more), axis = (
        next(iter(entry.arrays.values())).shape or (1,),
        getattr(layer, "axis", ()),
    )
    if len(shape) > 2 and not more and axis == (-1,) and shape[1] == size != shape[-1]:
        raise UsageError(
            f"{entry.place}: weights of shape ({size}), and --axis -1 has {shape[-1]} channels",
            f"{entry.framework} has the channels second: give --axis 1",
        )


def _note_epsilon(layer: Layer, entry: "Entry") -> None:
    epsilon = getattr(layer, "epsilon", None)
    if epsilon is None or not (entry.framework != "keras" or entry.name):
        return
    told = f"the file says nothing of epsilon: it is {epsilon} here, which --epsilon changes"
    theirs = _EPSILONS.get(entry.framework, {}).get(layer.keras_name)
    if theirs is not None:
        short = str(theirs).replace("e-0", "e-")
        told = (
            f"{entry.framework} keeps no epsilon with the weights: it stays {epsilon} here, "
            f"{entry.framework}'s default is {theirs} (--epsilon {short})"
        )
    print(f"note: {entry.place}: {told}", file=sys.stderr)
