"""Windows in words: how they go along each axis, and by what an average divides."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from poolnorm_cli.layers.facts import SHOWN
from poolnorm_cli.shapes import Ints, Padding, Window


if TYPE_CHECKING:
    from poolnorm_cli.layers.pooling import Pooling


def axis_lines(shape: Ints, windows: Mapping[int, Window], padding: Padding) -> list[str]:
    """Say, for each axis, the window, the stride, the padding and the places."""
    return [_axis_line(axis, shape[axis], window, padding) for axis, window in windows.items()]


def _axis_line(axis: int, length: int, window: Window, padding: Padding) -> str:
    size, stride, count = window.size, window.stride, window.count
    known = f"axis {axis}: {length} cells, window {size}, stride {stride}, padding '{padding}'"
    if padding == "valid":
        return f"{known}: ({length} - {size}) // {stride} + 1 = {count} places"
    total = f"max(({count} - 1) * {stride} + {size} - {length}, 0) = {window.low + window.high}"
    places = f"ceil({length} / {stride}) = {count} places"
    return f"{known}: {places}; pads {total}: {window.low} before, {window.high} after"


def divisors(shape: Ints, layer: "Pooling") -> str:
    """Say by how many cells an average divides: padding does not count."""
    least, most = 1, 1
    for axis, window in layer.windows(shape).items():
        real = window.cells(shape[axis]) or [0]
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
