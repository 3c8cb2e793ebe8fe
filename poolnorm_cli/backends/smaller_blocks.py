"""Blocks for which a device has no memory are computed in smaller parts, which give the same."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from poolnorm_cli.backends.providers import DeviceMemoryError
from poolnorm_cli.shapes import format_shape
from poolnorm_cli.values import replace


if TYPE_CHECKING:
    from poolnorm_cli.layers.call import Array, Call

    Compute = Callable[[Array, Sequence[Call]], Array]


class SmallerBlocks:
    """Halves blocks until a device has memory for them, and remembers how large they may be."""

    def __init__(self, free: Callable[[], None]) -> None:
        """Keep what frees memory.

        Args:
            free: Gives back what the device holds for other blocks.
        """
        self._free = free
        self._most: int | None = None

    def apply(self, compute: "Compute", x: "Array", calls: "Sequence[Call]") -> "Array":
        """Compute a block, in parts if it has to be.

        Args:
            compute: Computes samples along axis 0, by calls that say where these are.
            x: The block.
            calls: How each layer is called on it.

        Returns:
            The output.

        Raises:
            DeviceMemoryError: There is no memory for a single sample, or for a strip of one.
        """
        while True:
            rows = self._rows(x, calls)
            try:
                return compute(x, calls) if rows >= len(x) else _in_parts(compute, x, calls, rows)
            except DeviceMemoryError as error:
                self._free()
                if rows == 1 or calls[0].strip is not None:
                    sample = f"({format_shape(x.shape[1:])})"
                    raise error.saying(
                        what=f"no memory left on the device for one sample of shape {sample}"
                    ) from error
                self._most = min(rows, len(x)) // 2 * (x.nbytes // len(x))

    def _rows(self, x: "Array", calls: "Sequence[Call]") -> int:
        """Return how many samples are computed at once."""
        if self._most is None or not len(x) or calls[0].strip is not None:
            return max(len(x), 1)
        return min(max(self._most // max(x.nbytes // len(x), 1), 1), len(x))


def _in_parts(compute: "Compute", x: "Array", calls: "Sequence[Call]", rows: int) -> "Array":
    y: Array | None = None
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        moved = [
            replace(
                call, start=call.start + start, mask=None if call.mask is None else call.mask[part]
            )
            for call in calls
        ]
        found = compute(x[part], moved)
        if y is None:
            y = np.empty((len(x), *found.shape[1:]), found.dtype)
        y[part] = found
    assert y is not None  # noqa: S101 - a block that is done in parts has samples
    return y
