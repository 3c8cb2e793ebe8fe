"""The shapes that the operators of ONNX give which lay values out anew."""

from math import prod

import numpy as np

from poolnorm_cli.shapes import Ints
from poolnorm_cli.weights.onnx_constants import Inputs


def whole_of(inputs: Inputs, name: str, default: int) -> int:
    """Return an attribute that is a whole number.

    Args:
        inputs: What is known of the node.
        name: The attribute.
        default: Its value where the node does not have it.

    Raises:
        ValueError: It is of another type.
    """
    attribute = inputs.attributes.get(name)
    if attribute is None:
        return default
    if attribute.whole is None:
        raise ValueError
    return attribute.whole


def _axes(inputs: Inputs, index: int = 1, name: str = "axes") -> list[int] | None:
    """Return a list that was an attribute in older operator sets, and is an input in newer ones."""
    if inputs.has(index):
        return inputs.sizes(index)
    attribute = inputs.attributes.get(name)
    return None if attribute is None else attribute.wholes


def reshaped(inputs: Inputs) -> Ints:
    """Return the shape that Reshape gives."""
    shape, wanted = inputs.shape(0), _axes(inputs, 1, "shape")
    if wanted is None:
        raise ValueError
    if not whole_of(inputs, "allowzero", 0):
        wanted = [size or shape[axis] for axis, size in enumerate(wanted)]
    known = prod(size for size in wanted if size != -1)
    found = tuple(prod(shape) // known if size == -1 and known else size for size in wanted)
    if prod(found) != prod(shape) or min(found, default=0) < 0:
        raise ValueError
    return found


def flattened(inputs: Inputs) -> Ints:
    """Return the shape that Flatten gives."""
    shape = inputs.shape(0)
    axis = whole_of(inputs, "axis", 1)
    if not -len(shape) <= axis <= len(shape):
        raise ValueError
    axis += len(shape) if axis < 0 else 0
    return prod(shape[:axis]), prod(shape[axis:])


def squeezed(inputs: Inputs) -> Ints:
    """Return the shape that Squeeze gives."""
    shape, axes = inputs.shape(0), _axes(inputs)
    if axes is None:
        return tuple(size for size in shape if size != 1)
    gone = {range(len(shape))[axis] for axis in axes}
    if any(shape[axis] != 1 for axis in gone):
        raise ValueError
    return tuple(size for axis, size in enumerate(shape) if axis not in gone)


def unsqueezed(inputs: Inputs) -> Ints:
    """Return the shape that Unsqueeze gives."""
    shape, axes = list(inputs.shape(0)), _axes(inputs) or []
    rank = len(shape) + len(axes)
    new = {range(rank)[axis] for axis in axes}
    if len(new) != len(axes):
        raise ValueError
    return tuple(1 if axis in new else shape.pop(0) for axis in range(rank))


def order_of(inputs: Inputs) -> list[int]:
    """Return the order in which Transpose lays out axes."""
    given = inputs.attributes.get("perm")
    rank = len(inputs.shape(0))
    order = given.wholes if given is not None else list(range(rank))[::-1]
    if sorted(order) != list(range(rank)):
        raise ValueError
    return order


def turned(inputs: Inputs) -> Ints:
    """Return the shape that Transpose gives."""
    shape = inputs.shape(0)
    return tuple(shape[axis] for axis in order_of(inputs))


def together(*shapes: Ints) -> Ints:
    """Return the shape to which shapes broadcast."""
    return tuple(int(size) for size in np.broadcast_shapes(*shapes))


def expanded(inputs: Inputs) -> Ints:
    """Return the shape that Expand gives."""
    return together(inputs.shape(0), tuple(inputs.sizes(1)))


def joined(inputs: Inputs) -> Ints:
    """Return the shape that Concat gives."""
    count = next(index for index in range(10**6) if not inputs.has(index))
    shapes = [inputs.shape(index) for index in range(count)]
    axis = range(len(shapes[0]))[whole_of(inputs, "axis", 0)]
    around = {(len(shape), shape[:axis], shape[axis + 1 :]) for shape in shapes}
    if len(around) != 1:
        raise ValueError
    return (*shapes[0][:axis], sum(s[axis] for s in shapes), *shapes[0][axis + 1 :])
