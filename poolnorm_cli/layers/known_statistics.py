"""How samples cut into strips are normalized: by statistics that are known before."""

from typing import TYPE_CHECKING, ClassVar

from poolnorm_cli.layers.weight_arrays import affine_arrays
from poolnorm_cli.shapes import Ints


if TYPE_CHECKING:
    from poolnorm_cli.kernels.known_loops import KnownCall, Pair
    from poolnorm_cli.kernels.moments import Moments
    from poolnorm_cli.kernels.normalizing_loops import Division
    from poolnorm_cli.layers.call import Array, Call, Weights


class ByKnownStatistics:
    """A normalization, as strips of large samples go through it."""

    weight_names: ClassVar[tuple[str, ...]]

    def axes(self, rank: int) -> Ints:
        """Return the axes of the weights, non-negative and sorted."""
        raise NotImplementedError

    def statistics_axes(self, rank: int, *, training: bool, in_strips: bool = False) -> Ints:
        """Return the axes over which statistics are gathered before `apply`; () for none.

        Args:
            rank: Axes of the input.
            training: The call is a training call.
            in_strips: Samples are worked on in strips.

        Returns:
            The axes, sorted.
        """
        del rank, training, in_strips
        return ()

    def division(self, cells: int) -> "Division":
        """Return what cells are divided by that have a statistic together.

        Args:
            cells: How many these are.

        Returns:
            What a loop takes.
        """
        raise NotImplementedError

    def known_call(self, shape: Ints, dtype: str, cells: int) -> "KnownCall | None":
        """Return the call of the loop for a strip of a sample whose statistics are known.

        Args:
            shape: Shape of the strip.
            dtype: Name of its dtype.
            cells: Cells of each statistic, those of the whole sample.

        Returns:
            The call; None where no loop serves.
        """
        from poolnorm_cli.kernels.known_loops import known_call

        rank = len(shape)
        reduced = self.statistics_axes(rank, training=False, in_strips=True)
        if not reduced or reduced[0] == 0:
            return None
        kept = tuple(axis for axis in range(1, rank) if axis not in reduced)
        weighted = self.axes(rank) if self.weight_names else ()
        return known_call(shape, kept, weighted, dtype, self.division(cells))

    def joined_channels(self, shape: Ints) -> int:
        """Return how many channels have their statistics together."""
        del shape
        return 1

    def sample_statistics(self, found: "Pair", cells: int) -> "tuple[Pair, int] | None":
        """Return the statistics by which a sample is normalized, of those over `reduced_axes`.

        Args:
            found: Means and sums of squared deviations.
            cells: Cells of each.

        Returns:
            Both, and the cells of each; None where float64 does not hold them.
        """
        return found, cells

    def by_known_statistics(self, x: "Array", weights: "Weights", call: "Call") -> "Array | None":
        """Normalize a strip by statistics that come with a call, by a loop.

        Args:
            x: The strip, float32 or float64.
            weights: The weights.
            call: Where the strip is, and the statistics.

        Returns:
            The output; None where no loop serves, or has not the range.
        """
        if call.moments is None:
            return None
        from poolnorm_cli.kernels.rows import run_known

        origin, axes = call.origin(x.ndim), self.axes(x.ndim)
        part = self.block_moments(call.moments, origin, x.shape)
        if part.masked or not isinstance(part.count, int):
            return None
        own = self.known_call(x.shape, x.dtype.name, part.count)
        given = affine_arrays(weights, x.shape, axes, origin)
        return None if own is None else run_known(own, x, part, *given)

    def block_moments(self, moments: "Moments", origin: Ints, shape: Ints) -> "Moments":
        """Return the statistics by which a block is normalized.

        Args:
            moments: Statistics over all blocks.
            origin: Index at which the block starts in its tensor.
            shape: Shape of the block.

        Returns:
            Its part of them.
        """
        return moments.part(origin, shape)
