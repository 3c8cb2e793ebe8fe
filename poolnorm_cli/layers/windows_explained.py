"""Windows in words: how they go along each axis, and by what an average divides."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from poolnorm_cli.layers.explain import SHOWN
from poolnorm_cli.shapes import Ints, Padding, window


if TYPE_CHECKING:
    from poolnorm_cli.layers.pooling import Pooling

Sizes = tuple[int, int, int]
"""An axis, the size of the window on it, and its stride."""


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


def divisors(shape: Ints, layer: "Pooling") -> str:
    """Say by how many cells an average divides: padding does not count."""
    least, most = 1, 1
    for axis, clipped in layer.windows(shape).items():
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
