"""Samples too large for a block, without NumPy: strip after strip, or strips in any order."""

from math import prod
from typing import TYPE_CHECKING

from poolnorm_cli.kernels import native
from poolnorm_cli.layers.call import Call
from poolnorm_cli.layers.spatial import SpatialLayer
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from poolnorm_cli.engine.blocks import BlockPlan
    from poolnorm_cli.kernels.strip_loops import StripCall
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
        combines: They are parts of one row of the output.
    """

    plan: "BlockPlan"
    strips: "list[Strip]"
    calls: "list[StripCall]"
    sizes: list[int]
    combines: bool

    def write(self, tensor: "Tensor", writer: "ArrayWriter | None") -> None:
        """Compute all strips and write what comes of them: each thread its own, where it can.

        Args:
            tensor: The tensor.
            writer: Takes the outputs; None to compute only.

        Raises:
            PoolnormError: The tensor cannot be read, or the outputs not be written.
        """
        plan, pool = self.plan, self.plan.pool
        ranges, seen = plan.tensor_ranges(tensor)
        parts = _Parts(self, writer) if self.combines else None
        opened = tensor.data_at() if pool.threads > 1 else None
        in_any_order = parts is not None or writer is None or writer.begin_at(pool.threads)
        if opened is not None and in_any_order:
            with opened as read:
                row = prod(seen[1:]) * tensor.dtype.itemsize
                put = parts.put if parts is not None else self._put(writer)
                pool.for_each(self._placing(tensor, read, row, put), enumerate(ranges))
        else:
            slices = tensor.raw_slices(ranges, seen, pool.max_in_flight)
            made = pool.taken_in_order.ordered_map(self._computing(tensor), enumerate(slices))
            for index, out in enumerate(made):
                if parts is not None:
                    parts.put(index, out)
                elif writer is not None:
                    writer.write_bytes(out)
        if parts is not None:
            parts.write()

    def _computing(self, tensor: "Tensor") -> "Callable[[tuple[int, memoryview]], memoryview]":
        def work(numbered: tuple[int, memoryview]) -> memoryview:
            index, raw = numbered
            return self.compute(tensor, index % len(self.strips), raw)

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
            put(index, self.compute(tensor, index % len(self.strips), raw))
            memories.append(memory)

        return place

    def _put(self, writer: "ArrayWriter | None") -> "Callable[[int, memoryview], None]":
        """Return what writes the output of a strip where it belongs."""
        starts, whole = [0], sum(self.sizes)
        for size in self.sizes:
            starts.append(starts[-1] + size)

        def put(index: int, out: memoryview) -> None:
            sample, strip = divmod(index, len(self.strips))
            if writer is not None:
                writer.write_at(out, sample * whole + starts[strip])

        return put

    def compute(self, tensor: "Tensor", place: int, raw: memoryview) -> memoryview:
        """Compute a strip.

        Args:
            tensor: The tensor.
            place: Which strip of a sample it is.
            raw: What was read of it, which is changed.

        Returns:
            What comes of it.
        """
        strip = self.strips[place]
        width = len(raw) // (strip.stop - strip.start)
        cells = raw[strip.first * width : strip.end * width]
        if tensor.swapped:
            native.loops().swap(cells, tensor.dtype.itemsize)
        return self._computed(place, cells)

    def _computed(self, place: int, cells: memoryview) -> memoryview:
        """Return what comes of a strip's own cells."""
        strip, call = self.strips[place], self.calls[place]
        out = memoryview(bytearray(self.sizes[place]))
        if not call.run(cells, out):
            self._compute_arrays(strip, call.dtype, cells, out)
        return out

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
            parts.put(index, self._computed(place, cells[slice(*own)]))
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
        x = np.frombuffer(cells, plan.dtype).reshape(strip.shape(plan.shape))
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
        loops, plan = self._loops, self._loops.plan
        count, layer = len(loops.strips), plan.layer
        width = prod(plan.output_shape[1:])
        rows = tuple(strip.end - strip.first for strip in loops.strips)
        assert isinstance(layer, SpatialLayer)  # noqa: S101 - no other has parts of a row
        call = layer.combining_call(rows, width, plan.dtype)
        for sample in range(len(self._found) // count):
            parts = [self._found[sample * count + place] for place in range(count)]
            out = memoryview(bytearray(width * DTYPES[plan.result].itemsize))
            if call is None or not call(memoryview(b"".join(parts)), out):
                self._combine_arrays(parts, out)
            yield out

    def _combine_arrays(self, parts: "Iterable[memoryview]", out: memoryview) -> None:
        import numpy as np

        loops, plan = self._loops, self._loops.plan
        shape = (1, *plan.output_shape[1:])
        each = [
            (Call(strip=strip), np.frombuffer(part, call.dtype).reshape(shape))
            for strip, call, part in zip(loops.strips, loops.calls, parts, strict=True)
        ]
        assert isinstance(plan.layer, SpatialLayer)  # noqa: S101 - as above
        with np.errstate(all="ignore"):
            y = plan.layer.combine(iter(each))
            np.frombuffer(out, plan.result)[...] = y.reshape(-1)


def strip_loops(plan: "BlockPlan") -> StripLoops | None:
    """Return what computes the strips of an inner plan.

    Args:
        plan: The plan, the samples of which are cut into strips.

    Returns:
        None where NumPy is needed.

    Raises:
        UsageError: The layer does not take the tensor.
    """
    layer = plan.layer
    is_direct = plan.dtype == plan.compute_dtype.name == plan.result
    if not is_direct or not isinstance(layer, SpatialLayer):
        return None
    calls, sizes = [], []
    for strip in plan.strips:
        shape = strip.shape(plan.shape)
        call = layer.strip_call(shape, strip, plan.dtype)
        if call is None:
            return None
        calls.append(call)
        sizes.append(prod(layer.block_shape(shape, strip)) * DTYPES[call.dtype].itemsize)
    whole = prod(plan.output_shape[1:]) * DTYPES[plan.result].itemsize
    combines = plan.strips[0].place is not None
    if not combines and sum(sizes) != whole:
        return None
    return StripLoops(plan, plan.strips, calls, sizes, combines)
