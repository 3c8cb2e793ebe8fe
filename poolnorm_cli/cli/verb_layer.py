"""The layer verbs: `pool`, `gpool`, `bn`, `ln`, and whatever else `LAYERS` names."""

from collections.abc import Callable
from functools import partial

from poolnorm_cli.cli.backend_flags import Engine, Export
from poolnorm_cli.cli.batch_flags import Batch, FileInputs
from poolnorm_cli.cli.checkpoint import made_of_files
from poolnorm_cli.cli.command import Command, Family, Node
from poolnorm_cli.cli.definition import Definition
from poolnorm_cli.cli.flag_groups import (
    Folding,
    Given,
    Mask,
    Outputs,
    Printing,
    Training,
    Values,
    WeightFiles,
)
from poolnorm_cli.layers import LAYERS, find
from poolnorm_cli.layers.base import Layer


_FAMILIES = {
    "pool": "Pool below a sliding window: MaxPooling and AveragePooling, 1D to 3D.",
    "apool": "Pool to a size: AdaptiveMaxPooling and AdaptiveAveragePooling, 1D to 3D.",
    "gpool": "Pool over all of space: GlobalMaxPooling and GlobalAveragePooling, 1D to 3D.",
}


def layer_node(verb: str, make: Callable[[str], Command]) -> Node:
    """Make the command of a layer, or a family of the commands of its kinds."""
    kinds = [name.split()[1] for name in LAYERS if name.startswith(f"{verb} ")]
    if not kinds:
        return make(verb)
    return Family(_FAMILIES[verb], {kind: partial(make, f"{verb} {kind}") for kind in kinds})


def layer_command(name: str) -> Command:
    """Make the command that runs a layer."""
    layer = find(*name.split())
    groups: list[type] = [FileInputs, Outputs, Printing, Values, Engine, Export, Definition, Batch]
    if layer.has_weights:
        groups.append(WeightFiles)
    if layer.has_training:
        groups.append(Training)
    if layer.foldable:
        groups.append(Folding)
    if layer.accepts_mask:
        groups.append(Mask)
    example = " ".join(["poolnorm", name, "x.npy", *layer.example.split(), "-o", "y.npy"])
    text = f"{layer.__doc__}\n\nExample: {example}"
    return Command(groups=tuple(groups), text=text, action=_run, layer=layer, make=made_of_files)


def _run(layer: Layer, given: Given) -> int:
    if given[Folding].fold:
        from poolnorm_cli.cli.run_layer import run_fold

        return run_fold(layer, given)
    from poolnorm_cli.cli.run_layer import run_layer

    return run_layer(layer, given)
