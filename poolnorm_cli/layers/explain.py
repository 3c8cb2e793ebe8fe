"""What is known of one run of a layer over one input, for a layer to explain itself by."""

from typing import TYPE_CHECKING, Any

from poolnorm_cli.shapes import Ints
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from collections.abc import Mapping

    from poolnorm_cli.kernels.moments import Moments
    from poolnorm_cli.layers.base import Array, Weights

SHOWN = 4
"""Numbers of a vector that an explanation shows."""


@frozen
class Facts:
    """One run of a layer over one input.

    Attributes:
        shape: Shape of the input.
        weights: The weights that were used.
        moments: The statistics of the input, where the layer gathers them before it starts.
        updated: The weights as the run has left them; None where it did not change them.
        first: The first sample of the input, axis 0 kept; None where it is not known.
        masked: A mask says which cells count.
    """

    shape: Ints
    weights: "Weights"
    moments: "Moments | None" = None
    updated: "Weights | None" = None
    first: "Array | None" = None
    masked: bool = False


class Explained:
    """A layer that can say how its output came about."""

    __slots__ = ()

    def explain(self, facts: Facts) -> list[str]:
        """Say in words, with the numbers of a run, how the output came about; a line each."""
        del facts
        return []


def numbers(values: Any) -> str:
    """Write a vector by its first numbers: `[0.5 1.25 2 ...]`."""
    import numpy as np

    flat = np.asarray(values, dtype=np.float64).reshape(-1)
    shown = [f"{value:.6g}" for value in flat[:SHOWN]]
    return f"[{' '.join([*shown, *(['...'] if len(flat) > SHOWN else [])])}]"


def averages(
    before: "Weights", after: "Mapping[str, Any]", momenta: "Mapping[str, float]"
) -> list[str]:
    """Say how each weight moved towards that of the batch.

    Args:
        before: The weights before.
        after: The weights as the batch left them.
        momenta: Name of a weight -> its momentum.
    """
    return [
        f"{name} = {name} * {momentum:g} + batch * {1 - momentum:g}: "
        f"{numbers(before[name])} -> {numbers(after[name])}"
        for name, momentum in momenta.items()
    ]


def cells(shape: Ints, axes: Ints) -> str:
    """Say over how many cells statistics are taken: `axes 0,1: 4 * 28 = 112 cells`."""
    sizes = [shape[axis] for axis in axes]
    count = 1
    for size in sizes:
        count *= size
    product = " * ".join(map(str, sizes))
    told = f"{product} = {count}" if len(sizes) > 1 else product
    named = f"axes {','.join(map(str, axes))}" if len(axes) > 1 else f"axis {axes[0]}"
    return f"{named}: {told} cells"
