"""Layers in Keras' sharded weights: a table `x.weights.json` and the `.h5` files that it names."""

import os
from typing import Any

from poolnorm_cli.errors import InputError
from poolnorm_cli.tensors.messages import bad_input, shown
from poolnorm_cli.weights.entry import Entry, exactly
from poolnorm_cli.weights.hdf5 import Contents, walk
from poolnorm_cli.weights.keras_h5 import found_in
from poolnorm_cli.weights.untrusted import LARGEST, parse, whole


_FIX = "save it again with model.save_weights"
_MOST = 1000
"""Shards of a model; a model of 5 TB has as many by Keras' own measure."""


def entries(file: str) -> list[Entry]:
    """List the normalization layers of sharded weights.

    Raises:
        InputError: The table or a shard is damaged, or not there, or a weight is in two shards.
        UnavailableError: h5py is not installed.
    """
    return found_in(_together(file), file)


def contained(file: str) -> list[str]:
    """List the paths of all arrays in sharded weights.

    Raises:
        InputError: The table or a shard is damaged, or not there, or a weight is in two shards.
        UnavailableError: h5py is not installed.
    """
    return list(_together(file).arrays)


def _together(file: str) -> Contents:
    table = _table(file)
    shards = list(dict.fromkeys(name for names in table.values() for name in names))
    if len(shards) > _MOST:
        raise bad_input(file, f"{len(shards)} shards, at most {_MOST} are read", _FIX)
    together = Contents()
    for shard in shards:
        path = os.path.join(os.path.dirname(file), shard)  # noqa: PTH118, PTH120 - text
        try:
            span = whole(path)
        except InputError as error:
            raise error.within(f"{file}: its shard") from None
        found = walk(span, path)
        groups = {group for group, names in table.items() if shard in names}
        for key, array in found.arrays.items():
            if key.rpartition("/")[0] not in groups:
                continue  # Keras goes by the table
            if key in together.arrays:
                raise bad_input(f"{file}: {shown(key)}", "it is in two shards", _FIX)
            together.arrays[key] = array
        together.names |= {p: name for p, name in found.names.items() if p not in together.names}
    _require_all(file, table, together)
    return together


def _table(file: str) -> dict[str, list[str]]:
    """Return the shards of each group.

    Raises:
        InputError: There is no such table, or it has something else than names of files.
    """
    span = whole(file)
    if span.size > LARGEST:
        raise bad_input(file, f"{span.size} bytes, at most {LARGEST} are read", _FIX)
    document = parse(exactly(span.at(0, span.size), span.size, file), file)
    found = document.get("weight_map") if isinstance(document, dict) else None
    if not isinstance(found, dict):
        raise bad_input(file, "no weight_map in it", _FIX)
    return {group.strip("/"): _names(file, group, names) for group, names in found.items()}


def _names(file: str, group: str, names: Any) -> list[str]:
    listed = names if isinstance(names, list) else [names]
    for name in listed:
        plain = isinstance(name, str) and name.isprintable() and not set(name) & set("/\\")
        if not plain or not name.lower().endswith(".h5"):
            told = f"its shard is {shown(str(name), 60)!r}, no .h5 file beside it"
            raise bad_input(f"{file}: {shown(group)}", told, _FIX)
    return listed


def _require_all(file: str, table: dict[str, list[str]], together: Contents) -> None:
    """Refuse weights of which a part is not there.

    Raises:
        InputError: A group of the table is in none of the shards it names, or has a gap.
    """
    held: dict[str, set[str]] = {}
    for key in together.arrays:
        group, _, weight = key.rpartition("/")
        held.setdefault(group, set()).add(weight)
    for group in table:
        weights = held.get(group, set())
        numbers = {int(weight) for weight in weights if weight.isdecimal()}
        if not weights or numbers != set(range(len(numbers))):
            told = "not all of its weights are in the shards"
            raise bad_input(f"{file}: {shown(group)}", told, _FIX)
