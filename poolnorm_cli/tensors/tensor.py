"""Tensors that are read in blocks of samples, as often as needed, and never as a whole."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import prod
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import InputError
from poolnorm_cli.machine import memory_allowance
from poolnorm_cli.sizes import LARGEST_ARRAY_BYTES, TRANSFER_BYTES
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from numpy.typing import NDArray

    from poolnorm_cli.shapes import Ints
    from poolnorm_cli.tensors.by_place import Opened
    from poolnorm_cli.tensors.dtypes import DType
    from poolnorm_cli.tensors.files import ReadAt, ReadInto, Stamp


RowRange = tuple[int, int]
"""First index along axis 0, and the one after the last."""


@frozen
class Layout:
    """How the bytes of an array are to be read.

    Attributes:
        shape: The items per axis; axis 0 counts the samples.
        dtype: The type on disk.
        swapped: Whether its bytes are in the other order than this machine's.
        fortran_order: Whether the first axis varies fastest, and not the last.
    """

    shape: Ints
    dtype: DType
    swapped: bool = False
    fortran_order: bool = False


@frozen
class PassedOver:
    """Something in a file that is no tensor, and is passed over.

    Attributes:
        key: Its name there.
        reason: Why it is no tensor.
        shape: The shape that it has; None for what is no array.
    """

    key: str
    reason: str
    shape: Ints | None = None


class Tensor(ABC):
    """An array in a file or a stream, of which all but the data has been read.

    A format has a class of its own that says in `data` how the bytes are come by.

    Attributes:
        name: What messages call it: `x.npy`, `x.npz::key`, `-`.
        path: The file it is in, or None on standard input.
        key: Its name in a file that holds several, or None.
        shape: The items per axis; axis 0 counts the samples.
        dtype: The type on disk; blocks of bfloat16 are float32, all others have this type.
        swapped: Whether its bytes are in the other order than this machine's.
        fortran_order: Whether the first axis varies fastest, and not the last.
        nbytes: The size of its data on disk when it is not compressed.
        compressed: Whether it is deflated.
        source: What has to stay open for as long as the tensor is there.
        limit: The bytes that a Fortran-ordered array may take, for it is read whole.
        passed_over: What is no tensor in its file, with the first tensor of it alone.
        notes: What there is to say of that, a line each.
        file: What tells, on this machine, whether its file is still the same; None for what is no
            file here.
        packed: The bytes that it takes where it is deflated, or may be; None elsewhere.
        best_rows: The most samples that it should be read in at a time; None where that is all one.
    """

    path: Path | str | None
    key: str | None
    dtype: DType
    passed_over: tuple[PassedOver, ...] = ()
    notes: tuple[str, ...] = ()
    file: Stamp | None = None
    packed: int | None = None
    best_rows: int | None = None

    def __init__(
        self,
        name: str,
        layout: Layout,
        *,
        path: Path | str | None = None,
        key: str | None = None,
        compressed: bool = False,
    ) -> None:
        """Take over what is known of an array.

        Args:
            name: What messages call it.
            layout: What its file says of it.
            path: The file it is in.
            key: Its name there, if arrays have names there.
            compressed: Whether it is deflated.

        Raises:
            InputError: Its size cannot be.
        """
        self.name, self.path, self.key = name, path, key
        self.shape, self.dtype = layout.shape, layout.dtype
        self.swapped, self.fortran_order = layout.swapped, layout.fortran_order
        self.compressed = compressed
        self.nbytes = prod(self.shape) * self.dtype.itemsize
        whole = self.nbytes or prod(max(dim, 1) for dim in self.shape) * self.dtype.itemsize
        if whole >= LARGEST_ARRAY_BYTES:
            raise InputError.at(name, "the shape says 2**62 bytes or more", "save it again")
        self.limit: int | None = None
        self.source: object = None

    @property
    def stored_bytes(self) -> int:
        """Bytes that one pass reads of it."""
        return self.nbytes

    def spool(self) -> None:  # noqa: B027 - files can be read again as they are
        """Make sure that the data can be read more than once."""

    def close(self) -> None:  # noqa: B027 - only streams hold anything
        """Release what the tensor holds between passes."""

    @abstractmethod
    def data(self) -> AbstractContextManager[ReadInto]:
        """Open the data for one pass, from its first byte; on exit, check what was read."""

    def data_at(self) -> AbstractContextManager[ReadAt] | None:
        """Open the data for one pass in any order; on exit, check what was read.

        Returns:
            What reads from an offset in the data; None where bytes come in order.
        """
        return None

    def slices_at(self, shape: Ints, most: int) -> Opened | None:
        """Open the array for one pass over slices in any order, by several threads at once.

        Args:
            shape: A shape of as many items in which it is seen.
            most: Rows of the longest slice.

        Returns:
            What returns slices as they are asked for, decoded like those of `slices`; None where
            they come in order.
        """
        del most
        read = None if self.is_transposed else self.data_at()
        if read is None:
            return None
        from poolnorm_cli.tensors.by_place import decoded_slices

        return decoded_slices(self, read, shape)

    def blocks(self, rows: int, max_in_flight: int = 1) -> Iterator[NDArray[Any]]:
        """Return the array in slices of `rows` samples along axis 0; the last may have fewer.

        **The memory of a block is used again** for the block `max_in_flight` places on: copy
        what is to be kept. Every call is a new pass. An empty batch has no blocks. The bytes are
        known to be whole and unchanged only once the iteration has ended.

        Args:
            rows: Samples of a block.
            max_in_flight: Blocks of which the memory is in use at once.

        Returns:
            Blocks of shape `(rows, *shape[1:])`, C-contiguous, native-endian and decoded.

        Raises:
            InputError: The array has no axes, or its bytes are truncated, altered or unreadable.
        """
        if not self.shape:
            raise InputError.at(self.name, "a single number (rank 0)", "layers need a batch axis")
        if rows < 1:
            message = f"a block of {rows} samples"
            raise ValueError(message)
        return self.slices(even_ranges(self.shape[0], rows), self.shape, max_in_flight)

    def slices(
        self, ranges: Iterable[RowRange], shape: Ints, max_in_flight: int = 1
    ) -> Iterator[NDArray[Any]]:
        """Return slices of the array seen in another shape of as many items.

        Args:
            ranges: First index and end along axis 0 of `shape`, for each slice. The first begins at
                0, the last ends at the end, and one begins where the one before it ends, or
                before that: then it has rows of it once more.
            shape: The shape. An array in Fortran order is put in C order first.
            max_in_flight: Slices of which the memory is in use at once, as in `blocks`.

        Returns:
            The slices, C-contiguous, native-endian and decoded.

        Raises:
            InputError: The bytes are truncated, altered or unreadable.
        """
        if self.is_transposed:
            return self._fortran_slices(ranges, shape)
        return self._c_slices(ranges, shape, max_in_flight)

    @property
    def is_transposed(self) -> bool:
        """Whether its items do not lie in C order."""
        if not self.fortran_order or not self.nbytes:
            return False
        return sum(dim > 1 for dim in self.shape) > 1

    def raw_slices(
        self, ranges: Iterable[RowRange], shape: Ints, max_in_flight: int = 1
    ) -> Iterator[memoryview]:
        """Return slices as `slices`, but as they are stored, for which nobody needs NumPy.

        Args:
            ranges: As there.
            shape: As there.
            max_in_flight: As there.

        Returns:
            The bytes of the slices, aligned; those of items that are swapped are swapped still.

        Raises:
            InputError: The bytes are truncated, altered or unreadable.
            ValueError: The array is in Fortran order.
        """
        if self.is_transposed:
            raise ValueError(self.name)
        read = self._read_slices(ranges, shape, max_in_flight, self._plain_memory)
        return (raw for _, raw in read)

    def _c_slices(
        self, ranges: Iterable[RowRange], shape: Ints, max_in_flight: int
    ) -> Iterator[NDArray[Any]]:
        from poolnorm_cli.tensors.codecs import decode

        for rows, raw in self._read_slices(ranges, shape, max_in_flight, self._memory):
            yield decode(raw, self.dtype, self.swapped).reshape(rows, *shape[1:])

    def _read_slices(
        self,
        ranges: Iterable[RowRange],
        shape: Ints,
        max_in_flight: int,
        memory: Callable[[int], memoryview],
    ) -> Iterator[tuple[int, memoryview]]:
        width = prod(shape[1:]) * self.dtype.itemsize
        memories: list[memoryview] = []
        done, tail = 0, b""
        with self.data() as readinto:
            for index, ((start, stop), after) in enumerate(with_next(ranges)):
                size = (stop - start) * width
                if len(memories) < max_in_flight:
                    memories.append(memory(size))
                elif len(memories[index % max_in_flight]) < size:
                    memories[index % max_in_flight] = memory(size)
                raw = memories[index % max_in_flight][:size]
                again = (done - start) * width
                raw[:again] = tail
                self._fill(readinto, raw[again:], done * width)
                done = stop
                # Kept as it was read: what is decoded may be swapped where it lies.
                tail = bytes(raw[(after[0] - start) * width :]) if after else b""
                yield stop - start, raw

    def _fortran_slices(self, ranges: Iterable[RowRange], shape: Ints) -> Iterator[NDArray[Any]]:
        import numpy as np

        from poolnorm_cli.tensors.codecs import decode

        limit = memory_allowance() if self.limit is None else self.limit
        if self.nbytes > limit:
            what = f"Fortran order is read whole: {self.nbytes} bytes, {limit} allowed"
            raise InputError.at(self.name, what, "save it with np.ascontiguousarray")
        raw = self._memory(self.nbytes)
        with self.data() as readinto:
            self._fill(readinto, raw, 0)
            whole = decode(raw, self.dtype, self.swapped).reshape(self.shape, order="F")
            if shape != self.shape:
                whole = whole.reshape(shape)
            for start, stop in ranges:
                yield np.ascontiguousarray(whole[start:stop])

    def _memory(self, size: int) -> memoryview:
        import numpy as np

        try:
            return np.empty(size, np.uint8).data
        except (MemoryError, ValueError):
            raise self.no_memory(size) from None

    def _plain_memory(self, size: int) -> memoryview:
        try:
            return memoryview(bytearray(size))
        except (MemoryError, OverflowError):
            raise self.no_memory(size) from None

    def no_memory(self, size: int) -> InputError:
        """Return the error for a block of so many bytes, for which there is no memory."""
        what = f"no memory for a block of {size} bytes"
        return InputError.at(self.name, what, "use smaller blocks")

    def _fill(self, readinto: ReadInto, raw: memoryview, start: int) -> None:
        self.fill_at(lambda view, _: readinto(view), raw, start)

    def fill_at(self, read: ReadAt, raw: memoryview, start: int) -> None:
        """Read bytes of the data from an offset in it, in as many calls as it takes.

        Args:
            read: What `data_at` opened.
            raw: Takes the bytes.
            start: The offset.

        Raises:
            InputError: There are not so many.
        """
        done = 0
        while done < len(raw):
            count = read(raw[done : done + TRANSFER_BYTES], start + done)
            if not count:
                raise self.truncated(start + done)
            done += count

    def require_size(self, found: int, fix: str) -> None:
        """Refuse a file that has more or fewer bytes of data than it says.

        Args:
            found: The bytes that are there.
            fix: What to do about more.

        Raises:
            InputError: There are.
        """
        if found < self.nbytes:
            raise self.truncated(found)
        if found > self.nbytes:
            what = f"trailing bytes: {found} where the header says {self.nbytes}"
            raise InputError.at(self.name, what, fix)

    def truncated(self, found: int) -> InputError:
        """Return the error that says how many bytes of data are there."""
        what = f"truncated: {found} of {self.nbytes} bytes"
        return InputError.at(self.name, what, "copy or save it again")


def with_batch_axis(tensors: Iterable[Tensor]) -> Iterator[Tensor]:
    """Make each tensor one sample: its bytes stay, and its shape begins with a 1.

    Args:
        tensors: Tensors without a batch axis, which nobody has read yet.

    Yields:
        The same tensors. A single number stays what it is, since no layer takes it.
    """
    for tensor in tensors:
        if tensor.shape:
            tensor.shape = (1, *tensor.shape)
        yield tensor


def even_ranges(length: int, rows: int) -> Iterator[RowRange]:
    """Cut an axis into slices of as many rows each, the last of which may have fewer.

    Args:
        length: Rows of the axis.
        rows: Rows of a slice.

    Returns:
        First row and end of each slice, in order.
    """
    return ((start, min(start + rows, length)) for start in range(0, length, rows))


def with_next(ranges: Iterable[RowRange]) -> Iterator[tuple[RowRange, RowRange | None]]:
    """Pair each range with the one after it, the last with None."""
    rest = iter(ranges)
    held = next(rest, None)
    while held is not None:
        after = next(rest, None)
        yield held, after
        held = after
