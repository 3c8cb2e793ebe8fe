"""A session of the graph of one layer, and what it is given besides blocks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.backends.onnx_feeds import as_wanted, statistics_feeds
from poolnorm_cli.backends.places import Held
from poolnorm_cli.layers.normalization import Normalization, splits_weights


if TYPE_CHECKING:
    from poolnorm_cli.layers.base import Layer
    from poolnorm_cli.layers.call import Array, Call, Weights


@dataclass(slots=True)
class Session:
    """A session and what is bound to it: weights stay, the output's memory is used again.

    Attributes:
        session: The session of the runtime.
        inputs: Dtypes of the inputs that the graph has, by name.
        monitored: Names of the outputs that are checked for overflow.
        checked: It has an output that is NaN for a block that wants the exact graph.
        weights: The weights that are bound; None before the first block.
        feeds: The same as the graph takes them.
        held: What the device has of these and of statistics.
    """

    session: Any
    inputs: Mapping[str, str]
    monitored: tuple[str, ...]
    checked: bool = False
    weights: "Weights | None" = None
    feeds: dict[str, NDArray[Any]] = field(default_factory=dict)
    held: Held = field(default_factory=dict)


def feeds_of(
    opened: Session,
    layer: "Layer",
    x: "Array",
    weights: "Weights",
    call: "Call",
    *,
    in_units: bool,
) -> dict[str, NDArray[Any]]:
    """Return the inputs of a graph but for the block: the weights, the statistics, the mask.

    Args:
        opened: The session.
        layer: The layer.
        x: The block.
        weights: The layer's weights, by Keras name.
        call: How it is called.
        in_units: Statistics are given in any case, in units of a power of two.

    Returns:
        Name -> values, of those that the graph has.
    """
    feeds = {**_weight_feeds(opened, layer, x, weights, call)}
    if call.mask is not None:
        feeds["mask"] = np.ascontiguousarray(call.mask)
    feeds |= statistics_feeds(layer, x, weights, call, in_units=in_units)
    # An input that no operator needs is not in the model.
    return {name: array for name, array in feeds.items() if name in opened.inputs}


def _weight_feeds(
    opened: Session, layer: "Layer", x: "Array", weights: "Weights", call: "Call"
) -> dict[str, NDArray[Any]]:
    """Return the weights for a block, converted once where all blocks have the same."""

    def wanted(own: "Weights") -> dict[str, NDArray[Any]]:
        return {name: as_wanted(w, opened.inputs.get(name, "float64")) for name, w in own.items()}

    if call.strip is not None or splits_weights(layer, x.ndim):
        if isinstance(layer, Normalization):
            weights = layer.weights_at(weights, call.origin(x.ndim), x.shape)
        return wanted(weights)
    if opened.weights is not weights:
        opened.weights = weights
        opened.feeds = wanted(weights)
    return opened.feeds
