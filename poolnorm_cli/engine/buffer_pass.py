"""A layer over a tensor without NumPy: bytes are read, compiled loops run on them, bytes written.

What is read at a time, and what a loop is called with, follow from the same plan and the same
shapes as where arrays go through the layer (`layer_pass.py`), and so do the bytes that come out.
"""

import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from math import prod
from typing import TYPE_CHECKING

from poolnorm_cli.engine.blocks import BlockPlan
from poolnorm_cli.engine.converting import converted_call
from poolnorm_cli.kernels import native
from poolnorm_cli.kernels.converted_loops import converts
from poolnorm_cli.shapes import Ints
from poolnorm_cli.sizes import CACHED_BLOCK_BYTES, DIVIDED_BYTES
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.tensor import RowRange
from poolnorm_cli.values import cached_property, field, frozen, replace


if TYPE_CHECKING:
    from poolnorm_cli.engine.buffer_strips import StripLoops
    from poolnorm_cli.engine.known_strips import KnownStrips
    from poolnorm_cli.kernels.converted_loops import ConvertedCall
    from poolnorm_cli.kernels.native import LoopCall
    from poolnorm_cli.tensors.array_writer import ArrayWriter
    from poolnorm_cli.tensors.files import ReadAt
    from poolnorm_cli.tensors.tensor import Tensor


