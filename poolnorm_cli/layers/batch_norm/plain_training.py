"""A training call on plain numbers: what it is computed with, and what it leaves."""

from math import isfinite, prod
from typing import TYPE_CHECKING, Any, NamedTuple

from poolnorm_cli.layers.batch_norm.statistics import moving_average


if TYPE_CHECKING:
    from collections.abc import Mapping

    Buffers = Mapping[str, Any]
    Numbers = list[float]


class PlainStep(NamedTuple):
    """A training call.

    Attributes:
        batch: Weights with which inference gives what the call gives, float64.
        updated: Moving statistics as it leaves them, not yet rounded to the dtype of the weights.
    """

    batch: "dict[str, Any]"
    updated: "dict[str, Numbers]"


def plain_step(
    weights: "Buffers",
    statistics: "tuple[Numbers, Numbers]",
    count: int,
    momentum: float,
    *,
    unbiased: bool,
) -> PlainStep | None:
    """Return a training call.

    Args:
        weights: As they are before it.
        statistics: Mean of each channel, and sum of squared deviations from it.
        count: Cells of a channel.
        momentum: The share of the old averages.
        unbiased: Multiply the variance that moves the average by N / max(N - 1, 1).

    Returns:
        The call; None where a statistic is not finite.
    """
    mean, squares = statistics
    variance = [each / max(count, 1) for each in squares]
    moving = variance
    if unbiased:
        moving = [each * (count / max(count - 1, 1)) for each in variance]
    if not all(isfinite(each) for values in (mean, variance, moving) for each in values):
        return None
    updated = {}
    for name, values in (("moving_mean", mean), ("moving_variance", moving)):
        old = weights[name].cast("B").cast("d").tolist()
        updated[name] = [moving_average(*pair, momentum) for pair in zip(old, values, strict=True)]
    batch = dict(weights)
    for name, values in (("moving_mean", mean), ("moving_variance", variance)):
        batch[name] = _numbers(values, weights[name].shape)
    return PlainStep(batch, updated)


def _numbers(values: "Numbers", shape: tuple[int, ...]) -> Any:
    memory = memoryview(bytearray(8 * prod(shape)))
    flat = memory.cast("d")
    for place, value in enumerate(values):
        flat[place] = value
    return memory.cast("d", shape)
