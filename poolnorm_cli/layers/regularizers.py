"""Keras' regularizers: the penalty that a weight adds to a loss. They change no weight."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.identifiers import Identifier
from poolnorm_cli.shapes import format_shape
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@frozen
class Regularizer(Identifier):
    """What a weight costs."""

    kind: ClassVar[str] = "regularizer"

    def __post_init__(self) -> None:
        """Check the arguments: no factor may be negative."""
        super().__post_init__()
        for name, value in vars(self).items():
            if isinstance(value, float) and value < 0:
                raise UsageError(f"{self.words[0]} has {name}={value}", "give 0 or more")

    @abstractmethod
    def penalty(self, weight: "NDArray[np.float64]") -> float:
        """Return what the weight costs; it is divided by nothing.

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
            told = f"a weight of shape ({format_shape(weight.shape)})"
            raise UsageError(
                f"orthogonal_regularizer with {told}", "it is for matrices: give another, as l2"
            )
        rows = weight if self.mode == "rows" else weight.T
        lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
        cosines = np.abs((rows / lengths) @ (rows / lengths).T)
        pairs = len(rows) * (len(rows) - 1)
        return float(self.factor * (cosines.sum() - np.trace(cosines)) / max(pairs, 1))
