"""Normalizations in words: the formulas that layers share."""

from typing import TYPE_CHECKING

from poolnorm_cli.layers.explain import Facts, cells, numbers
from poolnorm_cli.shapes import Ints, format_shape


if TYPE_CHECKING:
    from poolnorm_cli.layers.base import Array
    from poolnorm_cli.layers.normalization import Normalization

AFFINE = (("*", "gamma"), ("+", "beta"))


def by_moments(layer: "Normalization", facts: Facts, over: str, first: "Array | None") -> list[str]:
    """Say that cells are normalized by their mean and variance, `over` which they are taken."""
    shown = () if first is None else (("mean", first.mean()), ("variance", first.var()))
    affine = "".join(f" {sign} {name}" for sign, name in AFFINE if name in facts.weights)
    return [
        f"mean and variance over {over}",
        "variance = sum((x - mean)**2) / N, the biased one",
        *of_the_first(*shown),
        f"y = (x - mean) / sqrt(variance + epsilon){affine}, epsilon = {layer.epsilon:g}",
        *weights(facts),
    ]


def first_cells(x: "Array | None", axes: Ints) -> "Array | None":
    """Return the cells of the first statistic over `axes`, None where no sample has them all.

    Args:
        x: The first sample, axis 0 kept, or None.
        axes: Axes of the statistics.
    """
    if x is None or 0 in axes or not x.size:
        return None
    cells: Array = x[tuple(slice(None) if a in axes else 0 for a in range(x.ndim))]
    return cells.astype("float64").reshape(-1)


def of_the_first(*told: tuple[str, float]) -> list[str]:
    """Say what the first statistics came to, if they are known."""
    numbers = ", ".join(f"{name} = {number:.6g}" for name, number in told)
    return [f"the first of them: {numbers}"] if told else []


def places(shape: Ints, axes: Ints) -> str:
    """Say over which cells a statistic is taken, and how many statistics there are."""
    others = tuple(size for axis, size in enumerate(shape) if axis not in axes)
    each = f", one of each per place of ({format_shape(others)})" if others else ""
    return f"{cells(shape, axes)}{each}"


def weights(facts: Facts) -> list[str]:
    """Say what the weights are."""
    return [f"{name} = {numbers(weight)}" for name, weight in facts.weights.items()]
