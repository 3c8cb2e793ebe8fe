"""Layers in words: the sentences that explanations of several layers have in common."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from poolnorm_cli.shapes import Ints, Padding, Window, format_shape, window


if TYPE_CHECKING:
    from poolnorm_cli.layers.call import Array, Facts, Weights

SHOWN = 4
"""Numbers of a vector that an explanation shows."""
Sizes = tuple[int, int, int]
"""An axis, the size of the window on it, and its stride."""
AFFINE = (("*", "gamma"), ("+", "beta"))


def numbers(values: Any) -> str:
    """Write a vector by its first numbers: `[0.5 1.25 2 ...]`."""
    import numpy as np

    flat = np.asarray(values, dtype=np.float64).reshape(-1)
    shown = [f"{value:.6g}" for value in flat[:SHOWN]]
    return f"[{' '.join([*shown, *(['...'] if len(flat) > SHOWN else [])])}]"


def averages(
    before: "Weights", after: "Mapping[str, Any]", momenta: "Mapping[str, float]"
) -> list[str]:
    """Say how each weight moved towards that of the batch.

    Args:
        before: The weights before.
        after: The weights as the batch left them.
        momenta: Name of a weight -> its momentum.
    """
    return [
        f"{name} = {name} * {momentum:g} + batch * {1 - momentum:g}: "
        f"{numbers(before[name])} -> {numbers(after[name])}"
        for name, momentum in momenta.items()
    ]


def cells(shape: Ints, axes: Ints) -> str:
    """Say over how many cells statistics are taken: `axes 0,1: 4 * 28 = 112 cells`."""
    sizes = [shape[axis] for axis in axes]
    count = 1
    for size in sizes:
        count *= size
    product = " * ".join(map(str, sizes))
    told = f"{product} = {count}" if len(sizes) > 1 else product
    named = f"axes {','.join(map(str, axes))}" if len(axes) > 1 else f"axis {axes[0]}"
    return f"{named}: {told} cells"


def by_moments(epsilon: float, facts: "Facts", over: str, first: "Array | None") -> list[str]:
    """Say that cells are normalized by their mean and variance, `over` which they are taken."""
    shown = () if first is None else (("mean", first.mean()), ("variance", first.var()))
    affine = "".join(f" {sign} {name}" for sign, name in AFFINE if name in facts.weights)
    return [
        f"mean and variance over {over}",
        "variance = sum((x - mean)**2) / N, the biased one",
        *of_the_first(*shown),
        f"y = (x - mean) / sqrt(variance + epsilon){affine}, epsilon = {epsilon:g}",
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


def of_the_first(*named: tuple[str, float]) -> list[str]:
    """Say what the first statistics came to, if they are known."""
    numbers = ", ".join(f"{name} = {number:.6g}" for name, number in named)
    return [f"the first of them: {numbers}"] if named else []


def places(shape: Ints, axes: Ints) -> str:
    """Say over which cells a statistic is taken, and how many statistics there are."""
    others = tuple(size for axis, size in enumerate(shape) if axis not in axes)
    each = f", one of each per place of ({format_shape(others)})" if others else ""
    return f"{cells(shape, axes)}{each}"


def weights(facts: "Facts") -> list[str]:
    """Say what the weights are."""
    return [f"{name} = {numbers(weight)}" for name, weight in facts.weights.items()]


def axis_lines(shape: Ints, sizes: Sequence[Sizes], padding: Padding) -> list[str]:
    """Say, for each axis, the window, the stride, the padding and the places, as they are given.

    What is computed with is clipped to the cells there are, and makes the same of them.
    """
    return [_axis_line(axis, shape[axis], size, step, padding) for axis, size, step in sizes]


def _axis_line(axis: int, length: int, size: int, stride: int, padding: Padding) -> str:
    placed = window(length, size, stride, padding)
    count = placed.count
    known = f"axis {axis}: {length} cells, window {size}, stride {stride}, padding '{padding}'"
    if padding == "valid":
        return f"{known}: ({length} - {size}) // {stride} + 1 = {count} places"
    total = f"max(({count} - 1) * {stride} + {size} - {length}, 0) = {placed.low + placed.high}"
    places = f"ceil({length} / {stride}) = {count} places"
    return f"{known}: {places}; pads {total}: {placed.low} before, {placed.high} after"


def divisors(shape: Ints, windows: Mapping[int, Window]) -> str:
    """Say by how many cells an average divides: padding does not count."""
    least, most = 1, 1
    for axis, clipped in windows.items():
        real = clipped.cells(shape[axis]) or [0]
        least, most = least * min(real), most * max(real)
    told = f"the {most} cells" if least == most else f"the real cells, {least} to {most} of them"
    return f"{told}; padding does not count"


def adaptive_line(axis: int, length: int, count: int) -> str:
    """Say which cells each of `count` windows over an axis of `length` cells has."""
    spans = [f"{i * length // count}-{-(-(i + 1) * length // count)}" for i in range(count)]
    shown = ", ".join([*spans[:SHOWN], *(["..."] if count > SHOWN else [])])
    return (
        f"axis {axis}: {length} cells, {count} windows from floor(i * {length} / {count}) to "
        f"ceil((i + 1) * {length} / {count}): {shown}"
    )
