"""The layer verbs: `pool`, `gpool`, `bn`, `ln`, and whatever else `LAYERS` names."""

from typing import Any

from poolnorm_cli.cli.checkpoint import layer_from_files
from poolnorm_cli.cli.command import Command
from poolnorm_cli.cli.layer_flags import LayerFlags
from poolnorm_cli.layers import find
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.maskable import Maskable
from poolnorm_cli.layers.trainable import Trainable


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
