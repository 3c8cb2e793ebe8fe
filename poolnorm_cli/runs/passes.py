"""The one way through a layer: blocks in, blocks out, statistics gathered first where needed."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.backends import NUMPY, Backend
from poolnorm_cli.kernels.memory import recycle
from poolnorm_cli.kernels.moments import gather, grain_rows, in_step
from poolnorm_cli.layers.bands import Band
from poolnorm_cli.layers.base import Call, Layer
from poolnorm_cli.runs.lanes import ONE_LANE, Lanes
from poolnorm_cli.shapes import Ints
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.tensor import Cut, evenly
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.kernels.moments import Moments
    from poolnorm_cli.tensors.tensor import Tensor

Block = NDArray[Any]
Weights = dict[str, NDArray[Any]]
Masks = Iterable[Block] | None
Pair = tuple[Block, Block | None]  # a block, and its mask

BLOCK_BYTES = 1 << 20
"""About as much of a tensor as the second-level cache holds beside the result."""


@frozen
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
        whole: Samples are handed to the layer as they are, however large.
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
    whole: bool = False

    @property
    def inner(self) -> "Pass":
        """The same pass over the same bytes in smaller samples, where samples are large.

        It follows from the shape alone. A graph is made for one rank and runs whole samples.
        """
        if self.whole or not self.backend.in_lanes or self._sample_bytes <= BLOCK_BYTES:
            return self
        layer, shape = self.layer.narrowed(self.shape)
        return self if shape == self.shape else replace(self, layer=layer, shape=shape)

    @property
    def bands(self) -> list[Band]:
        """The bands that a sample is worked on in; [] where whole samples make blocks."""
        size = self._sample_bytes
        if self.whole or not self.backend.in_lanes or size <= BLOCK_BYTES:
            return []
        return self.layer.bands(self.shape, max(BLOCK_BYTES * self.shape[1] // size, 1))

    @property
    def _sample_bytes(self) -> int:
        return prod(self.shape[1:]) * np.dtype(self.compute).itemsize

    @property
    def output_shape(self) -> Ints:
        """Shape of the output."""
        return tuple(int(size or 0) for size in self.layer.output_shape(self.shape))

    @property
    def output_bytes(self) -> int:
        """Size of the output, without a header."""
        return prod(self.output_shape) * DTYPES[self.result].itemsize

    @property
    def compute(self) -> str:
        """Name of the dtype in which blocks are handed to the layer."""
        dtype = self.layer.compute_dtype(self.dtype)
        return "float64" if self.result == "float64" else dtype

    @property
    def rows(self) -> int:
        """Samples to a block: it follows from the shape alone, in whole grains."""
        grain = grain_rows(self.shape[1:])
        size = int(np.prod(self.shape[1:], dtype=object)) * np.dtype(self.compute).itemsize
        return max(BLOCK_BYTES // max(size * grain, 1), 1) * grain

    @property
    def block_items(self) -> int:
        """Items of the largest block."""
        if not self.bands:
            return self.rows * prod(self.shape[1:])
        return max(band.stop - band.start for band in self.bands) * prod(self.shape[2:])

    def cuts(self, samples: int, rows: int | None = None) -> tuple[Iterable[Cut], Ints]:
        """Cut so many samples of an inner pass into blocks: where, and in which shape.

        Args:
            samples: How many there are.
            rows: Samples to a block; `self.rows` where None. Bands are as they are.
        """
        bands, sample = self.bands, self.shape[1:]
        if not bands:
            return evenly(samples, rows or self.rows), (samples, *sample)
        length = sample[0]
        starts = range(0, samples * length, length)
        cuts = ((start + band.start, start + band.stop) for start in starts for band in bands)
        return cuts, (samples * length, *sample[1:])

    def blocks(self, tensor: "Tensor") -> Iterator[Block]:
        """Return a tensor in the blocks of the inner pass, as many at a time as its lanes use."""
        inner = self.inner
        samples = prod(tensor.shape) // prod(inner.shape[1:]) if tensor.nbytes else tensor.shape[0]
        return tensor.slices(*inner.cuts(samples), self.lanes.held)

    def whole_grains(self, rows: int) -> int:
        """Round a number of samples up to whole grains."""
        grain = grain_rows(self.shape[1:])
        return -(-rows // grain) * grain

    @property
    def gathers(self) -> bool:
        """Whether statistics over all blocks come first, so that the blocks are read twice."""
        return bool(self._statistics_axes())

    @property
    def interleaves(self) -> bool:
        """Whether neighbouring samples belong to other statistics."""
        return self.gathers and self.layer.statistics_groups(self.shape[0]) > 1

    def _statistics_axes(self) -> Ints:
        return self.layer.statistics_axes(len(self.shape), training=self.training)

    def moments(self, blocks: Iterable[Block], masks: Masks = None) -> "Moments | None":
        """Gather the statistics over all blocks, None where the layer needs none."""
        if self.inner is not self:
            return self.seen(self.inner.moments(blocks, masks))
        axes = self._statistics_axes()
        if not axes:
            return None
        groups = self.layer.statistics_groups(self.shape[0])
        if groups > 1:
            from poolnorm_cli.kernels.ghost_moments import gather_ghosts

            return gather_ghosts(map(self._cast, blocks), self.shape[1:], axes, groups)
        return gather(blocks, self.shape[1:], axes, masks, self._over)

    def seen(self, moments: "Moments | None") -> "Moments | None":
        """Give statistics of the same bytes in other samples the axes that they have in these."""
        if moments is None:
            return None
        axes = self._statistics_axes()
        kept = [1 if axis in axes else size for axis, size in enumerate(self.shape)]
        mean, squares = moments.mean.reshape(kept), moments.squares.reshape(kept)
        return replace(moments, axes=axes, mean=mean, squares=squares)

    def outputs(
        self,
        blocks: Iterable[Block],
        weights: Weights,
        moments: "Moments | None",
        masks: Masks = None,
    ) -> Iterator[Block]:
        """Yield the outputs in order, in the compute dtype unless that is narrower.

        Each is of the shape of the inner pass; its memory is used again for the next.

        Args:
            blocks: What `blocks` returned.
            weights: What the layer names, in the shapes given there.
            moments: What `moments` returned.
            masks: The same slices of the mask; None without one.
        """
        if self.inner is not self:
            yield from self.inner.outputs(blocks, weights, self.inner.seen(moments), masks)
            return
        bands = self.bands

        def apply(item: tuple[int, Band | None, Pair]) -> Block:
            start, band, (block, mask) = item
            if band is not None:
                block = block[None, band.first : band.end]
            call = Call(self.training, moments, start, self.step, mask, band)
            with np.errstate(all="ignore"):  # a NaN or an infinity is data here, not an incident
                return self.backend.apply(self.layer, self._cast(block), weights, call)

        placed = _placed(in_step(blocks, masks), self.first, bands)
        for result in self._merged(self.lanes.map(apply, placed), bands):
            yield result
            recycle(result)

    def _merged(self, results: Iterator[Block], bands: list[Band]) -> Iterator[Block]:
        """Put together what the bands of each sample gave."""
        if not bands:
            yield from results
        for first in results:
            of_sample = chain([first], islice(results, len(bands) - 1))
            yield from self.layer.merged(of_sample, bands)

    def _over(
        self, work: Callable[[Pair], list["Moments"]], pairs: Iterable[Pair]
    ) -> Iterator[list["Moments"]]:
        return self.lanes.map(lambda pair: work((self._cast(pair[0]), pair[1])), pairs)

    def _cast(self, block: Block) -> Block:
        with np.errstate(all="ignore"):
            return block.astype(self.compute, copy=False)


def _placed(
    pairs: Iterable[Pair], start: int, bands: list[Band]
) -> Iterator[tuple[int, Band | None, Pair]]:
    """Give each block, with its mask, the index of its first sample, and its band if it is one."""
    if bands:
        for index, pair in enumerate(pairs):
            yield start + index // len(bands), bands[index % len(bands)], pair
        return
    for pair in pairs:
        yield start, None, pair
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
