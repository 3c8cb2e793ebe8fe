"""What a program in another framework is written for: the first input, its mask, the weights."""

from typing import TYPE_CHECKING, Any

import numpy as np

from poolnorm_cli.cli.checkpoint import Checkpoint, checkpoint_of, read_weights
from poolnorm_cli.cli.definition import Definition
from poolnorm_cli.cli.flag_groups import Given, Inputs, Mask, Outputs, Training, WeightFiles
from poolnorm_cli.engine.layer_pass import initial_weights, result_dtype
from poolnorm_cli.engine.masks import MaskFile
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.keras.initializers import Initializer
from poolnorm_cli.layers.programs.program import Setting, literal
from poolnorm_cli.tensors.formats import NPZ, format_of
from poolnorm_cli.tensors.sources import open_tensors
from poolnorm_cli.urls import is_url
from poolnorm_cli.weights.naming import keras_names, split


if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from poolnorm_cli.shapes import Ints
    from poolnorm_cli.tensors.tensor import Tensor
    from poolnorm_cli.weights.entry import Entry
    from poolnorm_cli.weights.fit import Weights


def programs(layer: Layer, given: Given, word: str) -> dict[str, str]:
    """Write the programs that are wanted, by the name of the framework.

    Raises:
        PoolnormError: A file cannot be read, or a framework has no such layer.
    """
    wanted = given[Definition]
    from poolnorm_cli.engine.job import load_constants

    layer = layer.with_arrays(load_constants)
    setting = _setting(layer, given, word)
    written = {}
    if wanted.keras:
        from poolnorm_cli.layers.programs.keras import keras_program

        written["keras"] = keras_program(layer, setting)
    if wanted.torch:
        from poolnorm_cli.layers.programs.torch import torch_program

        written["torch"] = torch_program(layer, setting)
    return written


def _setting(layer: Layer, given: Given, word: str) -> Setting:
    asked = given[Outputs].dtype
    tensor = next(open_tensors(word, given[Inputs].key, asked == "bfloat16"))
    dtype, training = tensor.dtype.name, given[Training].training
    result = result_dtype(layer, dtype, asked)
    compute = "float64" if result == "float64" else layer.compute_dtype(dtype)
    mask = None
    if given[Mask].mask is not None:
        held = MaskFile(str(given[Mask].mask))
        held.of(tensor, layer)  # refuses what does not fit
        mask = f"({_loading(held.chosen(tensor))} != 0)"
    weights = _read(layer, given)
    started = initial_weights(layer, tensor.shape, dtype)
    kind = compute if compute == "float64" else "float32"
    file, members = _members(given, weights, kind) if weights is not None else ("", {})
    words = {
        name: members.get(name) or literal(array, kind)
        for name, array in (weights or started).items()
        if weights is not None or not _starts_so(name, array)
    }
    return Setting(
        shape=tensor.shape,
        dtype=dtype,
        compute=compute,
        result=result,
        x=_loading(tensor),
        training=training,
        mask=mask,
        weights=words,
        prelude=[f"file = np.load({_local(file)!r})"] if members else [],
        loaded=weights is not None,
        adjustment=_adjustment(layer, tensor.shape, kind),
    )


def _adjustment(layer: Any, shape: "Ints", dtype: str) -> dict[str, str]:
    """Write the terms of an adjustment: those of its file, or as they are drawn for a batch."""
    adjustment: Any = getattr(layer, "adjustment", None)
    written = {}
    for name, term in adjustment.terms.items() if adjustment else ():
        if isinstance(term, Initializer):
            sizes = [size if a in layer.axes(len(shape)) else 1 for a, size in enumerate(shape)]
            drawn = term.values(tuple(shape[axis] for axis in layer.axes(len(shape))))
            written[name] = literal(drawn.reshape(sizes), dtype)
        else:
            written[name] = f"np.load({adjustment.word!r})[{name!r}].astype({dtype!r})"
    return written


def _loading(tensor: "Tensor") -> str:
    """Write what loads a tensor.

    Raises:
        UsageError: It is on another machine.
    """
    path = _local(tensor.name if is_url(tensor.name) else str(tensor.path or tensor.name))
    return f"np.load({path!r})" + ("" if tensor.key is None else f"[{tensor.key!r}]")


def _local(path: str) -> str:
    if is_url(path):
        raise UsageError(f"a program for {path}", "NumPy loads files: give one on this machine")
    return path


def _starts_so(name: str, array: "NDArray[Any]") -> bool:
    """Whether a weight has the values with which the frameworks start it."""
    start = 0 if name == "beta" or name.endswith("mean") else 1
    return bool((array == start).all())


def _read(layer: Layer, given: Given) -> "Weights | None":
    word = given[WeightFiles].weights
    if word is not None and given[Checkpoint].entry is None:  # it is also written
        given.add(Checkpoint(entry=checkpoint_of(type(layer), word)))
    return read_weights(layer, given)


def _members(given: Given, weights: "Weights", dtype: str) -> "tuple[str, Mapping[str, str]]":
    """Say how NumPy loads the weights: the file, and by Keras' name what to take from it."""
    entry = given[Checkpoint].entry
    if entry is None or format_of(entry.file) is not NPZ:
        return "", {}
    keys = _keys(entry)
    names = keras_names(keys, weights)
    found = {}
    for own, name in names.items():
        array = weights.get(name)
        held = keys[own]
        values = next(iter(held.blocks(max(held.shape[0], 1))), None) if held.shape else None
        if array is None or values is None or not np.array_equal(values.ravel(), array.ravel()):
            return "", {}
        text = f"file[{held.key!r}]"
        if held.dtype.name != dtype or held.swapped:
            text += f".astype({dtype!r})"
        found[name] = text if held.shape == array.shape else f"{text}.reshape({array.shape})"
    return entry.file, found if found.keys() == weights.keys() else {}


def _keys(entry: "Entry") -> "Mapping[str, Tensor]":
    """Find the arrays of a layer of an `.npz`, by the names of weights there."""
    found = {}
    for tensor in open_tensors(entry.file):
        layer, name = split(str(tensor.key))
        if layer == entry.name and name in entry.arrays:
            found[name] = tensor
    return found
