"""Layers in Keras' HDF5 files: `.weights.h5`, whole models `.h5`, and Keras 2's `save_weights`.

Keras 3 numbers the weights of a layer (`layers/batch_normalization_1/vars/0`) in a group that is
named by class and order, with the layer's name as an attribute in newer versions; the older format
has them by name (`model_weights/bn_1/bn_1/gamma:0`).
"""

import re
from collections.abc import Iterator, Mapping
from io import IOBase
from typing import Any

from poolnorm_cli.layers import LAYERS, find
from poolnorm_cli.weights.entry import Entry, Stored
from poolnorm_cli.weights.hdf5 import walk
from poolnorm_cli.weights.keras_config import Configured, configured, snake
from poolnorm_cli.weights.naming import grouped, split, squeezed
from poolnorm_cli.weights.spans import whole


_OPTIMIZERS = ("optimizer", "optimizer_weights")
_LEGACY_ROOT = "model_weights/"
_SAME = {"SyncBatchNormalization": "BatchNormalization"}


def entries(file: str) -> list[Entry]:
    """List the normalization layers of an HDF5 file.

    Raises:
        InputError: It is damaged, or asks for what no weights need.
        UnavailableError: h5py is not installed.
    """
    return read(whole(file), file, None)


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
    contents = walk(opened, file)
    text = config or contents.config
    layers = configured(text, f"{file}: its config") if text else []
    arrays = {
        path: array
        for path, array in contents.arrays.items()
        if path.split("/")[0] not in _OPTIMIZERS
    }
    numbered = {path: array for path, array in arrays.items() if _group(path).endswith("vars")}
    named = {path: array for path, array in arrays.items() if path not in numbered}
    by_number = _by_number(file, numbered, contents.names, layers)
    return [*by_number, *_by_name(file, named, layers)]


def _by_number(
    file: str, arrays: Mapping[str, Stored], names: Mapping[str, str], layers: list[Configured]
) -> Iterator[Entry]:
    groups: dict[str, dict[str, Stored]] = {}
    for path, array in arrays.items():
        groups.setdefault(_group(path), {})[path.rpartition("/")[2]] = array
    by_path = {layer.path: layer for layer in layers}
    for group, weights in groups.items():
        path = _group(group)
        name, layer = names.get(group), by_path.get(path)
        if name is not None and (layer is None or layer.name != name):
            layer = _only(name, layers)
        kind = _kind(layer.kind) if layer else _kind_of_group(path)
        called = name or (layer.name if layer else path.rpartition("/")[2])
        shapes = [squeezed(array.shape) for array in weights.values()]
        # A weight alone, of several axes, is that of a convolution or an embedding.
        alike = len(set(shapes)) == 1 and (len(shapes) > 1 or len(shapes[0]) < 2)
        if (kind or (layer is None and alike)) and all(w.isdigit() for w in weights):
            config = layer.config if layer else {}
            yield Entry(
                file=file,
                name=called,
                path=path,
                kind=kind,
                arrays=weights,
                config=config,
                rank=layer.rank if layer else None,
            )


def _by_name(file: str, arrays: Mapping[str, Stored], layers: list[Configured]) -> Iterator[Entry]:
    for group, weights in grouped(arrays).items():
        path = group.removeprefix(_LEGACY_ROOT)
        name = path.rpartition("/")[2]
        layer = _only(name, layers)
        inner = _only(f"{layer.path}/layer", layers, "path") if layer else None
        layer = inner or layer  # a wrapper keeps the weights of its layer under its own name
        if layer is None or _kind(layer.kind):
            yield Entry(
                file=file,
                name=inner.name if inner else name,
                path=path,
                kind=_kind(layer.kind) if layer else None,
                arrays={split(key)[1]: array for key, array in weights.items()},
                config=layer.config if layer else {},
                rank=layer.rank if layer else None,
            )


def _only(name: str, layers: list[Configured], key: str = "name") -> Configured | None:
    """Return the layer of a name, or of a path, if there is exactly one."""
    found = [layer for layer in layers if getattr(layer, key) == name]
    return found[0] if len(found) == 1 else None


def _group(path: str) -> str:
    return path.rpartition("/")[0]


def _kind(name: str) -> str | None:
    """Return a class if it is a normalization that has weights."""
    name = _SAME.get(name, name)
    return name if name in _kinds() else None


def _kind_of_group(path: str) -> str | None:
    """Guess a class by its group, `batch_normalization_1`; None where the group is named else."""
    stem = re.sub(r"_\d+$", "", path.rpartition("/")[2])
    return next((kind for kind in _kinds() if snake(kind) == stem), None)


def _kinds() -> dict[str, Any]:
    layers = (find(*words.split()) for words in LAYERS)
    return {layer.keras_name: layer for layer in layers if layer.has_weights}
