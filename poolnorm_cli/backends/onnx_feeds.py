"""What the graph of a layer is fed besides the block: weights and statistics, in float64."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.kernels.extremes import in_power_of_two_units
from poolnorm_cli.layers.normalization import Normalization
from poolnorm_cli.layers.range_checks import statistics_of
from poolnorm_cli.layers.trainable import Trainable


if TYPE_CHECKING:
    from poolnorm_cli.layers.base import Layer
    from poolnorm_cli.layers.call import Array, Call, Weights


def statistics_feeds(
    layer: "Layer", x: "Array", weights: "Weights", call: "Call", *, in_units: bool = False
) -> dict[str, NDArray[Any]]:
    """Return what a graph is given of statistics, and of what follows from them.

    Args:
        layer: The layer.
        x: Its input, or an array of that shape where the statistics come with the call.
        weights: The weights of the layer.
        call: How the layer is called on the block.
        in_units: Statistics are given in any case, in units of a power of two.

    Returns:
        Name of an input -> its values in float64.
    """
    statistics: dict[str, NDArray[Any]] = {}
    if isinstance(layer, Normalization):
        statistics = _moments(layer, x, weights, call, in_units=in_units)
    if isinstance(layer, Trainable):
        if layer.has_ghost_batches:  # the graph has a row a sample, also where one serves them all
            statistics = {
                name: np.broadcast_to(row, (len(x), *row.shape[1:])) if row.ndim else row
                for name, row in statistics.items()
            }
        statistics |= layer.extra_inputs(weights, call, x.shape)
    return {name: as_float64(values) for name, values in statistics.items()}


def _moments(
    layer: Normalization, x: "Array", weights: "Weights", call: "Call", *, in_units: bool
) -> dict[str, NDArray[Any]]:
    """Return the statistics that a block is normalized by, if the graph does not compute them."""
    if in_units:
        mean, variance, count = statistics_of(layer, x, weights, call)
        mean, variance, unit = in_power_of_two_units(mean, variance, layer.added)
        return {"mean": mean, "variance": variance, "unit": unit, "count": count}
    if call.moments is None:
        return {}
    mean, variance = layer.block_statistics(call.moments, call.origin(x.ndim), x.shape)
    return {
        "mean": mean,
        "variance": variance,
        "count": np.array(float(np.max(call.moments.count))),
    }


def as_float64(array: NDArray[Any]) -> NDArray[np.float64]:
    """Return an array in float64, contiguous and of the same shape."""
    return np.ascontiguousarray(array, dtype=np.float64).reshape(array.shape)


def as_wanted(array: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Return a weight as a graph takes it: what leaves the range of float32 becomes infinite.

    Args:
        array: The weight.
        dtype: What the graph has declared.

    Returns:
        A contiguous array of the same shape.
    """
    with np.errstate(all="ignore"):
        return np.ascontiguousarray(array, dtype=dtype).reshape(array.shape)
