"""The layers, by the words of the command line: the only registry, written out.

Classes are named and not imported, so that a command pays for the one layer it uses.
"""

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from poolnorm_cli.errors import UsageError


if TYPE_CHECKING:
    from poolnorm_cli.layers.base import Layer


class LayerPath(NamedTuple):
    """Where a layer class is defined, and whether Keras has a class of its `keras_name`."""

    module: str
    class_name: str
    in_keras: bool = True


LAYERS: dict[str, LayerPath] = {
    "pool max": LayerPath("pooling", "MaxPooling"),
    "pool average": LayerPath("pooling", "AveragePooling"),
    "pool min": LayerPath("min_pooling", "MinPooling", in_keras=False),
    "pool lp": LayerPath("power_pooling", "LpPooling", in_keras=False),
    "gpool max": LayerPath("global_pooling", "GlobalMaxPooling"),
    "gpool average": LayerPath("global_pooling", "GlobalAveragePooling"),
    "gpool min": LayerPath("min_pooling", "GlobalMinPooling", in_keras=False),
    "gpool lp": LayerPath("power_pooling", "GlobalLpPooling", in_keras=False),
    "apool max": LayerPath("adaptive_pooling", "AdaptiveMaxPooling"),
    "apool average": LayerPath("adaptive_pooling", "AdaptiveAveragePooling"),
    "bn": LayerPath("batch_norm.layer", "BatchNormalization"),
    "ln": LayerPath("layer_norm", "LayerNormalization"),
    "gn": LayerPath("group_norm", "GroupNormalization"),
    "in": LayerPath("group_norm", "InstanceNormalization"),
    "rms": LayerPath("rms_norm", "RMSNormalization"),
    "unit": LayerPath("unit_norm", "UnitNormalization"),
    "lrn": LayerPath("local_response_norm", "LocalResponseNormalization", in_keras=False),
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
