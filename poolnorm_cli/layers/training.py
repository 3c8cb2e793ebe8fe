"""What training does to weights by their own rules: penalties and constraints.

As in Keras, neither has a part in the forward pass, and frozen weights have neither.
"""

from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from poolnorm_cli.layers.base import Array, Layer, Weights
    from poolnorm_cli.layers.constraints import Constraint
    from poolnorm_cli.layers.regularizers import Regularizer


def penalties(layer: "Layer", weights: "Weights") -> dict[str, float]:
    """Return the penalty of each weight that has a regularizer.

    Raises:
        UsageError: The regularizer is for weights of another rank.
    """
    found: dict[str, Regularizer] = _trained(layer, "regularizer", weights)
    return {name: each.penalty(weights[name].astype("float64")) for name, each in found.items()}


def constrained(layer: "Layer", weights: "Weights") -> "dict[str, Array]":
    """Return each weight that has a constraint, projected by it, in its own dtype.

    Raises:
        UsageError: The constraint is for weights of another rank.
    """
    found: dict[str, Constraint] = _trained(layer, "constraint", weights)
    return {
        name: each.project(weights[name].astype("float64")).astype(weights[name].dtype)
        for name, each in found.items()
    }


def _trained(layer: "Layer", kind: str, weights: "Weights") -> dict[str, Any]:
    """Return the regularizer or constraint of each weight that has one and is trained."""
    if not weights or not getattr(layer, "trainable", True):
        return {}
    named = {name: getattr(layer, f"{name}_{kind}", None) for name in weights}
    return {name: each for name, each in named.items() if each is not None}
