"""How a tensor is divided into the blocks that a layer works on: by its shape alone."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Self

from poolnorm_cli.backends import Backend, row_of
from poolnorm_cli.backends.numpy_backend import NUMPY
from poolnorm_cli.engine.profile import NO_PROFILER, NoProfiler, Profiler
from poolnorm_cli.engine.threads import ONE_THREAD, ThreadPool, pool_for
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.maskable import require_maskable
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.shapes import Ints
from poolnorm_cli.sizes import (
    BLOCK_BYTES,
    CHECKED_BYTES,
    ONE_THREAD_BLOCK_BYTES,
    SHARE_BYTES,
    WHOLE_SAMPLE_BYTES,
)
from poolnorm_cli.strips import Strip, grain_rows
from poolnorm_cli.tensors.dtypes import DTYPES, DType
from poolnorm_cli.tensors.tensor import RowRange, even_ranges
from poolnorm_cli.values import cached_property, frozen, replace


if TYPE_CHECKING:
    from poolnorm_cli.engine.masks import BroadcastMask
    from poolnorm_cli.kernels.memory import Array
    from poolnorm_cli.tensors.tensor import Tensor

SHARES = 32
"""Blocks that a small tensor is divided into, where each may go to another thread."""


@frozen
class BlockPlan:
    """A layer, called on a tensor of a given shape and dtype, and how that is divided into blocks.

    Attributes:
        layer: The layer.
        shape: Shape of the tensor.
        dtype: Name of the dtype in which the tensor is stored.
        result: Name of the dtype of the output.
        training: Use the statistics of the batch.
        backend: Computes the blocks.
        step: Training calls of this run that came before.
        first_sample: The sample with which the first block starts, where only a part is run.
        pool: The threads that work on blocks.
        profiler: Counts where the time goes.
        factor: What outputs are multiplied by.
        most_rows: Samples that a block may have, where less than whole grains are enough: no
            statistics are gathered over them. None for as many as there are by default.
    """

    layer: Layer
    shape: Ints
    dtype: str
    result: str
    training: bool = False
    backend: Backend = NUMPY
    step: int = 0
    first_sample: int = 0
    pool: ThreadPool = ONE_THREAD
    profiler: Profiler | NoProfiler = NO_PROFILER
    factor: int = 1
    most_rows: int | None = None

    @cached_property
    def is_whole(self) -> bool:
        """Whether samples are worked on whole: they are small, or there are none."""
        sample_bytes = prod(self.shape[1:]) * self.compute_dtype.itemsize
        return sample_bytes <= WHOLE_SAMPLE_BYTES or 0 in self.shape

    def with_threads(self, threads: int | None, *, in_memory: bool = False) -> Self:
        """Return the plan with the threads that it is worth.

        Args:
            threads: How many there may be; None for as many as there are by default.
            in_memory: The tensor is an array.

        Returns:
            The plan; with one thread where blocks are so large that one is in memory at a time.
        """
        size = prod(self.shape) * DTYPES[self.dtype].itemsize
        if not row_of(self.backend).uses_threads:
            lanes = getattr(self.backend, "lanes", 0)
            threads = min(threads or lanes, lanes) or 1
        pool = pool_for(threads, size, in_strips=in_memory and bool(self.inner.strips))
        if pool == ONE_THREAD:
            return replace(self, pool=pool)
        block = self.inner.block_items * self.compute_dtype.itemsize
        return replace(self, pool=pool if block <= ONE_THREAD_BLOCK_BYTES else ONE_THREAD)

    @cached_property
    def inner(self) -> Self:
        """The same plan for the same bytes in smaller samples, where samples are large.

        It follows from the shape alone. Where nothing is gathered over them, small samples become
        smaller still, so that there is work for several threads in a few.
        """
        if self.is_whole and not self.is_divisible:
            return self
        layer, shape = _collapsed(self.layer, self.shape)
        return self if shape == self.shape else replace(self, layer=layer, shape=shape)

    @property
    def of_parts(self) -> Self:
        """The same plan for the samples of which parts of a file are made.

        These are the same with NumPy and without, which may divide small samples once more.
        """
        return self if self.is_whole else self.inner

    @property
    def is_divisible(self) -> bool:
        """Whether it is worth looking for smaller samples than small ones."""
        return False

    @property
    def followers(self) -> "tuple[BlockPlan, ...]":
        """The plans of the layers that a block goes through after this one, in the same thread."""
        return ()

    @cached_property
    def strips(self) -> list[Strip]:
        """The strips that a sample is worked on in; [] where whole samples make blocks."""
        if self.is_whole:
            return []
        items = BLOCK_BYTES // self.compute_dtype.itemsize
        return self.layer.strips(self.shape, max(items, 1))

    @cached_property
    def output_shape(self) -> Ints:
        """Shape of the output."""
        return tuple(int(size or 0) for size in self.layer.output_shape(self.shape))

    def written_shape(self, *, unbatched: bool) -> Ints:
        """Return the shape of the output as it is written: without a batch axis that was added."""
        return self.output_shape[1:] if unbatched else self.output_shape

    @property
    def output_bytes(self) -> int:
        """Size of the output, without a header."""
        return prod(self.output_shape) * DTYPES[self.result].itemsize

    @cached_property
    def is_heavy(self) -> bool:
        """Whether one sample, what comes of it, or the weights are worth a look at the memory."""
        items = prod(self.shape[1:]) + prod(self.output_shape[1:])
        if self.layer.weight_names:
            items += sum(map(prod, self.layer.weight_shapes(self.shape).values()))
        return items * 8 > CHECKED_BYTES

    @cached_property
    def compute_dtype(self) -> DType:
        """The dtype in which blocks are handed to the layer."""
        own = self.layer.compute_dtype(self.dtype)  # which may refuse what is stored
        return DTYPES["float64" if self.result == "float64" else own]

    @cached_property
    def rows(self) -> int:
        """Samples to a block: it follows from shape and backend, and whether there are threads.

        They are whole grains where statistics are gathered over them.
        """
        grain = grain_rows(self.shape[1:])
        size = prod(self.shape[1:]) * self.compute_dtype.itemsize
        rows = max(self.backend.block_bytes // max(size * grain, 1), 1) * grain
        if self.pool.threads > 1 and not self.statistics_axes:
            most = self.shape[0] * size // SHARES
            rows = min(rows, max(max(most, SHARE_BYTES) // max(size, 1), 1))
        elif self.pool.threads > 1:
            rows = min(rows, max(self.shape[0] // (SHARES * grain), 1) * grain)
        return rows if self.most_rows is None else min(rows, self.most_rows)

    def fitted_to(self, tensor: "Tensor") -> Self:
        """Return the plan for outputs alone, in no more samples at a time than suit a tensor.

        Where a block of it is computed by another layer first, it should be small enough for both.
        """
        best = tensor.best_rows
        if best is None or not self.is_whole or self.backend is not NUMPY:
            return self
        return replace(self, most_rows=best)

    @property
    def block_items(self) -> int:
        """Items of the largest block."""
        if not self.strips:
            return self.rows * prod(self.shape[1:])
        width = prod(self.shape[self.strips[0].axis + 1 :])
        return max(strip.stop - strip.start for strip in self.strips) * width

    @property
    def longest(self) -> int:
        """Rows of the longest of the `ranges`."""
        strips = self.inner.strips
        return max(strip.stop - strip.start for strip in strips) if strips else self.inner.rows

    def ranges(self, samples: int, rows: int | None = None) -> tuple[Iterable[RowRange], Ints]:
        """Divide samples of an inner plan into blocks.

        Args:
            samples: How many there are.
            rows: Samples to a block; `self.rows` where None. Strips are as they are.

        Returns:
            The range of each block along axis 0, and the shape in which that axis is meant.
        """
        strips, sample = self.strips, self.shape[1:]
        if 0 in self.shape:
            return (), self.shape
        if not strips:
            return even_ranges(samples, rows or self.rows), (samples, *sample)
        axis = strips[0].axis
        length = prod(sample[:axis])
        starts = range(0, samples * length, length)
        ranges = ((start + strip.start, start + strip.stop) for start in starts for strip in strips)
        return ranges, (samples * length, *sample[axis:])

    def array_blocks(self, x: "Array", rows: int | None = None) -> Iterator["Array"]:
        """Return an array in the blocks of the inner plan.

        Args:
            x: A C-contiguous array of the plan's shape.
            rows: Samples to a block, as in `ranges`.

        Returns:
            Views of it, in order.
        """
        inner = self.inner
        samples = x.size // prod(inner.shape[1:]) if x.size else len(x)
        ranges, seen = inner.ranges(samples, rows)
        cells = x.reshape(seen)
        return (cells[start:stop] for start, stop in ranges)

    def blocks(self, tensor: "Tensor") -> Iterator["Array"]:
        """Return a tensor in the blocks of the inner plan, as many at a time as its threads use."""
        blocks = tensor.slices(*self.tensor_ranges(tensor), self.pool.max_in_flight)
        return iter(self.profiler.timed("read", blocks))

    def tensor_ranges(self, tensor: "Tensor") -> tuple[Iterable[RowRange], Ints]:
        """Divide a tensor into the blocks of the inner plan: as `ranges`."""
        inner = self.inner
        samples = prod(tensor.shape) // prod(inner.shape[1:]) if tensor.nbytes else tensor.shape[0]
        return inner.ranges(samples)

    def mask_blocks(
        self, mask: "Tensor | BroadcastMask", rows: int | None = None
    ) -> Iterator["Array"]:
        """Return a mask beside the blocks of the inner plan.

        Args:
            mask: The mask of the tensor.
            rows: Samples to a block, as in `ranges`.

        Returns:
            Its blocks as bool, in order.
        """
        inner = self.inner
        layer = require_maskable(inner.layer, inner.shape)
        each = tuple(int(size or 0) for size in layer.mask_shape(inner.shape))
        if prod(each) != prod(mask.shape):
            return _repeated(inner, mask, rows)
        parts = mask.slices(*_beside(inner, each, rows))
        return (layer.mask_cells(part, inner.shape) for part in parts)

    def round_to_grains(self, rows: int) -> int:
        """Round a number of samples up to whole grains."""
        grain = grain_rows(self.shape[1:])
        return -(-rows // grain) * grain

    @cached_property
    def statistics_axes(self) -> Ints:
        """The axes over which statistics come first, so that blocks are read twice; () without."""
        in_strips = bool(self.inner.strips)
        rank = len(self.shape)
        return self.layer.statistics_axes(rank, training=self.training, in_strips=in_strips)

    @property
    def ghost_batches(self) -> int:
        """The number of interleaved groups of samples that have statistics of their own."""
        if not isinstance(self.layer, Trainable):
            return 1
        return self.layer.ghost_batch_count(self.shape[0])

    @property
    def is_interleaved(self) -> bool:
        """Whether neighbouring samples belong to other statistics."""
        return bool(self.statistics_axes) and self.ghost_batches > 1


def _collapsed(layer: Layer, shape: Ints) -> tuple[Layer, Ints]:
    """Return a layer for smaller samples, made once for calls that follow each other."""
    try:
        return _cached_collapse(layer, shape)
    except TypeError:  # it has parameters that cannot be compared
        return layer.collapse_leading_axes(shape)


@lru_cache(maxsize=32)
def _cached_collapse(layer: Layer, shape: Ints) -> tuple[Layer, Ints]:
    return layer.collapse_leading_axes(shape)


def _beside(inner: BlockPlan, shape: Ints, rows: int | None) -> tuple[Iterable[RowRange], Ints]:
    """Divide a mask of `shape` beside the blocks; strips may have one cell of it in common."""
    ranges, _ = inner.ranges(inner.shape[0], rows)
    counted = (inner.strips[0].axis if inner.strips else 0) + 1
    seen = (prod(shape[:counted]), *shape[counted:])
    per = prod(inner.shape[len(shape) : counted])
    return ((start // per, (stop - 1) // per + 1) for start, stop in ranges), seen


def _repeated(
    inner: BlockPlan, mask: "Tensor | BroadcastMask", rows: int | None
) -> Iterator["Array"]:
    """Yield a mask each sample of which serves several samples of an inner plan."""
    import numpy as np

    shape = mask.shape
    times = inner.shape[0] // max(shape[0], 1)
    if inner.strips:
        for row in mask.slices(even_ranges(shape[0], 1), shape):
            counts = row[0] != 0
            for strip in inner.strips * times:
                yield counts[strip.start : strip.stop]
        return
    ranges = list(inner.ranges(inner.shape[0], rows)[0])
    used = ((start // times, (stop - 1) // times + 1) for start, stop in ranges)
    for (start, stop), part in zip(ranges, mask.slices(used, shape), strict=True):
        yield part[np.arange(start, stop) // times - start // times] != 0
