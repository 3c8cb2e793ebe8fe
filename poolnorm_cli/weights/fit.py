"""The weights of a layer: read from files, checked against what the layer needs, and saved."""

from collections.abc import Mapping
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import InputError, UsageError
from poolnorm_cli.shapes import Ints, format_shape


if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolnorm_cli.layers.base import Layer

    Weights = dict[str, NDArray[Any]]


class Broadcasting(dict[str, Any]):
    """Weights as their file has them, which are laid out anew for each shape of the input.

    Attributes:
        groups: Number of groups of channels of which each has one weight; None where not.
    """

    def __init__(self, weights: "Mapping[str, NDArray[Any]]", groups: int | None = None) -> None:
        """Take over weights by their Keras names."""
        super().__init__(weights)
        self.groups = groups

    def __reduce__(self) -> "tuple[type[Broadcasting], tuple[dict[str, Any], int | None]]":
        """Go to another process with the number of groups."""
        return Broadcasting, (dict(self), self.groups)

    def laid_out(self, expected: Mapping[str, Ints]) -> "dict[str, NDArray[Any]]":
        """Return the weights in the shapes of a layer; one that does not broadcast as it is.

        Args:
            expected: The weights of the layer, with their shapes.
        """
        import numpy as np

        found = {}
        for name, weight in self.items():
            had = weight.shape
            shape = _laid_out(had, expected.get(name, had), self.groups)
            if shape == had:
                found[name] = weight
            elif had == (self.groups,):
                found[name] = np.repeat(weight, shape[0] // had[0])
            else:
                found[name] = np.broadcast_to(weight.reshape(had[-len(shape) :]), shape)
        return found


def laid_out_shapes(
    shapes: Mapping[str, Ints], expected: Mapping[str, Ints], groups: int | None
) -> dict[str, Ints]:
    """Return the shapes that weights have when they are laid out.

    Args:
        shapes: Those in the file.
        expected: Those of the layer.
        groups: Number of groups of channels of which each has one weight; None where not.
    """
    return {
        name: _laid_out(shape, expected.get(name, shape), groups) for name, shape in shapes.items()
    }


def broadcast(count: int, *shapes: Ints) -> Ints:
    """Return the shape of so many axes to which shapes broadcast.

    Raises:
        ValueError: They do not, or have more axes that are not of one cell.
    """
    sizes = []
    for cells in zip_longest(*(shape[::-1] for shape in shapes), fillvalue=1):
        wide = {size for size in cells if size != 1}
        if len(wide) > 1:
            raise ValueError
        sizes.append(wide.pop() if wide else 1)
    more, kept = sizes[count:], sizes[:count] + [1] * (count - len(sizes))
    if any(size != 1 for size in more):
        raise ValueError
    return tuple(kept[::-1])


def _laid_out(shape: Ints, expected: Ints, groups: int | None) -> Ints:
    if groups and shape == (groups,) and len(expected) == 1 and not expected[0] % groups:
        return expected
    try:
        return expected if broadcast(len(expected), shape, expected) == expected else shape
    except ValueError:
        return shape


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
    return without_unit_axes(found) == without_unit_axes(wanted)


def without_unit_axes(shape: Ints) -> Ints:
    """Return a shape without its axes of size 1."""
    return tuple(size for size in shape if size != 1)


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
