"""Keras' initializers that draw: the distributions are Keras', the numbers are NumPy's.

A seed gives the same numbers on every machine. Without one a seed is drawn, and told with the
layer, so that the run can be repeated.
"""

import math
from typing import TYPE_CHECKING, ClassVar

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.constant_initializers import Initializer, unshapeable
from poolnorm_cli.shapes import Ints
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    import numpy as np

    from poolnorm_cli.layers.constant_initializers import Float64


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

    def cut_normal(self, shape: Ints) -> "Float64":
        """Draw from the standard normal distribution; what is farther than 2 is drawn again."""
        import numpy as np

        generator = self._generator()
        drawn = generator.standard_normal(shape)
        while (far := np.abs(drawn) > 2).any():
            drawn[far] = generator.standard_normal(int(far.sum()))
        return drawn

    def uniform(self, low: float, high: float, shape: Ints) -> "Float64":
        """Draw from a uniform distribution."""
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
        return self.mean + self.stddev * self.cut_normal(shape)


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
            told = f"random_uniform has maxval={self.maxval} below minval={self.minval}"
            raise UsageError(told, "exchange them")

    def values(self, shape: Ints) -> "Float64":
        """Draw values."""
        return self.uniform(self.minval, self.maxval, shape)


@frozen
class Orthogonal(RandomInitializer):
    """A random orthogonal matrix, times a gain."""

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
            raise unshapeable(self, shape, "matrices")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        drawn = self.normal((max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(drawn)
        q = q * np.sign(np.diag(r))
        return self.gain * (q.T if rows < columns else q).reshape(shape)
