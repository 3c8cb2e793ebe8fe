"""`--conventions`: Keras, PyTorch and ONNX side by side, as rows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from poolnorm_cli.calculator.convention import Convention
from poolnorm_cli.calculator.conventions import conventions_of
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.report.rows import Row
from poolnorm_cli.report.text import keras_shape, wrapped
from poolnorm_cli.shapes import Shape


SECTION = "conventions"


def convention_rows(layer: Layer, shape: Shape) -> list[Row]:
    """Return a row for each framework that something is known of.

    Args:
        layer: The layer.
        shape: Shape of the input.

    Returns:
        The rows.
    """
    return [_ConventionRow(each) for each in conventions_of(layer, shape)]


class _ConventionRow(Row):
    """What one framework makes of the numbers."""

    section = SECTION

    def __init__(self, convention: Convention) -> None:
        """Keep the convention."""
        self._convention = convention

    def cells(self) -> Mapping[str, str]:
        """Return its layer with the same numbers, the shape that gives, and if it is the answer."""
        told = self._convention
        shape = "" if told.like_shape is None else keras_shape(told.like_shape)
        refused = "refused" if told.like and told.like_shape is None else ""
        return {
            "framework": told.framework,
            "the same numbers": told.like_text,
            "output shape": shape or refused,
            "Keras' answer": told.answer,
        }

    def fields(self) -> Sequence[str]:
        """Return the same."""
        return list(self.cells().values())

    def details(self, width: int) -> Iterable[str]:
        """Return what is different, and the call for Keras' answer."""
        return wrapped(self._convention.lines(), width)

    def entry(self) -> Any:
        """Return all of it."""
        return self._convention.entry()
