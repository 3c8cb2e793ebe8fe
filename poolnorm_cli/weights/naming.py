"""The names that frameworks give to weights and layers."""

import re
from collections.abc import Iterable


TORCH: dict[str, tuple[str, ...]] = {
    "weight": ("gamma", "scale"),
    "bias": ("beta",),
    "running_mean": ("moving_mean",),
    "running_var": ("moving_variance",),
}
"""torch's name of a weight -> Keras' names for it, of which the layer has one."""

FLAX: dict[str, tuple[str, ...]] = {
    "scale": ("scale", "gamma"),
    "bias": ("beta",),
    "mean": ("moving_mean",),
    "var": ("moving_variance",),
}
"""The same for Flax. Gluon has Keras' names, and torch's for the moving statistics."""

FORMER_CHECKSUM = "__poolnorm__"
"""An array that earlier versions saved beside the weights; the zip has checksums of its own."""

IGNORED = ("num_batches_tracked", FORMER_CHECKSUM)
"""Arrays of a layer that are no weights."""

KERAS = (
    "gamma",
    "beta",
    "moving_mean",
    "moving_variance",
    "moving_stddev",
    "renorm_mean",
    "renorm_stddev",
    "scale",
    "batches_tracked",
)

OPTIONAL = ("batches_tracked",)
"""Weights that start at 0 where a file has none, and that other layers have no use for."""

_KERAS_NAMES = {**TORCH, **FLAX, "moving_var": ("moving_variance",)}


def are_normalization_weights(names: Iterable[str]) -> bool:
    """Return whether all names are those of weights of a normalization, in some framework."""
    return all(name in KERAS or name in _KERAS_NAMES for name in names)


def keras_names(names: Iterable[str], expected: Iterable[str]) -> dict[str, str]:
    """Translate the names of weights into those of Keras.

    Args:
        names: Names in a file, of any framework.
        expected: Names that the layer has in Keras; they decide where a name may mean two.

    Returns:
        Name in the file -> name in Keras.
    """
    wanted = set(expected)
    translated = {}
    for name in names:
        options = _KERAS_NAMES.get(name, (name,))
        translated[name] = next((option for option in options if option in wanted), options[0])
    return translated


def framework_of(names: Iterable[str]) -> str:
    """Return whose names of weights these are: `keras`, `torch`, `gluon` or `flax`."""
    known = set(names)
    if known & {"mean", "var"} or {"scale", "bias"} <= known:
        return "flax"
    if known & {"running_mean", "running_var"} and known & {"gamma", "beta"}:
        return "gluon"
    return "torch" if known & TORCH.keys() else "keras"


def center_and_scale_of(names: Iterable[str]) -> dict[str, bool]:
    """Return the parameters `center` and `scale` of a layer whose weights have these names.

    None are returned for Keras' own names, which may be those of a part of the weights.
    """
    known = set(names)
    if framework_of(known) == "keras":
        return {}
    return {
        "center": bool(known & {"bias", "beta"}),
        "scale": bool(known & {"weight", "gamma", "scale"}),
    }


def unversioned_class(class_name: str) -> str:
    """Return Keras' name of a class today: TensorFlow has numbered some (`LayerNormV2`)."""
    return re.sub(r"^Sync|V\d$", "", class_name)


def layer_and_weight(key: str) -> tuple[str, str]:
    """Split a key into layer and weight: `a.bn.bias` is `a.bn` and `bias`, as is `a/bn/beta:0`."""
    mark = max(key.rfind("/"), key.rfind("."))
    return key[: max(mark, 0)], key[mark + 1 :].removesuffix(":0")
