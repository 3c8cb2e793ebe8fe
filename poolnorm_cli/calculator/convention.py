"""What one framework makes of a layer's numbers, and how it gives Keras' answer, as a value."""

from collections.abc import Mapping, Sequence
from typing import Any

from poolnorm_cli.shapes import Dim, Ints, Shape
from poolnorm_cli.values import field, frozen


STAND_IN = 61
"""The size that a program is written for where an axis has none; larger than windows, see below."""


@frozen(kw_only=True)
class Convention:
    """What a framework makes of the numbers of a layer.

    Attributes:
        framework: `Keras`, `PyTorch` or `ONNX`.
        order: The axes of Keras' input in the order in which the framework wants them; its output
            has them in the same order.
        like: Its layer of the same name with the same numbers: lines that make `y` of `x`. Empty
            where it has none, or none with such numbers.
        like_shape: The shape of that `y`; None where there is none, or it refuses the input.
        same: It has Keras' answer; None where that depends on sizes that are not known.
        why: What is different; why there is no such layer.
        call: Lines that make Keras' answer of `x`; empty where it has none.
        none: Why there is no such call.
        weights: What its module calls a weight -> what Keras calls it.
        notes: What else is different, of defaults and of training.
    """

    framework: str
    order: Ints
    like: Sequence[str] = ()
    like_shape: Shape | None = None
    same: bool | None = True
    why: str = ""
    call: Sequence[str] = ()
    none: str = ""
    weights: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def answer(self) -> str:
        """Whether the layer of the same name has Keras' answer, in a word."""
        if not self.like:
            return "no such layer"
        return {True: "yes", False: "no", None: "depends on sizes"}[self.same]

    @property
    def like_text(self) -> str:
        """The layer of the same name as one would type it, without input and output."""
        if not self.like:
            return ""
        first = self.like[0]
        if first.startswith("layer = "):
            return first.removeprefix("layer = ")
        return first.removeprefix("y = ").removesuffix("(x)")

    def entry(self) -> dict[str, Any]:
        """Return it as a document has it."""
        return {
            "framework": self.framework,
            "axes_order": self.order,
            "same_numbers": list(self.like),
            "output_shape": self.like_shape,
            "keras_answer": self.same if self.like else False,
            "why": self.why,
            "call": list(self.call),
            "no_call": self.none,
            "weights": dict(self.weights),
            "notes": list(self.notes),
        }

    def lines(self) -> list[str]:
        """Describe it, below the row of a table."""
        told = [self.why] if self.why else []
        if self.order != tuple(range(len(self.order))):
            told.append(f"x has its axes in the order {','.join(map(str, self.order))} there")
        if self.call and list(self.call) != list(self.like):
            told.append("Keras' answer:")
            told += [f"    {line}" for line in self.call]
        if self.none:
            told.append(f"no call for Keras' answer: {self.none}")
        if self.weights:
            names = ", ".join(f"{theirs} = {ours}" for theirs, ours in self.weights.items())
            told.append(f"weights: {names}")
        return [*told, *self.notes]


def reordered(shape: Shape, order: Ints) -> Shape:
    """Put the axes of a shape in another order.

    Args:
        shape: The shape.
        order: For each axis of the result, the axis of the shape.

    Returns:
        The shape in that order.
    """
    return tuple(shape[axis] for axis in order)


def sized(shape: Shape, least: int = 0) -> Ints:
    """Put a stand-in where a size is not known, so that a program can be written for it.

    Args:
        shape: The shape.
        least: A window or stride that the stand-in has to be larger than.

    Returns:
        The sizes.
    """
    stand_in = max(STAND_IN, 2 * least)
    return tuple(size if isinstance(size, int) else stand_in for size in shape)


def names_of(sizes: Sequence[Dim]) -> str:
    """Write the sizes that are not numbers, for a message: `H, W`."""
    return ", ".join(dict.fromkeys(str(size) for size in sizes if not isinstance(size, int)))
