"""Keras' constraints: where a weight is put after a step of training.

The formulas and their 1e-7 are those of `keras.constraints`.
"""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.identifiers import Identifier
from poolnorm_cli.shapes import format_shape
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Float64 = NDArray[np.float64]

_EPSILON = 1e-7


@frozen
class Constraint(Identifier):
    """Where a weight may be."""

    kind: ClassVar[str] = "constraint"

    @abstractmethod
    def project(self, weight: "Float64") -> "Float64":
        """Return the weight where it may be.

        Raises:
            UsageError: The constraint is for weights of another rank.
        """


@frozen
class NonNeg(Constraint):
    """Nothing below 0."""

    words: ClassVar[tuple[str, ...]] = ("non_neg", "nonneg")

    def project(self, weight: "Float64") -> "Float64":
        """Return `max(weight, 0)`."""
        return weight.clip(min=0.0)


class NormConstraint(Constraint):
    """Something about the norm along some axes."""

    axis: int | tuple[int, ...]

    @abstractmethod
    def wanted(self, norms: "Float64") -> "Float64":
        """Return the norms that are wanted instead of `norms`."""

    def project(self, weight: "Float64") -> "Float64":
        """Return `weight * wanted / (1e-7 + norm)`.

        Raises:
            UsageError: An axis is out of range for the weight.
        """
        import numpy as np

        axes = (self.axis,) if isinstance(self.axis, int) else self.axis
        if len({axis % weight.ndim for axis in axes if abs(axis + 0.5) < weight.ndim}) < len(axes):
            told = f"{self.words[0]} has axis={self.axis} for a weight of shape "
            raise UsageError(f"{told}({format_shape(weight.shape)})", "give axis=0")
        norms = np.sqrt(np.sum(weight * weight, axis=axes, keepdims=True))
        projected: Float64 = weight * (self.wanted(norms) / (_EPSILON + norms))
        return projected


@frozen
class MaxNorm(NormConstraint):
    """No norm above a bound."""

    words: ClassVar[tuple[str, ...]] = ("max_norm", "maxnorm")

    max_value: float = 2.0
    axis: int | tuple[int, ...] = 0

    def __post_init__(self) -> None:
        """Check the arguments."""
        super().__post_init__()
        if self.max_value < 0:
            raise UsageError(f"max_norm has max_value={self.max_value}", "give 0 or more")

    def wanted(self, norms: "Float64") -> "Float64":
        """Cut the norms off."""
        return norms.clip(0.0, self.max_value)


@frozen
class UnitNorm(NormConstraint):
    """Every norm 1."""

    words: ClassVar[tuple[str, ...]] = ("unit_norm", "unitnorm")

    axis: int | tuple[int, ...] = 0

    def wanted(self, norms: "Float64") -> "Float64":
        """Want 1."""
        return norms * 0.0 + 1.0


@frozen
class MinMaxNorm(NormConstraint):
    """Norms between two bounds, or a share of the way there."""

    words: ClassVar[tuple[str, ...]] = ("min_max_norm",)

    min_value: float = 0.0
    max_value: float = 1.0
    rate: float = 1.0
    axis: int | tuple[int, ...] = 0

    def __post_init__(self) -> None:
        """Check the arguments."""
        super().__post_init__()
        if not 0 <= self.min_value <= self.max_value:
            told = f"min_max_norm has min_value={self.min_value}, max_value={self.max_value}"
            raise UsageError(told, "give 0 or more, and max_value no less than min_value")

    def wanted(self, norms: "Float64") -> "Float64":
        """Move the norms towards the bounds, `rate` of the way."""
        bounded = norms.clip(self.min_value, self.max_value)
        return self.rate * bounded + (1.0 - self.rate) * norms


@frozen
class RadialConstraint(Constraint):
    """Rings of equal weight in a kernel, which no normalization has."""

    words: ClassVar[tuple[str, ...]] = ("radial_constraint",)

    def project(self, weight: "Float64") -> "Float64":
        """Refuse any weight.

        Raises:
            UsageError: Always.
        """
        told = f"radial_constraint with a weight of shape ({format_shape(weight.shape)})"
        raise UsageError(told, "it is for kernels of Conv2D: give another, as max_norm")
