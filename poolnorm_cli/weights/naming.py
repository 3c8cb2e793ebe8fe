"""The names of weights: Keras', and torch's for the same things."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

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


def keras_names(names: Iterable[str], expected: Iterable[str]) -> dict[str, str]:
    """Give each name in a file that of Keras, of two the one that is expected."""
    wanted = set(expected)
    found = {}
    for name in names:
        options = TORCH.get(name, (name,))
        found[name] = next((option for option in options if option in wanted), options[0])
    return found


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
        layers.setdefault(layer, {})[weight] = array
    found = {layer: _weights(members) for layer, members in layers.items()}
    return {layer: members for layer, members in found.items() if members}


def _weights(members: "dict[str, Stored]") -> "dict[str, Stored]":
    """Return the weights of a normalization, or nothing if this is another layer."""
    kept = {name: array for name, array in members.items() if name not in IGNORED}
    if not kept or not all(name in TORCH or name in KERAS for name in kept):
        return {}
    shapes = {squeezed(array.shape) for array in kept.values()}
    # A weight alone, of several axes, is that of a convolution or an embedding.
    alone = set(kept) == {"weight"} and len(kept["weight"].shape) != 1
    return kept if len(shapes) == 1 and not alone else {}


def is_torch(names: Iterable[str]) -> bool:
    """Whether weights have torch's names."""
    return any(name in TORCH for name in names)


def squeezed(shape: Ints) -> Ints:
    """Return a shape without its axes of size 1."""
    return tuple(size for size in shape if size != 1)
