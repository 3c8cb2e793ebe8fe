"""Batch renormalization (Ioffe, 2017, arXiv:1702.03275), as Keras 2 and Keras 3 compute it."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.batch_norm.statistics import moving_averages, to_dtype
from poolnorm_cli.values import fields, frozen


if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from poolnorm_cli.layers.batch_norm.statistics import BatchStatistics
    from poolnorm_cli.layers.call import Weights

    Float64 = NDArray[np.float64]

RENORM_WEIGHTS = ("moving_stddev", "renorm_mean", "renorm_stddev")
_EXAMPLE = "write rmin=0.5,rmax=2,dmax=1, or only some of them"


@frozen
class Clipping:
    """Limits of the corrections r and d; None where there is none.

    Attributes:
        rmin: Least r.
        rmax: Greatest r; it wins over `rmin`.
        dmax: Greatest magnitude of d.
    """

    rmin: float | None = None
    rmax: float | None = None
    dmax: float | None = None

    def __post_init__(self) -> None:
        """Check the limits as Keras 3 does.

        Raises:
            UsageError: One is not finite, `rmax` is below `rmin`, or `dmax` is negative.
        """
        for name, limit in self.config().items():
            if not math.isfinite(limit):
                raise UsageError(f"--renorm-clipping {name} is {limit}", _EXAMPLE)
        if self.rmin is not None and self.rmax is not None and self.rmax < self.rmin:
            what = f"--renorm-clipping rmax={self.rmax} is below rmin={self.rmin}"
            raise UsageError(what, "give rmax no less than rmin")
        if self.dmax is not None and self.dmax < 0:
            what = f"--renorm-clipping dmax={self.dmax} is negative"
            raise UsageError(what, "give dmax=0 or more")

    @classmethod
    def of(cls, given: "str | Mapping[str, Any] | Clipping") -> "Clipping":
        """Make limits of what a person or a Keras config gives.

        Args:
            given: A word such as `rmin=0.5,rmax=2,dmax=1`, or Keras' dictionary.

        Raises:
            UsageError: It names something else, or a limit is not a number.
        """
        if isinstance(given, Clipping):
            return given
        pairs = dict(given) if isinstance(given, Mapping) else dict(_pairs(given))
        known = [f.name for f in fields(cls)]
        for name in pairs:
            if name not in known:
                raise UsageError(f"--renorm-clipping has no {name!r}", _EXAMPLE)
        return cls(**{name: _limit(name, limit) for name, limit in pairs.items()})

    def config(self) -> dict[str, float]:
        """Return the limits that there are, as Keras stores them."""
        limits = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: limit for name, limit in limits.items() if limit is not None}

    def __str__(self) -> str:
        """Return the word of the command line."""
        return ",".join(f"{name}={limit:g}" for name, limit in self.config().items())

    def __repr__(self) -> str:
        """Return what one would type in Keras."""
        return repr(self.config())


def corrections(
    batch: "BatchStatistics", weights: "Weights", epsilon: float, clipping: Clipping
) -> "dict[str, Float64]":
    """Return r and d, which carry `(x - mean) / deviation` over to the moving statistics.

    `r = deviation / renorm_stddev` and `d = (mean - renorm_mean) / renorm_stddev`, clipped; the
    divisor is not below the square root of epsilon.

    Args:
        batch: Statistics of the batch, with the biased variance.
        weights: As they are before the batch.
        epsilon: Added to the variance.
        clipping: Limits.

    Returns:
        `r` and `d`, in float64, of the shape of a weight.
    """
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        divisor = np.maximum(weights["renorm_stddev"].astype(np.float64), math.sqrt(epsilon))
        r = np.sqrt(batch.variance + epsilon) / divisor
        d = (batch.mean - weights["renorm_mean"].astype(np.float64)) / divisor
    if clipping.rmin is not None:
        r = np.maximum(r, clipping.rmin)
    if clipping.rmax is not None:
        r = np.minimum(r, clipping.rmax)
    if clipping.dmax is not None:
        d = np.clip(d, -clipping.dmax, clipping.dmax)
    return {"r": r, "d": d}


def renorm_updates(
    batch: "BatchStatistics",
    weights: "Weights",
    epsilon: float,
    momentum: float,
    renorm_momentum: float,
) -> dict[str, Any]:
    """Return the five moving statistics as the batch leaves them.

    The moving variance is not an average of variances: it is `moving_stddev**2 - epsilon`.

    Args:
        batch: Statistics of the batch, with the biased variance.
        weights: As they are before the batch.
        epsilon: Added to the variance.
        momentum: Of `moving_mean` and `moving_stddev`.
        renorm_momentum: Of `renorm_mean` and `renorm_stddev`.

    Returns:
        The weights that moved, by name, each in the dtype that it had.
    """
    import numpy as np

    stddev = np.sqrt(batch.variance + epsilon)
    moving = {"moving_mean": batch.mean, "moving_stddev": stddev}
    own = {"renorm_mean": batch.mean, "renorm_stddev": stddev}
    moved = moving_averages(weights, moving, momentum)
    deviation = moved["moving_stddev"]
    with np.errstate(over="ignore"):
        variance = np.maximum(deviation.astype(np.float64) ** 2 - epsilon, 0.0)
    kept = {"moving_variance": to_dtype(deviation.dtype, variance)}
    return moved | kept | moving_averages(weights, own, renorm_momentum)


def _pairs(word: str) -> "list[tuple[str, str]]":
    pairs = []
    for part in word.split(","):
        name, sign, limit = part.partition("=")
        if not sign:
            raise UsageError(f"--renorm-clipping {part!r} is not name=number", _EXAMPLE)
        pairs.append((name.strip(), limit.strip()))
    if len(dict(pairs)) != len(pairs):
        raise UsageError(f"--renorm-clipping {word!r} names a limit twice", _EXAMPLE)
    return pairs


def _limit(name: str, given: Any) -> float | None:
    """Read a limit; Keras' dictionary may hold None for one that there is not."""
    try:
        return None if given is None else float(given)
    except (TypeError, ValueError):
        raise UsageError(f"--renorm-clipping {name}={given!r} is not a number", _EXAMPLE) from None
