"""Which parameters of batch normalization, and which inputs, go together."""

import math
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import UsageError
from poolnorm_cli.shapes import Ints, Shape, format_shape, within_64_bits


if TYPE_CHECKING:
    from poolnorm_cli.layers.base import Array
    from poolnorm_cli.layers.batch_parameters import BatchParameters

FUSED_AXES = {4: (1, 3), 5: (1, 4)}
"""Rank of the input -> axes of the channels for which Keras 2 has its fused path."""

_KERAS_2 = ("fused", "virtual_batch_size", "adjustment")
_WORDS = ("renorm_clipping", "adjustment")
_KERAS_DEFAULT = 0.99


def keras_momentum(momentum: float, convention: str) -> float:
    """Turn a momentum into Keras', which is the share of the old statistics.

    Raises:
        UsageError: torch's convention goes with Keras' default, so that no momentum was given.
    """
    if convention not in {"keras", "torch"}:
        told = f"--momentum-convention {convention!r} is not known"
        raise UsageError(told, "give keras or torch")
    if convention == "keras":
        return momentum
    if momentum == _KERAS_DEFAULT:
        raise UsageError(
            f"--momentum-convention torch with --momentum {momentum}, Keras' default",
            "give torch's momentum, as --momentum 0.1",
        )
    return 1 - momentum


def require_finite_momentum(layer: "BatchParameters") -> None:
    """Refuse a momentum that is no number.

    Raises:
        UsageError: It is NaN or infinite.
    """
    for name in ("momentum", "renorm_momentum"):
        if not math.isfinite(getattr(layer, name)):
            flag = "--" + name.replace("_", "-")
            raise UsageError(f"{flag} is {getattr(layer, name)}", "give a number, as 0.99")


def require_compatible(layer: "BatchParameters") -> None:
    """Refuse parameters that Keras 2 or Keras 3 refuses together, or that have no meaning so.

    Raises:
        UsageError: With the two flags, or the one that has no meaning.
    """
    ghosts = layer.virtual_batch_size is not None
    pairs = (
        ("--fused", layer.fused, "--renorm", layer.renorm),
        ("--fused", layer.fused, "--virtual-batch-size", ghosts),
        ("--fused", layer.fused, "--adjustment", layer.adjustment),
        ("--fused", layer.fused, "--synchronized", layer.synchronized),
        ("--adjustment", layer.adjustment, "--virtual-batch-size", ghosts),
        ("--synchronized", layer.synchronized, "--virtual-batch-size", ghosts),
    )
    for one, has_one, other, has_other in pairs:
        if has_one and has_other:
            raise UsageError(f"{one} with {other}", f"leave out {one} or {other}")
    if layer.renorm_clipping is not None and not layer.renorm:
        raise UsageError("--renorm-clipping without --renorm", "give --renorm too")
    if layer.virtual_batch_size is not None and layer.virtual_batch_size < 1:
        told = f"--virtual-batch-size must be positive, not {layer.virtual_batch_size}"
        raise UsageError(told, "give a size that divides the batch")
    within_64_bits((layer.virtual_batch_size or 0,), "--virtual-batch-size")


def require_supported(layer: "BatchParameters", axes: Ints, shape: Shape) -> None:
    """Refuse an input for which Keras 2 has no fused path or no ghost batches.

    Raises:
        UsageError: With what it would take.
    """
    if layer.fused:
        _require_fusable(axes, shape)
    if 0 in axes and (layer.virtual_batch_size is not None or layer.synchronized):
        flag = "--synchronized" if layer.synchronized else "--virtual-batch-size"
        raise UsageError(
            f"{flag} with channels along axis 0", "axis 0 is the batch; give another --axis"
        )


def _require_fusable(axes: Ints, shape: Shape) -> None:
    allowed = FUSED_AXES.get(len(shape))
    if allowed is None:
        raise UsageError(
            f"--fused with an input of rank {len(shape)}, shape ({format_shape(shape)})",
            "it takes rank 4 or 5; give --no-fused",
        )
    if len(axes) != 1 or axes[0] not in allowed:
        raise UsageError(
            f"--fused with --axis {format_shape(axes)} and an input of rank {len(shape)}",
            f"give --axis {allowed[0]} or {allowed[1]}, or --no-fused",
        )


def ghost_batches(samples: int, size: int | None) -> int:
    """Count the ghost batches of `size` samples.

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


def keras_config(config: dict[str, Any]) -> dict[str, Any]:
    """Leave out what Keras 3 has not: the convention, and Keras 2's parameters if not set."""
    absent = {"momentum_convention"} | {name for name in _KERAS_2 if config[name] is None}
    kept = {name: value for name, value in config.items() if name not in absent}
    words = {name: kept[name].config() for name in _WORDS if kept.get(name) is not None}
    return kept | words


def require_no_negative(variance: "Array", initializer: str) -> None:
    """Refuse a variance that cannot be.

    Raises:
        UsageError: One is negative.
    """
    if (variance < 0).any():
        told = f"--moving-variance-initializer {initializer} gives a negative variance"
        raise UsageError(told, "give one that is positive, as ones")
