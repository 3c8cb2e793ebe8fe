"""An array in memory as a tensor, so that what runs on files runs on it."""

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from poolnorm_cli.kernels.memory import Array
from poolnorm_cli.tensors.codecs import decode
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.tensor import Layout, RowRange, Tensor


if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from poolnorm_cli.shapes import Ints
    from poolnorm_cli.tensors.by_place import Opened
    from poolnorm_cli.tensors.files import ReadInto


class ArrayTensor(Tensor):
    """An array whose blocks are read where they lie."""

    def __init__(self, array: Array, name: str) -> None:
        """Take an array.

        Args:
            array: C-contiguous, native-endian; bfloat16 of any package's type.
            name: What messages call it.

        Raises:
            InputError: Its size cannot be.
        """
        super().__init__(name, Layout(array.shape, DTYPES[array.dtype.name]))
        self._array = array

    def data(self) -> "AbstractContextManager[ReadInto]":
        """Refuse: nobody needs the bytes."""
        raise NotImplementedError

    def slices(
        self, ranges: Iterable[RowRange], shape: "Ints", max_in_flight: int = 1
    ) -> Iterator[Array]:
        """Return slices as `Tensor.slices` does, which are views.

        Args:
            ranges: First index and end of each along axis 0 of `shape`.
            shape: The shape in which they are meant.
            max_in_flight: Not used: no memory is used again.

        Returns:
            The slices.
        """
        del max_in_flight
        seen = self._array.reshape(shape)
        return (self._decoded(seen[start:stop]) for start, stop in ranges)

    def slices_at(self, shape: "Ints", most: int) -> "Opened":
        """Open the array for slices in any order.

        Args:
            shape: The shape in which they are meant.
            most: Not used.

        Returns:
            What returns a slice.
        """
        del most
        seen = self._array.reshape(shape)
        return nullcontext(lambda start, stop: self._decoded(seen[start:stop]))

    def _decoded(self, cells: Array) -> Any:
        if self.dtype.name != "bfloat16":
            return cells
        raw = cells.reshape(-1).view(np.uint8).data
        return decode(raw, self.dtype, swapped=False).reshape(cells.shape)
