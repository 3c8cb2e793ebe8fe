"""How every tensor goes through a layer: block by block, statistics first where they are needed."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, groupby, islice, repeat
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poolnorm_cli.backends.numpy_backend import NUMPY
from poolnorm_cli.engine.blocks import BlockPlan
from poolnorm_cli.engine.converting import converted_call
from poolnorm_cli.kernels.converted_loops import converts
from poolnorm_cli.kernels.halves import BITS, narrow_float16, widen_bfloat16, widen_float16
from poolnorm_cli.kernels.memory import Array, acquire, release
from poolnorm_cli.kernels.native import HALF, HALVES, compiled
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.call import INFERENCE, Call
from poolnorm_cli.layers.maskable import heeds_mask, require_maskable
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.shapes import Ints
from poolnorm_cli.strips import Strip
from poolnorm_cli.values import frozen, replace


if TYPE_CHECKING:
    from poolnorm_cli.kernels.moments import Moments

Weights = dict[str, Array]
Masks = Iterable[Array] | None
MaskedCells = tuple[Any, Array | None]
"""Cells, and their mask; None where all of them count."""


class DeferredBlock:
    """A block that is still to be computed of another one, by the thread that works on it.

    Its memory comes from `acquire`, and nobody else reads it.
    """

    def __init__(self, compute: Callable[[], Array], samples: int) -> None:
        """Hold what is to be done.

        Args:
            compute: Returns the block.
            samples: Samples that it has.
        """
        self.computed, self._samples = compute, samples

    def __len__(self) -> int:
        return self._samples


class Block(NamedTuple):
    """A block as it was read, and where it belongs.

    Attributes:
        start: The index of its first sample.
        strip: Which rows of that sample it is; None where it is whole samples.
        cells: What was read, or is still to be computed.
        mask: Its mask; None where all cells count.
    """

    start: int
    strip: Strip | None
    cells: Array | DeferredBlock
    mask: Array | None


@frozen
class LayerPass(BlockPlan):
    """A layer as it is applied to the blocks of a tensor, one after another."""

    def moments(self, blocks: Iterable[Array], masks: Masks = None) -> "Moments | None":
        """Gather the statistics over all blocks.

        Args:
            blocks: What `blocks` returned.
            masks: What `mask_blocks` returned; None without a mask.

        Returns:
            The statistics; None where the layer needs none.
        """
        if self.inner is not self:
            return self.reshape_moments(self.inner.moments(blocks, masks))
        axes = self.statistics_axes
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
            from poolnorm_cli.kernels.moments import merge, moments_of, tree_reduce

            empty = moments_of(np.empty((0, *sample)), axes)
            return tree_reduce(merge, self._of_samples(blocks, masks, axes), empty)
        from poolnorm_cli.kernels.gathering import gather

        return gather(blocks, sample, axes, masks, self._over)

    def _of_samples(self, blocks: Iterable[Array], masks: Masks, axes: Ints) -> "Iterator[Moments]":
        """Gather the statistics of each sample over its strips."""
        from poolnorm_cli.kernels.partial_moments import merge_strips, strip_moments

        def work(block: Block) -> "Moments":
            cells = computed(block.cells)
            with self.profiler.span("compute"):
                found = strip_moments(*self.layer_input(block._replace(cells=cells)), axes)
            if isinstance(block.cells, DeferredBlock):
                release(cells)
            return found

        placed = placed_blocks(blocks, masks, 0, self.strips)
        found = self.profiler.timed("next", self.pool.ordered_map(work, placed))
        tiles = [(strip.corner(len(self.shape)), strip.shape(self.shape)) for strip in self.strips]
        return merge_strips(found, tiles, self.shape[1:], axes)

    def reshape_moments(self, moments: "Moments | None") -> "Moments | None":
        """Give statistics of the same bytes in other samples the axes that they have in these."""
        if moments is None:
            return None
        axes = self.statistics_axes
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
        blocks: Iterable[Array],
        weights: Weights,
        moments: "Moments | None",
        masks: Masks = None,
        *,
        kept: bool = False,
    ) -> Iterator[Array]:
        """Yield the outputs in order, in the compute dtype unless that is narrower.

        Each is of the shape of the inner pass; its memory is used again for the next.

        Args:
            blocks: What `blocks` returned.
            weights: What the layer names, in the shapes given there.
            moments: What `moments` returned.
            masks: What `mask_blocks` returned; None without a mask.
            kept: Who takes an output releases its memory.

        Yields:
            Arrays, of which the first axes may be a part of the output's.
        """
        if self.inner is not self:
            yield from self.inner.outputs(
                blocks, weights, self.inner.reshape_moments(moments), masks, kept=kept
            )
            return

        compute = self.computing(weights, moments, is_masked=masks is not None, kept=kept)
        placed = placed_blocks(blocks, masks, self.first_sample, self.strips)
        results = self.pool.taken_in_order.ordered_map(compute, placed)
        merged = self._merged(results) if self.strips else (y for _, y in results)
        for result in merged:
            yield result
            if not kept:
                release(result)

    def computing(
        self,
        weights: Weights,
        moments: "Moments | None",
        *,
        is_masked: bool = False,
        kept: bool = False,
    ) -> "Callable[[Block], tuple[Call, Array]]":
        """Return what computes the output of a block of the inner pass, in any thread.

        Args:
            weights: What the layer names, in the shapes given there.
            moments: What `moments` returned.
            is_masked: Blocks have masks.
            kept: The memory of a block is used again before its output is.

        Returns:
            A function that returns the call of the layer, and what it gave, whose memory `release`
            takes back.
        """
        tiles = None if moments or is_masked else self._tiles(weights)

        def compute(block: Block) -> tuple[Call, Array]:
            cells, is_own = computed(block.cells), isinstance(block.cells, DeferredBlock)
            block = block._replace(cells=cells)
            # A NaN or an infinity is data here, not an incident.
            with self.profiler.span("compute"), np.errstate(all="ignore"):
                y = None if tiles is None else tiles(block)
                call = INFERENCE
                if y is None:
                    x, mask = self.layer_input(block)
                    call = Call(self.training, moments, block.start, self.step, mask, block.strip)
                    y = self.backend.apply(self.layer, x, weights, call)
                    y = y if self.factor == 1 else np.multiply(y, self.factor, out=y)
                    if kept and np.may_share_memory(x, y):
                        y = y.copy()
                    y = y if self.strips else self._rounded(y, x)
                    if cells.dtype != x.dtype and not np.may_share_memory(x, y):
                        release(x)
                if is_own and not np.may_share_memory(cells, y):
                    release(cells)
                return call, y

        return compute

    def _tiles(self, weights: Weights) -> "Callable[[Block], Array | None] | None":
        """Return what computes a block whose type is no loop's, a tile at a time; None without."""
        dtypes = self.dtype, self.compute_dtype.name, self.result
        if "bfloat16" in dtypes or self.dtype == dtypes[1] or not converts(*dtypes):
            return None  # blocks of bfloat16 are float32 here
        if self.training or self.strips or self.factor != 1 or self.backend is not NUMPY:
            return None
        views = {name: np.ascontiguousarray(w, np.float64).data for name, w in weights.items()}
        call, per = converted_call(self.layer, self.shape, dtypes, views)

        def work(block: Block) -> Array | None:
            if block.mask is not None:
                return None
            cells = computed(block.cells)
            samples = len(cells) * per
            if not cells.size or not call.serves(samples):
                return None
            y = acquire(self.layer.block_shape(cells.shape, None), self.result)
            if call.run(cells, y, samples):
                return y
            release(y)
            return None

        return work

    def _rounded(self, y: Array, x: Array) -> Array:
        """Round what came of `x` to float16, in the thread that has computed it."""
        if y.dtype.char != "f" or self.result != "float16":
            return y
        narrow = narrow_float16(y)
        if not np.may_share_memory(x, y):
            release(y)
        return narrow

    def _merged(self, results: Iterator[tuple[Call, Array]]) -> Iterator[Array]:
        """Put together what the strips of each sample gave."""
        for first in results:
            yield from _whole_rows(
                self.layer, chain([first], islice(results, len(self.strips) - 1))
            )

    def _over(
        self, work: Callable[[MaskedCells], list["Moments"]], pairs: Iterable[MaskedCells]
    ) -> Iterator[list["Moments"]]:
        def timed(pair: MaskedCells) -> list["Moments"]:
            read = computed(pair[0])
            with self.profiler.span("compute"):
                cells = self._cast(read, HALVES if pair[1] is None else "")
                found = work((cells, pair[1]))
                for own, is_own in (
                    (cells, cells is not read),
                    (read, isinstance(pair[0], DeferredBlock)),
                ):
                    if is_own:
                        release(own)
                return found

        return iter(self.profiler.timed("next", self.pool.ordered_map(timed, pairs)))

    def layer_input(self, block: Block) -> MaskedCells:
        """Return what a layer is given of a block: in the compute dtype, with its mask."""
        cells, mask, strip = computed(block.cells), block.mask, block.strip
        if strip is not None:
            cells = cells[strip.first : strip.end].reshape(strip.shape(self.shape))
            if mask is not None:
                layer = require_maskable(self.layer, self.shape)
                mask = mask.reshape(cells.shape[: len(layer.mask_shape(self.shape))])
        if self.dtype == "bfloat16" and self.takes_bits and cells.dtype.itemsize == BITS.itemsize:
            return cells.view(np.uint16).view(BITS), mask
        if not self._layer_takes_halves:
            return self._cast(cells), mask
        is_for_device = cells.dtype.char == HALF and self._is_of_halves
        if is_for_device and self.compute_dtype.name == "float32":
            return cells, mask  # with loops or without
        return self._cast(cells, HALF), mask

    @property
    def takes_bits(self) -> bool:
        """Whether blocks of bfloat16 go to a device as they are stored, in half the bytes."""
        if not self.dtype == self.result == "bfloat16":
            return False
        return self._is_of_halves and self.compute_dtype.name == "float32"

    @property
    def _is_of_halves(self) -> bool:
        """Whether a device that takes halves may give the output in them."""
        takes = getattr(self.backend, "takes_halves", False)
        return takes and not self.strips and self.factor == 1

    @property
    def _layer_takes_halves(self) -> bool:
        if getattr(self.backend, "takes_halves", False):
            return self._is_of_halves and self.result == "float16"
        if not isinstance(self.layer, Trainable) or not self.layer.takes_halves:
            return False
        return self.backend is NUMPY and not self.strips and self.result == "float16"

    def _cast(self, cells: Array | DeferredBlock, halves: str = "") -> Array:
        """Bring cells to the compute dtype, but for halves that loops widen in their turn."""
        cells = computed(cells)
        is_narrow = self.compute_dtype.name == "float32" and cells.dtype.char in halves
        if is_narrow and compiled():
            return cells
        dtype = np.dtype(self.compute_dtype.name)
        if cells.dtype == dtype:
            return cells
        if cells.dtype.char == "e" and dtype.char == "f":
            return widen_float16(cells)
        if (cells.dtype == BITS or cells.dtype.name == "bfloat16") and dtype.char == "f":
            return widen_bfloat16(cells.view(np.uint16))
        with np.errstate(all="ignore"):
            return cells.astype(dtype)


