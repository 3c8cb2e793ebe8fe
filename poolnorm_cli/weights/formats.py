"""Files of weights: which module reads which suffix, and which layer in a file is meant."""

import os
from collections import Counter
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from poolnorm_cli.errors import InputError, UsageError, shown
from poolnorm_cli.shapes import counted
from poolnorm_cli.tensors.formats import NPZ, SAFETENSORS, suffix_of
from poolnorm_cli.values import replace


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from poolnorm_cli.layers.base import Layer
    from poolnorm_cli.weights.entry import Entry


class Reader(NamedTuple):
    """What reads a kind of file of weights.

    Attributes:
        module: A module of this package.
        entries: Its function that lists the layers of a file.
        array_paths: Its function that lists all arrays of a file, for a message about a file
            without any such layer; empty where there is none.
    """

    module: str
    entries: str = "entries"
    array_paths: str = ""


READERS = {
    NPZ.suffix: Reader("npz"),
    ".keras": Reader("keras_files", "archive_entries", "archive_array_paths"),
    ".h5": Reader("keras_files", "entries", "array_paths"),
    ".hdf5": Reader("keras_files", "entries", "array_paths"),
    SAFETENSORS.suffix: Reader("safetensors_file", "entries", "array_paths"),
    ".safetensors.index.json": Reader("safetensors_file", "index_entries", "index_array_paths"),
    ".onnx": Reader("onnx_nodes"),
    ".weights.json": Reader("keras_files", "sharded_entries", "sharded_array_paths"),
}
"""Suffix -> what reads such files; `.weights.h5` is an `.h5`."""

UNREADABLE = {
    ".pt": "torch",
    ".pth": "torch",
    ".bin": "torch",
    ".pkl": "pickle",
    ".pickle": "pickle",
    ".ckpt": "tensorflow",
    ".index": "tensorflow",
    ".pb": "tensorflow",
}
"""Suffix -> who wrote it: files that are programs, or that only their framework reads."""

_CONVERSIONS = {
    "torch": 'import torch, safetensors.torch as s; s.save_file(torch.load("{file}", '
    'weights_only=True), "{stem}.safetensors")',
    "pickle": 'import numpy as np, pickle; w = pickle.load(open("{file}", "rb")); '
    'np.savez("{stem}.npz", gamma=w["gamma"], beta=w["beta"])',
    "tensorflow": 'model.load_weights("{stem}"); model.save_weights("{stem}.weights.h5")',
}
_SEPARATOR = "::"
_LONGEST_LIST = 200
"""Characters that a list of layers may take in a message."""


def split_layer(word: str) -> tuple[str, str | None]:
    """Split `FILE::LAYER` into file and layer; a file that is called so is itself."""
    file, mark, layer = word.partition(_SEPARATOR)
    return (file, layer) if mark and not os.path.lexists(word) else (word, None)


def is_checkpoint(word: str) -> bool:
    """Return whether a word names a file of layers, or one that might be taken for such a file."""
    suffix = _weights_suffix(split_layer(word)[0])
    return suffix in UNREADABLE or (suffix in READERS and suffix != NPZ.suffix)


def entries_of(word: str) -> "list[Entry]":
    """List the layers that `FILE` or `FILE::LAYER` names; several of one name go by their paths.

    Raises:
        UsageError: No reader is there for such a file, or it has no such layer, or several.
        InputError: It cannot be read.
        UnavailableError: A package that the file needs is not installed.
    """
    file, layer = split_layer(word)
    found = _reader(file)(file)
    if layer is not None:
        return [entry_named(found, layer, file)]
    return _with_unique_names(found)


def only_entry(word: str) -> "Entry":
    """Return the one layer that a word names, of whatever class.

    Raises:
        UsageError: There is none, or there are several.
        InputError: The file cannot be read.
        UnavailableError: A package that the file needs is not installed.
    """
    found = entries_of(word)
    if len(found) == 1:
        return found[0]
    what = counted(len(found), "layer") if found else describe_no_layer(word)
    raise UsageError.at(split_layer(word)[0], what, _available(split_layer(word)[0], found))


def entry_for(word: str, layer: type["Layer"]) -> "Entry":
    """Return the one layer that a word names and that can be of a class.

    Args:
        word: `FILE` or `FILE::LAYER`.
        layer: The class.

    Returns:
        The layer in the file.

    Raises:
        UsageError: There is none, or there are several, or it is of another class.
        InputError: The file cannot be read.
        UnavailableError: A package that the file needs is not installed.
    """
    file, name = split_layer(word)
    found = _reader(file)(file)
    if name is not None:
        entry = entry_named(found, name, file)
        if not entry.serves(layer):
            raise UsageError(
                f"{entry.place} is {described(entry)}, not a {layer.keras_name}",
                _available(file, [e for e in _with_unique_names(found) if e.serves(layer)]),
            )
        return entry
    nameless = [entry for entry in found if not entry.name]
    usable = nameless or [entry for entry in _with_unique_names(found) if entry.serves(layer)]
    if len(usable) == 1:
        return usable[0]
    several = f"{len(usable)} layers that can be {layer.keras_name}"
    what = several if usable else f"no layer that can be {layer.keras_name}"
    raise UsageError.at(file, what, _available(file, usable or _with_unique_names(found)))


