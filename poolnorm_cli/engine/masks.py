"""A mask in a file: which cells of the inputs count."""

from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.maskable import require_maskable
from poolnorm_cli.shapes import Ints, format_shape
from poolnorm_cli.sizes import MASK_PIECE_BYTES
from poolnorm_cli.tensors.formats import either
from poolnorm_cli.tensors.names import STDIN
from poolnorm_cli.tensors.sources import open_tensors
from poolnorm_cli.tensors.tensor import with_batch_axis
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from poolnorm_cli.tensors.tensor import RowRange, Tensor


@frozen
class MaskFile:
    """A file with the mask of all inputs, or an `.npz` with one mask per array of the inputs.

    Attributes:
        word: The file, or `file.npz::NAME`.
        unbatched: Inputs have no batch axis, and so neither has it.
    """

    word: str
    unbatched: bool = False

    flag: ClassVar[str] = "--mask"

    def __post_init__(self) -> None:
        """Refuse a stream, which could be read once only."""
        if self.word == STDIN:
            raise UsageError(f"{self.flag} - would read standard input", f"give a {either()} file")

    @property
    def shape(self) -> Ints:
        """The shape of the mask, or of the first one in the file.

        Raises:
            InputError: It cannot be read.
        """
        return next(self._open()).shape

    def array_for(self, tensor: "Tensor") -> "Tensor":
        """Return the array of the file that is the mask of a tensor.

        Raises:
            UsageError: It has several, and none of them is called as the tensor is.
            InputError: It cannot be read.
        """
        found = list(self._open())
        if len(found) == 1:
            return found[0]
        by_key = [each for each in found if each.key == tensor.key]
        if not by_key:
            names = ", ".join(str(each.key) for each in found)
            raise UsageError(
                f"{self.flag} {self.word} holds {names}",
                f"name one, as {self.word}::{found[0].key}",
            )
        return by_key[0]

    def _open(self) -> "Iterator[Tensor]":
        opened = open_tensors(self.word)
        return with_batch_axis(opened) if self.unbatched else opened

    def mask_for(self, tensor: "Tensor", layer: Layer) -> "tuple[Tensor | BroadcastMask, int]":
        """Return the mask for a tensor, its shape checked; a cell counts where it is not 0.

        Args:
            tensor: The input.
            layer: The layer.

        Returns:
            The mask, and the factor that results under it are multiplied by.

        Raises:
            UsageError: The layer takes no mask for the tensor, or none of such a shape.
            InputError: The mask cannot be read.
        """
        mask = self.array_for(tensor)
        shape = whole_mask_shape(layer, tensor.shape, mask.shape)
        factor = require_maskable(layer, tensor.shape).mask_factor(tensor.shape, mask.shape)
        return mask if mask.shape == shape else BroadcastMask(_whole(mask), shape), factor


@frozen(eq=False)
class BroadcastMask:
    """A mask with fewer cells than are asked for: along axes of size 1 all cells are alike.

    Attributes:
        cells: The mask as it was given: bool.
        shape: The shape that it is broadcast to.
    """

    cells: "NDArray[Any]"
    shape: Ints

    def slices(self, ranges: "Iterable[RowRange]", seen: Ints) -> "Iterator[NDArray[Any]]":
        """Return slices of the mask, of which no more than one is in memory.

        Args:
            ranges: First index and end along axis 0 of `seen`, for each slice.
            seen: The shape in which it is cut: its first axes may be merged into one.

        Yields:
            Slices, of shape `(stop - start, *seen[1:])`, as bool.
        """
        import numpy as np

        whole = np.broadcast_to(self.cells, self.shape)
        merged = self.shape[: len(self.shape) - len(seen) + 1]
        for start, stop in ranges:
            yield whole[np.unravel_index(np.arange(start, stop), merged)]


def whole_mask_shape(layer: Layer, shape: Ints, mask: Ints) -> Ints:
    """Return the shape of all cells that a mask says something of, for an input of `shape`.

    Args:
        layer: The layer.
        shape: Shape of the input.
        mask: Shape of the mask, which may have size 1 in place of any other.

    Returns:
        The shape, one size for each of the leading axes of the input that the layer masks.

    Raises:
        UsageError: The layer takes no mask for it, or none of such a shape.
    """
    maskable = require_maskable(layer, shape)
    needed = tuple(int(size or 0) for size in maskable.mask_shape(shape))
    lacking = len(needed) - len(mask)
    given = (*(1,) * lacking, *mask) if maskable.mask_may_lack_axes else mask
    fits = len(given) == len(needed) and all(
        size in (1, whole) for size, whole in zip(given, needed, strict=True)
    )
    if not fits:
        raise UsageError(
            f"--mask has shape ({format_shape(mask)})",
            f"an input of ({format_shape(shape)}) needs ({format_shape(needed)}), "
            "or 1 in place of a size",
        )
    return needed


def _whole(mask: "Tensor") -> "NDArray[Any]":
    """Read a mask as bool: it is smaller than its tensor, and used again and again."""
    import numpy as np

    cells = np.empty(mask.shape, bool)
    flat, done = cells.reshape(-1), 0
    size = prod(mask.shape)
    ranges = ((at, min(at + MASK_PIECE_BYTES, size)) for at in range(0, size, MASK_PIECE_BYTES))
    for part in mask.slices(ranges, (size,)):
        flat[done : done + part.size] = part != 0
        done += part.size
    return cells
