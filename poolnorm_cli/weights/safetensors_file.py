"""Layers in `.safetensors` files: one file, or several with an index that says what is where."""

import os
import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.errors import InputError, shown
from poolnorm_cli.kernels.halves import widen_bfloat16
from poolnorm_cli.sizes import LARGEST_INDEX_BYTES, LARGEST_WEIGHT_BYTES
from poolnorm_cli.tensors.formats import SAFETENSORS
from poolnorm_cli.tensors.safetensors_header import StoredTensor, arrays_of
from poolnorm_cli.tensors.untrusted import is_plain_file_name, open_span, read_json
from poolnorm_cli.values import replace
from poolnorm_cli.weights.entry import Entry, StoredArray, group_by_layer
from poolnorm_cli.weights.naming import (
    IGNORED,
    are_normalization_weights,
    center_and_scale_of,
    layer_and_weight,
)


_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
"""The types that a weight may have."""
_SHARD = re.compile(r"-\d+-of-0*[1-9]\d*\.safetensors$", re.IGNORECASE)
_FIX = "save the model again, with all its files"


def entries(file: str) -> list[Entry]:
    """List the layers of a file that may be normalizations.

    Raises:
        InputError: It is damaged, has a name twice, or arrays that overlap or leave a gap.
    """
    return layers_among(file, arrays_of(file), complete=_SHARD.search(file) is None)


def array_paths(file: str) -> list[str]:
    """List the names of all arrays of a file.

    Raises:
        InputError: It is damaged.
    """
    return list(arrays_of(file))


def layers_among(file: str, arrays: Mapping[str, StoredTensor], *, complete: bool) -> list[Entry]:
    """List the layers among named arrays.

    Args:
        file: What messages call the file that they are in.
        arrays: The arrays.
        complete: The file has all there is: a weight that is missing is one that the layer has not.
            Of one part of several, that is not said.

    Returns:
        The layers that may be normalizations.
    """
    stored = {
        key: StoredArray(array.shape, partial(read_weight, array))
        for key, array in _without_whole_numbers(arrays).items()
    }
    return [
        _entry(file, name, held, complete=complete) for name, held in group_by_layer(stored).items()
    ]


def read_weight(array: StoredTensor) -> NDArray[Any]:
    """Read the values of an array, which is of the size of a weight.

    Raises:
        InputError: They are of another type than a weight has, or are not all there.
    """
    place = f"{array.file}::{shown(array.key)}"
    if array.dtype not in _DTYPES:
        what = f"values of type {shown(array.dtype, 20)} are not read"
        raise InputError.at(place, what, "save it again with safetensors")
    size = array.ends - array.begins
    if size > LARGEST_WEIGHT_BYTES:
        what = f"{size} bytes are too many for a weight"
        raise InputError.at(place, what, "save it again with safetensors")
    with open_span(array.file) as span:
        data = span.read_exactly(array.begins, size, place)
    values = np.frombuffer(data, _DTYPES[array.dtype]).reshape(array.shape)
    return widen_bfloat16(values) if array.dtype == "BF16" else values


def _without_whole_numbers(arrays: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    """Leave out arrays of whole numbers that are no weights: counters, indices, masks."""
    numbers = ("I", "U", "BOOL")
    ends = ("weight", "bias", "gamma", "beta", "scale", "mean", "var")
    return {
        key: array
        for key, array in arrays.items()
        if not array.dtype.startswith(numbers) or layer_and_weight(key)[1].endswith(ends)
    }


def _entry(file: str, layer: str, arrays: dict[str, StoredArray], *, complete: bool) -> Entry:
    # The names are all there is, so a weight that is missing is one that the layer has not.
    config = center_and_scale_of(arrays) if complete else {}
    return Entry(file=file, name=layer, path=layer, kind=None, arrays=arrays, config=config)


def index_entries(file: str) -> list[Entry]:
    """List the layers that may be normalizations; one of which a file is missing says so.

    Only files in which such layers have a weight are opened, and only files beside the index.

    Raises:
        InputError: The index, or a file that is there, is damaged.
    """
    places = _weight_map(file)
    wanted = _keys_of_normalizations(places)
    held: dict[str, dict[str, StoredTensor]] = {}
    missing: dict[str, str] = {}
    for shard in dict.fromkeys(places[key] for key in wanted):
        path = os.path.join(os.path.dirname(file), shard)  # noqa: PTH118, PTH120 - text
        if os.path.exists(path):  # noqa: PTH110 - as above
            held[shard] = arrays_of(path)
        else:
            missing[shard] = f"{shown(shard)}, which is missing"
    arrays: dict[str, StoredTensor] = {}
    reasons: dict[str, str] = {}
    for key in wanted:
        shard = places[key]
        if shard in held and key not in held[shard]:
            raise InputError.at(f"{file}::{shown(key)}", f"not in {shown(shard)}", _FIX)
        if shard in held:
            arrays[key] = held[shard][key]
        else:
            layer, weight = layer_and_weight(key)
            reasons.setdefault(layer, f"{weight} is in {missing[shard]}")
    found = layers_among(file, arrays, complete=True)
    found = [replace(entry, reason=reasons.pop(entry.path, "")) for entry in found]
    lost = (
        Entry(file=file, name=layer, path=layer, kind=None, arrays={}, reason=reason)
        for layer, reason in reasons.items()
    )
    return [*found, *lost]


def index_array_paths(file: str) -> list[str]:
    """List the names of all arrays of the files.

    Raises:
        InputError: The index is damaged.
    """
    return list(_weight_map(file))


def _weight_map(file: str) -> dict[str, str]:
    """Return the file of each array.

    Raises:
        InputError: The index is damaged, or names what is no file beside it.
    """
    index = read_json(file, LARGEST_INDEX_BYTES)
    places = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(places, dict):
        raise InputError.at(file, "no weight_map in it", _FIX)
    for key, shard in places.items():
        if not isinstance(shard, str) or not is_plain_file_name(shard) or not _is_shard(shard):
            what = f"its file {shown(str(shard), 40)!r} is not a .safetensors file beside the index"
            raise InputError.at(f"{file}::{shown(key)}", what, _FIX)
    return places


def _is_shard(name: str) -> bool:
    return name.lower().endswith(SAFETENSORS.suffix)


def _keys_of_normalizations(places: dict[str, str]) -> list[str]:
    """List the arrays of layers that have the weights of a normalization and nothing else."""
    groups: dict[str, list[str]] = {}
    for key in places:
        groups.setdefault(layer_and_weight(key)[0], []).append(key)
    names = {
        layer: {layer_and_weight(key)[1] for key in keys} - {*IGNORED}
        for layer, keys in groups.items()
    }
    return [
        key
        for layer, keys in groups.items()
        if names[layer] and are_normalization_weights(names[layer])
        for key in keys
        if layer_and_weight(key)[1] not in IGNORED
    ]
