"""A layer made of flags and of files that say something of it: a checkpoint, a config."""

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from poolnorm_cli.cli.definition import Definition, read_config
from poolnorm_cli.cli.groups import Given, Inputs, Printing, WeightFiles
from poolnorm_cli.errors import PoolnormError
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.configs import settled, stated
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.weights import Weights
    from poolnorm_cli.weights.entry import Entry


@frozen(kw_only=True)
class Checkpoint:
    """The layer that --weights names."""

    entry: "Entry | None" = None


def made_of_files(kind: type[Layer], flags: dict[str, Any], given: Given) -> Layer:
    """Make a layer of flags, of --config and of what --weights says besides the weights.

    Raises:
        PoolnormError: A file cannot be read, or contradicts a flag.
    """
    file, word = given[Definition].config, given[WeightFiles].weights
    if file is not None:
        told = read_config(kind, file)
        layer = settled(kind, flags, told, file)
        flags = {**{name: getattr(layer, name) for name in told}, **flags}
    entry = None if in_place(given[WeightFiles]) else checkpoint_of(kind, word)
    if entry is None:  # one that is also written says nothing of parameters, and is locked first
        return settled(kind, flags, {}, "")
    given.add(Checkpoint(entry=entry))
    told = stated(kind, entry.config, entry.place)
    layout = stated(kind, entry.layout, entry.place)
    layer = settled(kind, flags, told, entry.place, layout, entry.rank)
    if entry.torch and "epsilon" not in flags and not given[Printing].quiet:
        _note_epsilon(layer, entry)
    return layer


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
    shape = entry.input_shape(layer)
    words = given[Inputs].inputs or ()
    if len(words) == 1 and words[0].lower().endswith((".npy", ".npz")):
        from poolnorm_cli.tensors.sources import open_tensors

        with suppress(PoolnormError):  # that is told when its turn comes
            first = next(open_tensors(words[0], given[Inputs].key, True)).shape  # noqa: FBT003
            layer.output_shape(first)
            shape = first
    return entry.take(layer.weight_shapes(shape))


def in_place(files: WeightFiles) -> bool:
    """Whether the weights that are read are those that are written, by whatever names."""
    if files.weights is None or files.save_weights is None:
        return False
    return os.path.realpath(files.weights) == os.path.realpath(files.save_weights)


def _note_epsilon(layer: Layer, entry: "Entry") -> None:
    epsilon = getattr(layer, "epsilon", None)
    if epsilon is not None:
        print(
            f"note: {entry.place}: torch keeps no epsilon with the weights: it stays "
            f"{epsilon} here, torch's default is 1e-05 (--epsilon 1e-5)",
            file=sys.stderr,
        )
