"""The call of the loop that trains on all of a tensor at once, derived from shapes, not arrays."""

from typing import TYPE_CHECKING, Any, NamedTuple

from poolnorm_cli.kernels import native
from poolnorm_cli.kernels.grain_loops import grain_calls
from poolnorm_cli.shapes import Ints


if TYPE_CHECKING:
    from poolnorm_cli.kernels.native import Buffer
    from poolnorm_cli.kernels.normalizing_loops import Doubles, ScalingCall


class TrainingCall(NamedTuple):
    """A call of the loop that takes statistics of each channel, and normalizes by them.

    What comes out has the bytes of `GrainCalls` and `ScalingCall` one after the other.

    Attributes:
        kind: Letter of the type of the items.
        epsilon: Added to the variance.
        sizes: Before the channels, of them, and after them.
        units: Of statistics that are merged: how many, cells of each, items after, and cells of the
            last one.
        rows: Units of a grain.
    """

    kind: str
    epsilon: float
    sizes: tuple[int, int, int]
    units: tuple[int, int, int, int]
    rows: int

    def run(
        self, cells: "Buffer", out: "Buffer", gamma: "Doubles", beta: "Doubles", found: Any
    ) -> bool:
        """Run the loop.

        Args:
            cells: The items of the tensor.
            out: Memory of the result.
            gamma: A factor of each channel; None for ones.
            beta: An addend of each channel; None for zeros.
            found: Where the means of all channels go, and then their sums of squared deviations:
                float64.

        Returns:
            Whether float64 holds the statistics; otherwise there is no result.
        """
        return not native.loops().train(cells, out, gamma, beta, found, *self)


def training_call(call: "ScalingCall | None", shape: Ints, axes: Ints) -> TrainingCall | None:
    """Return the call for a tensor.

    Args:
        call: The call that normalizes it by known statistics; None where there is none.
        shape: Its shape.
        axes: Non-negative, sorted axes over which the statistics are.

    Returns:
        The call; None where the loop does not serve.
    """
    grains = grain_calls(shape, axes) if call is not None and call.kind != native.FLOAT64 else None
    if call is None or grains is None:
        return None
    units = *grains.sizes, grains.last
    return TrainingCall(call.kind, call.epsilon, call.sizes, units, grains.grains[1])
