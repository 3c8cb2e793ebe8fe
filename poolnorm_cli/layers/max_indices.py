"""Where max pooling finds its values, as torch's `return_indices` tells."""

from typing import TYPE_CHECKING, Any

from poolnorm_cli.layers.adaptive_pooling import AdaptiveMaxPooling
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.call import INFERENCE, Call
from poolnorm_cli.layers.pooling import MaxPooling
from poolnorm_cli.layers.spatial import SpatialLayer
from poolnorm_cli.shapes import Ints
from poolnorm_cli.strips import bounds_strips, window_strips
from poolnorm_cli.values import fields, frozen


if TYPE_CHECKING:
    from collections.abc import Mapping

    from poolnorm_cli.kernels.native import LoopCall
    from poolnorm_cli.kernels.strip_loops import StripCall
    from poolnorm_cli.layers.call import Array, Weights
    from poolnorm_cli.strips import Bounds, Strip
    from poolnorm_cli.windows import Window


class IndexLayer(SpatialLayer):
    """Keep where the largest value under each window is.

    It is run beside the layer of the maxima, and gives int64: the index of the cell among all of
    the spatial axes, counted through in their order. Of equal values the first is meant, of NaNs
    the last, as in torch.
    """

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
        return max_indices(x, self._searched(x.shape, strip), first)

    def _searched(
        self, shape: Ints, strip: "Strip | None"
    ) -> "Mapping[int, Window] | Mapping[int, Bounds]":
        """Return the windows on each spatial axis of a block."""
        raise NotImplementedError

    def loop_call(
        self, shape: Ints, dtype: str, weights: "Mapping[str, memoryview]"
    ) -> "LoopCall | None":
        """Return no call: indices have another dtype than the items that it is for.

        Args:
            shape: Shape of the block.
            dtype: Name of its dtype.
            weights: Not used: there are none.

        Returns:
            None.
        """
        del shape, dtype, weights
        return None

    def index_call(self, shape: Ints, dtype: str) -> "LoopCall | None":
        """Return the call of the loop that finds the indices of a block.

        Args:
            shape: Shape of the block.
            dtype: Name of the dtype of its items; indices are int64.

        Returns:
            The call; None where there is none, so that NumPy is needed.
        """
        from poolnorm_cli.kernels.index_loops import index_call, indices_of_items

        call = index_call(shape, self._searched(shape, None))
        return None if call is None else indices_of_items(call, dtype)

    def strip_call(self, shape: Ints, strip: "Strip", dtype: str) -> "StripCall | None":
        """Return no call, as `loop_call`.

        Args:
            shape: Shape of the rows of the strip that are used.
            strip: Which rows of a sample they are.
            dtype: Name of their dtype.

        Returns:
            None.
        """
        del shape, strip, dtype
        return None


@frozen(kw_only=True)
class MaxIndices(IndexLayer, MaxPooling):
    """Slide a window over every spatial axis and keep where its largest value is."""

    def _searched(
        self, shape: Ints, strip: "Strip | None"
    ) -> "Mapping[int, Window] | Mapping[int, Bounds]":
        return self.windows(shape, strip)

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


@frozen(kw_only=True)
class AdaptiveMaxIndices(IndexLayer, AdaptiveMaxPooling):
    """Cover every spatial axis evenly with windows and keep where the largest value of each is."""

    def _searched(
        self, shape: Ints, strip: "Strip | None"
    ) -> "Mapping[int, Window] | Mapping[int, Bounds]":
        pooling = self.as_pooling(shape, strip)
        return self.window_bounds(shape, strip) if pooling is None else pooling.windows(shape)

    def row_strips(self, shape: Ints, rows: int) -> "list[Strip]":
        """Cut the first spatial axis under the windows, each window whole.

        Args:
            shape: All axes of the input, batch first.
            rows: About how many rows go into a strip; a window of more has all of its rows.

        Returns:
            The strips, in order.
        """
        pooling = self.as_pooling(shape)
        if pooling is not None:
            window = pooling.windows(shape)[1]
            return window_strips(shape[1], window, max(rows, window.size))
        bounds = self.window_bounds(shape)[1]
        longest = max(end - first for first, end in bounds)
        return bounds_strips(shape[1], bounds, max(rows, longest))


def indices_of(layer: object) -> Layer | None:
    """Return what finds where a layer takes its values.

    Args:
        layer: Any layer.

    Returns:
        A layer that gives indices; None for one that takes no maxima under windows.
    """
    if type(layer) is MaxPooling:
        return MaxIndices(**_parameters(layer))
    if type(layer) is AdaptiveMaxPooling:
        return AdaptiveMaxIndices(**_parameters(layer))
    return None


def _parameters(layer: Layer) -> dict[str, Any]:
    return {field.name: getattr(layer, field.name) for field in fields(layer)}
