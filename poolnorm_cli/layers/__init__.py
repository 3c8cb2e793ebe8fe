"""The layers, by the words of the command line: the only registry, written out.

Classes are named and not imported, so that a command pays for the one layer it uses.
"""

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from poolnorm_cli.errors import UsageError


if TYPE_CHECKING:
    from poolnorm_cli.layers.base import Layer


class Place(NamedTuple):
    """Where a layer class is defined."""

    module: str
    class_name: str


LAYERS: dict[str, Place] = {
    "pool max": Place("pooling", "MaxPooling"),
    "pool average": Place("pooling", "AveragePooling"),
    "gpool max": Place("global_pooling", "GlobalMaxPooling"),
    "gpool average": Place("global_pooling", "GlobalAveragePooling"),
    "apool max": Place("adaptive_pooling", "AdaptiveMaxPooling"),
    "apool average": Place("adaptive_pooling", "AdaptiveAveragePooling"),
    "bn": Place("batch_norm.layer", "BatchNormalization"),
    "ln": Place("layer_norm", "LayerNormalization"),
    "gn": Place("group_norm", "GroupNormalization"),
    "in": Place("group_norm", "InstanceNormalization"),
    "rms": Place("rms_norm", "RMSNormalization"),
    "unit": Place("rms_norm", "UnitNormalization"),
}


def find(*words: str) -> "type[Layer]":
    """Return the layer class of the words of the command line, as `find("pool", "max")`.

    Raises:
        UsageError: There is no such layer.
    """
    place = LAYERS.get(" ".join(words))
    if place is None:
        raise UsageError(f"no layer {' '.join(words)!r}", f"give one of: {', '.join(LAYERS)}")
    layer: type[Layer] = getattr(import_module(f"{__name__}.{place.module}"), place.class_name)
    return layer
