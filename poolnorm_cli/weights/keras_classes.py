"""Which class of normalization a Keras model means by the name of a class and its config."""

import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from poolnorm_cli.layers import LAYERS, find
from poolnorm_cli.layers.keras.spelling import snake
from poolnorm_cli.weights.entry import own_name


if TYPE_CHECKING:
    from poolnorm_cli.layers.base import Layer


def keras_class(name: str, config: Mapping[str, Any]) -> str | None:
    """Return Keras' own name of a class of normalization that has weights.

    TensorFlow 1 and 2 have numbered it (`BatchNormalizationV1`), and a subclass goes by a package
    and a name of its own (`my>FrozenNorm`), and is known by parameters that no other class has.

    Returns:
        The name, or None for another class, or one that cannot be told.
    """
    own = own_name(name.rpartition(">")[2])
    if own in _classes():
        return own
    if "moving_variance_initializer" in config:
        return "BatchNormalization"
    if "gamma_initializer" in config and "groups" in config:
        return "GroupNormalization"
    if "gamma_initializer" in config and "epsilon" in config and "LayerNorm" in own:
        return "LayerNormalization"
    return None


def class_of_group(path: str) -> str | None:
    """Guess a class by its group, `batch_normalization_1`; None where the group is named else."""
    stem = re.sub(r"_\d+$", "", path.rpartition("/")[2])
    return next((kind for kind in _classes() if snake(kind) == stem), None)


def expected_weights(kind: str, config: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """List the weights of a normalization by its config: those that are trained, and the others.

    Args:
        kind: Keras' own name of the class.
        config: Its parameters.
    """
    left_out = {
        *(() if config.get("center", True) else ("beta",)),
        *(() if config.get("scale", True) else ("gamma",)),
        *(() if config.get("renorm") else ("moving_stddev", "renorm_mean", "renorm_stddev")),
    }
    names = [name for name in _classes()[kind].weight_names if name not in left_out]
    trained = [name for name in names if name in ("gamma", "beta", "scale")]
    return trained, [name for name in names if name not in trained]


@cache
def _classes() -> "dict[str, type[Layer]]":
    layers = (find(*words.split()) for words in LAYERS)
    return {layer.keras_name: layer for layer in layers if layer.has_weights}
