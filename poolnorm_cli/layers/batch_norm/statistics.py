"""What a training batch is normalized by, and what it adds to the moving statistics."""

from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import InputError, StatisticRangeError, UsageError
from poolnorm_cli.shapes import Ints
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from poolnorm_cli.kernels.moments import Moments
    from poolnorm_cli.layers.call import Array, Weights

    Float64 = NDArray[np.float64]

KERAS_EPSILON = 1e-7
"""Added to the number of cells that a mask lets count, as in Keras."""
BATCHES = "batches_tracked"
"""The weight that counts the batches of which the moving statistics are the averages."""
STEPS = (("r", "d"), ("s", "b"), ("gamma", "beta"))
"""Factor and addend of the normalized value, pair by pair: renorm, adjustment, weights."""


@frozen
class BatchStatistics:
    """One mean and one variance per channel, shaped as the weights are.

    Attributes:
        mean: Mean of the batch; with ghost batches, the mean of their means.
        variance: What moves the moving variance.
    """

    mean: "Float64"
    variance: "Float64"

    @classmethod
    def of(
        cls, moments: "Moments", shape: Ints, *, ghosts: bool, unbiased: bool
    ) -> "BatchStatistics":
        """Return what a batch adds to the moving statistics.

        Args:
            moments: Of the batch, or of each ghost batch along axis 0.
            shape: Shape of a weight.
            ghosts: Average over ghost batches: their means, and their biased variances.
            unbiased: Multiply the variance by N / max(N - 1, 1), as torch and Keras 2's
                fused path do.

        Returns:
            Mean and variance in float64, of the shape of a weight.
        """
        mean, variance = mean_and_variance(moments)
        if ghosts:
            mean, variance = mean.mean(axis=0), variance.mean(axis=0)
        if unbiased:
            import numpy as np

            variance = variance * (moments.count / np.maximum(moments.count - 1, 1))
        return cls(mean.reshape(shape), variance.reshape(shape))

    def moved(self, weights: "Weights", momentum: float | None) -> dict[str, Any]:
        """Return the moving mean and variance as the batch leaves them.

        Args:
            weights: As they are before the batch.
            momentum: The share of the old statistics, as Keras means it; None for the average of
                all batches, which are counted beside it.

        Returns:
            The weights that moved, by name, each in the dtype that it had.
        """
        batch = {"moving_mean": self.mean, "moving_variance": self.variance}
        if momentum is not None:
            return moving_averages(weights, batch, momentum)
        counted = weights[BATCHES] + weights[BATCHES].dtype.type(1)
        share = 1 / counted.astype("float64")
        return moving_averages(weights, batch, 1 - share) | {BATCHES: counted}


def moving_average(old: Any, new: Any, momentum: Any) -> Any:
    """Return a moving average as a batch leaves it.

    Args:
        old: The average before, float64: a number, or an array.
        new: The statistic of the batch, likewise.
        momentum: The share of the old one.

    Returns:
        The average after, float64.
    """
    return old * momentum + new * (1 - momentum)


def moving_averages(
    weights: "Weights", batch: "Mapping[str, Float64]", momentum: "float | Float64"
) -> dict[str, Any]:
    """Compute `weight * momentum + batch * (1 - momentum)` in float64.

    Args:
        weights: As they are before the batch.
        batch: Name of a weight -> the statistic of the batch.
        momentum: The share of the old statistics, as Keras means it.

    Returns:
        The names of `batch`, each in the dtype that its weight had.
    """
    import numpy as np

    averages = {}
    for name, value in batch.items():
        old = np.asarray(weights[name])
        new = moving_average(old.astype(np.float64), value, momentum)
        averages[name] = to_dtype(old.dtype, new)
    return averages


def to_dtype(dtype: "np.dtype[Any]", value: "Float64") -> Any:
    """Return a moving statistic in the dtype of its weight; infinite where it does not fit.

    Args:
        dtype: The dtype.
        value: The statistic.

    Returns:
        The statistic, rounded once.
    """
    import numpy as np

    with np.errstate(over="ignore"):
        return value.astype(dtype)


