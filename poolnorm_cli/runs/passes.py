"""The one way through a layer: blocks in, blocks out, statistics gathered first where needed."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.backends import NUMPY, Backend
from poolnorm_cli.kernels.memory import recycle
from poolnorm_cli.kernels.moments import gather, grain_rows, in_step
from poolnorm_cli.layers.base import Call, Layer
from poolnorm_cli.runs.lanes import ONE_LANE, Lanes
from poolnorm_cli.shapes import Ints
from poolnorm_cli.tensors.dtypes import DTYPES


if TYPE_CHECKING:
    from poolnorm_cli.kernels.moments import Moments
    from poolnorm_cli.tensors.tensor import Tensor

Block = NDArray[Any]
Weights = dict[str, NDArray[Any]]
Masks = Iterable[Block] | None
Pair = tuple[Block, Block | None]  # a block, and its mask

BLOCK_BYTES = 1 << 20
"""About as much of a tensor as the second-level cache holds beside the result."""


@dataclass(frozen=True)
class Pass:
    """A layer, called on a tensor of a given shape and dtype.

    Attributes:
        layer: The layer.
        shape: Shape of the tensor.
        dtype: Name of the dtype in which the tensor is stored.
        result: Name of the dtype of the output.
        training: Use the statistics of the batch.
        backend: Computes the blocks.
        step: Training calls of this run that came before.
        first: The sample with which the first block starts, where only a part is run.
        lanes: The threads that work on blocks.
    """

    layer: Layer
    shape: Ints
    dtype: str
    result: str
    training: bool = False
    backend: Backend = NUMPY
    step: int = 0
    first: int = 0
    lanes: Lanes = ONE_LANE

    @cached_property
    def output_shape(self) -> Ints:
        """Shape of the output."""
        return tuple(int(size or 0) for size in self.layer.output_shape(self.shape))

    @property
    def output_bytes(self) -> int:
        """Size of the output, without a header."""
        return prod(self.output_shape) * DTYPES[self.result].itemsize

    @cached_property
    def compute(self) -> str:
        """Name of the dtype in which blocks are handed to the layer."""
        dtype = self.layer.compute_dtype(self.dtype)
        return "float64" if self.result == "float64" else dtype

    @cached_property
    def rows(self) -> int:
        """Samples to a block: it follows from the shape alone, in whole grains."""
        grain = grain_rows(self.shape[1:])
        size = int(np.prod(self.shape[1:], dtype=object)) * np.dtype(self.compute).itemsize
        return max(BLOCK_BYTES // max(size * grain, 1), 1) * grain

    def blocks(self, tensor: "Tensor") -> Iterator[Block]:
        """Return a tensor in the blocks of this pass, as many at a time as its lanes use."""
        return tensor.blocks(self.rows, self.lanes.held)

    def whole_grains(self, rows: int) -> int:
        """Round a number of samples up to whole grains."""
        grain = grain_rows(self.shape[1:])
        return -(-rows // grain) * grain

    @property
    def gathers(self) -> bool:
        """Whether statistics over all blocks come first, so that the blocks are read twice."""
        return bool(self._statistics_axes)

    @property
    def interleaves(self) -> bool:
        """Whether neighbouring samples belong to other statistics."""
        return self.gathers and self.layer.statistics_groups(self.shape[0]) > 1

    @cached_property
    def _statistics_axes(self) -> Ints:
        return self.layer.statistics_axes(len(self.shape), training=self.training)

    def moments(self, blocks: Iterable[Block], masks: Masks = None) -> "Moments | None":
        """Gather the statistics over all blocks, None where the layer needs none."""
        axes = self._statistics_axes
        if not axes:
            return None
        groups = self.layer.statistics_groups(self.shape[0])
        if groups > 1:
            from poolnorm_cli.kernels.ghost_moments import gather_ghosts

            return gather_ghosts(map(self._cast, blocks), self.shape[1:], axes, groups)
        return gather(blocks, self.shape[1:], axes, masks, self._over)

    def outputs(
        self,
        blocks: Iterable[Block],
        weights: Weights,
        moments: "Moments | None",
        masks: Masks = None,
    ) -> Iterator[Block]:
        """Yield the output of each block, in the compute dtype unless that is narrower.

        Its memory is used again for the next.

        Args:
            blocks: Consecutive slices of the tensor.
            weights: What the layer names, in the shapes given there.
            moments: What `moments` returned.
            masks: The same slices of the mask; None without one.
        """

        def apply(item: tuple[int, Pair]) -> Block:
            start, (block, mask) = item
            call = Call(self.training, moments, start, self.step, mask)
            with np.errstate(all="ignore"):  # a NaN or an infinity is data here, not an incident
                return self.backend.apply(self.layer, self._cast(block), weights, call)

        for result in self.lanes.map(apply, _placed(in_step(blocks, masks), self.first)):
            yield result
            recycle(result)

    def _over(
        self, work: Callable[[Pair], list["Moments"]], pairs: Iterable[Pair]
    ) -> Iterator[list["Moments"]]:
        return self.lanes.map(lambda pair: work((self._cast(pair[0]), pair[1])), pairs)

    def _cast(self, block: Block) -> Block:
        with np.errstate(all="ignore"):
            return block.astype(self.compute, copy=False)


def _placed(pairs: Iterable[Pair], start: int) -> Iterator[tuple[int, Pair]]:
    """Give each block, with its mask, the index of its first sample."""
    for pair in pairs:
        yield start, pair
        start += len(pair[0])


def result_dtype(layer: Layer, dtype: str, asked: str | None) -> str:
    """Name the dtype of an output: what was asked for, or what the layer gives for `dtype`."""
    return asked or layer.result_dtype(dtype)


def initial_weights(layer: Layer, shape: Ints, dtype: str) -> Weights:
    """Make the weights with which Keras starts the layer, float64 for a float64 input."""
    kind = np.float64 if dtype == "float64" else np.float32
    return {
        name: layer.initial_weight(name, size).astype(kind)
        for name, size in layer.weight_shapes(shape).items()
    }
