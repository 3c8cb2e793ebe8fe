"""What a layer says of a mask: which cells of its input count."""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.shapes import Ints, Shape


if TYPE_CHECKING:
    from poolnorm_cli.layers.call import Array


class Maskable(Layer):
    """A layer that takes a mask: which cells count."""

    mask_may_lack_axes: ClassVar[bool] = False
    """A mask without the first axes counts as one that has them with size 1."""

    mask_name: ClassVar[str] = "mask"
    mask_dtype: ClassVar[str] = "bool"
    """What a graph calls the mask, and what it is of; a layer may take numbers in its place."""

    @abstractmethod
    def mask_shape(self, shape: Shape) -> Shape:
        """Return the shape of a mask for an input of `shape`.

        Raises:
            UsageError: The layer takes no mask for such an input.
        """

    def mask_cells(self, part: "Array", shape: Ints) -> "Array":
        """Return a part of the mask as the layer is given it.

        Args:
            part: As it is in the file.
            shape: Shape of the blocks that it is for; the batch is not looked at.

        Returns:
            Of `mask_dtype`, in memory of its own.
        """
        del shape
        counts: Array = part != 0
        return counts

    def mask_factor(self, shape: Ints, mask: Ints) -> int:
        """Return what results are multiplied by.

        Args:
            shape: Shape of the input.
            mask: Shape of the mask as it was given, before it is broadcast.

        Returns:
            The factor; 1 for nearly all layers.
        """
        del shape, mask
        return 1

    def mask_note(self, mask: Ints) -> str | None:
        """Return what is worth knowing of a mask of such a shape; None where nothing is."""
        del mask
        return None

    def ignores_mask(self, *, training: bool) -> str | None:
        """Return why a mask makes no difference to such a call; None where it does."""
        del training
        return None


def require_maskable(layer: Layer, shape: Shape) -> Maskable:
    """Return a layer as one that takes a mask.

    Args:
        layer: The layer.
        shape: Shape of the input, for the name of the layer.

    Returns:
        The layer itself.

    Raises:
        UsageError: It takes none.
    """
    if not isinstance(layer, Maskable):
        raise UsageError(f"{layer.keras_class(shape)} takes no mask", "leave out --mask")
    return layer


def heeds_mask(layer: Layer, *, training: bool) -> bool:
    """Whether a mask makes a difference to a call of a layer.

    Args:
        layer: The layer.
        training: The call is a training call.

    Returns:
        False too where the layer takes no mask.
    """
    return isinstance(layer, Maskable) and not layer.ignores_mask(training=training)
