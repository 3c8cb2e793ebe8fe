"""Keras' initializers whose variance follows from the size of the weight."""

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.random_initializers import RandomInitializer
from poolnorm_cli.shapes import Ints
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.layers.constant_initializers import Float64

_CUT_DEVIATION = 0.87962566103423978
"""Standard deviation of a standard normal distribution that is cut at 2."""


class Spread(NamedTuple):
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
    def spread(self) -> Spread:
        """How wide the distribution is."""

    def values(self, shape: Ints) -> "Float64":
        """Draw values."""
        scale, mode, distribution = self.spread
        fan_in, fan_out = self.fans(shape)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
        variance = scale / max(1.0, fan)
        if distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return self.uniform(-limit, limit, shape)
        if distribution == "untruncated_normal":
            return math.sqrt(variance) * self.normal(shape)
        return math.sqrt(variance) / _CUT_DEVIATION * self.cut_normal(shape)

    def fans(self, shape: Ints) -> tuple[int, int]:
        """Count the inputs and outputs of a unit; for a vector both are its length.

        Raises:
            UsageError: The axes given for them are out of range.
        """
        if self.input_axes is not None and self.output_axes is not None:
            axes = (*self.input_axes, *self.output_axes)
            if any(not -len(shape) <= axis < len(shape) for axis in axes):
                told = f"{self.words[0]} names an axis out of range for a weight of rank "
                raise UsageError(f"{told}{len(shape)}", f"give axes below {len(shape)}")
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
    def spread(self) -> Spread:
        """The three arguments."""
        return Spread(self.scale, self.mode, self.distribution)


@frozen
class NamedScaling(FanScaled):
    """Variance by a fan, as one of its authors has it."""

    named: ClassVar[Spread]

    seed: int | None = None
    input_axes: tuple[int, ...] | None = None
    output_axes: tuple[int, ...] | None = None

    @property
    def spread(self) -> Spread:
        """What the name stands for."""
        return self.named


class GlorotNormal(NamedScaling):
    """Normal, variance 1 over the mean of the fans."""

    words: ClassVar[tuple[str, ...]] = ("glorot_normal",)
    named: ClassVar[Spread] = Spread(1, "fan_avg", "truncated_normal")


class GlorotUniform(NamedScaling):
    """Uniform, variance 1 over the mean of the fans."""

    words: ClassVar[tuple[str, ...]] = ("glorot_uniform",)
    named: ClassVar[Spread] = Spread(1, "fan_avg", "uniform")


class HeNormal(NamedScaling):
    """Normal, variance 2 over the fan of the inputs."""

    words: ClassVar[tuple[str, ...]] = ("he_normal",)
    named: ClassVar[Spread] = Spread(2, "fan_in", "truncated_normal")


class HeUniform(NamedScaling):
    """Uniform, variance 2 over the fan of the inputs."""

    words: ClassVar[tuple[str, ...]] = ("he_uniform",)
    named: ClassVar[Spread] = Spread(2, "fan_in", "uniform")


class LecunNormal(NamedScaling):
    """Normal, variance 1 over the fan of the inputs."""

    words: ClassVar[tuple[str, ...]] = ("lecun_normal",)
    named: ClassVar[Spread] = Spread(1, "fan_in", "truncated_normal")


class LecunUniform(NamedScaling):
    """Uniform, variance 1 over the fan of the inputs."""

    words: ClassVar[tuple[str, ...]] = ("lecun_uniform",)
    named: ClassVar[Spread] = Spread(1, "fan_in", "uniform")
