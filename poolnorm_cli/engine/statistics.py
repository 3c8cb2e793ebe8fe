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


class Counter:
    """Gathers the statistics of items that come in pieces, in order."""

    def __init__(self) -> None:
        """Have seen nothing."""
        self._nan = self._inf = self._seen = 0
        self._least: tuple[Any, int] | None = None
        self._most: tuple[Any, int] | None = None
        self._moments = moments_of(np.empty(0), (0,))

    def add(self, flat: NDArray[Any]) -> NDArray[Any]:
        """Add the next items, and return those of them that are finite."""
        finite, nans = _finite(flat)
        self._nan, self._inf = self._nan + nans, self._inf + len(flat) - nans - len(finite)
        if nans < len(flat):
            low, high = _extremes(flat, may_be_nan=nans > 0)
            self._least = _better(self._least, (flat[low], self._seen + low), np.less)
            self._most = _better(self._most, (flat[high], self._seen + high), np.greater)
        self._moments = merge(self._moments, moments_of(finite, (0,)))
        self._seen += len(flat)
        return finite

    def statistics(self, shape: Ints, corner: Ints | None = None) -> Statistics:
        """Return what was found.

        Args:
            shape: The shape that all items have together.
            corner: The index of the first item; that of all zeros where None.

        Returns:
            The statistics, with places counted from the corner on.
        """
        corner = corner or (0,) * len(shape)
        return Statistics(
            self._nan,
            self._inf,
            _placed(self._least, shape, corner),
            _placed(self._most, shape, corner),
            *_spread(self._moments),
        )


def statistics(tensor: "Tensor") -> Statistics:
    """Read a tensor once and describe its values.

    Raises:
        InputError: The tensor cannot be read.
    """
    counter = Counter()
    if tensor.shape and tensor.nbytes:
        rows = max(BLOCK_BYTES // (8 * prod(tensor.shape[1:])), 1)
        for block in tensor.blocks(rows):
            counter.add(block.reshape(-1))
    return counter.statistics(tensor.shape)


def _finite(flat: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """Return the finite values, and how many are NaN."""
    if flat.dtype.kind != "f":
        return flat, 0
    finite = np.isfinite(flat)
    if finite.all():
        return flat, 0
    return flat[finite], int(np.isnan(flat).sum())


def _extremes(flat: NDArray[Any], *, may_be_nan: bool) -> tuple[int, int]:
    """Return the first places of the least and the greatest value that is not NaN."""
    if may_be_nan:
        return int(np.nanargmin(flat)), int(np.nanargmax(flat))
    return int(np.argmin(flat)), int(np.argmax(flat))


def _better(old: tuple[Any, int] | None, new: tuple[Any, int], beats: Any) -> tuple[Any, int]:
    return new if old is None or beats(new[0], old[0]) else old


def _placed(found: tuple[Any, int] | None, shape: Ints, corner: Ints) -> Extreme | None:
    if found is None:
        return None
    value, place = found
    index = np.unravel_index(place, shape)
    return value.item(), tuple(int(i) + first for i, first in zip(index, corner, strict=True))


def _spread(moments: Moments) -> tuple[float | None, float | None]:
    if not moments.count:
        return None, None
    return float(moments.mean[0]), float(np.sqrt(moments.variance[0]))
