"""What a step of a pipeline gives, as the tensor that the next step reads: it is never there whole.

A block is computed when it is asked for, and again whenever it is asked for again. Where a block
of the next step is made of whole samples of this one, the thread that works on it computes it, so
that a block stays in that thread's cache from step to step; otherwise the blocks of this step are
computed by its own threads, and what comes is cut anew.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from poolnorm_cli.backends.numpy_backend import NUMPY
from poolnorm_cli.engine.layer_pass import Block, DeferredBlock, LayerPass, Masks
from poolnorm_cli.kernels.halves import narrow_bfloat16, widen_bfloat16
from poolnorm_cli.kernels.memory import Array, release
from poolnorm_cli.sizes import BLOCK_BYTES
from poolnorm_cli.tensors.codecs import encode
from poolnorm_cli.tensors.dtypes import DTYPES, DType
from poolnorm_cli.tensors.tensor import Layout, RowRange, Tensor, even_ranges, with_next


if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from poolnorm_cli.engine.training_step import TrainingStep
    from poolnorm_cli.shapes import Ints
    from poolnorm_cli.tensors.by_place import Opened, SliceAt
    from poolnorm_cli.tensors.files import ReadInto
    from poolnorm_cli.tensors.outputs import ArraySink


_MOST_BLOCKS = 4
"""A block of the next step may be made of as much as so many blocks of this one."""


class VirtualTensor(Tensor):
    """A tensor whose items come from another one as they are read.

    Attributes:
        of: The other one.
        sinks: Take all items, too, in order, while the next passes go by.
    """

    def __init__(self, of: Tensor, shape: "Ints", dtype: DType) -> None:
        """Prepare to read from a tensor; nothing is read yet.

        Args:
            of: The tensor.
            shape: The shape of this one.
            dtype: Its dtype.
        """
        super().__init__(
            of.name, Layout(shape, dtype), path=of.path, key=of.key, compressed=of.compressed
        )
        self.of, self.notes, self.limit = of, of.notes, of.limit
        self.sinks: list[ArraySink] = []

    @property
    def stored_bytes(self) -> int:
        """Bytes that one pass reads of files."""
        return self.of.stored_bytes

    def spool(self) -> None:
        """Make sure that the tensor behind can be read more than once."""
        self.of.spool()

    def data(self) -> "AbstractContextManager[ReadInto]":
        """Refuse: there are no bytes."""
        raise NotImplementedError

    def slices(
        self, ranges: Iterable[RowRange], shape: "Ints", max_in_flight: int = 1
    ) -> Iterator[Array]:
        """Return slices as `Tensor.slices` does.

        Args:
            ranges: First index and end of each along axis 0 of `shape`.
            shape: The shape in which they are meant.
            max_in_flight: Slices of which the memory is in use at once.

        Returns:
            The slices.
        """
        return cut_anew(self._watched(), ranges, shape, self.dtype, max_in_flight)

    def _watched(self) -> "Iterator[Array]":
        for piece in self.pieces():
            for sink in self.sinks:
                sink.write(piece)
            yield piece

    def pieces(self) -> "Iterator[Array]":
        """Return the items in order, in arrays that whoever takes them releases."""
        raise NotImplementedError


class PassedTensor(VirtualTensor):
    """A tensor as it is, to be watched as it goes by."""

    def __init__(self, of: Tensor) -> None:
        """Pass on a tensor."""
        super().__init__(of, of.shape, of.dtype)
        self.packed, self.file = of.packed, of.file

    def pieces(self) -> Iterator[Array]:
        """Return the items in order."""
        size = prod(self.shape)
        rows = max(BLOCK_BYTES // self.dtype.itemsize, 1)
        for piece in self.of.slices(even_ranges(size, rows), (size,)) if size else ():
            yield piece.copy()


def goes_on_in_thread(before: LayerPass, after: LayerPass) -> bool:
    """Whether a block goes on from one step to the next in one thread, in blocks of the first.

    Args:
        before: A step without a mask, of which nothing else takes what it gives.
        after: The next one, without a mask.

    Returns:
        Whether it does; not where the next one takes statistics, for which it reads larger blocks.
    """
    whole = before.is_whole and after.is_whole and not after.statistics_axes
    return whole and _is_plain(before) and after.backend is NUMPY


def _is_plain(plan: LayerPass) -> bool:
    """Whether blocks of whole samples can be computed one by one, in any thread."""
    return (
        plan.factor == 1
        and plan.backend is NUMPY
        and not plan.inner.strips
        and plan.inner.output_shape[:1] == plan.inner.shape[:1]
        and 0 not in plan.shape
    )


class StepTensor(VirtualTensor):
    """What a layer makes of a tensor."""

    def __init__(
        self,
        of: Tensor,
        plan: LayerPass,
        step: "TrainingStep",
        masks: Callable[[], Masks] | None = None,
    ) -> None:
        """Prepare to run a layer; nothing is computed yet.

        Args:
            of: What the layer takes.
            plan: The layer, as it is run on that.
            step: The weights, and the statistics where the layer asks for them.
            masks: Returns the mask in the blocks of the plan, for each pass anew; None without.
        """
        super().__init__(of, plan.output_shape, DTYPES[plan.result])
        self._step, self._masks = step, masks
        self._is_plain = masks is None and _is_plain(plan)
        self._plan = plan = plan.fitted_to(of) if masks is None else plan
        self.best_rows = plan.rows if self._is_plain and plan.is_whole else None
        inner = plan.inner
        self._inner = inner
        self._compute = inner.computing(step.weights, inner.reshape_moments(step.moments))

    def slices(
        self, ranges: Iterable[RowRange], shape: "Ints", max_in_flight: int = 1
    ) -> Iterator[Any]:
        """Return slices as `Tensor.slices` does, or what computes them in the thread that asks.

        Args:
            ranges: First index and end of each along axis 0 of `shape`.
            shape: The shape in which they are meant.
            max_in_flight: Slices of which the memory is in use at once.

        Returns:
            The slices.
        """
        if not self._is_plain or self.sinks or not self.nbytes:
            return super().slices(ranges, shape, max_in_flight)
        times, rest = divmod(prod(shape[1:]), prod(self._inner.output_shape[1:]))
        rows = iter(ranges)
        first = next(rows, None)
        if first is None:
            return iter(())
        rows = chain([first], rows)
        samples = (first[1] - first[0]) * times
        block = samples * prod(self._inner.shape[1:]) * self._inner.compute_dtype.itemsize
        if rest or (samples > 1 and block > _MOST_BLOCKS * BLOCK_BYTES):
            return super().slices(rows, shape, max_in_flight)
        return self._deferred(rows, times, shape, max_in_flight)

    def slices_at(self, shape: "Ints", most: int) -> "Opened | None":
        """Open what the layer makes for slices in any order; None where it has to come in order.

        Args:
            shape: The shape in which slices are meant.
            most: Rows of the longest slice.

        Returns:
            What computes a slice of what it reads for it.
        """
        if not self._is_plain or self.sinks or not self.nbytes:
            return None
        inner = self._inner
        times, rest = divmod(prod(shape[1:]), prod(inner.output_shape[1:]))
        samples = most * times
        block = samples * prod(inner.shape[1:]) * inner.compute_dtype.itemsize
        if rest or (samples > 1 and block > _MOST_BLOCKS * BLOCK_BYTES):
            return None
        opened = self.of.slices_at(inner.shape, samples)
        return None if opened is None else self._computing(opened, times, shape)

    @contextmanager
    def _computing(self, opened: "Opened", times: int, shape: "Ints") -> "Iterator[SliceAt]":
        with opened as read:

            def compute(start: int, stop: int) -> Any:
                first, end = start * times, stop * times
                cells = DeferredBlock(partial(read, first, end), end - first)
                return self._computed(cells, first).reshape(stop - start, *shape[1:])

            yield compute

    def _deferred(
        self, ranges: Iterable[RowRange], times: int, shape: "Ints", max_in_flight: int
    ) -> Iterator[DeferredBlock]:
        """Yield blocks of which each is computed by whoever works on it."""
        rows = list[RowRange]()

        def own() -> Iterator[RowRange]:
            for start, stop in ranges:
                rows.append((start, stop))
                yield start * times, stop * times

        for cells in self.of.slices(own(), self._inner.shape, max_in_flight):
            start, stop = rows.pop(0)
            yield self._later(cells, start * times, (stop - start, *shape[1:]))

    def _later(self, cells: Array, start: int, shape: "Ints") -> DeferredBlock:
        return DeferredBlock(lambda: self._computed(cells, start).reshape(shape), shape[0])

    def _computed(self, cells: Array | DeferredBlock, start: int) -> Array:
        """Compute a block as the next step would read it."""
        block = Block(start, None, cells, None)
        _, y = self._compute(block)
        with np.errstate(all="ignore"):
            stored = as_stored(y, self.dtype)
        if stored is not y:
            release(y)
        return stored

    def pieces(self) -> Iterator[Array]:
        """Return the items in order, in the pieces in which the layer gives them."""
        plan, step = self._plan, self._step
        masks = None if self._masks is None else self._masks()
        blocks = plan.blocks(self.of)
        for y in plan.outputs(blocks, step.weights, step.moments, masks, kept=True):
            stored = as_stored(y, self.dtype)
            if stored is not y:
                release(y)
            yield stored.reshape(-1)


def as_stored(block: Array, dtype: DType) -> Array:
    """Return a block as it would be read from a file that it was written to.

    Args:
        block: What a layer gave.
        dtype: The type of the file.

    Returns:
        Items of the type of its name; float32 rounded to it for bfloat16. The block itself where
        that is what it is.
    """
    if dtype.name == "bfloat16":
        return widen_bfloat16(narrow_bfloat16(block))
    if block.dtype.name == dtype.name:
        return block
    stored = encode(block, dtype)
    return stored.astype(stored.dtype.newbyteorder("="), copy=False)


class _Taken:
    """The items of pieces, taken as many at a time as are asked for."""

    def __init__(self, pieces: Iterator[Array]) -> None:
        self._pieces, self._at = pieces, 0
        self._piece: Array | None = None
        self._is_viewed = False
        self.ended: list[Array] = []
        """Pieces that are used up, of which views were given out."""

    def view(self, size: int) -> Array | None:
        """Return the next items where they lie; None where they are in several pieces."""
        piece = self._current()
        if piece is None or piece.size - self._at < size:
            return None
        self._is_viewed = True
        return self._advance(piece, size)

    def copy_into(self, target: Array) -> None:
        """Copy the next items."""
        done = 0
        while done < target.size:
            piece = self._current()
            if piece is None:
                message = f"{target.size - done} items are missing"
                raise ValueError(message)
            count = min(target.size - done, piece.size - self._at)
            target[done : done + count] = self._advance(piece, count)
            done += count
            self._end_if_used(piece)

    def _current(self) -> Array | None:
        if self._piece is not None:
            self._end_if_used(self._piece)
        if self._piece is None:
            self._piece, self._at, self._is_viewed = next(self._pieces, None), 0, False
        return self._piece

    def _advance(self, piece: Array, size: int) -> Array:
        self._at += size
        return piece[self._at - size : self._at]

    def _end_if_used(self, piece: Array) -> None:
        if self._at < piece.size:
            return
        if self._is_viewed:
            self.ended.append(piece)
        else:
            release(piece)
        self._piece = None


def cut_anew(
    pieces: Iterator[Array],
    ranges: Iterable[RowRange],
    shape: "Ints",
    dtype: DType,
    max_in_flight: int,
) -> Iterator[Array]:
    """Cut what comes in some pieces into others, as `Tensor.slices` returns them.

    Args:
        pieces: All items in order, in flat arrays that are released here.
        ranges: First index and end along axis 0 of `shape`, as for `Tensor.slices`.
        shape: The shape in which slices are meant.
        dtype: The type of the items.
        max_in_flight: Slices of which the memory is in use at once.

    Yields:
        The slices.
    """
    width, taken = prod(shape[1:]), _Taken(pieces)
    kind = np.dtype("float32" if dtype.name == "bfloat16" else dtype.name)
    memories = [np.empty(0, kind)] * max_in_flight
    in_use: deque[list[Array]] = deque()
    done, tail = 0, np.empty(0, kind)
    for index, ((start, stop), after) in enumerate(with_next(ranges)):
        size, again = (stop - start) * width, (done - start) * width
        cells = taken.view(size) if not again else None
        if cells is None:
            place = index % max_in_flight
            if memories[place].size < size:
                memories[place] = np.empty(size, kind)
            cells = memories[place][:size]
            cells[:again] = tail
            taken.copy_into(cells[again:])
        done = stop
        tail = cells[(after[0] - start) * width :].copy() if after else tail
        yield cells.reshape(stop - start, *shape[1:])
        in_use.append(taken.ended)
        taken.ended = []
        if len(in_use) >= max_in_flight:
            for piece in in_use.popleft():
                release(piece)
    for _ in pieces:  # what checks the end of the source is behind its last piece
        pass