def entry_named(found: "Sequence[Entry]", name: str, file: str) -> "Entry":
    """Return the layer that a person names.

    Args:
        found: The layers of the file.
        name: The name of a layer, or its path in the file.
        file: The file, for messages.

    Returns:
        The layer.

    Raises:
        UsageError: There is none, or there are several of that name.
    """
    same = [entry for entry in _with_unique_names(found) if entry.name == name]
    same = same or [replace(entry, name=name) for entry in found if entry.path == name]
    same = same or [entry for entry in found if entry.path.lstrip("/") == name]  # as in `/bn/beta`
    if len(same) == 1:
        return same[0]
    same = same or [entry for entry in found if entry.name == name]
    if same:
        what = f"{len(same)} layers are called {shown(name)!r}"
        raise UsageError.at(file, what, f"give one of the paths {_listed([e.path for e in same])}")
    raise UsageError.at(
        file, f"no layer {shown(name)!r}", _available(file, _with_unique_names(found))
    )


def describe_no_layer(word: str) -> str:
    """Say what a file without a normalization layer has instead.

    Raises:
        InputError: It cannot be read.
        UnavailableError: A package that the file needs is not installed.
    """
    file, what = split_layer(word)[0], "no normalization layer"
    if not READERS[_weights_suffix(file)].array_paths:
        return what
    names = array_names(file)
    return f"{what} in {len(names)} arrays: {_listed(names)}" if names else f"{what}, and no array"


def array_names(word: str) -> list[str]:
    """List all arrays of the file that `FILE` or `FILE::LAYER` names.

    Raises:
        InputError: It cannot be read.
        UnavailableError: A package that the file needs is not installed.
    """
    file = split_layer(word)[0]
    reader = READERS[_weights_suffix(file)]
    names: list[str] = _function(reader.module, reader.array_paths)(file)
    return names


def _reader(file: str) -> "Callable[[str], list[Entry]]":
    suffix = _weights_suffix(file)
    if suffix in UNREADABLE:
        stem = os.path.basename(file)[: -len(suffix)]  # noqa: PTH119 - text, not a path
        fix = _CONVERSIONS[UNREADABLE[suffix]].format(file=file, stem=stem)
        raise InputError.at(
            file,
            f"a {suffix} file needs the program that wrote it, and is never read",
            f"there, type: {fix}",
        )
    if suffix not in READERS:
        what = f"--weights {shown(file)!r} is not a file of weights by its name"
        raise UsageError(what, f"give one of {', '.join(READERS)}")
    reader = READERS[suffix]
    return _function(reader.module, reader.entries)


def _function(module: str, name: str) -> "Callable[[str], Any]":
    """Return a function of a reader, which is imported where a file needs it."""
    function: Callable[[str], Any] = getattr(import_module(f"poolnorm_cli.weights.{module}"), name)
    return function


def _with_unique_names(found: "Sequence[Entry]") -> "list[Entry]":
    """Name each layer as `FILE::LAYER` takes it: by its path where others have its name."""
    names = Counter(entry.name for entry in found)
    return [replace(entry, name=entry.path) if names[entry.name] > 1 else entry for entry in found]


def _weights_suffix(file: str) -> str:
    """Return the suffix that says what a file is, in small letters; a few have two dots."""
    ends = (suffix for suffix in READERS if suffix.count(".") > 1)
    return next((suffix for suffix in ends if file.lower().endswith(suffix)), suffix_of(file))


def described(entry: "Entry") -> str:
    """Say what a layer in a file is, as far as the file does."""
    return f"a {entry.kind}" if entry.kind else f"a layer with {', '.join(entry.arrays)}"


def _available(file: str, found: "Sequence[Entry]") -> str:
    if not found:
        return "it has no normalization layer; `poolnorm info` lists what a file has"
    names = [entry.name or entry.path for entry in found]
    words = ", ".join(f"{file}{_SEPARATOR}{name}" for name in names[:1])
    return f"there are: {_listed(names)}; as {shown(words, 2 * _LONGEST_LIST)}"


def _listed(names: "Sequence[str]") -> str:
    """List names, and count those for which the line has no room."""
    words: list[str] = []
    for name in names:
        if words and len(", ".join([*words, name])) > _LONGEST_LIST:
            return f"{', '.join(words)} and {len(names) - len(words)} more (poolnorm info)"
        words.append(shown(name, _LONGEST_LIST))
    return ", ".join(words)
