"""What a layer does to a shape, as a picture: its windows, or the cells that share a statistic."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from poolnorm_cli.errors import UsageError
from poolnorm_cli.pictures.canvas import Canvas, stacked
from poolnorm_cli.pictures.grid import fits_grid, grid_picture
from poolnorm_cli.pictures.marks import Mark, legend
from poolnorm_cli.pictures.places import Places
from poolnorm_cli.pictures.statistics import Sharing, sharing_picture
from poolnorm_cli.pictures.windows import axis_picture
from poolnorm_cli.shapes import Dim, Shape, counted, format_shape, known_sizes


if TYPE_CHECKING:
    from poolnorm_cli.layers.base import Layer
    from poolnorm_cli.layers.normalization import Normalization

NARROWEST = 24
"""Columns that a picture of windows takes at least."""
_ROWS = 6
"""Rows of the picture of an axis at least, headings left out."""


def layer_picture(layer: "Layer", shape: Shape, width: int = 80, height: int = 24) -> Canvas:
    """Draw what a layer does to an input of a shape.

    Args:
        layer: The layer.
        shape: Shape of the input; its spatial axes, or those that are shown, have to be numbers.
        width: Columns that there are.
        height: Rows that there are; a picture of several axes may take more.

    Returns:
        A picture of at most this width, but 24 columns.

    Raises:
        UsageError: The layer cannot take the shape, or a size that is drawn is not known.
    """
    after = layer.output_shape(shape)
    width = max(width, NARROWEST)
    places = places_of(layer, shape)
    canvas = (
        windows_picture(places, width, height) if places else _normalization(layer, shape, width)
    )
    canvas.title = layer.call_text(shape)
    canvas.description = f"{canvas.title}: ({format_shape(shape)}) gives ({format_shape(after)})"
    return canvas


def places_of(layer: "Layer", shape: Shape) -> list[Places]:
    """Place the windows of a pooling layer on each spatial axis.

    Args:
        layer: The layer.
        shape: Shape of the input.

    Returns:
        The windows on each axis along which it pools; [] for a layer that does not.

    Raises:
        UsageError: A spatial axis has no known size.
    """
    found: list[Places] = []
    for rule in layer.axis_rules(shape):
        if not isinstance(rule.length, int):
            example = (each if isinstance(each, int) else 8 for each in shape)
            raise UsageError(
                f"axis {rule.axis} of ({format_shape(shape)}) has no known size to draw",
                f"give numbers, as {format_shape(tuple(example))}",
            )
        found.append(Places(rule, rule.length))
    return found


def sharing_of(layer: "Normalization", shape: Shape) -> Sharing:
    """Find which cells share a statistic of a normalization.

    Args:
        layer: The layer.
        shape: Shape of the input.

    Returns:
        Which cells share one.
    """
    from poolnorm_cli.layers.batch_norm.layer import BatchNormalization
    from poolnorm_cli.layers.group_norm import GroupedNormalization

    rank = len(shape)
    axes = layer.axes(rank)
    across = axes[-1] or rank - 1
    reduced = layer.reduced_axes(rank)
    blocks = {axis: 1 for axis in range(rank) if axis not in reduced}
    if isinstance(layer, GroupedNormalization):
        (channels,) = known_sizes(shape, axes)
        blocks = {0: 1, axes[0]: channels // max(layer.group_count(channels), 1)}
    elif isinstance(layer, BatchNormalization) and layer.virtual_batch_size is not None:
        blocks[0] = layer.virtual_batch_size
    return Sharing(shape, blocks, across)


def _normalization(layer: "Layer", shape: Shape, width: int) -> Canvas:
    """Draw the cells that share a statistic."""
    text = Canvas(width)
    known = layer.statistics(shape)
    if known is None:
        raise UsageError(f"{layer.keras_name} has no picture", "leave out --draw")
    cells = (
        counted(known.cells, "cell")
        if isinstance(known.cells, int)
        else f"{known.cells or 'n'} cells"
    )
    counts = f"{_size(known.of_each)} of each statistic, over {cells} each"
    *others, last = map(str, known.axes)
    names = f"axes {', '.join(others)} and {last} are" if others else f"axis {last} is"
    text.write(f"{names} reduced: {counts}", "heading")
    if 0 in shape:
        empty = Canvas(width)
        empty.write("An axis of size 0 has no cells to draw.", "muted")
        return stacked(text, empty)
    sharing = sharing_of(layer, shape)  # type: ignore[arg-type] # what has statistics is one
    legend = Canvas(width)
    legend.write("Cells with the same letter share one statistic.", "muted")
    return stacked(text, sharing_picture(sharing, width), legend)


def _size(size: Dim) -> str:
    return "n" if size is None else str(size)


def windows_picture(places: Sequence[Places], width: int, height: int) -> Canvas:
    """Draw windows: over two small axes as a grid, else over each axis by itself.

    Args:
        places: The windows on each axis.
        width: Columns that there are.
        height: Rows that there are.

    Returns:
        A picture of this width, with its legend.
    """
    alike: dict[str, list[Places]] = {}
    for each in places:
        alike.setdefault(each.formula, []).append(each)
    if len(places) == 2 and fits_grid(places[0], places[1], width, height):
        texts = stacked(*(_heading(same, width) for same in alike.values()), gap=0)
        picture, marks = grid_picture(places[0], places[1], width, height - texts.height - 3)
        return stacked(texts, picture, legend(marks, width))
    rows = max(height // len(alike) - 5, _ROWS)
    parts, marks = list[Canvas](), set[Mark]()
    for same in alike.values():
        picture, seen = axis_picture(same[0], width, rows)
        parts.append(stacked(_heading(same, width), picture, gap=0))
        marks |= seen
    return stacked(*parts, legend(marks, width))


def _heading(same: Sequence[Places], width: int) -> Canvas:
    """Write the formula of axes on which the windows lie alike."""
    *others, last = (str(places.axis) for places in same)
    names = f"axes {', '.join(others)} and {last}" if others else f"axis {last}"
    formula = same[0].formula or f"{counted(same[0].length, 'cell')}, one window over all of them"
    text = Canvas(width)
    text.write(f"{names}: {formula}", "heading")
    return text
