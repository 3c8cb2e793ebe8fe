"""Samples too large for a block, without NumPy: strip after strip, or strips in any order."""

from math import prod
from typing import TYPE_CHECKING

from poolnorm_cli.kernels import native
from poolnorm_cli.layers.call import Call
from poolnorm_cli.layers.normalization import Normalization
from poolnorm_cli.layers.spatial import SpatialLayer
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from poolnorm_cli.engine.blocks import BlockPlan
    from poolnorm_cli.kernels.strip_loops import StripCall
    from poolnorm_cli.shapes import Ints
    from poolnorm_cli.strips import Strip
    from poolnorm_cli.tensors.array_writer import ArrayWriter
    from poolnorm_cli.tensors.files import ReadAt
    from poolnorm_cli.tensors.tensor import Tensor


@frozen(eq=False)
class StripLoops:
    """What loops make of the strips of samples.

    Attributes:
        plan: An inner plan.
        strips: Those of a sample.
        calls: What computes each.
        sizes: Bytes of what each gives.
        combines: Some of them are parts of one row of the output.
    """

    plan: "BlockPlan"
    strips: "list[Strip]"
    calls: "list[StripCall]"
    sizes: list[int]
    combines: bool

    def write(self, tensor: "Tensor", writer: "ArrayWriter | None") -> bool:
        """Compute all strips and write what comes of them: each thread its own, where it can.

        Args:
            tensor: The tensor.
            writer: Takes the outputs; None to compute only.

        Returns:
            True: nothing is left to do.

        Raises:
            PoolnormError: The tensor cannot be read, or the outputs not be written.
        """
        if self.combines:
            parts = _Parts(self, writer)
            self.for_each(tensor, parts.put, parts.put)
            parts.write()
            return True
        is_placed = writer is None or writer.begin_at(self.plan.pool.threads)

        def append(index: int, out: memoryview) -> None:
            del index
            if writer is not None:
                writer.write_bytes(out)

        self.for_each(tensor, append, self._put(writer) if is_placed else None)
        return True

    def for_each(
        self,
        tensor: "Tensor",
        append: "Callable[[int, memoryview], None]",
        put: "Callable[[int, memoryview], None] | None",
    ) -> None:
        """Compute the strips of all samples.

        Args:
            tensor: The tensor.
            append: Takes what comes of each, in order, with its number.
            put: Takes it in any order, from any thread; None where it has to be in order.

        Raises:
            PoolnormError: The tensor cannot be read, or what takes the results raises it.
        """
        plan, pool = self.plan, self.plan.pool
        ranges, seen = plan.tensor_ranges(tensor)
        opened = tensor.data_at() if pool.threads > 1 else None
        if opened is not None and put is not None:
            with opened as read:
                row = prod(seen[1:]) * tensor.dtype.itemsize
                pool.for_each(self._placing(tensor, read, row, put), enumerate(ranges))
            return
        slices = tensor.raw_slices(ranges, seen, pool.max_in_flight)
        made = pool.taken_in_order.ordered_map(self._computing(tensor), enumerate(slices))
        for index, out in enumerate(made):
            append(index, out)

    def _computing(self, tensor: "Tensor") -> "Callable[[tuple[int, memoryview]], memoryview]":
        def work(numbered: tuple[int, memoryview]) -> memoryview:
            index, raw = numbered
            return self.compute(tensor, index, raw)

        return work

    def _placing(
        self,
        tensor: "Tensor",
        read: "ReadAt",
        row: int,
        put: "Callable[[int, memoryview], None]",
    ) -> "Callable[[tuple[int, tuple[int, int]]], None]":
        from mmap import mmap  # as where samples are whole

        memories: list[mmap] = []
        most = max(strip.stop - strip.start for strip in self.strips) * row

        def place(numbered: tuple[int, tuple[int, int]]) -> None:
            index, (start, stop) = numbered
            try:
                memory = memories.pop()
            except IndexError:
                memory = mmap(-1, most)
            raw = memoryview(memory)[: (stop - start) * row]
            tensor.fill_at(read, raw, start * row)
            put(index, self.compute(tensor, index, raw))
            memories.append(memory)

        return place

    def _put(self, writer: "ArrayWriter | None") -> "Callable[[int, memoryview], None]":
        """Return what writes the output of a strip where it belongs."""
        starts, itemsize = [0], DTYPES[self.plan.result].itemsize
        for size, call in zip(self.sizes, self.calls, strict=True):
            starts.append(starts[-1] + size // DTYPES[call.dtype].itemsize * itemsize)
        whole = starts[-1]

        def put(index: int, out: memoryview) -> None:
            sample, strip = divmod(index, len(self.strips))
            if writer is not None:
                writer.write_at(out, sample * whole + starts[strip])

        return put

    def compute(self, tensor: "Tensor", index: int, raw: memoryview) -> memoryview:
        """Compute a strip.

        Args:
            tensor: The tensor.
            index: Which strip it is, those of all samples counted through.
            raw: What was read of it, which is changed.

        Returns:
            What comes of it.
        """
        place = index % len(self.strips)
        strip = self.strips[place]
        width = len(raw) // (strip.stop - strip.start)
        cells = raw[strip.first * width : strip.end * width]
        if tensor.swapped:
            native.loops().swap(cells, tensor.dtype.itemsize)
        return self._computed(index, cells)

    def _computed(self, index: int, cells: memoryview) -> memoryview:
        """Return what comes of a strip's own cells."""
        place, plan = index % len(self.strips), self.plan
        strip = self.strips[place]
        cells = _converted(cells, plan.dtype, plan.compute_dtype.name)
        out, dtype = memoryview(bytearray(self.sizes[place])), self.calls[place].dtype
        self.run(index, cells, out)
        return out if strip.place is not None else self.rounded(out, dtype)

    def run(self, index: int, cells: memoryview, out: memoryview) -> None:
        """Compute a strip of items in the type of the arithmetic.

        Args:
            index: Which strip it is, those of all samples counted through.
            cells: The items.
            out: Memory of what comes of it.
        """
        place = index % len(self.strips)
        strip, call = self.strips[place], self.calls[place]
        if not call.run(cells, out):
            self._compute_arrays(strip, call.dtype, cells, out)

    def rounded(self, out: memoryview, dtype: str) -> memoryview:
        """Round what came of a strip to the type of the output.

        Args:
            out: Its items.
            dtype: Name of their type.

        Returns:
            The items as they are written.
        """
        return _converted(out, dtype, self.plan.result)

    def fill(self, cells: memoryview, out: memoryview) -> None:
        """Compute an array of which strips are parts of rows, one strip after another.

        Args:
            cells: The bytes of the array.
            out: Memory of the output.
        """
        plan, parts, count = self.plan, _Parts(self, None), len(self.strips)
        rows = prod(plan.shape[: self.strips[0].axis + 1])
        width, length = len(cells) // rows, rows // plan.shape[0]
        for index in range(plan.shape[0] * count):
            sample, place = divmod(index, count)
            strip = self.strips[place]
            start = sample * length + strip.start
            own = (start + strip.first) * width, (start + strip.end) * width
            parts.put(index, self._computed(index, cells[slice(*own)]))
        end = 0
        for row in parts.rows():
            start, end = end, end + len(row)
            out[start:end] = row

    def _compute_arrays(
        self, strip: "Strip", dtype: str, cells: memoryview, out: memoryview
    ) -> None:
        """Compute a strip in NumPy, where its values are such that a loop cannot."""
        import numpy as np

        plan = self.plan
        x = np.frombuffer(cells, plan.compute_dtype.name).reshape(strip.shape(plan.shape))
        with np.errstate(all="ignore"):
            y = plan.layer.apply(x, {}, Call(strip=strip))
        np.frombuffer(out, dtype)[...] = y.reshape(-1)


class _Parts:
    """What came of all strips, of which the outputs are made at the end."""

    def __init__(self, loops: StripLoops, writer: "ArrayWriter | None") -> None:
        self._loops, self._writer = loops, writer
        self._found: dict[int, memoryview] = {}

    def put(self, index: int, out: memoryview) -> None:
        """Keep what came of a strip; any thread may."""
        self._found[index] = out

    def write(self) -> None:
        """Put together what came of the strips of each sample, and write it."""
        for row in self.rows():
            if self._writer is not None:
                self._writer.write_bytes(row)

    def rows(self) -> "Iterator[memoryview]":
        """Put together what came of the strips of each sample."""
        count = len(self._loops.strips)
        rows = _rows_of(self._loops.strips)
        for sample in range(len(self._found) // count):
            for first, end in rows:
                parts = [self._found[sample * count + place] for place in range(first, end)]
                yield self._row(parts, first, end)

    def _row(self, parts: "list[memoryview]", first: int, end: int) -> memoryview:
        """Return what the strips from one to another, which are parts of a row, make together."""
        loops, plan = self._loops, self._loops.plan
        strips, layer, dtype = loops.strips[first:end], plan.layer, plan.compute_dtype.name
        if strips[0].place is None:
            return parts[0]
        width = loops.sizes[first] // DTYPES[loops.calls[first].dtype].itemsize
        assert isinstance(layer, SpatialLayer)  # noqa: S101 - no other has parts of a row
        counts = tuple(strip.end - strip.first for strip in strips)
        call = layer.combining_call(counts, width, dtype)
        out = memoryview(bytearray(width * DTYPES[dtype].itemsize))
        if call is None or not call(memoryview(b"".join(parts)), out):
            self._combine_arrays(zip(strips, loops.calls[first:end], parts, strict=True), out)
        return loops.rounded(out, dtype)

    def _combine_arrays(
        self, found: "Iterable[tuple[Strip, StripCall, memoryview]]", out: memoryview
    ) -> None:
        import numpy as np

        plan, dtype = self._loops.plan, self._loops.plan.compute_dtype.name
        each = [(Call(strip=s), np.frombuffer(part, call.dtype)) for s, call, part in found]
        assert isinstance(plan.layer, SpatialLayer)  # noqa: S101 - as above
        with np.errstate(all="ignore"):
            y = plan.layer.combine(iter(each))
            np.frombuffer(out, dtype)[...] = y.reshape(-1)


def strip_loops(plan: "BlockPlan", weights: "Mapping[str, memoryview]") -> "StripLoops | None":
    """Return what computes the strips of an inner plan, if nothing has to be known before.

    Args:
        plan: The plan, the samples of which are cut into strips.
        weights: Those of the layer, float64.

    Returns:
        None where NumPy is needed.

    Raises:
        UsageError: The layer does not take the tensor.
    """
    layer = plan.layer
    calls, sizes = [], []
    for strip in plan.strips:
        shape = strip.shape(plan.shape)
        call = _strip_call(plan, weights, strip, shape)
        if call is None:
            return None
        calls.append(call)
        sizes.append(prod(layer.block_shape(shape, strip)) * DTYPES[call.dtype].itemsize)
    made = (
        sizes[first] // DTYPES[calls[first].dtype].itemsize for first, _ in _rows_of(plan.strips)
    )
    if sum(made) != prod(plan.output_shape[1:]):
        return None
    combines = any(strip.place is not None for strip in plan.strips)
    return StripLoops(plan, plan.strips, calls, sizes, combines)


def _strip_call(
    plan: "BlockPlan", weights: "Mapping[str, memoryview]", strip: "Strip", shape: "Ints"
) -> "StripCall | None":
    """Return what computes a strip; None where nothing does."""
    layer, dtype = plan.layer, plan.compute_dtype.name
    if isinstance(layer, SpatialLayer):
        return layer.strip_call(shape, strip, dtype)
    if not isinstance(layer, Normalization):
        return None
    from poolnorm_cli.kernels.strip_loops import StripCall

    axes = layer.axes(len(shape))
    if len(axes) > 1:
        return None
    first = strip.corner(len(shape))[axes[0]]
    own = {name: w[first : first + shape[axes[0]]] for name, w in weights.items()}
    call = layer.loop_call(shape, dtype, own)
    return None if call is None else StripCall(call, dtype)


def _rows_of(strips: "list[Strip]") -> list[tuple[int, int]]:
    """Return the strips that have parts of one row, from the first to the one after the last."""
    found: list[tuple[int, int]] = []
    for place, strip in enumerate(strips):
        before = strips[place - 1] if place else None
        if before is not None and strip.place is not None and strip.place == before.place:
            found[-1] = found[-1][0], place + 1
        else:
            found.append((place, place + 1))
    return found


def _converted(items: memoryview, source: str, target: str) -> memoryview:
    """Return items in another type, which a loop makes of them."""
    if source == target:
        return items
    count = len(items) // DTYPES[source].itemsize
    made = memoryview(bytearray(count * DTYPES[target].itemsize))
    native.loops().convert(items, made, native.KINDS[source], native.KINDS[target], count)
    return made
