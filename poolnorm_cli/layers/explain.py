"""Layers in words: the sentences that the explanations of several layers have in common.

Each function returns text for people, with the numbers of one run; what a layer explains itself by
is in `Facts`. They take numbers, never a layer.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from poolnorm_cli.shapes import (
    Ints,
    Padding,
    Window,
    adaptive_formula,
    counted,
    format_shape,
    window_formula,
)


if TYPE_CHECKING:
    from poolnorm_cli.layers.call import Array, Facts, Weights

_MOST_SHOWN = 4
"""Numbers of a vector, or windows of an axis, that an explanation shows."""
_AFFINE = (("*", "gamma"), ("+", "beta"))


def format_vector(values: Any) -> str:
    """Write a vector by its first numbers: `[0.5 1.25 2 ...]`."""
    import numpy as np

    flat = np.asarray(values, dtype=np.float64).reshape(-1)
    shown = [f"{value:.6g}" for value in flat[:_MOST_SHOWN]]
    return f"[{' '.join([*shown, *(['...'] if len(flat) > _MOST_SHOWN else [])])}]"


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


def cell_count_text(shape: Ints, axes: Ints) -> str:
    """Write how many cells statistics are taken over: `axes 0,1: 4 * 28 = 112 cells`.

    Args:
        shape: Shape of the input.
        axes: The axes that are reduced, 1 or more.

    Returns:
        Part of a line.
    """
    sizes = [shape[axis] for axis in axes]
    cells = counted(prod(sizes), "cell")
    if len(axes) == 1:
        return f"axis {axes[0]}: {cells}"
    return f"axes {','.join(map(str, axes))}: {' * '.join(map(str, sizes))} = {cells}"


def reduction_text(shape: Ints, axes: Ints) -> str:
    """Write which cells a statistic is taken over, and how many statistics there are.

    Args:
        shape: Shape of the input.
        axes: The axes that are reduced, 1 or more.

    Returns:
        Part of a line.
    """
    others = tuple(size for axis, size in enumerate(shape) if axis not in axes)
    each = f", one of each per place of ({format_shape(others)})" if others else ""
    return f"{cell_count_text(shape, axes)}{each}"


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
    affine = "".join(f" {sign} {name}" for sign, name in _AFFINE if name in facts.weights)
    return [
        f"mean and variance over {over}",
        "variance = sum((x - mean)**2) / N, the biased one",
        *first_statistic_lines(*shown),
        f"y = (x - mean) / sqrt(variance + epsilon){affine}, epsilon = {epsilon:g}",
        *weight_lines(facts),
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


def window_lines(shape: Ints, sizes: Sequence[tuple[int, int, int]], padding: Padding) -> list[str]:
    """Write how a window goes along each axis, by the sizes as they were given.

    What is computed with is clipped to the cells there are, and makes the same of them.

    Args:
        shape: Shape of the input.
        sizes: For each spatial axis the axis, the size of the window on it, and its stride.
        padding: `valid` or `same`.

    Returns:
        A line for each spatial axis: size, stride, padding, and the places of the window.
    """
    return [
        f"axis {axis}: {window_formula(shape[axis], size, stride, padding)}"
        for axis, size, stride in sizes
    ]


def divisor_text(shape: Ints, windows: Mapping[int, Window]) -> str:
    """Write what an average divides by: padding does not count.

    Args:
        shape: Shape of the input.
        windows: Spatial axis -> the window on it.

    Returns:
        Part of a line.
    """
    least, most = 1, 1
    for axis, placed in windows.items():
        real = placed.cells(shape[axis]) or [0]
        least, most = least * min(real), most * max(real)
    same = f"the {counted(most, 'cell')}"
    cells = same if least == most else f"the real cells, {least} to {most} of them"
    return f"{cells}; padding does not count"


def adaptive_line(axis: int, length: int, count: int) -> str:
    """Write which cells each window of an adaptive pooling has.

    Args:
        axis: The spatial axis.
        length: Its cells.
        count: The number of windows on it.

    Returns:
        A line.
    """
    return f"axis {axis}: {adaptive_formula(length, count, _MOST_SHOWN)}"
