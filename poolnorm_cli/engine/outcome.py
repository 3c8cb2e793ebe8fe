"""What a layer did to one tensor, and what it would do: the values that reports are made of."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from poolnorm_cli.shapes import Ints
from poolnorm_cli.values import field, frozen


if TYPE_CHECKING:
    from poolnorm_cli.engine.layer_pass import LayerPass
    from poolnorm_cli.engine.preview import Edges
    from poolnorm_cli.engine.thumbnail import Thumbnail
    from poolnorm_cli.tensors.tensor import Tensor


@frozen
class StepOutcome:
    """What a step of a pipeline made of what came to it.

    Attributes:
        number: Its place among all steps, from 1.
        name: What it is called.
        words: Its layer, as `pool max`; `tee` for a step that writes what passes.
        keras: The layer as one would type it in Keras; the file that a tee wrote.
        shape: The shape after it.
        dtype: The dtype after it, by name.
    """

    number: int
    name: str
    words: str
    keras: str
    shape: Ints
    dtype: str


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
        steps: What each step of a pipeline made of it; empty for a layer alone.
        unbatched: The first axis of both shapes is neither in the input's file nor in the output.
        pictures: Of the input and of the output, for each size that was asked for.
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
    steps: tuple[StepOutcome, ...] = ()
    unbatched: bool = False
    pictures: "tuple[tuple[Thumbnail, Thumbnail], ...]" = ()

    @property
    def file_shapes(self) -> tuple[Ints, Ints]:
        """Shapes of input and output as their files have them."""
        first = 1 if self.unbatched else 0
        return self.input_shape[first:], self.output_shape[first:]


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
        steps: What each step of a pipeline would make of it; empty for a layer alone.
        unbatched: As of an outcome.
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
    steps: tuple[StepOutcome, ...] = ()
    unbatched: bool = False

    @property
    def file_shapes(self) -> tuple[Ints, Ints]:
        """Shapes of input and output as their files have them."""
        first = 1 if self.unbatched else 0
        return self.input_shape[first:], self.output_shape[first:]


def estimate_of(
    plan: "LayerPass", tensor: "Tensor", place: str | None, memory: int, *, unbatched: bool = False
) -> Estimate:
    """Say what would be done to a tensor.

    Args:
        plan: The layer on the tensor.
        tensor: The input.
        place: Where the output would go, as it is shown; None where nothing is written.
        memory: Bytes that a process would have.
        unbatched: The batch axis of the tensor is not in its file.

    Returns:
        Shapes, dtypes and bytes.
    """
    return Estimate(
        input=tensor.name,
        output=place,
        input_shape=tensor.shape,
        output_shape=plan.output_shape,
        input_dtype=tensor.dtype.name,
        dtype=plan.result,
        input_nbytes=tensor.nbytes,
        nbytes=plan.output_bytes,
        memory=memory,
        unbatched=unbatched,
    )
