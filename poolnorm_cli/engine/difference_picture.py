"""Pictures of two tensors and of where they differ."""

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.engine.compare import Difference
from poolnorm_cli.engine.thumbnail import WORST, Painter, Thumbnail, cells_at
from poolnorm_cli.engine.view import View, Wanted, view_of
from poolnorm_cli.kernels.differences import Tolerance, item_differences
from poolnorm_cli.shapes import Ints
from poolnorm_cli.values import frozen, replace


Pairs = Iterable[Sequence[NDArray[Any]]]
"""The blocks of two tensors, side by side, from the first."""


@frozen(eq=False)
class DifferencePicture:
    """Two tensors, and how far they are apart.

    Attributes:
        first: The first tensor.
        second: The second.
        difference: The largest `|a - b|` of each cell, with the worst place marked.
        place: Index of the largest difference, or of the first where there is none that is a
            number; None where there is no difference.
        values: What the two tensors have there.
    """

    first: Thumbnail
    second: Thumbnail
    difference: Thumbnail
    place: Ints | None
    values: tuple[float, float] | None


def difference_pictures(
    found: Difference, pairs: Pairs, wanted: Sequence[Wanted]
) -> tuple[DifferencePicture, ...]:
    """Draw what was found of two tensors of one shape.

    The sample and the channel of the largest difference are shown, unless others are wanted.

    Args:
        found: How they differ.
        pairs: Their blocks, from the first; no more are taken than are shown.
        wanted: What is to be shown, for each size.

    Returns:
        A picture for each size.

    Raises:
        UsageError: They have no such sample or channel.
        PoolnormError: They cannot be read.
    """
    shape = found.shapes[0] or ()
    place = found.first if found.absolute is None else found.absolute[1]
    views = [view_of(shape, _at(each, shape, place)) for each in wanted]
    sides = [(Painter(view), Painter(view), Painter(view, largest=True)) for view in views]
    values: tuple[float, float] | None = None
    flat = None if place is None else int(np.ravel_multi_index(place, shape))
    seen = 0
    for a, b in pairs:
        if flat is not None and seen <= flat < seen + a.size:
            here = flat - seen
            values = float(a.reshape(-1)[here]), float(b.reshape(-1)[here])
        seen += a.size
        apart = item_differences(a, b, Tolerance(), None).absolute
        for first, second, difference in sides:
            first.add(a)
            second.add(b)
            difference.add(apart)
        if all(painter.has_all for painter, _, _ in sides) and (flat is None or flat < seen):
            break
    names = (found.a, found.dtypes[0] or ""), (found.b, found.dtypes[1] or "")
    return tuple(
        DifferencePicture(
            first.thumbnail(names[0][0], shape, names[0][1]),
            second.thumbnail(names[1][0], shape, names[1][1]),
            _marked(difference.thumbnail("|a - b|", shape, "float64"), view, place),
            place,
            values,
        )
        for (first, second, difference), view in zip(sides, views, strict=True)
    )


def _at(wanted: Wanted, shape: Ints, place: Ints | None) -> Wanted:
    """Choose the sample and the channel of a place, where none are chosen."""
    if place is None or len(shape) < 3 or not prod(shape):
        return wanted
    channel = 1 if wanted.channels_first else len(shape) - 1
    return replace(
        wanted,
        sample=place[0] if wanted.sample is None else wanted.sample,
        channel=place[channel] if wanted.channel is None else wanted.channel,
    )


def _marked(made: Thumbnail, view: View, place: Ints | None) -> Thumbnail:
    """Mark the cell of a place, where it is shown and has no other mark."""
    if place is None:
        return made
    here = cells_at(view, place) & (made.marks == 0)
    return replace(made, marks=np.where(here, np.uint8(WORST), made.marks))
