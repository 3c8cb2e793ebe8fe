"""Weights as plain memory in float64, for loops that run without NumPy.

Whatever is unusual (another type, values that no weight has, initializers that draw, penalties) is
left to the way of arrays, which knows it or refuses it.
"""

from __future__ import annotations

import math
import struct
import sys
from typing import TYPE_CHECKING, Any

from poolnorm_cli.sizes import LARGEST_WEIGHT_BYTES
from poolnorm_cli.weights.naming import OPTIONAL


if TYPE_CHECKING:
    from collections.abc import Mapping

    from poolnorm_cli.layers.base import Layer
    from poolnorm_cli.shapes import Ints
    from poolnorm_cli.tensors.tensor import Tensor
    from poolnorm_cli.weights.entry import Entry

    Buffers = dict[str, memoryview]

_CODES = {"float32": "f", "float64": "d"}
_LEAST = 1e-30
"""Variances below it, after epsilon, are looked at as arrays: in float32 they may be none."""
_TRAINED = ("regularizer", "constraint", "adjustment")
"""Ends of the names of parameters that ask for more of weights than to be used."""


def starting_weights(layer: Layer, shape: Ints, dtype: str) -> Buffers | None:
    """Return the weights with which a layer starts, where each is one number.

    Args:
        layer: The layer.
        shape: Shape of the input.
        dtype: Name of its dtype: the weights are float64 for float64, else float32.

    Returns:
        The weights by name; None where arrays are needed to say what they are.

    Raises:
        UsageError: The layer does not take such an input.
    """
    if asks_for_more(layer):
        return None
    found = {}
    for name, sizes in layer.weight_shapes(shape).items():
        value = layer.initial_constant(name)
        if value is None or not abs(value) < 1e38:
            return None
        kept = value if dtype == "float64" else struct.unpack("f", struct.pack("f", value))[0]
        if 8 * math.prod(sizes) > LARGEST_WEIGHT_BYTES:
            return None
        found[name] = _shaped(struct.pack("d", kept) * math.prod(sizes), sizes)
    return found if _are_sound(found, layer) else None


def stored_weights(layer: Layer, entry: Entry, shape: Ints) -> Buffers | None:
    """Read the weights of a layer from a file, where these are plain arrays of floats.

    Args:
        layer: The layer that they are for.
        entry: The layer in its file.
        shape: Shape of the input.

    Returns:
        The weights by name; None where arrays are needed to read them.

    Raises:
        PoolnormError: They are not those of the layer, or cannot be read.
    """
    if asks_for_more(layer):
        return None
    expected = layer.weight_shapes(shape)
    arrays = entry.arrays_of(layer, expected)
    if len(arrays) < len(expected) or any(name in OPTIONAL for name in expected):
        return None
    found = {}
    for name, array in arrays.items():
        raw = None if array.tensor is None else _doubles(array.tensor)
        if raw is None:
            return None
        found[name] = _shaped(raw, expected[name])
    return found if _are_sound(found, layer) else None


def kept_dtypes(layer: Layer, entry: Entry | None, shape: Ints, dtype: str) -> dict[str, str]:
    """Return the names of the dtypes in which the weights of a layer are kept.

    Args:
        layer: The layer.
        entry: The layer in its file, whose weights `stored_weights` reads; None without one.
        shape: Shape of the input.
        dtype: Name of its dtype.

    Returns:
        The dtypes by the names of the weights.

    Raises:
        PoolnormError: They are not those of the layer.
    """
    expected = layer.weight_shapes(shape)
    if entry is None:
        return dict.fromkeys(expected, "float64" if dtype == "float64" else "float32")
    arrays = entry.arrays_of(layer, expected)
    return {name: a.tensor.dtype.name for name, a in arrays.items() if a.tensor is not None}


def asks_for_more(layer: Layer) -> bool:
    """Whether weights of a layer are penalized, projected, or made by other arrays."""
    return any(
        getattr(layer, parameter.name) is not None
        for parameter in layer.parameters()
        if parameter.name.endswith(_TRAINED)
    )


def _doubles(tensor: Tensor) -> bytes | None:
    """Read an array as float64; None where it is of another type, or too odd."""
    code = _CODES.get(tensor.dtype.name)
    if code is None or not tensor.shape or not 0 < tensor.nbytes <= LARGEST_WEIGHT_BYTES:
        return None
    if tensor.is_transposed:
        return None
    order = {"little": "<", "big": ">"}[sys.byteorder]
    order = {"<": ">", ">": "<"}[order] if tensor.swapped else order
    whole = [(0, tensor.shape[0])]
    raw = b"".join(bytes(part) for part in tensor.raw_slices(whole, tensor.shape))
    count = math.prod(tensor.shape)
    return struct.pack(f"{count}d", *struct.unpack(f"{order}{count}{code}", raw))


def _shaped(raw: bytes, sizes: Ints) -> Any:
    return memoryview(raw).cast("d").cast("B").cast("d", sizes)


def _are_sound(weights: Mapping[str, memoryview], layer: Layer) -> bool:
    """Whether all are numbers that such weights can be without a doubt."""
    epsilon: float = getattr(layer, "epsilon", 0.0)
    for name, weight in weights.items():
        values = weight.cast("B").cast("d").tolist()
        if not all(map(math.isfinite, values)):
            return False
        if name.endswith(("variance", "stddev")) and any(
            value < 0 or value + epsilon < _LEAST for value in values
        ):
            return False
    return True
