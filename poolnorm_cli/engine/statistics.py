"""Statistics of a tensor, read in blocks."""

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.kernels.moments import Moments, merge, moments_of
from poolnorm_cli.shapes import Ints
from poolnorm_cli.sizes import BLOCK_BYTES
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.tensors.tensor import Tensor

Extreme = tuple[float | int, Ints]


@frozen
class Statistics:
    """What the values of a tensor are like.

    Attributes:
        nan: How many are NaN.
        inf: How many are infinite.
        minimum: The least value that is not NaN, and the index of its first place; None without.
        maximum: The greatest, likewise.
        mean: Mean of the finite values; None without any.
        std: Their standard deviation (divided by their number); None without any.
    """

    nan: int
    inf: int
    minimum: Extreme | None
    maximum: Extreme | None
    mean: float | None
    std: float | None


def statistics(tensor: "Tensor") -> Statistics:
    """Read a tensor once and describe its values.

    Raises:
        InputError: The tensor cannot be read.
    """
    if not tensor.shape or not tensor.nbytes:
        return Statistics(0, 0, None, None, None, None)
    rows = max(BLOCK_BYTES // (8 * prod(tensor.shape[1:])), 1)
    nan = inf = start = 0
    least: tuple[Any, int] | None = None
    most: tuple[Any, int] | None = None
    moments = moments_of(np.empty(0), (0,))
    for block in tensor.blocks(rows):
        flat = block.reshape(-1)
        finite, nans = _finite(flat)
        nan, inf = nan + nans, inf + len(flat) - nans - len(finite)
        if nans < len(flat):
            low, high = _extremes(flat)
            least = _better(least, (flat[low], start + low), np.less)
            most = _better(most, (flat[high], start + high), np.greater)
        moments = merge(moments, moments_of(finite, (0,)))
        start += len(flat)
    return Statistics(
        nan, inf, _placed(least, tensor.shape), _placed(most, tensor.shape), *_spread(moments)
    )


def _finite(flat: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """Return the finite values, and how many are NaN."""
    if flat.dtype.kind != "f":
        return flat, 0
    finite = np.isfinite(flat)
    if finite.all():
        return flat, 0
    return flat[finite], int(np.isnan(flat).sum())


def _extremes(flat: NDArray[Any]) -> tuple[int, int]:
    """Return the first places of the least and the greatest value that is not NaN."""
    if flat.dtype.kind == "f":
        return int(np.nanargmin(flat)), int(np.nanargmax(flat))
    return int(np.argmin(flat)), int(np.argmax(flat))


def _better(old: tuple[Any, int] | None, new: tuple[Any, int], beats: Any) -> tuple[Any, int]:
    return new if old is None or beats(new[0], old[0]) else old


def _placed(found: tuple[Any, int] | None, shape: Ints) -> Extreme | None:
    if found is None:
        return None
    value, place = found
    return value.item(), tuple(int(i) for i in np.unravel_index(place, shape))


def _spread(moments: Moments) -> tuple[float | None, float | None]:
    if not moments.count:
        return None, None
    return float(moments.mean[0]), float(np.sqrt(moments.variance[0]))
