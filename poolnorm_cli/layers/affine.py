"""Normalization with the weights gamma and beta, and what Keras says of how they are trained."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from poolnorm_cli.layers.keras.initializers import ONES, ZEROS, Initializer
from poolnorm_cli.layers.keras.penalties import Constraint, Regularizer
from poolnorm_cli.layers.normalization import Normalization, require_epsilon
from poolnorm_cli.shapes import Ints, Shape, known_sizes
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.layers.call import Array

_KERAS_OBJECTS = {
    "initializer": Initializer,
    "regularizer": Regularizer,
    "constraint": Constraint,
}
"""What a parameter is whose name ends in such a word."""


@frozen(kw_only=True)
class AffineNormalization(Normalization):
    """Shift and scale values by their statistics."""

    epsilon: Annotated[float, "Added to the variance, so that nothing is divided by zero."] = 1e-3
    center: Annotated[bool, "Add the weight beta."] = True
    scale: Annotated[bool, "Multiply by the weight gamma."] = True
    beta_initializer: Annotated[Initializer, "Start of beta, without --weights."] = ZEROS
    gamma_initializer: Annotated[Initializer, "Start of gamma, without --weights."] = ONES
    beta_regularizer: Annotated[
        Regularizer | None, "Penalty of beta, as 'l2(0.01)'; it is reported."
    ] = None
    gamma_regularizer: Annotated[
        Regularizer | None, "Penalty of gamma, as 'l2(0.01)'; it is reported."
    ] = None
    beta_constraint: Annotated[
        Constraint | None, "Where beta is put when it is saved, as 'max_norm(2)'."
    ] = None
    gamma_constraint: Annotated[
        Constraint | None, "Where gamma is put when it is saved, as 'max_norm(2)'."
    ] = None
    trainable: Annotated[
        bool, "Without it, weights are not trained: no penalties, no constraints."
    ] = True

    always_shown: ClassVar[tuple[str, ...]] = ("axis", "epsilon")
    weight_names: ClassVar[tuple[str, ...]] = ("gamma", "beta")

    def __post_init__(self) -> None:
        """Validate the parameters, and read the identifiers of Keras objects."""
        super().__post_init__()
        require_epsilon(self.epsilon)
        for parameter in self.parameters():
            named = _KERAS_OBJECTS.get(parameter.name.rpartition("_")[2])
            value = getattr(self, parameter.name)
            if named is not None and value is not None:
                object.__setattr__(self, parameter.name, named.of(value, parameter.flag))

    def weight_shapes(self, shape: Shape) -> dict[str, Ints]:
        """Return the shapes of gamma and beta, where the layer has them."""
        sizes = known_sizes(shape, self.axes(len(shape)))
        return {name: sizes for name, used in self._affine() if used}

    def initial_weight(self, weight: str, shape: Ints) -> "Array":
        """Return the values with which a weight starts: those of its initializer, if it has one.

        Args:
            weight: `gamma` or `beta`.
            shape: Its shape.

        Returns:
            The values, in float64.

        Raises:
            UsageError: The initializer has none for such a shape.
        """
        initializer: Initializer | None = getattr(self, f"{weight}_initializer", None)
        if initializer is None:
            return super().initial_weight(weight, shape)
        return initializer.values(shape)

    def initial_constant(self, weight: str) -> float | None:
        """Return the number that an initializer gives to all values, if it does.

        Args:
            weight: Name of a weight that has an initializer.

        Returns:
            The number; None where values differ, or there is no initializer.
        """
        initializer: Initializer | None = getattr(self, f"{weight}_initializer", None)
        return None if initializer is None else initializer.constant

    def _affine(self) -> tuple[tuple[str, bool], ...]:
        return ("gamma", self.scale), ("beta", self.center)
