"""Weights of normalizations as arrays that go with a block."""

from typing import TYPE_CHECKING

from poolnorm_cli.shapes import Ints


if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from poolnorm_cli.layers.call import Array, Weights


def part_for_block(axes: Ints, origin: Ints, shape: Ints) -> tuple[slice, ...]:
    """Return which part of a weight is for a block.

    Args:
        axes: Sorted axes of the tensor along which the weight runs.
        origin: Index at which the block starts in its tensor.
        shape: Shape of the block.

    Returns:
        A slice for each axis of the weight.
    """
    return tuple(slice(origin[axis], origin[axis] + shape[axis]) for axis in axes)


def broadcast_weight(
    weights: "Weights", name: str, shape: Ints, axes: Ints, origin: Ints
) -> "NDArray[np.float64] | None":
    """Shape a weight, or the part of it for a block, so that it broadcasts against that.

    Args:
        weights: The weights of the layer.
        name: One of them; None is returned where the layer has none of that name.
        shape: Shape of the block.
        axes: Sorted axes of the tensor along which the weight runs.
        origin: Index at which the block starts in its tensor.

    Returns:
        The weight in float64.
    """
    import numpy as np

    if name not in weights:
        return None
    weight = np.asarray(weights[name][part_for_block(axes, origin, shape)], dtype=np.float64)
    return weight.reshape([size if axis in axes else 1 for axis, size in enumerate(shape)])


def affine_arrays(
    weights: "Weights", shape: Ints, axes: Ints, origin: Ints
) -> "tuple[Array | None, Array | None]":
    """Return the factor and the addend that a layer has as weights, for a block.

    Args:
        weights: The weights of the layer: gamma or scale, and beta, as far as it has them.
        shape: Shape of the block.
        axes: Sorted axes of the tensor along which they run.
        origin: Index at which the block starts in its tensor.

    Returns:
        Both in float64, broadcasting against the block; None for what changes nothing.
    """
    gamma, scale, beta = (
        _changing(broadcast_weight(weights, name, shape, axes, origin), name)
        for name in ("gamma", "scale", "beta")
    )
    return scale if gamma is None else gamma, beta


def affine_vector(weights: "Weights", name: str, x: "Array", axes: Ints) -> "Array | None":
    """Return a weight over trailing axes as a vector for a block.

    Args:
        weights: The weights of the layer.
        name: One of them.
        x: The block.
        axes: Sorted, trailing axes along which the weight runs.

    Returns:
        A vector in the dtype of `x`; None where there is no such weight or it changes nothing.
    """
    weight = _changing(broadcast_weight(weights, name, x.shape, axes, (0,) * x.ndim), name)
    return None if weight is None else weight.reshape(-1).astype(x.dtype)


def _changing(weight: "Array | None", name: str) -> "Array | None":
    """Return None for factors that are all 1 and addends that are all 0."""
    neutral = 0 if name == "beta" else 1
    return None if weight is None or (weight == neutral).all() else weight


def apply_affine(y: "Array", weights: "Weights", axes: Ints, origin: Ints) -> "Array":
    """Multiply a block, in place, by gamma or scale, and add beta: what there is of them.

    Args:
        y: The normalized block.
        weights: The weights of the layer.
        axes: Sorted axes of the tensor along which they run.
        origin: Index at which the block starts in its tensor.

    Returns:
        `y` itself.
    """
    from poolnorm_cli.kernels.scaling import multiply_and_add

    multiply_and_add(y, *affine_arrays(weights, y.shape, axes, origin))
    return y
