"""The weights of a layer: read from files, checked against what the layer needs, and saved."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import InputError, UsageError
from poolnorm_cli.shapes import Ints, format_shape
from poolnorm_cli.weights.broadcasting import Broadcasting


if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolnorm_cli.layers.base import Layer

    Weights = dict[str, NDArray[Any]]

NEVER_NEGATIVE = ("moving_stddev", "renorm_stddev")


def fit(
    weights: "Mapping[str, NDArray[Any]]",
    expected: Mapping[str, Ints],
    layer: "Layer",
    *,
    training: bool = False,
) -> "Weights":
    """Check weights against the shapes that a layer expects, and give them these shapes.

    Axes of size 1 beyond the expected ones are dropped: Keras has written `(1, 1, C)`. Weights that
    are `Broadcasting` are laid out first. A moving variance may be slightly negative, as it is in
    public files: epsilon is added to it.

    Args:
        weights: The weights by their names.
        expected: The shapes that the layer needs.
        layer: The layer, whose epsilon it is.
        training: The moving variance is moved, and divides nothing.

    Raises:
        UsageError: A weight is missing, is not one of the layer's, or has another shape.
        InputError: A weight is not finite, a deviation is negative, or so is a variance with
            epsilon added; 0 divides nothing either.
    """
    if isinstance(weights, Broadcasting):
        weights = weights.laid_out(expected)
    fit_shapes({name: weight.shape for name, weight in weights.items()}, expected)
    fitted = {name: _checked(name, weights[name], shape) for name, shape in expected.items()}
    if "moving_variance" in fitted:
        moved = training and getattr(layer, "trainable", True)
        _require_positive(fitted["moving_variance"], getattr(layer, "epsilon", 0.0), moved=moved)
    return fitted


def _require_positive(variance: "NDArray[Any]", epsilon: float, *, moved: bool) -> None:
    """Refuse a variance with which nothing can be divided.

    Raises:
        InputError: With epsilon added it is not positive.
    """
    seen = _seen(variance)
    with_epsilon = seen + seen.dtype.type(epsilon)
    lost = with_epsilon < 0 if moved else with_epsilon <= 0
    if lost.any():
        least = seen.min()
        kind = "a negative value" if least < 0 else "a value"
        raise InputError(
            f"weight 'moving_variance' has {kind}, {least}, that epsilon {epsilon} does not make "
            "positive",
            "mend the file of weights, or give the --epsilon that the model has",
        )


def fit_shapes(weights: Mapping[str, Ints], expected: Mapping[str, Ints]) -> None:
    """Check the names and shapes of weights, which need not have been read for it.

    Raises:
        UsageError: A weight is missing, is not one of the layer's, or has another shape.
    """
    names = ", ".join(expected) or "none"
    for name in weights:
        if name not in expected:
            fix = f"the layer has {names}; see --center, --scale, --renorm"
            raise UsageError(f"weight {name!r} is not one of the layer's", fix)
    missing = [name for name in expected if name not in weights]
    if missing:
        given = ", ".join(weights) or "nothing"
        raise UsageError(f"weight {missing[0]!r} is missing from {given}", f"give {names}")
    for name, shape in expected.items():
        if not _fits(weights[name], shape):
            raise UsageError(
                f"weight {name!r} has shape ({format_shape(weights[name])})",
                f"this input and --axis need ({format_shape(shape)})",
            )


def _fits(found: Ints, wanted: Ints) -> bool:
    if tuple(found) == tuple(wanted):
        return True
    from poolnorm_cli.weights.entry import squeezed

    return squeezed(found) == squeezed(wanted)


def _seen(weight: "NDArray[Any]") -> "NDArray[Any]":
    """Return the values of a weight, of one that is one value in memory that value."""
    return weight if any(weight.strides) else weight.reshape(-1)[:1]


def _checked(name: str, weight: "NDArray[Any]", shape: Ints) -> "NDArray[Any]":
    import numpy as np

    seen = _seen(weight)
    if not np.isfinite(seen).all():
        raise InputError(f"weight {name!r} has a NaN or an infinity", "mend the file of weights")
    if name in NEVER_NEGATIVE and (seen < 0).any():
        raise InputError(f"weight {name!r} has a negative value", "mend the file of weights")
    return weight.reshape(shape)
