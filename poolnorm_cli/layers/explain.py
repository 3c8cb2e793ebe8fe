"""Layers in words: the sentences that the explanations of several layers have in common.

Each function returns text for people, with the numbers of one run; what a layer explains itself by
is in `Facts`. They take numbers, never a layer.
"""

from collections.abc import Collection, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from poolnorm_cli.formulas import MOST_SHOWN
from poolnorm_cli.shapes import Ints, counted


if TYPE_CHECKING:
    from poolnorm_cli.layers.axis_rules import WindowRule
    from poolnorm_cli.layers.call import Array, Facts, Weights

_AFFINE = (("*", "gamma"), ("+", "beta"))


def format_vector(values: Any) -> str:
    """Write a vector by its first numbers: `[0.5 1.25 2 ...]`."""
    import numpy as np

    flat = np.asarray(values, dtype=np.float64).reshape(-1)
    shown = [f"{value:.6g}" for value in flat[:MOST_SHOWN]]
    return f"[{' '.join([*shown, *(['...'] if len(flat) > MOST_SHOWN else [])])}]"


def moving_average_lines(
    before: "Weights", after: "Mapping[str, Any]", momenta: "Mapping[str, float]"
) -> list[str]:
    """Write how each moving statistic moved towards that of the batch.

    Args:
        before: The weights before.
        after: The weights as the batch left them.
        momenta: Name of a weight -> its momentum.

    Returns:
        A line for each name of `momenta`.
    """
    return [
        f"{name} = {name} * {momentum:g} + batch * {1 - momentum:g}: "
        f"{format_vector(before[name])} -> {format_vector(after[name])}"
        for name, momentum in momenta.items()
    ]


def moments_lines(epsilon: float, facts: "Facts", over: str, first: "Array | None") -> list[str]:
    """Write the formula of a normalization by mean and variance, and its numbers.

    Args:
        epsilon: What is added to the variance.
        facts: The run.
        over: Which cells the statistics are taken over, in words.
        first: The cells of the first statistic, in float64; None where they are not known.

    Returns:
        The lines, those of the weights last.
    """
    shown = () if first is None else (("mean", first.mean()), ("variance", first.var()))
    *statistics, formula = normalization_lines(epsilon, facts.weights.keys(), over)
    return [*statistics, *first_statistic_lines(*shown), formula, *weight_lines(facts)]


def normalization_lines(epsilon: float, weights: Collection[str], over: str) -> list[str]:
    """Write the formula of a normalization by mean and variance.

    Args:
        epsilon: What is added to the variance.
        weights: Names of those that the layer has.
        over: Which cells the statistics are taken over, in words.

    Returns:
        The lines, the formula last.
    """
    affine = "".join(f" {sign} {name}" for sign, name in _AFFINE if name in weights)
    return [
        f"mean and variance over {over}",
        "variance = sum((x - mean)**2) / N, the biased one",
        f"y = (x - mean) / sqrt(variance + epsilon){affine}, epsilon = {epsilon:g}",
    ]


def first_cells(x: "Array | None", axes: Ints) -> "Array | None":
    """Return the cells that the first statistic is taken over.

    Args:
        x: The first sample, axis 0 kept; None where it is not known.
        axes: The axes that are reduced.

    Returns:
        A vector in float64; None where one sample does not have all of these cells.
    """
    if x is None or 0 in axes or not x.size:
        return None
    cells: Array = x[tuple(slice(None) if a in axes else 0 for a in range(x.ndim))]
    return cells.astype("float64").reshape(-1)


def first_statistic_lines(*statistics: tuple[str, float]) -> list[str]:
    """Write the values of the first statistics, if they are known: name and value of each."""
    values = ", ".join(f"{name} = {value:.6g}" for name, value in statistics)
    return [f"the first of them: {values}"] if statistics else []


def weight_lines(facts: "Facts") -> list[str]:
    """Write the weights, a line each."""
    return [f"{name} = {format_vector(weight)}" for name, weight in facts.weights.items()]


def divisor_text(rules: "Sequence[WindowRule]") -> str:
    """Write what an average divides by: padding does not count, unless that was asked for.

    Args:
        rules: How the window goes along each spatial axis.

    Returns:
        Part of a line.
    """
    if any(rule.divisor for rule in rules):
        return str(prod(rule.divisor for rule in rules))
    counts = any(rule.counts_padding for rule in rules)
    end = "padding counts as zeros" if counts else "padding does not count"
    least, most, known = 1, 1, True
    for rule in rules:
        cells = rule.cells()
        if cells is None:  # of an axis of unknown size, or without a place
            full = all(pad == 0 for pad in rule.pads) and not rule.placing.ceil
            cells = (rule.size, rule.size) if full else (0, rule.size)
        known = known and cells[0] > 0
        least, most = least * cells[0], most * cells[1]
    if not known:
        return f"the {'' if counts else 'real '}cells, {most} or fewer at a border; {end}"
    same = f"the {counted(most, 'cell')}"
    told = f"the {'' if counts else 'real '}cells, {least} to {most} of them"
    return f"{same if least == most else told}; {end}"
