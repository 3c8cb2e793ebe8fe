"""The edges of an output, which are all that is shown of a large one."""

from collections.abc import Iterable, Iterator
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.shapes import Ints
from poolnorm_cli.tensors.codecs import decode, encode
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.tensor import RowRange
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.engine.thumbnail import Thumbnail
    from poolnorm_cli.tensors.tensor import Tensor

EDGE = 3
WHOLE_ITEMS = 1000
"""NumPy prints arrays of up to this size whole, and 3 items at each end of larger ones."""


@frozen
class Edges:
    """What is shown of a tensor.

    Attributes:
        array: The whole tensor; or, where that is too large, one in which a long axis has 7 cells:
            3 from each end, and one between them that is not shown.
        whole: Whether it is the whole tensor.
    """

    array: NDArray[Any]
    whole: bool


class FirstSample:
    """Keeps the first sample of a tensor while its blocks go by, for an explanation.

    Attributes:
        sample: It; None as long as there is none.
        is_wanted: There is going to be an explanation.
    """

    is_wanted = True

    def __init__(self) -> None:
        """Have none yet."""
        self.sample: NDArray[Any] | None = None

    def watch(
        self, blocks: Iterator[NDArray[Any]], ranges: Iterable[RowRange], sample: Ints
    ) -> Iterator[NDArray[Any]]:
        """Pass blocks on, and keep the first sample.

        Args:
            blocks: Blocks of a tensor.
            ranges: First index and end of each.
            sample: Shape of a sample.

        Yields:
            The blocks as they are.
        """
        missing, done = prod(sample), 0
        kept: list[NDArray[Any]] = []
        for block, (start, stop) in zip(blocks, ranges, strict=True):
            if self.sample is None:
                new = block[done - start :].reshape(-1)[:missing]
                kept.append(new.copy())
                missing, done = missing - new.size, stop
                if not missing:
                    self.sample = np.concatenate(kept).reshape(1, *sample)
            yield block


class Preview:
    """Collects the edges of a tensor from its blocks, in memory that does not grow with it."""

    in_any_order = True
    """Blocks may come by `add_at`."""

    def __init__(self, shape: Ints) -> None:
        """Prepare for blocks of a tensor of `shape`."""
        if 0 in shape:  # of which the axes before the first empty one are all that is printed
            shape = (*shape[: shape.index(0)], 0)
            self._whole = prod(shape[:-1]) <= WHOLE_ITEMS
            shape = shape if self._whole else (0,)
        else:
            self._whole = prod(shape) <= WHOLE_ITEMS
        self._kept = [_kept(length, whole=self._whole) for length in shape]
        self._places = np.empty(0, np.intp)
        if 0 not in shape:
            self._places = np.ravel_multi_index(np.ix_(*self._kept), shape).reshape(-1)
        self._blocks: list[tuple[int, NDArray[Any]]] = []
        self._seen = 0

    def add(self, block: NDArray[Any]) -> None:
        """Take the next items, in a block of any shape, of which only the edges are copied."""
        self.add_at(block, self._seen)
        self._seen += block.size

    def add_at(self, block: NDArray[Any], start: int) -> None:
        """Take items in any order, from any thread.

        Args:
            block: The items, in any shape.
            start: How many come before them.
        """
        first, last = np.searchsorted(self._places, (start, start + block.size))
        if last > first:
            self._blocks.append((start, block.reshape(-1)[self._places[first:last] - start]))

    def pictures(self, tensor: "Tensor") -> "tuple[tuple[Thumbnail, Thumbnail], ...]":
        """Return pictures of the input and of the output, for each size: here none are made."""
        del self, tensor
        return ()

    def edges(self, dtype: str) -> "Edges | None":
        """Return what is shown of the tensor, in `dtype` as it is written."""
        shape = [len(kept) for kept in self._kept]
        if not self._blocks:
            return Edges(np.empty(shape), self._whole)
        blocks = sorted(self._blocks, key=lambda block: block[0])
        stored = encode(np.concatenate([values for _, values in blocks]), DTYPES[dtype])
        values = decode(stored.tobytes(), DTYPES[dtype], swapped=False)
        return Edges(values.reshape(shape), self._whole)


def _kept(length: int, *, whole: bool) -> NDArray[np.intp]:
    if whole or length <= 2 * EDGE:
        return np.arange(length)
    return np.concatenate([np.arange(EDGE + 1), np.arange(length - EDGE, length)])
