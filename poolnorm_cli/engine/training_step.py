"""What is known of a tensor in training, and what is made of that: values that need no array."""

from typing import TYPE_CHECKING

from poolnorm_cli.shapes import Ints
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.engine.layer_pass import Weights
    from poolnorm_cli.kernels.moments import Moments

Notes = tuple[str, ...]


@frozen
class BatchStatistics:
    """What is known of a tensor before its outputs are computed; it goes from process to process.

    Attributes:
        shape: Its shape.
        dtype: The name of its dtype.
        moments: Its statistics; None where the layer asks for none.
    """

    shape: Ints
    dtype: str
    moments: "Moments | None" = None


@frozen
class TrainingStep:
    """What one tensor is computed with, and what it leaves; it goes from process to process.

    Attributes:
        weights: The weights before it, in the shapes that its own shape asks for.
        moments: Its statistics; None where the layer asks for none.
        updated: The weights after it; None where they stay.
        step: Tensors that were trained on before.
        notes: What there is to say of how the weights moved.
    """

    weights: "Weights"
    moments: "Moments | None" = None
    updated: "Weights | None" = None
    step: int = 0
    notes: Notes = ()