@frozen
class BufferPass(BlockPlan):
    """A layer as compiled loops apply it to the blocks of a tensor.

    Attributes:
        weights: The weights in the shapes that the layer asks for, each a view of items with a
            shape, C-contiguous.
        then: The passes after it in a pipe, each of the shape and dtype that the one before it
            gives. A block goes through all of them in one thread, and so samples are whole.
        is_step: It is one of several passes.
        rank: Axes that the tensor must have; None for any number.
    """

    weights: Mapping[str, memoryview] = field(default_factory=dict)
    then: "tuple[BufferPass, ...]" = ()
    is_step: bool = False
    rank: int | None = None

    @property
    def is_divisible(self) -> bool:
        """Whether it is worth looking for smaller samples than small ones.

        Loops take any number of samples, so that there is work for several threads in a few.
        """
        if self.is_step or 0 in self.shape:
            return False
        if prod(self.shape) * self.compute_dtype.itemsize < DIVIDED_BYTES:
            return False
        return not self.layer.statistics_axes(len(self.shape), training=False, in_strips=False)

    def in_cached_blocks(self) -> "BufferPass":
        """Return the plan with blocks that stay in a core's cache between reading and writing.

        Raises:
            UsageError: The layer does not take the tensor.
        """
        most = CACHED_BLOCK_BYTES * self.pool.threads
        size = self.compute_dtype.itemsize
        if prod(self.shape) * size <= most or self.inner.strips:
            return self
        cached = replace(self, most_rows=max(most // (prod(self.inner.shape[1:]) * size), 1))
        return cached if cached.has_loops(cached.block_samples()) else self

    @property
    def followers(self) -> "tuple[BufferPass, ...]":
        """The passes after this one in a pipe."""
        return self.then

    @property
    def last(self) -> "BufferPass":
        """The pass that makes the output."""
        return self.then[-1] if self.then else self

    def serves(self, tensor: "Tensor") -> bool:
        """Whether all of a tensor can be computed so.

        Args:
            tensor: The tensor, of the shape and dtype of the plan.

        Returns:
            False for what takes NumPy: other dtypes and layouts, statistics of the whole tensor,
            and layers and windows that have no loop.

        Raises:
            UsageError: The layer does not take the tensor.
        """
        if not tensor.nbytes:
            return False
        if tensor.is_transposed or sys.byteorder != "little":
            return False
        return self._is_served

    @cached_property
    def _is_served(self) -> bool:
        """Whether all that is known of a tensor by the plan can be computed so."""
        if self.then and not all(each.is_whole for each in (self, *self.then)):
            return False
        if self.inner.strips:
            if not self._fits_weights or not self._converts:
                return False
            return self.inner.strip_loops is not None
        counts = self.block_samples()
        return all(each.has_loops(counts) for each in (self, *self.then))

    def block_samples(self) -> set[int]:
        """Return how many samples of the inner plan blocks have."""
        inner, samples = self.inner, self.inner.shape[0]
        return {min(samples, inner.rows), samples % inner.rows} - {0}

    def has_loops(self, counts: Collection[int]) -> bool:
        """Whether blocks of so many samples can be computed by loops, apart from their values.

        Args:
            counts: Samples of an inner plan that blocks have.

        Returns:
            False where any takes NumPy.

        Raises:
            UsageError: The layer does not take the tensor.
        """
        if not self._is_of_loops or self.inner.strips:
            return False
        if not self._fits_weights:
            return False
        return all(self.inner.loop_call(count) is not None for count in counts)

    @property
    def _fits_weights(self) -> bool:
        """Whether the weights are for such a tensor."""
        if self.rank not in (None, len(self.shape)):
            return False
        shapes = {name: weight.shape for name, weight in self.weights.items()}
        return not self.layer.weight_names or shapes == self.layer.weight_shapes(self.shape)

    @property
    def may_have_loops(self) -> bool:
        """Whether whole samples can go through loops, as far as weights and windows do not tell.

        Large ones are looked at first, and may not.

        Raises:
            UsageError: The layer does not take the tensor.
        """
        return self._is_of_loops and not (self.is_heavy or self.inner.strips)

    @cached_property
    def _is_of_loops(self) -> bool:
        """Whether loops take the dtypes, and nothing has to be known before the first block."""
        return self._converts and not self.statistics_axes

    @cached_property
    def _converts(self) -> bool:
        """Whether loops take the dtypes."""
        return native.compiled() and converts(self.dtype, self.compute_dtype.name, self.result)

    @cached_property
    def strip_loops(self) -> "StripLoops | KnownStrips | None":
        """What computes the strips of a sample; None where NumPy is needed.

        Raises:
            UsageError: The layer does not take the tensor.
        """
        if self.statistics_axes:
            from poolnorm_cli.engine.known_strips import known_strips

            return known_strips(self, self.weights)
        from poolnorm_cli.engine.buffer_strips import strip_loops

        return strip_loops(self, self.weights)

    @cached_property
    def sample_bytes(self) -> int:
        """Bytes of a sample, as it is read."""
        return prod(self.shape[1:]) * DTYPES[self.dtype].itemsize

    @cached_property
    def made_bytes(self) -> int:
        """Bytes of what the layer makes of a sample."""
        return prod(self.output_shape[1:]) * DTYPES[self.result].itemsize

    @cached_property
    def _calls(self) -> "dict[int, LoopCall | None]":
        return {}

    def loop_call(self, samples: int) -> "LoopCall | None":
        """Return what computes a block of so many samples; None where nothing does."""
        if samples not in self._calls:
            self._calls[samples] = self._loop_call(samples)
        return self._calls[samples]

    @property
    def is_direct(self) -> bool:
        """Whether one call of a loop computes a block, and nothing is converted."""
        return self.dtype == self.compute_dtype.name == self.result

    def direct_call(self, samples: int) -> "LoopCall | None":
        """Return the call of the one loop that computes a block of items as they are stored.

        Args:
            samples: Samples of the block.

        Returns:
            The call; None where items are converted before it, or after it.
        """
        own = native.HALVES if self.compute_dtype.name == "float32" else ""
        if self.is_direct or (self.dtype == self.result and native.KINDS[self.dtype] in own):
            return self.layer.loop_call((samples, *self.shape[1:]), self.dtype, self.weights)
        return None

    def _loop_call(self, samples: int) -> "LoopCall | None":
        direct = self.direct_call(samples)
        if direct is not None or self.is_direct:
            return direct
        call, per = self._converted
        if not call.serves(samples * per):
            return None
        return lambda cells, out: call.run(cells, out, samples * per)

    @cached_property
    def _converted(self) -> "tuple[ConvertedCall, int]":
        dtypes = self.dtype, self.compute_dtype.name, self.result
        return converted_call(self.layer, self.shape, dtypes, self.weights)

    def write_outputs(self, tensor: "Tensor", writer: "ArrayWriter | None") -> None:
        """Compute all blocks and write them: each thread what it has computed, where it can.

        Args:
            tensor: A tensor that the plan serves.
            writer: Takes the outputs; None to compute only.

        Raises:
            PoolnormError: The tensor cannot be read, or the outputs not be written.
        """
        if self.inner.strips:
            loops = self.inner.strip_loops
            if loops is None or not loops.write(tensor, writer):
                self._write_arrays(tensor, writer)
            return
        opened = tensor.data_at() if self.pool.threads > 1 else None
        if opened is not None and (writer is None or writer.begin_at(self.pool.threads)):
            with opened as read:
                ranges, _ = self.tensor_ranges(tensor)
                self.pool.for_each(self.inner.placing(tensor, read, writer), ranges)
            return
        for block in self.outputs(tensor):
            if writer is not None:
                writer.write_bytes(block)

    def _write_arrays(self, tensor: "Tensor", writer: "ArrayWriter | None") -> None:
        """Do all of it as arrays, where statistics are such that loops cannot."""
        import numpy as np

        from poolnorm_cli.engine.layer_pass import LayerPass
        from poolnorm_cli.engine.streaming import gathered, write_blocks
        from poolnorm_cli.engine.training_step import TrainingStep

        plan = LayerPass(self.layer, self.shape, self.dtype, self.result, pool=self.pool)
        moments = gathered(plan, tensor, lambda plan, _: (plan, None))
        weights = {name: np.asarray(weight) for name, weight in self.weights.items()}
        write_blocks(plan, None, TrainingStep(weights, moments), tensor, writer)

    def placing(
        self, tensor: "Tensor", read: "ReadAt", writer: "ArrayWriter | None"
    ) -> "Callable[[RowRange], None]":
        """Return what reads, computes and writes the samples of an inner plan from one to another.

        Each thread has memory for one block and its output.

        Args:
            tensor: A tensor that the plan serves.
            read: Reads its data.
            writer: Has begun, for items in any order; None to compute only.

        Returns:
            What takes the first sample and the one after the last.
        """
        from mmap import mmap  # pages come when they are used: no thread waits for another's

        given, made = self.sample_bytes, self.last.made_bytes
        memories: list[tuple[mmap, mmap]] = []

        def place(rows: RowRange) -> None:
            start, stop = rows
            samples = stop - start
            try:
                memory = memories.pop()
            except IndexError:
                most = max(self.rows, samples)
                memory = mmap(-1, max(most * given, 1)), mmap(-1, max(most * made, 1))
            raw, out = (memoryview(each) for each in memory)
            raw, out = raw[: samples * given], out[: samples * made]
            tensor.fill_at(read, raw, start * given)
            if tensor.swapped:
                native.loops().swap(raw, tensor.dtype.itemsize)
            self.compute(raw, out, samples)
            if writer is not None:
                writer.write_at(out, start * made)
            memories.append(memory)

        return place

    def outputs(self, tensor: "Tensor") -> Iterator[memoryview]:
        """Yield the output of each block, in order, as it is written.

        The memory of one is used again for one after it.

        Args:
            tensor: A tensor that the plan serves.

        Yields:
            Single bytes.

        Raises:
            InputError: The tensor is truncated, altered or unreadable.
        """
        inner, memories = self.inner, list[bytearray]()
        width = inner.last.made_bytes

        def work(raw: memoryview) -> memoryview:
            samples = len(raw) // inner.sample_bytes
            size = samples * width
            try:
                memory = memories.pop()
            except IndexError:
                memory = bytearray(size)
            out = memoryview(memory)[:size]
            if tensor.swapped:
                native.loops().swap(raw, tensor.dtype.itemsize)
            inner.compute(raw, out, samples)
            return out

        blocks = tensor.raw_slices(*self.tensor_ranges(tensor), self.pool.max_in_flight)
        for out in self.pool.taken_in_order.ordered_map(work, blocks):
            yield out
            if isinstance(out.obj, bytearray):
                memories.append(out.obj)

    def compute(self, cells: memoryview, out: memoryview, samples: int) -> None:
        """Compute a block by all layers.

        Args:
            cells: The items of the block, native.
            out: Memory of the result.
            samples: Samples of the block.
        """
        last = self.last
        for each in (self, *self.then):
            made = out if each is last else memoryview(bytearray(samples * each.made_bytes))
            each.compute_layer(cells, made, samples)
            cells = made

    def compute_layer(self, cells: memoryview, out: memoryview, samples: int) -> None:
        """Compute a block by this layer alone.

        In NumPy where its values are such that a loop cannot.

        Args:
            cells: The items of the block, native.
            out: Memory of the result.
            samples: Samples of the block.
        """
        call = self.loop_call(samples)
        if call is None or not call(cells, out):
            self._compute_arrays(cells, out, (samples, *self.shape[1:]))

    def _compute_arrays(self, cells: memoryview, out: memoryview, shape: Ints) -> None:
        import numpy as np

        from poolnorm_cli.kernels.memory import release
        from poolnorm_cli.tensors.codecs import decode, encode

        x = decode(cells, DTYPES[self.dtype], swapped=False).reshape(shape)
        x = x.astype(self.compute_dtype.name, copy=False)
        weights = {name: np.asarray(weight) for name, weight in self.weights.items()}
        with np.errstate(all="ignore"):
            y = self.layer.apply(x, weights)
        out[:] = encode(y, DTYPES[self.result]).reshape(-1).view("u1").data
        if not np.may_share_memory(x, y):
            release(y)
