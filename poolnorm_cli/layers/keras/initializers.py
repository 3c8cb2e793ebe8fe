"""All of Keras' initializers, and those that draw: as Keras distributes, with NumPy's numbers.

A seed gives the same numbers on every machine. Without one a seed is drawn, and shown with
the layer, so that the run can be repeated.
"""

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.keras.constant_initializers import (
    Constant,
    Initializer,
    Ones,
    Zeros,
    shape_error,
)
from poolnorm_cli.shapes import Ints
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    import numpy as np

    from poolnorm_cli.layers.keras.constant_initializers import Float64


__all__ = [
    "ONES",
    "ZEROS",
    "Constant",
    "Initializer",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
]

ONES = Ones()
ZEROS = Zeros()


class RandomInitializer(Initializer):
    """Values drawn from a distribution."""

    seed: int | None

    def __post_init__(self) -> None:
        """Check the arguments, and draw a seed where none is given."""
        super().__post_init__()
        if self.seed is None:
            import secrets

            object.__setattr__(self, "seed", secrets.randbits(32))

    def normal(self, shape: Ints) -> "Float64":
        """Draw from the standard normal distribution."""
        return self._generator().standard_normal(shape)

    def truncated_normal(self, shape: Ints) -> "Float64":
        """Draw from the standard normal distribution; what is farther than 2 is drawn again."""
        import numpy as np

        generator = self._generator()
        drawn = generator.standard_normal(shape)
        while (far := np.abs(drawn) > 2).any():
            drawn[far] = generator.standard_normal(int(far.sum()))
        return drawn

    def uniform(self, low: float, high: float, shape: Ints) -> "Float64":
        """Draw from a uniform distribution.

        Args:
            low: The lower end of the range, included.
            high: The upper end, not included.
            shape: Shape of the weight.

        Returns:
            The values, in float64.
        """
        return low + (high - low) * self._generator().random(shape)

    def _generator(self) -> "np.random.Generator":
        import numpy as np

        return np.random.Generator(np.random.PCG64(self.seed))


@frozen
class RandomNormal(RandomInitializer):
    """Normal distribution."""

    words: ClassVar[tuple[str, ...]] = ("random_normal", "normal")

    mean: float = 0.0
    stddev: float = 0.05
    seed: int | None = None

    def __post_init__(self) -> None:
        """Check the arguments."""
        super().__post_init__()
        if self.stddev < 0:
            raise UsageError(f"{self.words[0]} has stddev={self.stddev}", "give 0 or more")

    def values(self, shape: Ints) -> "Float64":
        """Draw values."""
        return self.mean + self.stddev * self.normal(shape)


@frozen
class TruncatedNormal(RandomNormal):
    """Normal distribution, cut at 2 standard deviations from its mean."""

    words: ClassVar[tuple[str, ...]] = ("truncated_normal",)

    def values(self, shape: Ints) -> "Float64":
        """Draw values."""
        return self.mean + self.stddev * self.truncated_normal(shape)


@frozen
class RandomUniform(RandomInitializer):
    """Uniform distribution."""

    words: ClassVar[tuple[str, ...]] = ("random_uniform", "uniform")

    minval: float = -0.05
    maxval: float = 0.05
    seed: int | None = None

    def __post_init__(self) -> None:
        """Check the arguments."""
        super().__post_init__()
        if self.maxval < self.minval:
            what = f"random_uniform has maxval={self.maxval} below minval={self.minval}"
            raise UsageError(what, "swap them")

    def values(self, shape: Ints) -> "Float64":
        """Draw values."""
        return self.uniform(self.minval, self.maxval, shape)


