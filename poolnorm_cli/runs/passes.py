"""The one way through a layer: blocks in, blocks out, statistics gathered first where needed."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.kernels.memory import recycle
from poolnorm_cli.kernels.moments import gather, in_step
from poolnorm_cli.layers.bands import Band
from poolnorm_cli.layers.base import Call, Layer
from poolnorm_cli.runs.cutting import Sliced
from poolnorm_cli.shapes import Ints
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.kernels.moments import Moments

Block = NDArray[Any]
Weights = dict[str, NDArray[Any]]
Masks = Iterable[Block] | None
Pair = tuple[Block, Block | None]  # a block, and its mask


@frozen
class Pass(Sliced):
    """A layer on its way over the blocks of a tensor."""

    def moments(self, blocks: Iterable[Block], masks: Masks = None) -> "Moments | None":
        """Gather the statistics over all blocks, None where the layer needs none."""
        if self.inner is not self:
            return self.seen(self.inner.moments(blocks, masks))
        axes = self.gathered_axes
        if not axes:
            return None
        if self.layer.ignores_mask(training=self.training):
            masks = None
        groups = self.layer.statistics_groups(self.shape[0])
        if groups > 1:
            from poolnorm_cli.kernels.ghost_moments import gather_ghosts

            return gather_ghosts(map(self._cast, blocks), self.shape[1:], axes, groups)
        return gather(blocks, self.shape[1:], axes, masks, self._over)

    def seen(self, moments: "Moments | None") -> "Moments | None":
        """Give statistics of the same bytes in other samples the axes that they have in these."""
        if moments is None:
            return None
        axes = self.gathered_axes
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
            # A NaN or an infinity is data here, not an incident.
            with self.clock.span("compute"), np.errstate(all="ignore"):
                return self.backend.apply(self.layer, self._cast(block), weights, call)

        placed = _placed(in_step(blocks, masks), self.first, bands)
        for result in self._merged(self.lanes.map(apply, placed), bands):
            yield result
            recycle(result)

    def _merged(self, results: Iterator[Block], bands: list[Band]) -> Iterator[Block]:
        """Put together what the bands of each sample gave."""
        return self._of_samples(results, bands) if bands else results

    def _of_samples(self, results: Iterator[Block], bands: list[Band]) -> Iterator[Block]:
        for first in results:
            of_sample = chain([first], islice(results, len(bands) - 1))
            yield from self.layer.merged(of_sample, bands)

    def _over(
        self, work: Callable[[Pair], list["Moments"]], pairs: Iterable[Pair]
    ) -> Iterator[list["Moments"]]:
        def timed(pair: Pair) -> list["Moments"]:
            with self.clock.span("compute"):
                return work((self._cast(pair[0]), pair[1]))

        return iter(self.clock.over("next", self.lanes.map(timed, pairs)))

    def _cast(self, block: Block) -> Block:
        if block.dtype == self.kind:
            return block
        with np.errstate(all="ignore"):
            return block.astype(self.kind)


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
