"""What the axes of a tensor are called: n, d, h, w and c, as people call them."""

from typing import Any

from poolnorm_cli.layers.base import Layer


_SPATIAL = {2: "", 3: "w", 4: "hw", 5: "dhw"}
"""Rank -> the names of its spatial axes; one axis is w, as in ONNX' and torch's NCW."""


def axis_names(layer: Layer, rank: int) -> dict[int, str]:
    """Name the axes of an input of a layer.

    Args:
        layer: The layer; it says where the channels are.
        rank: Axes of the input.

    Returns:
        Axis -> name; no names for a rank other than 2 to 5.
    """
    spatial = _SPATIAL.get(rank)
    if spatial is None:
        return {}
    letters = f"nc{spatial}" if _channels_first(layer, rank) else f"n{spatial}c"
    return dict(enumerate(letters))


def _channels_first(layer: Any, rank: int) -> bool:
    data_format = getattr(layer, "data_format", None)
    if data_format is not None:
        return bool(data_format == "channels_first")
    axes: tuple[int, ...] = getattr(layer, "axis", ())
    return len(axes) == 1 and axes[0] % rank == 1 and rank > 2