@frozen
class Orthogonal(RandomInitializer):
    """A random orthogonal matrix, times a gain (Saxe et al., 2013, arXiv:1312.6120)."""

    words: ClassVar[tuple[str, ...]] = ("orthogonal", "OrthogonalInitializer")

    gain: float = 1.0
    seed: int | None = None

    def values(self, shape: Ints) -> "Float64":
        """Draw a matrix, uniform over all orthogonal ones; leading axes count as rows.

        Raises:
            UsageError: The weight is a vector.
        """
        import numpy as np

        if len(shape) < 2:
            raise shape_error(self, shape, "matrices")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        drawn = self.normal((max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(drawn)
        q = q * np.sign(np.diag(r))
        return self.gain * (q.T if rows < columns else q).reshape(shape)


_CUT_DEVIATION = 0.87962566103423978
"""Standard deviation of a standard normal distribution that is cut at 2."""


class VarianceRule(NamedTuple):
    """A variance of `scale` over the fan that `mode` names, and how values are distributed."""

    scale: float
    mode: str
    distribution: str


class FanScaled(RandomInitializer):
    """Values whose variance follows from the number of inputs or outputs of a unit."""

    input_axes: tuple[int, ...] | None
    output_axes: tuple[int, ...] | None

    @property
    @abstractmethod
    def variance_rule(self) -> VarianceRule:
        """How wide the distribution is."""

    def values(self, shape: Ints) -> "Float64":
        """Draw values."""
        scale, mode, distribution = self.variance_rule
        fan_in, fan_out = self.fans(shape)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
        variance = scale / max(1.0, fan)
        if distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return self.uniform(-limit, limit, shape)
        if distribution == "untruncated_normal":
            return math.sqrt(variance) * self.normal(shape)
        return math.sqrt(variance) / _CUT_DEVIATION * self.truncated_normal(shape)

    def fans(self, shape: Ints) -> tuple[int, int]:
        """Count the inputs and outputs of a unit; for a vector both are its length.

        Raises:
            UsageError: The axes given for them are out of range.
        """
        if self.input_axes is not None and self.output_axes is not None:
            axes = (*self.input_axes, *self.output_axes)
            if any(not -len(shape) <= axis < len(shape) for axis in axes):
                what = f"{self.words[0]} names an axis out of range for a weight of rank "
                raise UsageError(f"{what}{len(shape)}", f"give axes below {len(shape)}")
            counts = (self.input_axes, self.output_axes)
            fan_in, fan_out = (math.prod(shape[axis] for axis in each) for each in counts)
            return fan_in, fan_out
        field = math.prod(shape[:-2])
        return (*shape, 1)[max(len(shape) - 2, 0)] * field, (shape or (1,))[-1] * field


@frozen
class VarianceScaling(FanScaled):
    """Variance by a fan, with everything to choose."""

    words: ClassVar[tuple[str, ...]] = ("variance_scaling",)

    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "truncated_normal"
    seed: int | None = None
    input_axes: tuple[int, ...] | None = None
    output_axes: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Check the arguments."""
        super().__post_init__()
        if self.scale <= 0:
            raise UsageError(f"variance_scaling has scale={self.scale}", "give more than 0")
        kept = self.distribution.lower()
        object.__setattr__(self, "distribution", {"normal": "truncated_normal"}.get(kept, kept))
        self.require_one_of("mode", "fan_in", "fan_out", "fan_avg")
        self.require_one_of("distribution", "uniform", "truncated_normal", "untruncated_normal")

    @property
    def variance_rule(self) -> VarianceRule:
        """The three arguments."""
        return VarianceRule(self.scale, self.mode, self.distribution)


@frozen
class NamedScaling(FanScaled):
    """Variance by a fan, as one of its authors has it."""

    rule: ClassVar[VarianceRule]

    seed: int | None = None
    input_axes: tuple[int, ...] | None = None
    output_axes: tuple[int, ...] | None = None

    @property
    def variance_rule(self) -> VarianceRule:
        """What the name stands for."""
        return self.rule


class GlorotNormal(NamedScaling):
    """Normal, variance 1 over the mean of the fans (Glorot and Bengio, 2010)."""

    words: ClassVar[tuple[str, ...]] = ("glorot_normal",)
    rule: ClassVar[VarianceRule] = VarianceRule(1, "fan_avg", "truncated_normal")


class GlorotUniform(NamedScaling):
    """Uniform, variance 1 over the mean of the fans (Glorot and Bengio, 2010)."""

    words: ClassVar[tuple[str, ...]] = ("glorot_uniform",)
    rule: ClassVar[VarianceRule] = VarianceRule(1, "fan_avg", "uniform")


class HeNormal(NamedScaling):
    """Normal, variance 2 over the fan of the inputs (He et al., 2015, arXiv:1502.01852)."""

    words: ClassVar[tuple[str, ...]] = ("he_normal",)
    rule: ClassVar[VarianceRule] = VarianceRule(2, "fan_in", "truncated_normal")


class HeUniform(NamedScaling):
    """Uniform, variance 2 over the fan of the inputs (He et al., 2015, arXiv:1502.01852)."""

    words: ClassVar[tuple[str, ...]] = ("he_uniform",)
    rule: ClassVar[VarianceRule] = VarianceRule(2, "fan_in", "uniform")


class LecunNormal(NamedScaling):
    """Normal, variance 1 over the fan of the inputs (LeCun et al., 1998, Efficient BackProp)."""

    words: ClassVar[tuple[str, ...]] = ("lecun_normal",)
    rule: ClassVar[VarianceRule] = VarianceRule(1, "fan_in", "truncated_normal")


class LecunUniform(NamedScaling):
    """Uniform, variance 1 over the fan of the inputs (LeCun et al., 1998, Efficient BackProp)."""

    words: ClassVar[tuple[str, ...]] = ("lecun_uniform",)
    rule: ClassVar[VarianceRule] = VarianceRule(1, "fan_in", "uniform")