def computed(cells: Array | DeferredBlock) -> Array:
    """Return a block, computed now where that is still to be done."""
    return cells.computed() if isinstance(cells, DeferredBlock) else cells


def placed_blocks(
    blocks: Iterable[Array], masks: Masks, start: int, strips: list[Strip]
) -> Iterator[Block]:
    """Give each block, with its mask, the place where it belongs.

    Args:
        blocks: Cells, as they were read.
        masks: Their masks; None without any.
        start: The index of the first sample.
        strips: The strips of a sample, each of which is a block; [] where samples are whole.

    Yields:
        The blocks, in order.
    """
    pairs = zip(blocks, repeat(None)) if masks is None else zip(blocks, masks, strict=True)
    for index, (cells, mask) in enumerate(pairs):
        if strips:
            strip = strips[index % len(strips)]
            yield Block(start + index // len(strips), strip, cells, mask)
            continue
        yield Block(start, None, cells, mask)
        start += len(cells)


def _whole_rows(layer: Layer, parts: Iterable[tuple[Call, Array]]) -> Iterator[Array]:
    """Make rows of the output of what the strips of one sample gave, in order.

    The memory of a part may be used again for the next one.
    """
    for place, group in groupby(parts, lambda pair: pair[0].strip and pair[0].strip.place):
        if place is None:
            yield from (part for _, part in group)
        else:
            yield layer.combine(group)


def initial_weights(layer: Layer, shape: Ints, dtype: str) -> Weights:
    """Make the weights with which Keras starts the layer.

    Args:
        layer: The layer.
        shape: Shape of the input.
        dtype: Name of its dtype.

    Returns:
        The weights by name: float64 for a float64 input, else float32.
    """
    kind = np.float64 if dtype == "float64" else np.float32
    started = layer.weight_shapes(shape).items()
    return {name: _as_kept(layer.initial_weight(name, size), kind) for name, size in started}


def _as_kept(weight: Array, kind: type[np.floating[Any]]) -> Array:
    """Return a weight in the dtype in which it is kept; one number where a large one is that."""
    if not weight.size or any(weight.strides):
        return weight.astype(kind)
    return np.broadcast_to(weight.flat[0].astype(kind), weight.shape)
