"""The names of weights: Keras', and those of other frameworks for the same things."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import InputError
from poolnorm_cli.shapes import Ints


if TYPE_CHECKING:
    from poolnorm_cli.weights.entry import Stored

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

IGNORED = ("num_batches_tracked",)

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
_FLAX_COLLECTIONS = ("params", "batch_stats")


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


def grouped(arrays: Mapping[str, "Stored"]) -> dict[str, dict[str, "Stored"]]:
    """Find the layers among named arrays: those that have the weights of a normalization.

    Returns:
        For each layer, in the order of the file, its weights by their names there.
    """
    layers: dict[str, dict[str, Stored]] = {}
    for key, array in arrays.items():
        layer, weight = split(key)
        held = layers.setdefault(layer, {})
        held[weight] = _twice(array, weight) if weight in held else array
    found = {layer: _weights(members) for layer, members in _of_flax(layers).items()}
    return {layer: members for layer, members in found.items() if members}


def _twice(array: "Stored", weight: str) -> "Stored":
    """Return what is there by two keys, as `a.bn/gamma` and `a/bn.gamma:0`: neither is read.

    Raises:
        InputError: When it is read.
    """

    def refuse() -> Any:
        raise InputError(f"two arrays are its {weight}", "leave one of them out of the file")

    return replace(array, read=refuse)


def _of_flax(layers: "dict[str, dict[str, Stored]]") -> "dict[str, dict[str, Stored]]":
    """Put the weights of a layer of Flax together, whose moving statistics are a tree of their own.

    `params/bn/scale` and `batch_stats/bn/mean` are of `bn`.
    """
    result = dict(layers)
    for stats in layers:
        for sign in "/.":
            tree, mark, name = stats.partition(sign)
            params = f"{_FLAX_COLLECTIONS[0]}{mark}{name}"
            if tree == _FLAX_COLLECTIONS[1] and name not in layers:
                mine, others = layers.get(params, {}), layers[stats]
                if not mine.keys() & others.keys():
                    result.pop(params, None)
                    result[name] = {**mine, **result.pop(stats)}
                break
    return result


def _weights(members: "dict[str, Stored]") -> "dict[str, Stored]":
    """Return the weights of a normalization, or nothing if this is another layer."""
    kept = {name: array for name, array in members.items() if name not in IGNORED}
    return kept if kept and known(kept) and are_alike(kept) else {}


def are_alike(weights: "Mapping[str, Stored]") -> bool:
    """Whether weights have one shape, and one alone is not that of another kind of layer."""
    shapes = {squeezed(array.shape) for array in weights.values()}
    # A weight alone, of several axes, is that of a convolution or an embedding.
    alone = set(weights) == {"weight"} and len(weights["weight"].shape) != 1
    lone = set(weights) in ({"mean"}, {"var"})
    return len(shapes) == 1 and not alone and not lone


def squeezed(shape: Ints) -> Ints:
    """Return a shape without its axes of size 1."""
    return tuple(size for size in shape if size != 1)
