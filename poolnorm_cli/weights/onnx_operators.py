"""The operators that stand between a weight and the constant it comes from, computed with NumPy."""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from poolnorm_cli.kernels.halves import narrow_bfloat16, widen_bfloat16
from poolnorm_cli.shapes import Ints
from poolnorm_cli.weights.onnx_constants import (
    Array,
    ConstantOperator,
    NodeInputs,
    NotConstantError,
)
from poolnorm_cli.weights.onnx_tensors import BFLOAT16, DTYPES


def int_attribute(inputs: NodeInputs, name: str, default: int) -> int:
    """Return an attribute that is an integer.

    Args:
        inputs: What is known of the node.
        name: The attribute.
        default: Its value where the node does not have it.

    Returns:
        Its value.

    Raises:
        ValueError: It is of another type.
    """
    attribute = inputs.attributes.get(name)
    if attribute is None:
        return default
    if attribute.int_value is None:
        raise ValueError
    return attribute.int_value


def _axes(inputs: NodeInputs, index: int = 1, name: str = "axes") -> list[int] | None:
    """Return a list that was an attribute in older operator sets, and is an input in newer ones."""
    if inputs.has(index):
        return inputs.sizes(index)
    attribute = inputs.attributes.get(name)
    return None if attribute is None else attribute.ints


