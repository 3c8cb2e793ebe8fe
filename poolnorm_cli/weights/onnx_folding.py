"""The operators that lie between a weight and the constant it comes from, and how they are done."""

from collections.abc import Callable
from typing import Any

import numpy as np

from poolnorm_cli.shapes import Ints
from poolnorm_cli.weights.entry import from_bfloat16
from poolnorm_cli.weights.onnx_constants import Array, Foldable, Inputs, UnknownError
from poolnorm_cli.weights.onnx_layouts import (
    expanded,
    flattened,
    joined,
    order_of,
    reshaped,
    squeezed,
    together,
    turned,
    unsqueezed,
    whole_of,
)
from poolnorm_cli.weights.onnx_tensors import BFLOAT16, DTYPES, problem_of


def _same(inputs: Inputs) -> Ints:
    return inputs.shape(0)


def _first(inputs: Inputs) -> Array:
    return inputs.values(0)


def _dropped(inputs: Inputs) -> Array:
    """Return the input, as Dropout does but in training."""
    if inputs.has(2) and inputs.values(2).any():
        raise UnknownError("is random")
    return inputs.values(0)


def _constant(inputs: Inputs) -> Array | None:
    """Return the constant that is no tensor, as an array; None for one that is."""
    for name, attribute in inputs.attributes.items():
        if name == "value_float":
            return np.array(attribute.real, "f4")
        if name == "value_floats":
            return np.array(attribute.reals, "f4")
        if name == "value_int":
            return np.array(attribute.whole, "i8")
        if name == "value_ints":
            return np.array(attribute.wholes, "i8")
    return None


def _constant_shape(inputs: Inputs) -> Ints:
    found, tensor = _constant(inputs), inputs.tensor()
    if found is not None:
        return found.shape
    if tensor is None:
        raise ValueError
    if problem := problem_of(tensor):
        raise UnknownError(problem)
    return tensor.shape


def _constant_values(inputs: Inputs) -> Array:
    found, tensor = _constant(inputs), inputs.tensor()
    if found is not None:
        return found
    if tensor is None:
        raise ValueError
    return inputs.of_tensor(tensor)


def _filled(inputs: Inputs) -> Array:
    tensor = inputs.tensor()
    value = np.zeros(1, "f4") if tensor is None else inputs.of_tensor(tensor)
    return np.full(inputs.sizes(0), value.reshape(-1)[0], value.dtype)


def cast(values: Array, dtype: int) -> Array:
    """Turn values into another type; bfloat16 stays float32, with the digits that it has.

    Args:
        values: The values.
        dtype: ONNX' number of the type.

    Raises:
        UnknownError: It is not a type that is read.
    """
    if dtype not in DTYPES:
        raise UnknownError(f"has data type number {dtype}, which is not read")
    if dtype == 9:
        return np.asarray(values != 0)
    if dtype != BFLOAT16:
        return values.astype(DTYPES[dtype])
    bits = np.ascontiguousarray(values, "f4").view("u4")
    upper = (bits + (((bits >> 16) & 1) + np.uint32(0x7FFF))) >> 16
    return np.where(np.isnan(values), np.float32(np.nan), from_bfloat16(upper.astype("<u2")))


def _cast(inputs: Inputs) -> Array:
    return cast(inputs.values(0), whole_of(inputs, "to", 0))


def _cast_like(inputs: Inputs) -> Array:
    return cast(inputs.values(0), inputs.dtype(1))


def _concatenated(inputs: Inputs) -> Array:
    count = next(index for index in range(10**6) if not inputs.has(index))
    arrays = [inputs.values(index) for index in range(count)]
    return np.concatenate(arrays, whole_of(inputs, "axis", 0))


def _dequantized(inputs: Inputs) -> Array:
    """Return `(x - zero_point) * scale`, of all or of each slice along an axis."""
    x, scale = inputs.values(0), inputs.values(1)
    if x.dtype.kind not in "iu" or whole_of(inputs, "block_size", 0):
        raise ValueError
    zero = inputs.values(2) if inputs.has(2) else np.zeros_like(scale, x.dtype)
    if scale.size > 1:
        axis = range(x.ndim)[whole_of(inputs, "axis", 1) if x.ndim > 1 else 0]
        along = [-1 if each == axis else 1 for each in range(x.ndim)]
    else:
        along = [1] * x.ndim
    scale, zero = scale.reshape(along), zero.reshape(along)
    return np.asarray((x.astype("i8") - zero.astype("i8")).astype(scale.dtype) * scale)


def _of_two(compute: Callable[[Any, Any], Any]) -> Foldable:
    """Make an operator of two inputs that broadcast to one shape."""

    def values(inputs: Inputs) -> Array:
        a, b = inputs.values(0), inputs.values(1)
        if a.dtype != b.dtype or a.dtype.kind != "f":
            raise ValueError
        return np.asarray(compute(a, b))

    return Foldable(lambda inputs: together(inputs.shape(0), inputs.shape(1)), values)


def _of_one(compute: Callable[[Any], Any]) -> Foldable:
    """Make an operator of one input, for each of its values."""

    def values(inputs: Inputs) -> Array:
        a = inputs.values(0)
        if a.dtype.kind != "f":
            raise ValueError
        return np.asarray(compute(a), a.dtype)

    return Foldable(_same, values)


def _laid_anew(shape: Callable[[Inputs], Ints]) -> Foldable:
    """Make an operator that gives the same values in another shape."""
    return Foldable(shape, lambda inputs: inputs.values(0).reshape(shape(inputs)))


OPERATORS: dict[str, Foldable] = {
    "Constant": Foldable(_constant_shape, _constant_values),
    "ConstantOfShape": Foldable(lambda inputs: tuple(inputs.sizes(0)), _filled),
    "Identity": Foldable(_same, _first),
    "Dropout": Foldable(_same, _dropped),
    "Cast": Foldable(_same, _cast),
    "CastLike": Foldable(_same, _cast_like),
    "Reshape": _laid_anew(reshaped),
    "Flatten": _laid_anew(flattened),
    "Squeeze": _laid_anew(squeezed),
    "Unsqueeze": _laid_anew(unsqueezed),
    "Transpose": Foldable(turned, lambda inputs: inputs.values(0).transpose(order_of(inputs))),
    "Expand": Foldable(
        expanded, lambda inputs: np.broadcast_to(inputs.values(0), expanded(inputs))
    ),
    "Concat": Foldable(joined, _concatenated),
    "DequantizeLinear": Foldable(_same, _dequantized),
    "Add": _of_two(np.add),
    "Sub": _of_two(np.subtract),
    "Mul": _of_two(np.multiply),
    "Div": _of_two(np.divide),
    "Neg": _of_one(np.negative),
    "Abs": _of_one(np.abs),
    "Sqrt": _of_one(np.sqrt),
    "Exp": _of_one(np.exp),
    "Reciprocal": _of_one(np.reciprocal),
}
"""What is followed, by the names of the operators."""
