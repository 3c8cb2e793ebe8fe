"""A mask in a file: which cells of the inputs count."""

from typing import TYPE_CHECKING

from poolnorm_cli.errors import InputError, UsageError
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.shapes import Ints, format_shape
from poolnorm_cli.tensors.sources import STDIN, open_tensors
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.tensors.tensor import Tensor


@frozen
class MaskFile:
    """A file with the mask of all inputs, or an `.npz` with one mask per array of the inputs.

    Attributes:
        word: The file, or `file.npz::NAME`.
    """

    word: str

    def __post_init__(self) -> None:
        """Refuse a stream, which could be read once only."""
        if self.word == STDIN:
            raise UsageError("--mask - would read standard input", "give a .npy or .npz file")

    def of(self, tensor: "Tensor", layer: Layer) -> "Tensor":
        """Return the mask for a tensor, its shape and dtype checked.

        Raises:
            UsageError: The layer takes no mask for the tensor, or one of another shape.
            InputError: The mask cannot be read, or is of floats.
        """
        found = list(open_tensors(self.word))
        mask = found[0]
        if len(found) > 1:
            names = ", ".join(str(each.key) for each in found)
            by_key = [each for each in found if each.key == tensor.key]
            if not by_key:
                raise UsageError(
                    f"--mask {self.word} holds {names}", f"name one, as {self.word}::{found[0].key}"
                )
            mask = by_key[0]
        if mask.dtype.kind == "f":
            told = f"{mask.name}: a mask of {mask.dtype.name}"
            raise InputError(told, "save it with astype(bool): true where a cell counts")
        require_mask_shape(layer, tensor.shape, mask.shape)
        return mask


def require_mask_shape(layer: Layer, shape: Ints, mask: Ints) -> None:
    """Check the shape of a mask for an input of `shape`.

    Raises:
        UsageError: The layer takes no mask for it, or one of another shape.
    """
    needed = layer.mask_shape(shape)
    if mask != needed:
        raise UsageError(
            f"--mask has shape ({format_shape(mask)})",
            f"an input of ({format_shape(shape)}) needs ({format_shape(needed)})",
        )
