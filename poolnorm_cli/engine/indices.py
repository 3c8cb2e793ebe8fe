"""Indices in a file: where in the output the values of the inputs go."""

from typing import TYPE_CHECKING, ClassVar

from poolnorm_cli.engine.masks import MaskFile
from poolnorm_cli.errors import InputError, UsageError
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.shapes import format_shape
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.tensors.tensor import Tensor


@frozen
class IndicesFile(MaskFile):
    """A file with the indices of all inputs, or an `.npz` with those of each array of the inputs.

    A run takes it as it takes a mask: cut into the same blocks as its input.
    """

    flag: ClassVar[str] = "--indices"

    def mask_for(self, tensor: "Tensor", layer: Layer) -> "tuple[Tensor, int]":
        """Return the indices for a tensor, one for each of its values.

        Args:
            tensor: The input.
            layer: Not looked at: it is one that takes indices.

        Returns:
            The indices, and 1.

        Raises:
            UsageError: There are more or fewer of them, or they are in other axes.
            InputError: They cannot be read, or are no integers.
        """
        del layer
        indices = self.array_for(tensor)
        if not indices.dtype.name.startswith(("int", "uint")):
            what = f"indices are {indices.dtype.name}"
            raise InputError.at(self.word, what, "give integers, as pool max --indices writes them")
        if indices.shape != tensor.shape:
            what = f"--indices has shape ({format_shape(indices.shape)})"
            fix = f"an input of ({format_shape(tensor.shape)}) needs one for each of its values"
            raise UsageError(what, fix)
        return indices, 1
