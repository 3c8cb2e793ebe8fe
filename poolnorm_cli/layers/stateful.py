"""What a layer says of the batches it is trained on, and of what its state amounts to."""

from typing import TYPE_CHECKING, Any, ClassVar, Self

from poolnorm_cli.errors import UsageError


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from poolnorm_cli.kernels.moments import Moments
    from poolnorm_cli.layers.base import Array, Call, Weights
    from poolnorm_cli.shapes import Ints, Shape


class Stateful:
    """Defaults for a layer that does in training what it does in inference."""

    __slots__ = ()

    foldable: ClassVar[bool] = False
    """Inference amounts to a scale and a shift per channel, which `folded` gives."""

    def ghost_batch_count(self, samples: int) -> int:
        """Count the interleaved groups of a batch that have moments of their own.

        Raises:
            UsageError: `samples` cannot be grouped so.
        """
        del samples
        return 1

    @property
    def has_ghost_batches(self) -> bool:
        """Whether samples of one batch are normalized by statistics of several groups."""
        return False

    def block_statistics(
        self, moments: "Moments", origin: "Ints", shape: "Ints"
    ) -> "tuple[Array, Array]":
        """Return the mean and variance for a block of `shape` that starts at `origin`."""
        part = moments.part(origin, shape)
        return part.mean, part.variance

    def call_statistics(self, call: "Call", shape: "Ints") -> "tuple[Array, Array] | None":
        """Return the mean and variance given with a call for a block of `shape`, if any are."""
        if call.moments is None:
            return None
        return self.block_statistics(call.moments, call.origin(len(shape)), shape)

    def extra_input_shapes(self, shape: "Shape") -> "dict[str, Shape]":
        """Name what `extra_inputs` gives, each with its shape for a block of `shape`."""
        del shape
        return {}

    def extra_inputs(self, weights: "Weights", call: "Call", shape: "Ints") -> dict[str, Any]:
        """Return what a training call takes besides statistics and weights, for a block."""
        del weights, call, shape
        return {}

    def is_synchronized(self, *, training: bool) -> bool:
        """Whether all inputs of a run are one batch."""
        del training
        return False

    def with_arrays(self, read: "Callable[[str], Mapping[str, Array]]") -> Self:
        """Return the layer with the arrays of the files that its parameters name.

        Args:
            read: Reads all arrays of a file.
        """
        del read
        return self

    def fold(self, weights: "Weights") -> dict[str, Any]:
        """Return the `scale` and `shift` that inference amounts to, where `foldable` is set."""
        del weights
        raise UsageError(f"{type(self).__name__} cannot be folded", "only bn can")

    def apply_folded(self, x: "Array", folded: "Weights", call: "Call") -> "Array":
        """Compute `x * scale + shift` in the dtype of `x`, as whoever folds the layer does."""
        del folded, call
        return x
