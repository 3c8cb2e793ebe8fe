"""Normalizations in words: the formulas that layers share."""

from typing import TYPE_CHECKING

from poolnorm_cli.layers.facts import Facts, cells, numbers
from poolnorm_cli.shapes import Ints, format_shape


if TYPE_CHECKING:
    from poolnorm_cli.layers.normalization import Normalization

AFFINE = (("*", "gamma"), ("+", "beta"))


def by_moments(layer: "Normalization", facts: Facts, over: str) -> list[str]:
    """Say that cells are normalized by their mean and variance, `over` which they are taken."""
    affine = "".join(f" {sign} {name}" for sign, name in AFFINE if name in facts.weights)
    return [
        f"mean and variance over {over}",
        "variance = sum((x - mean)**2) / N, the biased one",
        f"y = (x - mean) / sqrt(variance + epsilon){affine}, epsilon = {layer.epsilon:g}",
        *weights(facts),
    ]


def places(shape: Ints, axes: Ints) -> str:
    """Say over which cells a statistic is taken, and how many statistics there are."""
    others = tuple(size for axis, size in enumerate(shape) if axis not in axes)
    each = f", one of each per place of ({format_shape(others)})" if others else ""
    return f"{cells(shape, axes)}{each}"


def weights(facts: Facts) -> list[str]:
    """Say what the weights are."""
    return [f"{name} = {numbers(weight)}" for name, weight in facts.weights.items()]
