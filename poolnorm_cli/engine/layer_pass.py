"""The one way through a layer: blocks in, blocks out, statistics gathered first where needed."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain, groupby, islice
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.engine.blocks import BlockPlan
from poolnorm_cli.kernels.memory import release
from poolnorm_cli.kernels.moments import gather, merge, moments_of, pair_with_masks, tree_reduce
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.call import Call
from poolnorm_cli.layers.maskable import heeds_mask, require_maskable
from poolnorm_cli.shapes import Ints
from poolnorm_cli.strips import Strip
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.kernels.moments import Moments

Block = NDArray[Any]
Weights = dict[str, NDArray[Any]]
Masks = Iterable[Block] | None
Pair = tuple[Block, Block | None]  # a block, and its mask


class Item(NamedTuple):
    """A block as it was read, and where it belongs.

    Attributes:
        start: The index of its first sample.
        strip: Which rows of that sample it is; None where it is whole samples.
        block: The block.
        mask: Its mask; None where all cells count.
    """

    start: int
    strip: Strip | None
    block: Block
    mask: Block | None


@frozen
class LayerPass(BlockPlan):
    """A layer on its way over the blocks of a tensor."""

    def moments(self, blocks: Iterable[Block], masks: Masks = None) -> "Moments | None":
        """Gather the statistics over all blocks, None where the layer needs none."""
        if self.inner is not self:
            return self.seen(self.inner.moments(blocks, masks))
        axes = self.gathered_axes
        if not axes:
            return None
        if not heeds_mask(self.layer, training=self.training):
            masks = None
        groups, sample = self.ghost_batches, self.shape[1:]
        if groups > 1:
            from poolnorm_cli.kernels.partial_moments import merge_ghost_batches, sample_moments

            inside = tuple(axis for axis in axes if axis)
            if self.strips:
                return merge_ghost_batches(
                    self._of_samples(blocks, masks, inside), sample, axes, groups
                )
            each = sample_moments(map(self._cast, blocks), sample, inside)
            return merge_ghost_batches(each, sample, axes, groups)
        if self.strips:
            empty = moments_of(np.empty((0, *sample)), axes)
            return tree_reduce(merge, self._of_samples(blocks, masks, axes), empty)
        return gather(blocks, sample, axes, masks, self._over)

    def _of_samples(self, blocks: Iterable[Block], masks: Masks, axes: Ints) -> "Iterator[Moments]":
        """Gather the statistics of each sample over its strips."""
        from poolnorm_cli.kernels.partial_moments import merge_strips, strip_moments

        def work(item: Item) -> "Moments":
            with self.profiler.span("compute"):
                return strip_moments(*self.block_of(item), axes)

        items = placed(pair_with_masks(blocks, masks), 0, self.strips)
        found = self.profiler.timed("next", self.pool.ordered_map(work, items))
        boxes = [(strip.corner(len(self.shape)), strip.shape(self.shape)) for strip in self.strips]
        return merge_strips(found, boxes, self.shape[1:], axes)

    def seen(self, moments: "Moments | None") -> "Moments | None":
        """Give statistics of the same bytes in other samples the axes that they have in these."""
        if moments is None:
            return None
        axes = self.gathered_axes
        kept = [1 if axis in axes else size for axis, size in enumerate(self.shape)]
        if moments.mean.size != prod(kept):
            return moments  # of some of the samples: they get their axes when all are together
        mean, squares = moments.mean.reshape(kept), moments.squares.reshape(kept)
        count = moments.count
        if isinstance(count, np.ndarray):
            count = count.reshape(kept)
        return replace(moments, axes=axes, count=count, mean=mean, squares=squares)

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

        def apply(item: Item) -> tuple[Call, Block]:
            # A NaN or an infinity is data here, not an incident.
            with self.profiler.span("compute"), np.errstate(all="ignore"):
                x, mask = self.block_of(item)
                call = Call(self.training, moments, item.start, self.step, mask, item.strip)
                y = self.backend.apply(self.layer, x, weights, call)
                return call, y if self.factor == 1 else np.multiply(y, self.factor, out=y)

        items = placed(pair_with_masks(blocks, masks), self.first, self.strips)
        for result in self._merged(self.pool.ordered_map(apply, items)):
            yield result
            release(result)

    def _merged(self, results: Iterator[tuple[Call, Block]]) -> Iterator[Block]:
        """Put together what the strips of each sample gave."""
        count = len(self.strips)
        if not count:
            return (result for _, result in results)
        return self._per_sample(results, count)

    def _per_sample(self, results: Iterator[tuple[Call, Block]], count: int) -> Iterator[Block]:
        for first in results:
            yield from _whole_rows(self.layer, chain([first], islice(results, count - 1)))

    def _over(
        self, work: Callable[[Pair], list["Moments"]], pairs: Iterable[Pair]
    ) -> Iterator[list["Moments"]]:
        def timed(pair: Pair) -> list["Moments"]:
            with self.profiler.span("compute"):
                return work((self._cast(pair[0]), pair[1]))

        return iter(self.profiler.timed("next", self.pool.ordered_map(timed, pairs)))

    def block_of(self, item: Item) -> Pair:
        """Return what a layer is given of a block, with its mask."""
        block, mask = item.block, item.mask
        if item.strip is not None:
            used = block[item.strip.first : item.strip.end]
            block = used.reshape(item.strip.shape(self.shape))
            if mask is not None:
                layer = require_maskable(self.layer, self.shape)
                mask = mask.reshape(block.shape[: len(layer.mask_shape(self.shape))])
        return self._cast(block), mask

    def _cast(self, block: Block) -> Block:
        if block.dtype == self.kind:
            return block
        with np.errstate(all="ignore"):
            return block.astype(self.kind)


def placed(pairs: Iterable[Pair], start: int, strips: list[Strip]) -> Iterator[Item]:
    """Give each block, with its mask, the index of its first sample, and its strip if it is one."""
    for index, (block, mask) in enumerate(pairs):
        if strips:
            yield Item(start + index // len(strips), strips[index % len(strips)], block, mask)
            continue
        yield Item(start, None, block, mask)
        start += len(block)


def _whole_rows(layer: Layer, parts: Iterable[tuple[Call, Block]]) -> Iterator[Block]:
    """Make rows of the output of what the strips of one sample gave, in order.

    The memory of a part may be used again for the next one.
    """
    for place, group in groupby(parts, lambda pair: pair[0].strip and pair[0].strip.place):
        if place is None:
            yield from (part for _, part in group)
        else:
            yield layer.combine(group)


def result_dtype(layer: Layer, dtype: str, asked: str | None) -> str:
    """Name the dtype of an output: what was asked for, or what the layer gives for `dtype`."""
    return asked or layer.result_dtype(dtype)


def initial_weights(layer: Layer, shape: Ints, dtype: str) -> Weights:
    """Make the weights with which Keras starts the layer, float64 for a float64 input."""
    kind = np.float64 if dtype == "float64" else np.float32
    started = layer.weight_shapes(shape).items()
    return {name: _as_kept(layer.initial_weight(name, size), kind) for name, size in started}


def _as_kept(weight: Block, kind: type[np.floating[Any]]) -> Block:
    """Return a weight in the dtype in which it is kept; one number where a large one is that."""
    if not weight.size or any(weight.strides):
        return weight.astype(kind)
    return np.broadcast_to(weight.flat[0].astype(kind), weight.shape)
