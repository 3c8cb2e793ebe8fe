"""Keras' initializers that draw nothing: constants and the identity."""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.keras.identifiers import Identifier, NumberOrArray
from poolnorm_cli.shapes import Ints, format_shape
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Float64 = NDArray[np.float64]


@frozen
class Initializer(Identifier):
    """The start values of a weight."""

    kind: ClassVar[str] = "initializer"

    @abstractmethod
    def values(self, shape: Ints) -> "Float64":
        """Return the start values of a weight of `shape`, in float64.

        Raises:
            UsageError: Keras has none for such a shape.
        """

    @property
    def constant(self) -> float | None:
        """The number that all values are, whatever the shape; None where they differ."""
        return None


@frozen
class Constant(Initializer):
    """The same value everywhere, or the values of an array."""

    words: ClassVar[tuple[str, ...]] = ("constant",)

    value: NumberOrArray = 0.0

    @property
    def constant(self) -> float | None:
        """The value, if it is one number."""
        return None if isinstance(self.value, tuple) else float(self.value)

    def values(self, shape: Ints) -> "Float64":
        """Fill the shape, or give the array that shape.

        Raises:
            UsageError: The array does not broadcast to it, and has not as many values.
        """
        if isinstance(self.value, tuple):
            return self._array(shape)
        from poolnorm_cli.kernels.memory import filled

        return filled(shape, self.value)

    def _array(self, shape: Ints) -> "Float64":
        """Broadcast the array, as Keras 3 does, or read its values in order, as Keras 2 does."""
        import math

        import numpy as np

        array = np.array(self.value)
        if array.size == math.prod(shape):
            return array.reshape(shape)
        if array.ndim <= len(shape):
            sides = zip(array.shape[::-1], shape[::-1], strict=False)
            if all(own in (1, size) for own, size in sides):
                return np.broadcast_to(array, shape).copy()
        raise UsageError(
            f"constant of shape ({format_shape(array.shape)}) cannot start a weight of shape "
            f"({format_shape(shape)})",
            "give one number, or an array that broadcasts to that shape",
        )


@frozen
class Zeros(Initializer):
    """0 everywhere."""

    words: ClassVar[tuple[str, ...]] = ("zeros", "zero")

    @property
    def constant(self) -> float:
        """0."""
        return 0.0

    def values(self, shape: Ints) -> "Float64":
        """Fill the shape with 0."""
        return Constant(0.0).values(shape)


@frozen
class Ones(Initializer):
    """1 everywhere."""

    words: ClassVar[tuple[str, ...]] = ("ones", "one")

    @property
    def constant(self) -> float:
        """1."""
        return 1.0

    def values(self, shape: Ints) -> "Float64":
        """Fill the shape with 1."""
        return Constant(1.0).values(shape)


@frozen
class Identity(Initializer):
    """The identity matrix, times a gain."""

    words: ClassVar[tuple[str, ...]] = ("identity", "IdentityInitializer")

    gain: float = 1.0

    def values(self, shape: Ints) -> "Float64":
        """Return the matrix.

        Raises:
            UsageError: The weight is no matrix.
        """
        import numpy as np

        if len(shape) != 2:
            raise shape_error(self, shape, "matrices")
        return self.gain * np.eye(*shape)


@frozen
class STFT(Initializer):
    """The kernel of a short-time Fourier transform, which no normalization has."""

    words: ClassVar[tuple[str, ...]] = ("stft", "STFTInitializer")

    side: str = "real"
    window: str | None = "hann"
    scaling: str | None = "density"
    periodic: bool = False

    def values(self, shape: Ints) -> "Float64":
        """Refuse any shape.

        Raises:
            UsageError: Always.
        """
        raise shape_error(self, shape, "kernels of convolutions")


def shape_error(initializer: Initializer, shape: Ints, made: str) -> UsageError:
    """Return the error of an initializer that has no values for a weight of such a shape.

    Args:
        initializer: The initializer.
        shape: Shape of the weight.
        made: What it makes, in words, as `matrices`.

    Returns:
        The error, to be raised.
    """
    return UsageError(
        f"{initializer.words[0]} cannot start a weight of shape ({format_shape(shape)})",
        f"it makes {made} alone: give another, such as ones",
    )
