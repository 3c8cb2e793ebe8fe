"""A normalization node of an ONNX file as a layer, whose weights broadcast."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from poolnorm_cli.errors import UsageError
from poolnorm_cli.shapes import Ints, format_shape
from poolnorm_cli.values import frozen
from poolnorm_cli.weights import fit, fit_shapes
from poolnorm_cli.weights.broadcasting import Broadcasting, broadcast, laid_out_shapes
from poolnorm_cli.weights.entry import Entry, plain


if TYPE_CHECKING:
    from poolnorm_cli.layers.base import Layer
    from poolnorm_cli.weights import Weights


@frozen(kw_only=True)
class OnnxEntry(Entry):
    """One layer of an ONNX file.

    Attributes:
        first_axis: The first of the axes that it is over, which go on to the last; None where it
            is over the channels.
        groups: For so many groups there is a weight each, not for each channel; None where not.
    """

    first_axis: int | None = None
    groups: int | None = None

    @property
    def needed_rank(self) -> int | None:
        """Axes that any input must have: which it is over is counted from the first."""
        return self.rank if self.first_axis is not None and self.first_axis >= 0 else None

    def for_rank(self, rank: int | None) -> "OnnxEntry":
        """Return the layer with the axes that it is over in an input of so many.

        Args:
            rank: Axes of the input; None where that is not known.

        Raises:
            UsageError: The input has fewer, or has not as many as the file says.
        """
        first, stated = self.first_axis, self.rank
        if first is None:
            return self
        if first < 0:
            return replace(self, config={**self.config, "axis": list(range(first, 0))}, rank=None)
        if rank is not None and stated is not None and rank != stated:
            told = f"{self.place}: its input has rank {stated}, not {rank}"
            raise UsageError(told, "give an input of that rank")
        known = rank if rank is not None else stated
        if known is None:
            told = f"{self.place}: it is over the axes from {first} on, of an input of any rank"
            raise UsageError(told, "give a file as the input, whose rank says how many these are")
        if first >= known:
            told = f"{self.place}: it is over the axes from {first} on, the input has rank {known}"
            raise UsageError(told, "give an input of a higher rank")
        return replace(self, config={**self.config, "axis": list(range(first, known))}, rank=known)

    def take(self, layer: "Layer", expected: Mapping[str, Ints], *, training: bool) -> "Weights":
        """Read the weights, their shapes checked before any value is read.

        Args:
            layer: The layer that they are for.
            expected: Its weights in Keras' order, with their shapes.
            training: It moves its moving statistics, and does not divide by them.

        Returns:
            The weights as they are in the file: they broadcast to the shapes of any input.

        Raises:
            UsageError: A weight is missing, is not one of the layer's, or has another shape.
            InputError: It cannot be read, is not finite, or no variance.
        """
        with self.told():
            shapes = {name: stored.shape for name, stored in self.arrays.items()}
            fit_shapes(laid_out_shapes(shapes, expected, self.groups), expected)
            values = {name: plain(stored.read()) for name, stored in self.arrays.items()}
            found = Broadcasting(values, self.groups)
            fit(found, expected, layer, training=training)
            return found

    def sizes(self, count: int) -> Ints:
        """Return the sizes of so many axes to which all weights broadcast."""
        if self.first_axis is None:
            return super().sizes(count)
        try:
            return broadcast(count, *(stored.shape for stored in self.arrays.values()))
        except ValueError:
            shapes = ", ".join(f"({format_shape(each.shape)})" for each in self.arrays.values())
            told = f"weights of shapes {shapes} for {count} axes"
            raise UsageError(told, "they must broadcast to these") from None