def replace_moved(weights: "Weights", moved: dict[str, Any]) -> dict[str, Any]:
    """Return all weights, with those that have moved in place of the old ones.

    Args:
        weights: As they are before the batch.
        moved: Those that moved, by name.

    Returns:
        All weights, by name.

    Raises:
        StatisticRangeError: One does not fit into its dtype.
    """
    import numpy as np

    unfit = [name for name, value in moved.items() if not np.isfinite(value).all()]
    kept = dict(weights) | {name: v for name, v in moved.items() if name not in unfit}
    if not unfit:
        return kept
    error = StatisticRangeError(
        f"{unfit[0]} would leave the range of {moved[unfit[0]].dtype}",
        "scale the input down: the moving statistics were left as they are",
    )
    error.unfit, error.kept = tuple(unfit), kept
    raise error


def ghost_batches(samples: int, size: int | None) -> int:
    """Return the number of ghost batches of a batch (Hoffer et al., 2017, arXiv:1705.08741).

    Args:
        samples: Samples of the batch.
        size: Samples of a ghost batch; None where there are none.

    Returns:
        The number, 1 or more.

    Raises:
        UsageError: They do not come out even.
    """
    if size is None:
        return 1
    if samples % size:
        raise UsageError(
            f"--virtual-batch-size {size} does not divide the batch of {samples}",
            "give a size that does, or another batch",
        )
    return max(samples // size, 1)


def require_no_negative(variance: "Array", initializer: str) -> None:
    """Refuse a variance that starts below 0.

    Args:
        variance: The start values of a variance.
        initializer: What gave them, for the error.

    Raises:
        UsageError: One is negative.
    """
    if (variance < 0).any():
        what = f"--moving-variance-initializer {initializer} gives a negative variance"
        raise UsageError(what, "give one that is positive, such as ones")


def require_finite(moments: "Moments") -> None:
    """Refuse statistics that are not finite: the moving ones would stay so for ever.

    Raises:
        InputError: With the first channel that has a NaN or an infinity.
    """
    import numpy as np

    bad = ~(np.isfinite(moments.mean) & np.isfinite(moments.squares))
    if not bad.any():
        return
    first = np.argwhere(bad)[0]
    channel = ",".join(str(i) for axis, i in enumerate(first) if axis not in moments.axes)
    raise InputError(
        f"channel {channel} of the batch has a NaN or an infinity",
        "fix the input: the moving statistics were left as they are",
    )


def block_mean_and_variance(
    moments: "Moments", origin: Ints, shape: Ints
) -> "tuple[Float64, Float64]":
    """Return the mean and variance by which a block of a training batch is normalized.

    Axis 0 of the statistics has one cell for all samples, one for each, or one for each of G ghost
    batches; sample i is in ghost batch i % G.

    Args:
        moments: Statistics of the batch.
        origin: Index at which the block starts in its tensor.
        shape: Shape of the block.

    Returns:
        Both in float64, of shapes that broadcast against the block.
    """
    import numpy as np

    groups = len(moments.mean)
    mean, variance = mean_and_variance(moments.part((0, *origin[1:]), (groups, *shape[1:])))
    if groups == 1:
        return mean, variance
    rows = np.arange(origin[0], origin[0] + shape[0]) % groups
    return mean[rows], variance[rows]


def mean_and_variance(moments: "Moments") -> "tuple[Float64, Float64]":
    """Return mean and variance; with a mask divided by n + 1e-7 instead of n, as Keras does."""
    if not moments.masked:
        return moments.mean, moments.variance
    from poolnorm_cli.kernels.memory import silence_floating_point

    divisor = moments.count + KERAS_EPSILON
    with silence_floating_point():
        mean = moments.mean * (moments.count / divisor)
        step = moments.mean - mean
        return mean, (moments.squares + step * step * moments.count) / divisor


def fold(weights: "Weights", epsilon: float) -> dict[str, Any]:
    """Return `scale` and `shift`, with which inference is `x * scale + shift`.

    `scale = gamma / sqrt(moving_variance + epsilon)`, `shift = beta - moving_mean * scale`;
    computed in float64 and rounded once to the dtype of the weights.

    Args:
        weights: All weights of the layer.
        epsilon: What is added to the variance.

    Returns:
        Both vectors, by name.
    """
    import numpy as np

    from poolnorm_cli.kernels.scaling import inverse_deviation

    held = {name: np.asarray(weight, dtype=np.float64) for name, weight in weights.items()}
    scale = inverse_deviation(held["moving_variance"], epsilon) * held.get("gamma", 1.0)
    shift = held.get("beta", 0.0) - held["moving_mean"] * scale
    dtype = weights["moving_mean"].dtype
    return {"scale": scale.astype(dtype), "shift": np.asarray(shift).astype(dtype)}
