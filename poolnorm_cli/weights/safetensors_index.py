"""Layers in several `.safetensors` files: `model.safetensors.index.json` says what is where."""

import os
from dataclasses import replace

from poolnorm_cli.errors import InputError
from poolnorm_cli.tensors.messages import bad_input, shown
from poolnorm_cli.weights.beside import plain_name
from poolnorm_cli.weights.entry import IGNORED, Entry, exactly, known, split
from poolnorm_cli.weights.safetensors_file import layers
from poolnorm_cli.weights.safetensors_header import Array, arrays_of
from poolnorm_cli.weights.untrusted import parse, whole


LARGEST_INDEX = 10 << 20
_FIX = "save the model again, with all its files"


def entries(file: str) -> list[Entry]:
    """List the layers that may be normalizations; one of which a file is missing says so.

    Only files in which such layers have a weight are opened, and only files beside the index.

    Raises:
        InputError: The index, or a file that is there, is damaged.
    """
    places = _weight_map(file)
    wanted = _candidates(places)
    held: dict[str, dict[str, Array]] = {}
    missing: dict[str, str] = {}
    for shard in dict.fromkeys(places[key] for key in wanted):
        path = os.path.join(os.path.dirname(file), shard)  # noqa: PTH118, PTH120 - text
        if os.path.exists(path):  # noqa: PTH110 - as above
            held[shard] = arrays_of(path)
        else:
            missing[shard] = f"{shown(shard)}, which is missing"
    arrays: dict[str, Array] = {}
    reasons: dict[str, str] = {}
    for key in wanted:
        shard = places[key]
        if shard in held and key not in held[shard]:
            raise bad_input(f"{file}::{shown(key)}", f"not in {shown(shard)}", _FIX)
        if shard in held:
            arrays[key] = held[shard][key]
        else:
            layer, weight = split(key)
            reasons.setdefault(layer, f"{weight} is in {missing[shard]}")
    found = layers(file, arrays, whole=True)
    found = [replace(entry, reason=reasons.pop(entry.path, "")) for entry in found]
    lost = (
        Entry(file=file, name=layer, path=layer, kind=None, arrays={}, reason=reason)
        for layer, reason in reasons.items()
    )
    return [*found, *lost]


def contained(file: str) -> list[str]:
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
    with whole(file) as span:
        if span.size > LARGEST_INDEX:
            told = f"an index of {span.size} bytes, at most {LARGEST_INDEX} are read"
            raise bad_input(file, told, _FIX)
        text = exactly(span.at(0, span.size), span.size, file)
    index = parse(text, file, largest=LARGEST_INDEX)
    places = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(places, dict):
        raise bad_input(file, "no weight_map in it", _FIX)
    for key, shard in places.items():
        if not isinstance(shard, str) or not plain_name(shard) or not _is_shard(shard):
            told = f"its file {shown(str(shard), 40)!r} is no .safetensors beside the index"
            raise InputError(f"{file}::{shown(key)}: {told}", _FIX)
    return places


def _is_shard(name: str) -> bool:
    return name.lower().endswith(".safetensors")


def _candidates(places: dict[str, str]) -> list[str]:
    """List the arrays of layers that have the weights of a normalization and nothing else."""
    groups: dict[str, list[str]] = {}
    for key in places:
        groups.setdefault(split(key)[0], []).append(key)
    names = {layer: {split(key)[1] for key in keys} - {*IGNORED} for layer, keys in groups.items()}
    return [
        key
        for layer, keys in groups.items()
        if names[layer] and known(names[layer])
        for key in keys
        if split(key)[1] not in IGNORED
    ]
