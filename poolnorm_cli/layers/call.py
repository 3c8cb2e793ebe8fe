"""How a layer is called on a block, and what is known of a run when it is over."""

from functools import partial
from typing import TYPE_CHECKING, Any

from poolnorm_cli.shapes import Ints
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from poolnorm_cli.kernels.moments import Moments
    from poolnorm_cli.kernels.native import LoopCall, LoopMaker
    from poolnorm_cli.strips import Strip

    Array = NDArray[Any]
    Weights = Mapping[str, NDArray[Any]]


@frozen
class Call:
    """How a layer is called on one block, besides the block and the weights.

    Attributes:
        training: Use the statistics of the batch, as Keras' `training=True`.
        moments: Statistics gathered over all blocks, for layers that ask for them; None otherwise.
        start: Index along axis 0 at which the block starts in its tensor.
        step: Training calls of this run that came before.
        mask: Which cells of the block count, as bool, of the layer's `mask_shape`; None where all
            do.
        strip: Which rows of one sample the block is; None where it is whole samples.
    """

    training: bool = False
    moments: "Moments | None" = None
    start: int = 0
    step: int = 0
    mask: "Array | None" = None
    strip: "Strip | None" = None

    def origin(self, rank: int) -> Ints:
        """Return the index at which a block of such a rank starts in its tensor."""
        inside = (0,) * rank if self.strip is None else self.strip.corner(rank)
        return (self.start, *inside[1:])


INFERENCE = Call()


class ByLoops:
    """A layer, as compiled loops compute it."""

    def loop_call(
        self, shape: Ints, dtype: str, weights: "Mapping[str, memoryview]"
    ) -> "LoopCall | None":
        """Return what computes the bytes of `apply` in inference by compiled loops, without NumPy.

        Args:
            shape: Shape of the block.
            dtype: Name of its dtype, in which the output is, too: float32 or float64.
            weights: What `weight_shapes` names, in the shapes given there, float64.

        Returns:
            The call; None where there is none, so that NumPy is needed.

        Raises:
            UsageError: The layer cannot take such a block.
        """
        del shape, dtype, weights
        return None

    def loop_maker(self, shape: Ints, dtype: str) -> "LoopMaker":
        """Return `loop_call` of any weights: what follows from shapes is found once for all.

        Args:
            shape: Shape of the block.
            dtype: Name of its dtype.

        Returns:
            What takes weights.

        Raises:
            UsageError: The layer cannot take such a block.
        """
        return partial(self.loop_call, shape, dtype)


@frozen
class Facts:
    """One run of a layer over one input, for the layer to explain itself by.

    Attributes:
        shape: Shape of the input.
        weights: The weights that were used.
        moments: The statistics of the input, where the layer gathers them before it starts.
        updated: The weights as the run has left them; None where it did not change them.
        first: The first sample of the input, axis 0 kept; None where it is not known.
        masked: A mask says which cells count.
    """

    shape: Ints
    weights: "Weights"
    moments: "Moments | None" = None
    updated: "Weights | None" = None
    first: "Array | None" = None
    masked: bool = False
