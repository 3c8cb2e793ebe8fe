"""The names that frameworks give to weights and layers."""

import re
from collections.abc import Iterable


TORCH: dict[str, tuple[str, ...]] = {
    "weight": ("gamma", "scale"),
    "bias": ("beta",),
    "running_mean": ("moving_mean",),
    "running_var": ("moving_variance",),
}
"""torch's names, each with Keras' for the same weight: one of them, by the layer."""

FLAX: dict[str, tuple[str, ...]] = {
    "scale": ("scale", "gamma"),
    "bias": ("beta",),
    "mean": ("moving_mean",),
    "var": ("moving_variance",),
}
"""Flax' names, likewise; Gluon's are Keras' with torch's for the moving statistics."""

FORMER_CHECKSUM = "__poolnorm__"
"""An array that earlier versions saved beside the weights: the checksums of the zip do as well."""

IGNORED = ("num_batches_tracked", FORMER_CHECKSUM)
"""Arrays beside the weights of a layer that are none of them."""

KERAS = (
    "gamma",
    "beta",
    "moving_mean",
    "moving_variance",
    "moving_stddev",
    "renorm_mean",
    "renorm_stddev",
    "scale",
)

_OTHERS = {**TORCH, **FLAX, "moving_var": ("moving_variance",)}


def known(names: Iterable[str]) -> bool:
    """Whether all names are those of weights of a normalization, in one framework or another."""
    return all(name in KERAS or name in _OTHERS for name in names)


def keras_names(names: Iterable[str], expected: Iterable[str]) -> dict[str, str]:
    """Give each name in a file that of Keras, of two the one that is expected."""
    wanted = set(expected)
    found = {}
    for name in names:
        options = _OTHERS.get(name, (name,))
        found[name] = next((option for option in options if option in wanted), options[0])
    return found


def framework(names: Iterable[str]) -> str:
    """Say whose names these are: `keras`, `torch`, `gluon` or `flax`."""
    held = set(names)
    if held & {"mean", "var"} or {"scale", "bias"} <= held:
        return "flax"
    if held & {"running_mean", "running_var"} and held & {"gamma", "beta"}:
        return "gluon"
    return "torch" if held & TORCH.keys() else "keras"


def stated(names: Iterable[str]) -> dict[str, bool]:
    """Say whether a layer has gamma and beta, of a file in which names are all there is.

    Where the names are Keras' own, the file may be a part of one, and nothing is said.
    """
    held = set(names)
    if framework(held) == "keras":
        return {}
    return {
        "center": bool(held & {"bias", "beta"}),
        "scale": bool(held & {"weight", "gamma", "scale"}),
    }


def own_name(class_name: str) -> str:
    """Return the name that Keras has for a class today: versions of TensorFlow numbered some."""
    return re.sub(r"^Sync|V\d$", "", class_name)


def split(key: str) -> tuple[str, str]:
    """Split a key into layer and weight: `a.bn.bias` is `a.bn` and `bias`, as is `a/bn/beta:0`."""
    place = max(key.rfind("/"), key.rfind("."))
    return key[: max(place, 0)], key[place + 1 :].removesuffix(":0")
