"""The layer verbs: `pool`, `gpool`, `bn`, `ln`, and whatever else `LAYERS` names."""

from collections.abc import Callable
from functools import partial
from typing import Any

from poolnorm_cli.cli.checkpoint import layer_from_files
from poolnorm_cli.cli.command import Command, Family, Node
from poolnorm_cli.cli.layer_flags import LayerFlags
from poolnorm_cli.layers import LAYERS, find
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.maskable import Maskable
from poolnorm_cli.layers.trainable import Trainable


_FAMILIES = {
    "pool": "Pool under a sliding window: MaxPooling and AveragePooling, 1D to 3D.",
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
    has = {
        "weights": bool(layer.weight_names),
        "training": issubclass(layer, Trainable),
        "folding": issubclass(layer, Trainable),
        "mask": issubclass(layer, Maskable),
    }
    without = [group for group, there in has.items() if not there]
    example = " ".join(["poolnorm", name, "x.npy", *layer.example.split(), "-o", "y.npy"])
    text = f"{layer.__doc__}\n\nExample: {example}"
    return Command(groups=LayerFlags, text=text, action=_run, layer=layer, without=without)


def _run(kind: type[Layer], parameters: dict[str, Any], flags: LayerFlags) -> int:
    first = flags.first_input()
    layer, checkpoint = layer_from_files(kind, parameters, flags, first)
    if flags.folding.fold:
        from poolnorm_cli.cli.run_layer import run_fold

        return run_fold(layer, checkpoint, flags)
    from poolnorm_cli.cli.run_layer import run_layer

    return run_layer(layer, checkpoint, flags, first)
