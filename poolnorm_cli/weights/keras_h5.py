"""Layers in Keras' HDF5 files: `.weights.h5`, whole models `.h5`, and Keras 2's `save_weights`.

Newer files number the weights of a layer (`layers/batch_normalization_1/vars/0`) in a group that is
named by class and order, with the layer's name as an attribute in the newest; a legacy file has
them by name, in a group for each layer of the model (`keras_legacy`).
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from io import IOBase

from poolnorm_cli.tensors.messages import shown
from poolnorm_cli.weights.entry import Entry, Stored, grouped, known, squeezed
from poolnorm_cli.weights.hdf5 import Contents, walk
from poolnorm_cli.weights.keras_classes import class_of_group
from poolnorm_cli.weights.keras_config import Configured, configured
from poolnorm_cli.weights.keras_legacy import is_legacy, legacy_entries
from poolnorm_cli.weights.keras_numbering import misplaced
from poolnorm_cli.weights.untrusted import whole


_OPTIMIZERS = ("optimizer", "optimizer_weights")
_OLD_LAYERS = "_layer_checkpoint_dependencies"
"""What TensorFlow 2.12 and 2.13 call the group `layers`."""


def entries(file: str) -> list[Entry]:
    """List the normalization layers of an HDF5 file.

    Raises:
        InputError: It is damaged, or asks for what no weights need.
        UnavailableError: h5py is not installed.
    """
    return [replace(e, reason=e.reason or _shard(file)) for e in read(whole(file), file, None)]


def _shard(file: str) -> str:
    """Say that a file is a part of sharded weights, in which layers may be cut."""
    table = re.sub(r"_\d{5}\.weights\.h5$", ".weights.json", file)
    if table == file or not os.path.exists(table):  # noqa: PTH110 - text, not a path
        return ""
    return f"the file is a part of {shown(table, 80)}, and that is what to give"


def contained(file: str) -> list[str]:
    """List the paths of all arrays in a file.

    Raises:
        InputError: It is damaged, or asks for what no weights need.
        UnavailableError: h5py is not installed.
    """
    return list(walk(whole(file), file).arrays)


def read(opened: IOBase, file: str, config: bytes | None) -> list[Entry]:
    """List the normalization layers of an open HDF5 file.

    Args:
        opened: The file.
        file: What messages call it.
        config: The model's config where it is kept elsewhere; None to look for it in the file.

    Raises:
        InputError: It is damaged, or asks for what no weights need.
        UnavailableError: h5py is not installed.
    """
    return found_in(walk(opened, file), file, config)


def found_in(contents: Contents, file: str, config: bytes | None = None) -> list[Entry]:
    """List the normalization layers among arrays.

    Args:
        contents: What the file, or its parts together, have.
        file: What messages call it.
        config: The model's config where it is kept elsewhere; None to look for it in the file.

    Raises:
        InputError: The config is damaged.
    """
    text = config or contents.config
    model = configured(text, f"{file}: its config") if text else None
    if is_legacy(contents):
        return list(legacy_entries(contents, file, model))
    return [*_numbered(contents, file, model), *_by_prefix(contents, file, model)]


def _numbered(contents: Contents, file: str, model: Configured | None) -> Iterator[Entry]:
    groups: dict[str, dict[str, Stored]] = {}
    for path, array in contents.arrays.items():
        group, _, weight = path.rpartition("/")
        if path.split("/")[0] not in _OPTIMIZERS and group.rpartition("/")[2] == "vars":
            groups.setdefault(group.rpartition("/")[0], {})[weight] = array
    paths = {_as_now(path): path for path in groups}
    layers = {layer.path: layer for layer in model.everything()} if model else {}
    doubtful = misplaced(model, paths) if model else set()
    for path, own in paths.items():
        weights, layer = groups[own], layers.get(path)
        name = contents.names.get(f"{own}/vars" if own else "vars")
        if name is None:
            sure = layer is not None and path not in doubtful
        else:
            sure = layer is not None and layer.name == name
        if layer is not None and sure:
            yield from _certain(file, own, layer, weights)
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
                reason=_lacking(weights),
            )


def _by_prefix(contents: Contents, file: str, model: Configured | None) -> Iterator[Entry]:
    """List layers in files that others than Keras write: their groups have weights by name."""
    others = {
        path: array
        for path, array in contents.arrays.items()
        if path.split("/")[0] not in _OPTIMIZERS and path.split("/")[-2:-1] != ["vars"]
    }
    unsure = _UNSURE if model and model.inner else ""
    for path, weights in grouped(others).items():
        yield Entry(file=file, name=path, path=path, kind=None, arrays=weights, unsure=unsure)


_UNSURE = "which of the layers in the model's config it is cannot be told"


def _certain(
    file: str, path: str, layer: Configured, weights: Mapping[str, Stored]
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
            reason=_lacking(weights),
            config=layer.config if kind else {},
            unsure=layer.unsure if kind else other,
            rank=layer.rank,
        )


def _lacking(weights: Iterable[str]) -> str:
    """Say that weights are numbered, and that some number is left out; nothing otherwise."""
    numbers = sorted(int(name) for name in weights if name.isdecimal())
    gap = next((n for n, number in enumerate(numbers) if n != number), None)
    return "" if gap is None else f"its weight {gap} is not in the file"


def _as_now(path: str) -> str:
    """Return the path that newer versions, and other systems, give a group."""
    return path.replace("\\", "/").replace(_OLD_LAYERS, "layers")


def _may_be_normalization(weights: Mapping[str, Stored]) -> bool:
    """Whether weights of which nothing else is known may be those of a normalization."""
    shapes = [squeezed(array.shape) for array in weights.values()]
    # A weight alone, of several axes, is that of a convolution or an embedding.
    alike = len(set(shapes)) == 1 and (len(shapes) > 1 or len(shapes[0]) < 2)
    return alike and (all(name.isdigit() for name in weights) or known(weights))
