"""A tensor of which only the shape is known: for graphs and programs that are made without data."""

import os
import re
from typing import NoReturn

from poolnorm_cli.errors import UsageError
from poolnorm_cli.shapes import Shape, parse_shape
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.sources import FirstInput
from poolnorm_cli.tensors.tensor import Layout, Tensor


STAND_IN = 24
"""Cells of an axis whose size is a name, or not known."""
_DIM = r"(?:\d+|None|\?|[A-Za-z_]\w*)"
_SHAPE = re.compile(rf"[(\[]?\s*{_DIM}(?:\s*,\s*{_DIM})+\s*[)\]]?|\d+(?:x\d+)+")


class ShapeTensor(Tensor):
    """A shape in place of a tensor.

    Attributes:
        named: The shape as it was typed, batch axis first; names and None stand for any size.
    """

    def __init__(self, word: str, named: Shape, dtype: str) -> None:
        """Give numbers to what has none: one sample, and some size for every other axis.

        Args:
            word: What was typed.
            named: The shape in it.
            dtype: Name of the dtype.
        """
        sizes = [size if isinstance(size, int) else STAND_IN for size in named]
        if not isinstance(named[0], int):
            sizes[0] = 1
        super().__init__(word, Layout(tuple(sizes), DTYPES[dtype]))
        self.named = named

    def data(self) -> NoReturn:
        """Refuse: there are none.

        Raises:
            UsageError: Always.
        """
        raise UsageError.at(self.name, "a shape has no data", "name a file to run a layer on")


class ShapeInput(FirstInput):
    """A first input of which only the shape is known."""

    has_data = False

    def __init__(self, word: str, dtype: str, *, unbatched: bool = False) -> None:
        """Read a shape.

        Args:
            word: What was typed.
            dtype: Name of the dtype.
            unbatched: It lacks the batch axis.

        Raises:
            UsageError: It is no shape.
        """
        super().__init__(word)
        shape = parse_shape(word)
        self._tensor = ShapeTensor(word, (1, *shape) if unbatched else shape, dtype)

    def tensors(self) -> list[Tensor]:
        """Return the tensor without data."""
        return [self._tensor]

    def shape(self) -> tuple[int, ...]:
        """Return the shape, with numbers for names."""
        return self._tensor.shape


def is_shape(word: str) -> bool:
    """Whether a word is a shape, and no file of that name is there."""
    return _SHAPE.fullmatch(word.strip()) is not None and not os.path.lexists(word)
