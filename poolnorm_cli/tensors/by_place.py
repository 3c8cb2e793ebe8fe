"""Slices of a tensor that threads read for themselves, each in any order."""

from __future__ import annotations

from contextlib import contextmanager
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from poolnorm_cli.kernels.memory import acquire, release
from poolnorm_cli.tensors.codecs import as_bits, decode


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import Protocol

    from poolnorm_cli.errors import InputError
    from poolnorm_cli.shapes import Ints
    from poolnorm_cli.tensors.dtypes import DType
    from poolnorm_cli.tensors.files import ReadAt

    SliceAt = Callable[[int, int], Any]
    """Returns the rows from one index up to another, C-contiguous, in memory of their own that
    `release` takes back."""
    Opened = AbstractContextManager[SliceAt]

    class Filling(Protocol):
        """What a tensor knows of its bytes."""

        dtype: DType
        swapped: bool
        name: str

        @property
        def is_transposed(self) -> bool:
            """Whether its items do not lie in C order."""

        def data_at(self) -> AbstractContextManager[ReadAt] | None:
            """Open the data for one pass in any order; None where bytes come in order."""

        def fill_at(self, read: ReadAt, raw: memoryview, start: int) -> None:
            """Read bytes of the data from an offset in it."""

        def no_memory(self, size: int) -> InputError:
            """Return the error for a block for which there is no memory."""


@contextmanager
def decoded_slices(
    tensor: Filling, opened: AbstractContextManager[ReadAt], shape: Ints, *, bits: bool = False
) -> Iterator[SliceAt]:
    """Open a tensor for one pass over slices in any order.

    Args:
        tensor: The tensor, in C order.
        opened: Its data.
        shape: A shape of as many items in which it is seen.
        bits: Leave bfloat16 as it is stored.

    Yields:
        What reads a slice.

    Raises:
        InputError: The bytes are truncated, altered or unreadable.
    """
    width = prod(shape[1:]) * tensor.dtype.itemsize
    with opened as read:

        def slice_at(start: int, stop: int) -> Any:
            size = (stop - start) * width
            try:
                memory = acquire((size,), np.uint8)
            except MemoryError:
                raise tensor.no_memory(size) from None
            tensor.fill_at(read, memory.data, start * width)
            if bits:
                cells = as_bits(memory.data, swapped=tensor.swapped)
            else:
                cells = decode(memory.data, tensor.dtype, tensor.swapped)
            if not np.may_share_memory(cells, memory):
                release(memory)
            return cells.reshape(stop - start, *shape[1:])

        yield slice_at


def bits_of(tensor: Filling, shape: Ints) -> Opened | None:
    """Open bfloat16 for one pass over slices in any order that are left as they are stored.

    Args:
        tensor: A tensor.
        shape: A shape of as many items in which it is seen.

    Returns:
        What returns slices, of the dtype `BITS`; None for other types, and for bytes in order.
    """
    if tensor.is_transposed or tensor.dtype.name != "bfloat16":
        return None
    read = tensor.data_at()
    return None if read is None else decoded_slices(tensor, read, shape, bits=True)
