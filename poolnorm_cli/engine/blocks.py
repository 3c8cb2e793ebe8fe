"""How a tensor is cut into the blocks that a layer works on: by its shape alone."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from poolnorm_cli.backends import Backend
from poolnorm_cli.backends.numpy_backend import NUMPY
from poolnorm_cli.engine.profile import NO_PROFILER, NoProfiler, Profiler
from poolnorm_cli.engine.threads import ONE_THREAD, ThreadPool
from poolnorm_cli.kernels.moments import grain_rows
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.maskable import require_maskable
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.shapes import Ints
from poolnorm_cli.sizes import BLOCK_BYTES, CHECKED_BYTES, WHOLE_SAMPLE_BYTES
from poolnorm_cli.strips import Strip
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.tensor import Cut, evenly
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolnorm_cli.engine.masks import Broadcast
    from poolnorm_cli.tensors.tensor import Tensor


@frozen
class BlockPlan:
    """A layer, called on a tensor of a given shape and dtype, and how that is cut into blocks.

    Attributes:
        layer: The layer.
        shape: Shape of the tensor.
        dtype: Name of the dtype in which the tensor is stored.
        result: Name of the dtype of the output.
        training: Use the statistics of the batch.
        backend: Computes the blocks.
        step: Training calls of this run that came before.
        first: The sample with which the first block starts, where only a part is run.
        pool: The threads that work on blocks.
        profiler: Counts where the time goes.
        factor: What outputs are multiplied by.
    """

    layer: Layer
    shape: Ints
    dtype: str
    result: str
    training: bool = False
    backend: Backend = NUMPY
    step: int = 0
    first: int = 0
    pool: ThreadPool = ONE_THREAD
    profiler: Profiler | NoProfiler = NO_PROFILER
    factor: int = 1

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to read: then nothing is cut, whatever the sizes say."""
        return not all(self.shape)

    @cached_property
    def inner(self) -> Self:
        """The same pass over the same bytes in smaller samples, where samples are large.

        It follows from the shape alone.
        """
        if self._sample_bytes <= WHOLE_SAMPLE_BYTES or self.is_empty:
            return self
        layer, shape = self.layer.collapse_leading_axes(self.shape)
        return self if shape == self.shape else replace(self, layer=layer, shape=shape)

    @cached_property
    def strips(self) -> list[Strip]:
        """The strips that a sample is worked on in; [] where whole samples make blocks."""
        if self._sample_bytes <= WHOLE_SAMPLE_BYTES or self.is_empty:
            return []
        items = BLOCK_BYTES // np.dtype(self.compute).itemsize
        return self.layer.strips(self.shape, max(items, 1))

    @cached_property
    def _sample_bytes(self) -> int:
        return prod(self.shape[1:]) * np.dtype(self.compute).itemsize

    @cached_property
    def output_shape(self) -> Ints:
        """Shape of the output."""
        return tuple(int(size or 0) for size in self.layer.output_shape(self.shape))

    @property
    def output_bytes(self) -> int:
        """Size of the output, without a header."""
        return prod(self.output_shape) * DTYPES[self.result].itemsize

    @cached_property
    def heavy(self) -> bool:
        """Whether one sample, what comes of it, or the weights are worth a look at the memory."""
        items = prod(self.shape[1:]) + prod(self.output_shape[1:])
        items += sum(map(prod, self.layer.weight_shapes(self.shape).values()))
        return items * 8 > CHECKED_BYTES

    @cached_property
    def compute(self) -> str:
        """Name of the dtype in which blocks are handed to the layer."""
        dtype = self.layer.compute_dtype(self.dtype)
        return "float64" if self.result == "float64" else dtype

    @cached_property
    def kind(self) -> "np.dtype[Any]":
        """The dtype of that name."""
        return np.dtype(self.compute)

    @cached_property
    def rows(self) -> int:
        """Samples to a block: it follows from shape and backend alone, in whole grains."""
        grain = grain_rows(self.shape[1:])
        size = int(np.prod(self.shape[1:], dtype=object)) * np.dtype(self.compute).itemsize
        return max(self.backend.block_bytes // max(size * grain, 1), 1) * grain

    @property
    def block_items(self) -> int:
        """Items of the largest block."""
        if not self.strips:
            return self.rows * prod(self.shape[1:])
        width = prod(self.shape[self.strips[0].axis + 1 :])
        return max(strip.stop - strip.start for strip in self.strips) * width

    def cuts(self, samples: int, rows: int | None = None) -> tuple[Iterable[Cut], Ints]:
        """Cut so many samples of an inner pass into blocks: where, and in which shape.

        Args:
            samples: How many there are.
            rows: Samples to a block; `self.rows` where None. Strips are as they are.
        """
        strips, sample = self.strips, self.shape[1:]
        if self.is_empty:
            return (), self.shape
        if not strips:
            return evenly(samples, rows or self.rows), (samples, *sample)
        axis = strips[0].axis
        length = prod(sample[:axis])
        starts = range(0, samples * length, length)
        cuts = ((start + strip.start, start + strip.stop) for start in starts for strip in strips)
        return cuts, (samples * length, *sample[axis:])

    def blocks_of(self, x: "NDArray[Any]", rows: int | None = None) -> "Iterator[NDArray[Any]]":
        """Return a C-contiguous array in the blocks of the inner pass; `rows` is as in `cuts`."""
        inner = self.inner
        samples = x.size // prod(inner.shape[1:]) if x.size else len(x)
        cuts, seen = inner.cuts(samples, rows)
        cells = x.reshape(seen)
        return (cells[start:stop] for start, stop in cuts)

    def blocks(self, tensor: "Tensor") -> "Iterator[NDArray[Any]]":
        """Return a tensor in the blocks of the inner pass, as many at a time as its threads use."""
        blocks = tensor.slices(*self.cuts_of(tensor), self.pool.max_in_flight)
        return iter(self.profiler.timed("read", blocks))

    def cuts_of(self, tensor: "Tensor") -> tuple[Iterable[Cut], Ints]:
        """Cut a tensor into the blocks of the inner pass: where, and in which shape."""
        inner = self.inner
        samples = prod(tensor.shape) // prod(inner.shape[1:]) if tensor.nbytes else tensor.shape[0]
        return inner.cuts(samples)

    def masks_of(self, mask: "Tensor | Broadcast") -> "Iterator[NDArray[Any]]":
        """Return the mask of a tensor, beside the blocks of the inner pass, as bool."""
        return self.masks(mask.slices, mask.shape)

    def masks(
        self, slices: Callable[..., "Iterable[NDArray[Any]]"], shape: Ints, rows: int | None = None
    ) -> "Iterator[NDArray[Any]]":
        """Return a mask beside the blocks of the inner pass, as bool.

        Args:
            slices: Returns slices of the mask, given where they are and the shape that is cut.
            shape: Shape of the mask.
            rows: Samples to a block, as in `cuts`.
        """
        inner = self.inner
        layer = require_maskable(inner.layer, inner.shape)
        each = tuple(int(size or 0) for size in layer.mask_shape(inner.shape))
        times = inner.shape[0] // max(shape[0], 1)
        if prod(each) == prod(shape):
            return (part != 0 for part in slices(*_beside(inner, each, rows)))
        return _repeated(inner, slices, shape, times, rows)

    def whole_grains(self, rows: int) -> int:
        """Round a number of samples up to whole grains."""
        grain = grain_rows(self.shape[1:])
        return -(-rows // grain) * grain

    @property
    def gathers(self) -> bool:
        """Whether statistics over all blocks come first, so that the blocks are read twice."""
        return bool(self.gathered_axes)

    @property
    def interleaves(self) -> bool:
        """Whether neighbouring samples belong to other statistics."""
        return self.gathers and self.ghost_batches > 1

    @cached_property
    def gathered_axes(self) -> Ints:
        """The axes over which statistics come first; () where they do not."""
        in_strips = bool(self.inner.strips)
        rank = len(self.shape)
        return self.layer.statistics_axes(rank, training=self.training, in_strips=in_strips)

    @property
    def ghost_batches(self) -> int:
        """The number of interleaved groups of samples that have statistics of their own."""
        if not isinstance(self.layer, Trainable):
            return 1
        return self.layer.ghost_batch_count(self.shape[0])


def _beside(inner: BlockPlan, shape: Ints, rows: int | None) -> tuple[Iterable[Cut], Ints]:
    """Cut a mask of `shape` beside the blocks; strips may have one cell of it in common."""
    cuts, _ = inner.cuts(inner.shape[0], rows)
    counted = (inner.strips[0].axis if inner.strips else 0) + 1
    seen = (prod(shape[:counted]), *shape[counted:])
    per = prod(inner.shape[len(shape) : counted])
    return ((start // per, (stop - 1) // per + 1) for start, stop in cuts), seen


def _repeated(
    inner: BlockPlan,
    slices: Callable[..., "Iterable[NDArray[Any]]"],
    shape: Ints,
    times: int,
    rows: int | None,
) -> "Iterator[NDArray[Any]]":
    """Yield a mask each sample of which serves so many samples of an inner pass."""
    if inner.strips:
        for row in slices(evenly(shape[0], 1), shape):
            counts = row[0] != 0
            for strip in inner.strips * times:
                yield counts[strip.start : strip.stop]
        return
    cuts = list(inner.cuts(inner.shape[0], rows)[0])
    held = ((start // times, (stop - 1) // times + 1) for start, stop in cuts)
    for (start, stop), part in zip(cuts, slices(held, shape), strict=True):
        yield part[np.arange(start, stop) // times - start // times] != 0