def reshape_shape(inputs: NodeInputs) -> Ints:
    """Return the shape that Reshape gives."""
    shape, wanted = inputs.shape(0), _axes(inputs, 1, "shape")
    if wanted is None:
        raise ValueError
    if not int_attribute(inputs, "allowzero", 0):
        wanted = [size or shape[axis] for axis, size in enumerate(wanted)]
    known = prod(size for size in wanted if size != -1)
    found = tuple(prod(shape) // known if size == -1 and known else size for size in wanted)
    if prod(found) != prod(shape) or min(found, default=0) < 0:
        raise ValueError
    return found


def flatten_shape(inputs: NodeInputs) -> Ints:
    """Return the shape that Flatten gives."""
    shape = inputs.shape(0)
    axis = int_attribute(inputs, "axis", 1)
    if not -len(shape) <= axis <= len(shape):
        raise ValueError
    axis += len(shape) if axis < 0 else 0
    return prod(shape[:axis]), prod(shape[axis:])


def squeeze_shape(inputs: NodeInputs) -> Ints:
    """Return the shape that Squeeze gives."""
    shape, axes = inputs.shape(0), _axes(inputs)
    if axes is None:
        return tuple(size for size in shape if size != 1)
    gone = {range(len(shape))[axis] for axis in axes}
    if any(shape[axis] != 1 for axis in gone):
        raise ValueError
    return tuple(size for axis, size in enumerate(shape) if axis not in gone)


def unsqueeze_shape(inputs: NodeInputs) -> Ints:
    """Return the shape that Unsqueeze gives."""
    shape, axes = list(inputs.shape(0)), _axes(inputs) or []
    rank = len(shape) + len(axes)
    new = {range(rank)[axis] for axis in axes}
    if len(new) != len(axes):
        raise ValueError
    return tuple(1 if axis in new else shape.pop(0) for axis in range(rank))


def transpose_order(inputs: NodeInputs) -> list[int]:
    """Return the order in which Transpose lays out axes."""
    given = inputs.attributes.get("perm")
    rank = len(inputs.shape(0))
    order = given.ints if given is not None else list(range(rank))[::-1]
    if sorted(order) != list(range(rank)):
        raise ValueError
    return order


def transpose_shape(inputs: NodeInputs) -> Ints:
    """Return the shape that Transpose gives."""
    shape = inputs.shape(0)
    return tuple(shape[axis] for axis in transpose_order(inputs))


def broadcast_shape(*shapes: Ints) -> Ints:
    """Return the shape to which shapes broadcast."""
    return tuple(int(size) for size in np.broadcast_shapes(*shapes))


def expand_shape(inputs: NodeInputs) -> Ints:
    """Return the shape that Expand gives."""
    return broadcast_shape(inputs.shape(0), tuple(inputs.sizes(1)))


def concat_shape(inputs: NodeInputs) -> Ints:
    """Return the shape that Concat gives."""
    shapes = [inputs.shape(index) for index in range(inputs.count)]
    axis = range(len(shapes[0]))[int_attribute(inputs, "axis", 0)]
    around = {(len(shape), shape[:axis], shape[axis + 1 :]) for shape in shapes}
    if len(around) != 1:
        raise ValueError
    return (*shapes[0][:axis], sum(s[axis] for s in shapes), *shapes[0][axis + 1 :])


def _input_shape(inputs: NodeInputs) -> Ints:
    return inputs.shape(0)


def _input_values(inputs: NodeInputs) -> Array:
    return inputs.values(0)


def _dropout(inputs: NodeInputs) -> Array:
    """Return the input, as Dropout does but in training."""
    if inputs.has(2) and inputs.values(2).any():
        raise NotConstantError("is random")
    return inputs.values(0)


def _constant(inputs: NodeInputs) -> Array | None:
    """Return the constant that is no tensor, as an array; None for one that is."""
    for name, attribute in inputs.attributes.items():
        if name == "value_float":
            return np.array(attribute.float_value, "f4")
        if name == "value_floats":
            return np.array(attribute.floats, "f4")
        if name == "value_int":
            return np.array(attribute.int_value, "i8")
        if name == "value_ints":
            return np.array(attribute.ints, "i8")
    return None


def _constant_shape(inputs: NodeInputs) -> Ints:
    found, tensor = _constant(inputs), inputs.tensor()
    if found is not None:
        return found.shape
    if tensor is None:
        raise ValueError
    return inputs.shape_of(tensor)


def _constant_values(inputs: NodeInputs) -> Array:
    found, tensor = _constant(inputs), inputs.tensor()
    if found is not None:
        return found
    if tensor is None:
        raise ValueError
    return inputs.values_of(tensor)


def _constant_of_shape(inputs: NodeInputs) -> Array:
    tensor = inputs.tensor()
    value = np.zeros(1, "f4") if tensor is None else inputs.values_of(tensor)
    return np.full(inputs.sizes(0), value.reshape(-1)[0], value.dtype)


def cast(values: Array, dtype: int) -> Array:
    """Turn values into another type; bfloat16 stays float32, with the digits that it has.

    Args:
        values: The values.
        dtype: ONNX' number of the type.

    Returns:
        The values in that type.

    Raises:
        NotConstantError: It is not a type that is read.
    """
    if dtype not in DTYPES:
        raise NotConstantError(f"has data type number {dtype}, which is not read")
    if dtype == 9:
        return np.asarray(values != 0)
    if dtype != BFLOAT16:
        return values.astype(DTYPES[dtype])
    return widen_bfloat16(narrow_bfloat16(values))


def _cast(inputs: NodeInputs) -> Array:
    return cast(inputs.values(0), int_attribute(inputs, "to", 0))


def _cast_like(inputs: NodeInputs) -> Array:
    return cast(inputs.values(0), inputs.dtype(1))


def _concat(inputs: NodeInputs) -> Array:
    arrays = [inputs.values(index) for index in range(inputs.count)]
    return np.concatenate(arrays, int_attribute(inputs, "axis", 0))


def _dequantize(inputs: NodeInputs) -> Array:
    """Return `(x - zero_point) * scale`, of all or of each slice along an axis."""
    x, scale = inputs.values(0), inputs.values(1)
    if x.dtype.kind not in "iu" or int_attribute(inputs, "block_size", 0):
        raise ValueError
    zero = inputs.values(2) if inputs.has(2) else np.zeros_like(scale, x.dtype)
    if scale.size > 1:
        axis = range(x.ndim)[int_attribute(inputs, "axis", 1) if x.ndim > 1 else 0]
        along = [-1 if each == axis else 1 for each in range(x.ndim)]
    else:
        along = [1] * x.ndim
    scale, zero = scale.reshape(along), zero.reshape(along)
    return np.asarray((x.astype("i8") - zero.astype("i8")).astype(scale.dtype) * scale)


def _binary(compute: Callable[[Any, Any], Any]) -> ConstantOperator:
    """Make an operator of two inputs that broadcast to one shape."""

    def values(inputs: NodeInputs) -> Array:
        a, b = inputs.values(0), inputs.values(1)
        if a.dtype != b.dtype or a.dtype.kind != "f":
            raise ValueError
        return np.asarray(compute(a, b))

    return ConstantOperator(
        lambda inputs: broadcast_shape(inputs.shape(0), inputs.shape(1)), values
    )


def _unary(compute: Callable[[Any], Any]) -> ConstantOperator:
    """Make an operator of one input, for each of its values."""

    def values(inputs: NodeInputs) -> Array:
        a = inputs.values(0)
        if a.dtype.kind != "f":
            raise ValueError
        return np.asarray(compute(a), a.dtype)

    return ConstantOperator(_input_shape, values)


def _with_shape(shape: Callable[[NodeInputs], Ints]) -> ConstantOperator:
    """Make an operator that gives the same values in another shape."""
    return ConstantOperator(shape, lambda inputs: inputs.values(0).reshape(shape(inputs)))


OPERATORS: dict[str, ConstantOperator] = {
    "Constant": ConstantOperator(_constant_shape, _constant_values),
    "ConstantOfShape": ConstantOperator(lambda inputs: tuple(inputs.sizes(0)), _constant_of_shape),
    "Identity": ConstantOperator(_input_shape, _input_values),
    "Dropout": ConstantOperator(_input_shape, _dropout),
    "Cast": ConstantOperator(_input_shape, _cast),
    "CastLike": ConstantOperator(_input_shape, _cast_like),
    "Reshape": _with_shape(reshape_shape),
    "Flatten": _with_shape(flatten_shape),
    "Squeeze": _with_shape(squeeze_shape),
    "Unsqueeze": _with_shape(unsqueeze_shape),
    "Transpose": ConstantOperator(
        transpose_shape, lambda inputs: inputs.values(0).transpose(transpose_order(inputs))
    ),
    "Expand": ConstantOperator(
        expand_shape, lambda inputs: np.broadcast_to(inputs.values(0), expand_shape(inputs))
    ),
    "Concat": ConstantOperator(concat_shape, _concat),
    "DequantizeLinear": ConstantOperator(_input_shape, _dequantize),
    "Add": _binary(np.add),
    "Sub": _binary(np.subtract),
    "Mul": _binary(np.multiply),
    "Div": _binary(np.divide),
    "Neg": _unary(np.negative),
    "Abs": _unary(np.abs),
    "Sqrt": _unary(np.sqrt),
    "Exp": _unary(np.exp),
    "Reciprocal": _unary(np.reciprocal),
}
"""The operators that are computed, by their names in ONNX."""
