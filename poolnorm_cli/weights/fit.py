"""Weights checked against the names, shapes and values that a layer needs."""

from collections.abc import Mapping
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import InputError, UsageError
from poolnorm_cli.shapes import Ints, format_shape
from poolnorm_cli.weights.naming import OPTIONAL


if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolnorm_cli.layers.base import Layer

    Weights = dict[str, NDArray[Any]]


_NEVER_NEGATIVE = ("moving_stddev", "renorm_stddev")


class BroadcastableWeights(dict[str, Any]):
    """Weights that only broadcast to the shapes of a layer, as those of ONNX do.

    They are kept as their file has them, and broadcast for each shape of the input.

    Attributes:
        groups: Number of groups of channels, where each group has one weight; None elsewhere.
    """

    def __init__(self, weights: "Mapping[str, NDArray[Any]]", groups: int | None = None) -> None:
        """Keep weights.

        Args:
            weights: The weights by their Keras names.
            groups: Number of groups of channels, where each group has one weight.
        """
        super().__init__(weights)
        self.groups = groups

    def __reduce__(self) -> "tuple[type[BroadcastableWeights], tuple[dict[str, Any], int | None]]":
        """Take the number of groups along to another process."""
        return BroadcastableWeights, (dict(self), self.groups)

    def broadcast_to(self, expected: Mapping[str, Ints]) -> "dict[str, NDArray[Any]]":
        """Broadcast the weights to the shapes of a layer.

        Args:
            expected: Shapes of the layer's weights, by name.

        Returns:
            The weights by name; one that does not broadcast is returned as it is.
        """
        import numpy as np

        weights = {}
        for name, weight in self.items():
            own = weight.shape
            shape = _broadcast_shape(own, expected.get(name, own), self.groups)
            if shape == own:
                weights[name] = weight
            elif own == (self.groups,):
                weights[name] = np.repeat(weight, shape[0] // own[0])
            else:
                weights[name] = np.broadcast_to(weight.reshape(own[-len(shape) :]), shape)
        return weights


def broadcast_shapes(
    shapes: Mapping[str, Ints], expected: Mapping[str, Ints], groups: int | None
) -> dict[str, Ints]:
    """Return the shapes of weights once they are broadcast, without reading them.

    Args:
        shapes: Shapes in the file, by name.
        expected: Shapes of the layer's weights, by name.
        groups: Number of groups of channels, where each group has one weight; None elsewhere.

    Returns:
        The shapes by name; that of a weight that does not broadcast as it is.
    """
    return {
        name: _broadcast_shape(shape, expected.get(name, shape), groups)
        for name, shape in shapes.items()
    }


def common_shape(rank: int, *shapes: Ints) -> Ints:
    """Return the shape to which shapes broadcast by NumPy's rule.

    Args:
        rank: Number of axes of the result.
        *shapes: The shapes.

    Returns:
        The shape, of `rank` axes.

    Raises:
        ValueError: They do not broadcast, or have more axes that are not of size 1.
    """
    sizes = []
    for cells in zip_longest(*(shape[::-1] for shape in shapes), fillvalue=1):
        wide = {size for size in cells if size != 1}
        if len(wide) > 1:
            raise ValueError
        sizes.append(wide.pop() if wide else 1)
    more, kept = sizes[rank:], sizes[:rank] + [1] * (rank - len(sizes))
    if any(size != 1 for size in more):
        raise ValueError
    return tuple(kept[::-1])


def _broadcast_shape(shape: Ints, expected: Ints, groups: int | None) -> Ints:
    if groups and shape == (groups,) and len(expected) == 1 and not expected[0] % groups:
        return expected
    try:
        return expected if common_shape(len(expected), shape, expected) == expected else shape
    except ValueError:
        return shape


def fit(
    weights: "Mapping[str, NDArray[Any]]",
    expected: Mapping[str, Ints],
    layer: "Layer",
    *,
    training: bool = False,
) -> "Weights":
    """Check weights against the shapes that a layer expects, and give them these shapes.

    Axes of size 1 beyond the expected ones are dropped: Keras has written `(1, 1, C)`. Weights that
    are `BroadcastableWeights` are broadcast first. A moving variance may be slightly negative, as
    in public files: epsilon is added to it.

    Args:
        weights: The weights by their Keras names.
        expected: Shapes of the layer's weights, by name.
        layer: The layer, whose epsilon is added to the variance.
        training: The moving variance is updated, and divides nothing.

    Returns:
        The weights by name, in the expected shapes; they share memory with what was given.

    Raises:
        UsageError: A weight is missing, is not one of the layer's, or has another shape.
        InputError: A weight is not finite, a standard deviation is negative, or a variance is not
            positive with epsilon added.
    """
    if isinstance(weights, BroadcastableWeights):
        weights = weights.broadcast_to(expected)
    require_shapes({name: weight.shape for name, weight in weights.items()}, expected)
    fitted = {
        name: _require_sound(name, weights[name], shape)
        for name, shape in expected.items()
        if name in weights
    }
    for name in expected.keys() - fitted.keys():
        fitted[name] = _zeros(expected[name], next(iter(fitted.values())))
    if "moving_variance" in fitted:
        updated = training and getattr(layer, "trainable", True)
        _require_positive(
            fitted["moving_variance"], getattr(layer, "epsilon", 0.0), updated=updated
        )
    return fitted


def _require_positive(variance: "NDArray[Any]", epsilon: float, *, updated: bool) -> None:
    """Refuse a variance with which nothing can be divided.

    Raises:
        InputError: With epsilon added it is not positive.
    """
    values = _distinct_values(variance)
    with_epsilon = values + values.dtype.type(epsilon)
    bad = with_epsilon < 0 if updated else with_epsilon <= 0
    if bad.any():
        least = values.min()
        kind = "a negative value" if least < 0 else "a value"
        raise InputError(
            f"weight 'moving_variance' has {kind}, {least}, that epsilon {epsilon} does not make "
            "positive",
            "fix the file of weights, or give the --epsilon that the model has",
        )


def require_shapes(weights: Mapping[str, Ints], expected: Mapping[str, Ints]) -> None:
    """Check the names and shapes of weights, which need not have been read.

    Args:
        weights: Shapes of the weights, by name.
        expected: Shapes of the layer's weights, by name.

    Raises:
        UsageError: A weight is missing, is not one of the layer's, or has another shape.
    """
    names = ", ".join(expected) or "none"
    for name in weights:
        if name not in expected and name not in OPTIONAL:
            fix = f"the layer has {names}; see --center, --scale, --renorm"
            raise UsageError(f"weight {name!r} is not one of the layer's", fix)
    missing = [name for name in expected if name not in weights and name not in OPTIONAL]
    if missing:
        given = ", ".join(weights) or "nothing"
        raise UsageError(f"weight {missing[0]!r} is missing from {given}", f"give {names}")
    for name, shape in expected.items():
        if name in weights and not _fits(weights[name], shape):
            raise UsageError(
                f"weight {name!r} has shape ({format_shape(weights[name])})",
                f"this input and --axis need ({format_shape(shape)})",
            )


def _fits(found: Ints, wanted: Ints) -> bool:
    if tuple(found) == tuple(wanted):
        return True
    return without_unit_axes(found) == without_unit_axes(wanted)


def without_unit_axes(shape: Ints) -> Ints:
    """Return a shape without its axes of size 1."""
    return tuple(size for size in shape if size != 1)


def _zeros(shape: Ints, like: "NDArray[Any]") -> "NDArray[Any]":
    import numpy as np

    return np.zeros(shape, like.dtype)


def _distinct_values(weight: "NDArray[Any]") -> "NDArray[Any]":
    """Return the values of a weight; of a broadcast scalar that one value."""
    return weight if any(weight.strides) else weight.reshape(-1)[:1]


def _require_sound(name: str, weight: "NDArray[Any]", shape: Ints) -> "NDArray[Any]":
    import numpy as np

    values = _distinct_values(weight)
    if not np.isfinite(values).all():
        raise InputError(f"weight {name!r} has a NaN or an infinity", "fix the file of weights")
    if name in _NEVER_NEGATIVE and (values < 0).any():
        raise InputError(f"weight {name!r} has a negative value", "fix the file of weights")
    return weight.reshape(shape)
