"""Which parameters of batch normalization go together, and with which input."""

import math
from typing import Any

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.keras.spelling import flag_of
from poolnorm_cli.shapes import Ints, Shape, format_shape, within_64_bits


_FUSED_AXES = {4: (1, 3), 5: (1, 4)}
"""Rank of the input -> axes of the channels for which Keras 2 has its fused path."""
_KERAS_DEFAULT = 0.99


def keras_momentum(momentum: float | None, convention: str) -> float | None:
    """Turn a momentum into Keras', which is the share of the old statistics.

    Args:
        momentum: What was given; None for the average of all batches.
        convention: `keras` or `torch`, whose momentum is the share of the new statistics.

    Returns:
        The share of the old statistics; None stays.

    Raises:
        UsageError: torch's convention goes with Keras' default, so that no momentum was given.
    """
    if convention not in {"keras", "torch"}:
        what = f"--momentum-convention {convention!r} is not known"
        raise UsageError(what, "give keras or torch")
    if convention == "keras" or momentum is None:
        return momentum
    if momentum == _KERAS_DEFAULT:
        raise UsageError(
            f"--momentum-convention torch with --momentum {momentum}, Keras' default",
            "give torch's momentum, such as --momentum 0.1",
        )
    return 1 - momentum


def require_finite_momentum(layer: Any) -> None:
    """Refuse a momentum that is not a number.

    Raises:
        UsageError: It is NaN or infinite.
    """
    for name in ("momentum", "renorm_momentum"):
        value = getattr(layer, name)
        if value is not None and not math.isfinite(value):
            what = f"{flag_of(name)} is {value}"
            raise UsageError(what, "give a number, such as 0.99")


def require_compatible(layer: Any) -> None:
    """Refuse parameters that Keras 2 or Keras 3 refuses together, or that mean nothing alone.

    Raises:
        UsageError: With the two flags, or the one that has no meaning.
    """
    ghosts = layer.virtual_batch_size is not None
    pairs = (
        ("--fused", layer.fused, "--renorm", layer.renorm),
        ("--fused", layer.fused, "--virtual-batch-size", ghosts),
        ("--fused", layer.fused, "--adjustment", layer.adjustment),
        ("--fused", layer.fused, "--synchronized", layer.synchronized),
        ("--no-fused", layer.fused is False, "--unbiased", layer.unbiased),
        ("--renorm", layer.renorm, "--unbiased", layer.unbiased),
        ("--renorm", layer.renorm, "--momentum none", layer.momentum is None),
        ("--adjustment", layer.adjustment, "--virtual-batch-size", ghosts),
        ("--synchronized", layer.synchronized, "--virtual-batch-size", ghosts),
    )
    for one, has_one, other, has_other in pairs:
        if has_one and has_other:
            raise UsageError(f"{one} with {other}", f"leave out {one} or {other}")
    if layer.renorm_clipping is not None and not layer.renorm:
        raise UsageError("--renorm-clipping without --renorm", "give --renorm too")
    if layer.virtual_batch_size is not None and layer.virtual_batch_size < 1:
        what = f"--virtual-batch-size must be positive, not {layer.virtual_batch_size}"
        raise UsageError(what, "give a size that divides the batch")
    within_64_bits((layer.virtual_batch_size or 0,), "--virtual-batch-size")


def require_supported(layer: Any, axes: Ints, shape: Shape) -> None:
    """Refuse an input for which Keras 2 has no fused path or no ghost batches.

    Args:
        layer: The parameters.
        axes: Axes of the channels, non-negative.
        shape: Shape of the input.

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
    allowed = _FUSED_AXES.get(len(shape))
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
