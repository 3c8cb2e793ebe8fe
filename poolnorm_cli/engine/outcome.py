"""What came of one input."""

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Protocol

from poolnorm_cli.errors import PoolnormError
from poolnorm_cli.shapes import Ints
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.engine.preview import Edges


@frozen
class Outcome:
    """What a layer did to one input.

    Attributes:
        input: Name of the input, as it was given.
        output: Where the output was written; None where it was not.
        input_shape: Shape of the input.
        output_shape: Shape of the output.
        input_dtype: Dtype of the input, by name.
        dtype: Dtype of the output, by name.
        seconds: Time it took, reading and writing included.
        edges: What is shown of the output; None where that was not wanted.
        explanation: How the output came about, in lines; empty where that was not wanted.
        penalties: What the regularizers of the layer make of its weights, by their names.
        notes: What there is to say of the input's file besides.
    """

    input: str
    output: str | None
    input_shape: Ints
    output_shape: Ints
    input_dtype: str
    dtype: str
    seconds: float
    edges: "Edges | None" = None
    explanation: tuple[str, ...] = ()
    penalties: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@frozen
class Estimate:
    """What would be done to one tensor.

    Attributes:
        input: Its name.
        output: Where the output would go; None where nowhere.
        input_shape: Its shape.
        output_shape: Shape of the output.
        input_dtype: Its dtype.
        dtype: Dtype of the output.
        nbytes: Bytes of the output's values.
        memory: About the largest number of bytes that a process would have.
    """

    input: str
    output: str | None
    input_shape: Ints
    output_shape: Ints
    input_dtype: str
    dtype: str
    nbytes: int
    memory: int


class Listener(Protocol):
    """Whoever is told how a run goes."""

    def done(self, outcome: Outcome) -> None:
        """Hear of an input that went through."""

    def noted(self, note: str) -> None:
        """Hear of something about the file of an input."""

    def failed(self, name: str, error: PoolnormError) -> None:
        """Hear of an input that did not."""

    def resumed(self, name: str, output: str | None) -> None:
        """Hear of an input that an earlier part of the run has done."""

    def skipped(self, name: str, output: str) -> None:
        """Hear of an input whose output was there already."""

    def left(self, name: str, output: str | None) -> None:
        """Hear of an input that was not begun, or not ended, because another ended the run."""
