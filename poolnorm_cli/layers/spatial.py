"""What all kinds of pooling share: the spatial axes, and what is made of the parts of a window."""

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.base import Layer, require_one_of
from poolnorm_cli.shapes import DataFormat, Ints, Shape, spatial_rank
from poolnorm_cli.strips import channels_as_images, rows_for
from poolnorm_cli.values import replace


if TYPE_CHECKING:
    from collections.abc import Iterable

    from poolnorm_cli.kernels.native import LoopCall
    from poolnorm_cli.kernels.strip_loops import StripCall
    from poolnorm_cli.layers.call import Array, Call, Weights
    from poolnorm_cli.strips import Strip


LARGEST_VALUE = {"float32": 3.4028234663852886e38, "float64": 1.7976931348623157e308}
"""Dtype -> its largest finite value."""


class SpatialLayer(Layer):
    """A layer that works along the spatial axes, on each channel alike."""

    data_format: DataFormat

    stays_in_range: ClassVar[bool] = False
    """A value of the output is never larger than the largest magnitude under its window."""

    def __post_init__(self) -> None:
        """Validate the parameters, as far as that needs no input."""
        require_one_of(self.data_format, get_args(DataFormat), "--data-format")

    def collapse_leading_axes(self, shape: Ints) -> tuple[Layer, Ints]:
        """See channels-first images as ones of a single channel."""
        if self.data_format == "channels_last":
            return self, shape
        last: Any = {"data_format": "channels_last"}
        return replace(self, **last), channels_as_images(shape)

    def output_limit(self, limit: float, shape: Shape, weights: "Weights") -> float:
        """Return the limit of the input, where no value leaves the range of those under its window.

        Args:
            limit: One that no value of the input exceeds, all of which are finite.
            shape: Not used.
            weights: Not used: there are none.

        Returns:
            `limit`; infinity for a layer that does not say so.
        """
        del shape, weights
        return limit if self.stays_in_range else math.inf

    def strips(self, shape: Ints, items: int) -> "list[Strip]":
        """Cut the first spatial axis.

        Args:
            shape: All axes of the input, batch first.
            items: About how many items of a sample go into a strip, 1 or more.

        Returns:
            The strips, in order; [] where the channels come first: such images are seen as planes.
        """
        if self.data_format == "channels_first":
            return []
        return self.row_strips(shape, rows_for(shape, items))

    def strip_call(self, shape: Ints, strip: "Strip", dtype: str) -> "StripCall | None":
        """Return what computes the bytes of `apply` on a strip by compiled loops, without NumPy.

        Args:
            shape: Shape of the rows of the strip that are used.
            strip: Which rows of a sample they are.
            dtype: Name of their dtype.

        Returns:
            The call; None where there is none, so that NumPy is needed.
        """
        del shape, strip, dtype
        return None

    def combining_call(self, rows: Ints, width: int, dtype: str) -> "LoopCall | None":
        """Return what puts together what `strip_call` made of strips, as `combine` does of arrays.

        Args:
            rows: Rows of each strip.
            width: Items that each of them made.
            dtype: Name of the dtype of the sample.

        Returns:
            The call, on what all strips made; None where there is none, so that NumPy is needed.
        """
        del rows, width, dtype
        return None

    @abstractmethod
    def row_strips(self, shape: Ints, rows: int) -> "list[Strip]":
        """Cut the first spatial axis of an input with its channels last.

        Args:
            shape: All axes of the input, batch first.
            rows: About how many rows go into a strip, 1 or more.

        Returns:
            The strips, in order.
        """

    def keras_class(self, shape: Shape) -> str:
        """Append the spatial rank: `MaxPooling2D`."""
        return f"{self.keras_name}{spatial_rank(shape)}D"


def largest(parts: "Iterable[tuple[Call, Array]]") -> "Array":
    """Take the maximum of the maxima of strips."""
    from poolnorm_cli.kernels.reductions import largest_of

    return largest_of(part for _, part in parts)


def average(parts: "Iterable[tuple[Call, Array]]") -> "Array":
    """Average the means of strips, each by its number of rows that count."""
    from poolnorm_cli.kernels.reductions import mean_of_means

    return mean_of_means((part, _counted(call)) for call, part in parts)


def _counted(call: "Call") -> int:
    if call.mask is not None:
        return int(call.mask.sum())
    return call.strip.end - call.strip.first if call.strip is not None else 1


def require_cells(shape: Shape, axes: Ints) -> None:
    """Refuse an input without a cell on one of the spatial axes.

    Args:
        shape: Shape of the input.
        axes: Its spatial axes.

    Raises:
        UsageError: One of them has size 0.
    """
    for axis in axes:
        if shape[axis] == 0:
            raise UsageError(
                f"axis {axis} has no cells: there is nothing to pool",
                "give an input with 1 cell or more on every spatial axis",
            )
