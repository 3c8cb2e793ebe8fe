"""Where max pooling finds its values, as torch's `return_indices` tells."""

from typing import TYPE_CHECKING, Self

from poolnorm_cli.layers.call import INFERENCE, Call
from poolnorm_cli.layers.pooling import MaxPooling
from poolnorm_cli.shapes import Ints
from poolnorm_cli.strips import window_strips
from poolnorm_cli.values import fields, frozen


if TYPE_CHECKING:
    from collections.abc import Mapping

    from poolnorm_cli.kernels.native import LoopCall
    from poolnorm_cli.layers.call import Array, Weights
    from poolnorm_cli.strips import Strip


@frozen(kw_only=True)
class MaxIndices(MaxPooling):
    """Slide a window over every spatial axis and keep where its largest value is.

    It is run beside `MaxPooling`, by NumPy, and gives int64: the index of the cell among all of the
    spatial axes, counted through in their order. Of equal values the first is meant, of NaNs the
    last, as in torch.
    """

    @classmethod
    def of(cls, layer: MaxPooling) -> Self:
        """Return what finds the values of a layer."""
        return cls(**{field.name: getattr(layer, field.name) for field in fields(layer)})

    def apply(self, x: "Array", weights: "Weights", call: Call = INFERENCE) -> "Array":
        """Find the maxima.

        Args:
            x: The block, of any numeric dtype.
            weights: Not used: there are none.
            call: Which strip of a sample the block is.

        Returns:
            Their indices among the cells of a whole sample, int64.
        """
        from poolnorm_cli.kernels.window_indices import max_indices

        del weights
        strip = call.strip
        first = 0 if strip is None else strip.start + strip.first
        return max_indices(x, self.windows(x.shape, strip), first)

    def row_strips(self, shape: Ints, rows: int) -> "list[Strip]":
        """Cut the first spatial axis under the window, each window whole.

        Args:
            shape: All axes of the input, batch first.
            rows: About how many rows go into a strip; a window of more has all of its rows.

        Returns:
            The strips, in order.
        """
        window = self.windows(shape)[1]
        return window_strips(shape[1], window, max(rows, window.size))

    def loop_call(
        self, shape: Ints, dtype: str, weights: "Mapping[str, memoryview]"
    ) -> "LoopCall | None":
        """Return no call: no compiled loop tells indices.

        Args:
            shape: Shape of the block.
            dtype: Name of its dtype.
            weights: Not used: there are none.

        Returns:
            None.
        """
        del shape, dtype, weights
        return None
