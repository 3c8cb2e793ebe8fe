"""Keras' regularizers and constraints: the penalty that a weight adds, and where it may be."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.keras.identifiers import Identifier
from poolnorm_cli.shapes import format_shape
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Float64 = NDArray[np.float64]


@frozen
class Regularizer(Identifier):
    """The penalty that a weight adds to a loss; it changes no weight."""

    kind: ClassVar[str] = "regularizer"

    def __post_init__(self) -> None:
        """Check the arguments: no factor may be negative."""
        super().__post_init__()
        for name, value in vars(self).items():
            if isinstance(value, float) and value < 0:
                raise UsageError(f"{self.words[0]} has {name}={value}", "give 0 or more")

    @abstractmethod
    def penalty(self, weight: "NDArray[np.float64]") -> float:
        """Return the penalty of the weight, which is a sum and no average.

        Raises:
            UsageError: The regularizer is for weights of another rank.
        """


@frozen
class L1(Regularizer):
    """Sum of magnitudes."""

    words: ClassVar[tuple[str, ...]] = ("l1",)

    l1: float = 0.01

    def penalty(self, weight: "NDArray[np.float64]") -> float:
        """Return `l1 * sum(|weight|)`."""
        return L1L2(l1=self.l1).penalty(weight)


@frozen
class L2(Regularizer):
    """Sum of squares."""

    words: ClassVar[tuple[str, ...]] = ("l2",)

    l2: float = 0.01

    def penalty(self, weight: "NDArray[np.float64]") -> float:
        """Return `l2 * sum(weight^2)`."""
        return L1L2(l2=self.l2).penalty(weight)


@frozen
class L1L2(Regularizer):
    """Sum of magnitudes, and sum of squares.

    `l1_l2` alone is Keras 2's word for 0.01 of each; the class has 0 of each.
    """

    words: ClassVar[tuple[str, ...]] = ("l1l2", "l1_l2")
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"l1_l2": {"l1": 0.01, "l2": 0.01}}

    l1: float = 0.0
    l2: float = 0.0

    def penalty(self, weight: "NDArray[np.float64]") -> float:
        """Return `l1 * sum(|weight|) + l2 * sum(weight^2)`."""
        return float(self.l1 * abs(weight).sum() + self.l2 * (weight * weight).sum())


@frozen
class OrthogonalRegularizer(Regularizer):
    """Mean magnitude of the cosines between the rows, or the columns, of a matrix."""

    words: ClassVar[tuple[str, ...]] = ("orthogonal_regularizer",)

    factor: float = 0.01
    mode: str = "rows"

    def __post_init__(self) -> None:
        """Check the arguments."""
        super().__post_init__()
        self.require_one_of("mode", "rows", "columns")

    def penalty(self, weight: "NDArray[np.float64]") -> float:
        """Return `factor` times the mean of |cosine| over all pairs.

        Raises:
            UsageError: The weight is no matrix.
        """
        import numpy as np

        if weight.ndim != 2:
            what = f"a weight of shape ({format_shape(weight.shape)})"
            raise UsageError(
                f"orthogonal_regularizer with {what}",
                "it is for matrices: give another, such as l2",
            )
        rows = weight if self.mode == "rows" else weight.T
        lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
        cosines = np.abs((rows / lengths) @ (rows / lengths).T)
        pairs = len(rows) * (len(rows) - 1)
        return float(self.factor * (cosines.sum() - np.trace(cosines)) / max(pairs, 1))


_EPSILON = 1e-7


@frozen
class Constraint(Identifier):
    """What holds for a weight after each step of training; it is projected to that."""

    kind: ClassVar[str] = "constraint"

    @abstractmethod
    def project(self, weight: "Float64") -> "Float64":
        """Return the weight, projected to where the constraint holds.

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
    """A constraint on the norm along some axes."""

    axis: int | tuple[int, ...]

    @abstractmethod
    def target_norms(self, norms: "Float64") -> "Float64":
        """Return the norms that are wanted instead of `norms`."""

    def project(self, weight: "Float64") -> "Float64":
        """Return `weight * wanted / (1e-7 + norm)`.

        Raises:
            UsageError: An axis is out of range for the weight.
        """
        import numpy as np

        axes = (self.axis,) if isinstance(self.axis, int) else self.axis
        if len({axis % weight.ndim for axis in axes if abs(axis + 0.5) < weight.ndim}) < len(axes):
            what = f"{self.words[0]} has axis={self.axis} for a weight of shape "
            raise UsageError(f"{what}({format_shape(weight.shape)})", "give axis=0")
        norms = np.sqrt(np.sum(weight * weight, axis=axes, keepdims=True))
        projected: Float64 = weight * (self.target_norms(norms) / (_EPSILON + norms))
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

    def target_norms(self, norms: "Float64") -> "Float64":
        """Clip the norms."""
        return norms.clip(0.0, self.max_value)


@frozen
class UnitNorm(NormConstraint):
    """Every norm 1."""

    words: ClassVar[tuple[str, ...]] = ("unit_norm", "unitnorm")

    axis: int | tuple[int, ...] = 0

    def target_norms(self, norms: "Float64") -> "Float64":
        """Return ones."""
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
            what = f"min_max_norm has min_value={self.min_value}, max_value={self.max_value}"
            raise UsageError(what, "give 0 or more, and max_value no less than min_value")

    def target_norms(self, norms: "Float64") -> "Float64":
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
        what = f"radial_constraint with a weight of shape ({format_shape(weight.shape)})"
        raise UsageError(what, "it is for kernels of Conv2D: give another, such as max_norm")
