"""Whole programs for other frameworks, which give the output that a run gives here."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from poolnorm_cli.errors import UsageError
from poolnorm_cli.shapes import Ints
from poolnorm_cli.values import field, frozen


if TYPE_CHECKING:
    from poolnorm_cli.layers.base import Layer
    from poolnorm_cli.layers.call import Array

Lines = list[str]

_MOST_VALUES = 1 << 20
"""Values of a weight up to which they are printed: about 10 MB."""
_WIDTH = 88


@frozen(kw_only=True)
class ProgramContext:
    """What a program is written for.

    Attributes:
        shape: Shape of the input.
        dtype: Name of the dtype that the input is stored in.
        compute: Name of the dtype that the layer computes in.
        result: Name of the dtype of the output.
        x: What loads the input into NumPy, in Python.
        training: Use the statistics of the batch.
        mask: What loads the mask, as bool; None where all cells count.
        weights: Keras' name of a weight -> what makes it in NumPy, in the shape that the layer
            needs; those are left out that start as the frameworks start them.
        prelude: Lines that `weights` needs before it.
        loaded: The weights come from a file, not of initializers.
        adjustment: What makes its scale and its bias in NumPy; nothing without one.
    """

    shape: Ints
    dtype: str
    compute: str
    result: str
    x: str
    training: bool = False
    mask: str | None = None
    weights: Mapping[str, str] = field(default_factory=dict)
    prelude: Sequence[str] = ()
    loaded: bool = False
    adjustment: Mapping[str, str] = field(default_factory=dict)

    @property
    def rank(self) -> int:
        """Axes of the input."""
        return len(self.shape)

    def input_as(self, dtype: str) -> str:
        """Write what loads the input in a dtype."""
        if self.dtype == "bfloat16":
            wide = f"({self.x}.view('<u2').astype('<u4') << 16).view('<f4')"
            return wide if dtype == "float32" else f"{wide}.astype({dtype!r})"
        return f"{self.x}.astype({dtype!r})"

    def weight_lines(self) -> Lines:
        """Write the weights as a dictionary of arrays; nothing where there are none."""
        if not self.weights:
            return []
        entries = [f"    {name!r}: {text}," for name, text in self.weights.items()]
        return [*self.prelude, "weights = {", *entries, "}"]


class Placed(NamedTuple):
    """A layer of a pipeline, and what a program of it is written for.

    Attributes:
        title: What messages call the step.
        layer: The layer.
        context: Its input, its mask, the weights.
    """

    title: str
    layer: "Layer"
    context: ProgramContext


def array_literal(values: "Array", dtype: str) -> str:
    """Write an array as Python does: by its values, each as short as it is exact.

    Args:
        values: The array.
        dtype: Name of the dtype that it is written in.

    Returns:
        An expression of NumPy.

    Raises:
        UsageError: They are too many.
    """
    import numpy as np

    kept = np.asarray(values, dtype=dtype)
    if kept.size and (kept == kept.flat[0]).all():
        return f"np.full({kept.shape}, {kept.flat[0]}, {dtype!r})"
    if kept.size > _MOST_VALUES:
        raise UsageError(
            f"a weight of {kept.size} values is too long for a program",
            "write it with --save-weights FILE.npz, and give that as --weights",
        )
    rows = _wrapped([str(value) for value in kept.ravel()])
    inside = f"\n{rows}\n    " if "\n" in rows else rows.strip()
    text = f"np.array([{inside}], {dtype!r})"
    return text if kept.ndim == 1 else f"{text}.reshape({kept.shape})"


def _wrapped(words: Sequence[str]) -> str:
    """Put words into lines with commas between."""
    lines, line = [], " " * 7
    for word in words:
        if len(line) + len(word) + 2 > _WIDTH:
            lines.append(line)
            line = " " * 7
        line += f" {word},"
    return "\n".join([*lines, line]).rstrip(",")


def one_or_tuple(sizes: Sequence[int]) -> int | Ints:
    """Write sizes as one number where they are all the same."""
    return sizes[0] if len(set(sizes)) == 1 else tuple(sizes)


def inverse_order(order: Sequence[int]) -> Ints:
    """Return the permutation that undoes another."""
    return tuple(order.index(axis) for axis in range(len(order)))


def axes_last(axes: Ints, rank: int) -> Ints:
    """Return the order of axes in which some come last and the others stay in order.

    Args:
        axes: The axes that come last.
        rank: All axes.

    Returns:
        A permutation of `range(rank)`.
    """
    return (*(axis for axis in range(rank) if axis not in axes), *axes)


def is_identity(order: Sequence[int]) -> bool:
    """Whether a permutation changes nothing."""
    return list(order) == sorted(order)
