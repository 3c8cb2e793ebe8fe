"""Arrays on their way into an output, block by block."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import OutputError
from poolnorm_cli.tensors.dtypes import DType, descr_of
from poolnorm_cli.tensors.header import build_header
from poolnorm_cli.tensors.messages import fault


if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Sink = Callable[[memoryview | bytes], None]

_SMALL = 1 << 16
"""Bytes of a first block that are written together with the header, in one call."""


class ArrayWriter:
    """Writes one array of a known shape as a `.npy`; its blocks come in order along axis 0."""

    def __init__(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: DType,
        sink: Sink,
        ended: Callable[[], None],
    ) -> None:
        """Write to `sink`, the header first; `ended` is called once all items are there."""
        self.name, self.shape, self.dtype = name, shape, dtype
        self._sink, self._ended = sink, ended
        self._left = self._items = prod(shape)
        self._closed = False
        self._header = build_header(shape, descr_of(dtype))

    @property
    def closed(self) -> bool:
        """Whether the array is complete and ended."""
        return self._closed

    def write(self, block: NDArray[Any]) -> None:
        """Append a block of any shape, rounded to the dtype of the array.

        Raises:
            OutputError: There is no room, or there are more items than the shape has.
            TypeError: An integer or bool array is given blocks of another type.
        """
        from poolnorm_cli.tensors.codecs import encode

        self._left -= block.size
        if self._left < 0 or self._closed:
            raise self._miscounted()
        if not block.size:
            return
        data = encode(block, self.dtype).reshape(-1).view("u1").data
        if len(data) <= _SMALL and self._header:
            data, self._header = memoryview(self._header + bytes(data)), b""
        self._begin()
        self._sink(data)

    def _begin(self) -> None:
        """Write the header, if that has not been done."""
        if self._header:
            self._sink(self._header)
            self._header = b""

    def close(self) -> None:
        """End the array.

        Raises:
            OutputError: Items are missing, or cannot be written.
        """
        if self._closed:
            return
        if self._left:
            raise self._miscounted()
        self._begin()
        self._closed = True
        self._ended()

    def _miscounted(self) -> OutputError:
        told = f"{self._items - self._left} items written where the shape has {self._items}"
        return fault(OutputError, self.name, told, "nothing was kept")
