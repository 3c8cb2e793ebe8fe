"""What a layer says of a mask: which cells of its input count."""

from typing import TYPE_CHECKING, ClassVar

from poolnorm_cli.errors import UsageError
from poolnorm_cli.shapes import Ints, Shape


if TYPE_CHECKING:
    from poolnorm_cli.layers.base import Layer


class Masked:
    """Defaults for a layer that takes no mask."""

    __slots__ = ()

    accepts_mask: ClassVar[bool] = False
    """The layer can be told which cells count."""
    mask_may_lack_axes: ClassVar[bool] = False
    """A mask of fewer axes is as one with size 1 on each of those before."""

    def mask_shape(self, shape: Shape) -> Shape:
        """Return the shape of a mask for an input of `shape`.

        Raises:
            UsageError: The layer takes no mask for such an input.
        """
        layer: Layer = self  # type: ignore[assignment]
        raise UsageError(f"{layer.keras_class(shape)} takes no mask", "leave out --mask")

    def mask_factor(self, shape: Ints, mask: Ints) -> int:
        """Return what results are multiplied by where a mask had such a shape as it was given."""
        del shape, mask
        return 1

    def mask_note(self, mask: Ints) -> str | None:
        """Say what is worth knowing of a mask of such a shape; None where nothing is."""
        del mask
        return None

    def ignores_mask(self, *, training: bool) -> str | None:
        """Say why a mask makes no difference to such a call; None where it does."""
        del training
        return None
