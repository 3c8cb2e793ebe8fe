"""Layers in Keras' files: `.keras`, `.weights.h5`, models in `.h5`, and sharded weights.

Newer files number the weights of a layer (`layers/batch_normalization_1/vars/0`) in a group that is
named by class and order, with the layer's name as an attribute in the newest; a legacy file has
them by name, in a group for each layer of the model (`keras_legacy`).
"""

import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from poolnorm_cli.errors import InputError, shown
from poolnorm_cli.sizes import LARGEST_INFLATED_BYTES, LARGEST_JSON_BYTES
from poolnorm_cli.tensors.files import open_regular, read_exactly, reader
from poolnorm_cli.tensors.untrusted import Span, open_span, read_json
from poolnorm_cli.tensors.zip_reader import ArchiveKind, Member, MemberReader, sound_members
from poolnorm_cli.values import replace
from poolnorm_cli.weights.entry import Entry, StoredArray, group_by_layer
from poolnorm_cli.weights.fit import without_unit_axes
from poolnorm_cli.weights.hdf5 import Hdf5Contents, walk
from poolnorm_cli.weights.keras_config import (
    LayerConfig,
    class_of_group,
    misnumbered,
    parse_model_config,
)
from poolnorm_cli.weights.keras_legacy import is_legacy, legacy_entries
from poolnorm_cli.weights.naming import are_normalization_weights


_OPTIMIZERS = ("optimizer", "optimizer_weights")
_OLD_LAYERS = "_layer_checkpoint_dependencies"
"""What TensorFlow 2.12 and 2.13 call the group `layers`."""

KERAS = ArchiveKind("a .keras file", "", "save it again with model.save")

_CONFIG_MEMBER, _WEIGHTS_MEMBER = "config.json", "model.weights.h5"

_UNSURE = "it is not certain which layer of the model's config it is"
_FIX_SHARDS = "save it again with model.save_weights"
_MOST_SHARDS = 1000
"""Shards of a model; a model of 5 TB has as many by Keras' own measure."""


def entries(file: str) -> list[Entry]:
    """List the normalization layers of an HDF5 file.

    Raises:
        InputError: It is damaged, or asks for what no weights need.
        UnavailableError: h5py is not installed.
    """
    found = _find_layers(walk(open_span(file), file), file)
    return [replace(entry, reason=entry.reason or _reason_as_shard(file)) for entry in found]


def array_paths(file: str) -> list[str]:
    """List the paths of all arrays in an HDF5 file.

    Raises:
        InputError: It is damaged, or asks for what no weights need.
        UnavailableError: h5py is not installed.
    """
    return list(walk(open_span(file), file).arrays)


def archive_entries(file: str) -> list[Entry]:
    """List the normalization layers of a `.keras` file.

    Raises:
        InputError: It is damaged, or asks for what no weights need.
        UnavailableError: h5py is not installed.
    """
    return _find_layers(_archive(file), file)


def archive_array_paths(file: str) -> list[str]:
    """List the paths of all arrays in a `.keras` file.

    Raises:
        InputError: It is damaged, or asks for what no weights need.
        UnavailableError: h5py is not installed.
    """
    return list(_archive(file).arrays)


def model_config(file: str) -> str | bytes | None:
    """Return the config of the model in a `.keras` or HDF5 file; None where there is none.

    Raises:
        InputError: It is damaged, or asks for what no weights need.
        UnavailableError: h5py is not installed.
    """
    if file.lower().endswith(".keras"):
        weights, config = _archive_members(file)
        weights.close()
        return config
    return walk(open_span(file), file).config


def sharded_entries(file: str) -> list[Entry]:
    """List the normalization layers of sharded weights.

    Raises:
        InputError: The table or a shard is damaged, or not there, or a weight is in two shards.
        UnavailableError: h5py is not installed.
    """
    return _find_layers(_join_shards(file), file)


def sharded_array_paths(file: str) -> list[str]:
    """List the paths of all arrays in sharded weights.

    Raises:
        InputError: The table or a shard is damaged, or not there, or a weight is in two shards.
        UnavailableError: h5py is not installed.
    """
    return list(_join_shards(file).arrays)


