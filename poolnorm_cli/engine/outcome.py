"""What a layer did to one tensor, and what it would do: the values that reports are made of."""

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from poolnorm_cli.shapes import Ints
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.engine.preview import Edges


@frozen
class Outcome:
    """What a layer did to one tensor.

    Attributes:
        input: Name of the tensor, as it was given.
        output: Where the output was written; None where it was not.
        input_shape: Shape of the input.
        output_shape: Shape of the output.
        input_dtype: Dtype of the input, by name.
        dtype: Dtype of the output, by name.
        seconds: Seconds it took, reading and writing included.
        edges: The values to show of the output; None where none are shown.
        explanation: How the output came about, in lines; empty where that was not asked for.
        penalties: The penalty of each weight that has a regularizer, by name.
        notes: What else to tell of the input's file and of the training step, in lines.
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
        input_nbytes: Bytes of the input's values.
        nbytes: Bytes of the output's values.
        memory: About the largest number of bytes that a process would have.
    """

    input: str
    output: str | None
    input_shape: Ints
    output_shape: Ints
    input_dtype: str
    dtype: str
    input_nbytes: int
    nbytes: int
    memory: int