def _reason_as_shard(file: str) -> str:
    """Say that a file is a part of sharded weights, in which layers may be cut."""
    table = re.sub(r"_\d{5}\.weights\.h5$", ".weights.json", file)
    if table == file or not os.path.exists(table):  # noqa: PTH110 - text, not a path
        return ""
    return f"the file is a part of {shown(table, 80)}, and that is what to give"


def _find_layers(contents: Hdf5Contents, file: str) -> list[Entry]:
    """List the normalization layers among arrays.

    Args:
        contents: What the file, or its parts together, have.
        file: What messages call it.

    Raises:
        InputError: The config is damaged.
    """
    text = contents.config
    model = parse_model_config(text, f"{file}: its config") if text else None
    if is_legacy(contents):
        return list(legacy_entries(contents, file, model))
    return [*_numbered(contents, file, model), *_by_prefix(contents, file, model)]


def _numbered(contents: Hdf5Contents, file: str, model: LayerConfig | None) -> Iterator[Entry]:
    groups: dict[str, dict[str, StoredArray]] = {}
    for path, array in contents.arrays.items():
        group, _, weight = path.rpartition("/")
        if path.split("/")[0] not in _OPTIMIZERS and group.rpartition("/")[2] == "vars":
            groups.setdefault(group.rpartition("/")[0], {})[weight] = array
    paths = {_current_path(path): path for path in groups}
    layers = {layer.path: layer for layer in model.descendants()} if model else {}
    doubtful = misnumbered(model, paths) if model else set()
    for path, own in paths.items():
        weights, layer = groups[own], layers.get(path)
        name = contents.names.get(f"{own}/vars" if own else "vars")
        if name is None:
            sure = layer is not None and path not in doubtful
        else:
            sure = layer is not None and layer.name == name
        if layer is not None and sure:
            yield from _known_layer(file, own, layer, weights)
            continue
        kind = None if layers else class_of_group(path)
        if kind or _may_be_normalization(weights):
            yield Entry(
                file=file,
                name=own if name is None else name,  # a group's number is not that of a name
                path=own,
                kind=kind,
                arrays=weights,
                unsure=_UNSURE if layers else "",
                reason=_missing_number(weights),
            )


def _by_prefix(contents: Hdf5Contents, file: str, model: LayerConfig | None) -> Iterator[Entry]:
    """List layers in files that others than Keras write: their groups have weights by name."""
    others = {
        path: array
        for path, array in contents.arrays.items()
        if path.split("/")[0] not in _OPTIMIZERS and path.split("/")[-2:-1] != ["vars"]
    }
    unsure = _UNSURE if model and model.layers else ""
    for path, weights in group_by_layer(others).items():
        yield Entry(file=file, name=path, path=path, kind=None, arrays=weights, unsure=unsure)


def _known_layer(
    file: str, path: str, layer: LayerConfig, weights: Mapping[str, StoredArray]
) -> Iterator[Entry]:
    kind = layer.kind
    if kind or ("epsilon" in layer.config and _may_be_normalization(weights)):
        other = f"its class, {shown(layer.class_name, 60)}, is not one of Keras' own"
        yield Entry(
            file=file,
            name=layer.name or path,
            path=path,
            kind=kind,
            class_name=layer.class_name,
            arrays=weights,
            reason=_missing_number(weights),
            config=layer.config if kind else {},
            unsure=layer.unsure if kind else other,
            rank=layer.rank,
        )


def _missing_number(weights: Iterable[str]) -> str:
    """Return which number is left out of numbered weights; empty where none is."""
    numbers = sorted(int(name) for name in weights if name.isdecimal())
    gap = next((n for n, number in enumerate(numbers) if n != number), None)
    return "" if gap is None else f"its weight {gap} is not in the file"


def _current_path(path: str) -> str:
    """Return the path that newer versions, and other systems, give a group."""
    return path.replace("\\", "/").replace(_OLD_LAYERS, "layers")


def _may_be_normalization(weights: Mapping[str, StoredArray]) -> bool:
    """Whether weights of which nothing else is known may be those of a normalization."""
    shapes = [without_unit_axes(array.shape) for array in weights.values()]
    # A weight alone, of several axes, is that of a convolution or an embedding.
    alike = len(set(shapes)) == 1 and (len(shapes) > 1 or len(shapes[0]) < 2)
    return alike and (all(name.isdigit() for name in weights) or are_normalization_weights(weights))


def _archive(file: str) -> Hdf5Contents:
    """Return what is in a `.keras` file, its config with it."""
    weights, config = _archive_members(file)
    contents = walk(weights, file)
    contents.config = config or contents.config
    return contents


def _archive_members(file: str) -> tuple[io.IOBase, bytes]:
    """Return the weights, as a file, and the config."""
    with open_regular(Path(file), file) as descriptor:
        found = {member.key: member for member in sound_members(descriptor, file, KERAS)}
        for key in (_CONFIG_MEMBER, _WEIGHTS_MEMBER):
            if key not in found:
                raise InputError.at(file, f"no {key} in it", KERAS.fix)
        config = _member_bytes(descriptor, found[_CONFIG_MEMBER], file, LARGEST_JSON_BYTES)
        weights = found[_WEIGHTS_MEMBER]
        if weights.method:
            data = _member_bytes(descriptor, weights, file, LARGEST_INFLATED_BYTES)
            return io.BytesIO(data), config
        start = _verified_start(descriptor, weights, file)
        return Span(os.dup(descriptor), start, weights.size), config


def _member_bytes(descriptor: int, member: Member, file: str, largest: int) -> bytes:
    if member.size > largest:
        what = f"{member.key} of {member.size} bytes, at most {largest} are read"
        raise InputError.at(file, what, KERAS.fix)
    source = MemberReader(descriptor, member, f"{file}::{member.key}", KERAS)
    data = read_exactly(reader(source.readinto), member.size)
    source.finish()  # which refuses a member that has ended too soon
    return data


def _verified_start(descriptor: int, member: Member, file: str) -> int:
    """Check the bytes of a stored member, and return where they start."""
    source = MemberReader(descriptor, member, f"{file}::{member.key}", KERAS)
    source.verify()
    return source.start


def _join_shards(file: str) -> Hdf5Contents:
    """Return what is in all shards together."""
    table = _shard_table(file)
    shards = list(dict.fromkeys(name for names in table.values() for name in names))
    if len(shards) > _MOST_SHARDS:
        raise InputError.at(
            file, f"{len(shards)} shards, at most {_MOST_SHARDS} are read", _FIX_SHARDS
        )
    together = Hdf5Contents()
    for shard in shards:
        path = os.path.join(os.path.dirname(file), shard)  # noqa: PTH118, PTH120 - text
        try:
            span = open_span(path)
        except InputError as error:
            raise error.within(f"{file}: its shard") from None
        found = walk(span, path)
        groups = {group for group, names in table.items() if shard in names}
        for key, array in found.arrays.items():
            if key.rpartition("/")[0] not in groups:
                continue  # Keras goes by the table
            if key in together.arrays:
                raise InputError.at(key, "it is in two shards", _FIX_SHARDS).within(file)
            together.arrays[key] = array
        together.names |= {p: name for p, name in found.names.items() if p not in together.names}
    _require_all(file, table, together)
    return together


def _shard_table(file: str) -> dict[str, list[str]]:
    """Return the shards of each group.

    Raises:
        InputError: There is no such table, or it has something else than names of files.
    """
    document = read_json(file)
    found = document.get("weight_map") if isinstance(document, dict) else None
    if not isinstance(found, dict):
        raise InputError.at(file, "no weight_map in it", _FIX_SHARDS)
    return {group.strip("/"): _shard_names(file, group, names) for group, names in found.items()}


def _shard_names(file: str, group: str, names: Any) -> list[str]:
    listed = names if isinstance(names, list) else [names]
    for name in listed:
        plain = isinstance(name, str) and name.isprintable() and not set(name) & set("/\\")
        if not plain or not name.lower().endswith(".h5"):
            what = f"its shard is {shown(str(name), 60)!r}, no .h5 file beside it"
            raise InputError.at(group, what, _FIX_SHARDS).within(file)
    return listed


def _require_all(file: str, table: dict[str, list[str]], together: Hdf5Contents) -> None:
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
            what = "not all of its weights are in the shards"
            raise InputError.at(group, what, _FIX_SHARDS).within(file)
