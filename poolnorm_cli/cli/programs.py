"""What a program in another framework is written for: the first input, its mask, the weights."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poolnorm_cli.cli.checkpoint import Checkpoint, find_entry, read_weights
from poolnorm_cli.cli.layer_flags import LayerFlags
from poolnorm_cli.engine.indices import IndicesFile
from poolnorm_cli.engine.layer_pass import initial_weights
from poolnorm_cli.engine.masks import MaskFile
from poolnorm_cli.engine.training import with_constants
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.keras.initializers import Initializer
from poolnorm_cli.layers.programs.program import ProgramContext, array_literal
from poolnorm_cli.tensors.formats import FORMATS, NPZ, either, format_of
from poolnorm_cli.tensors.shape_tensor import ShapeTensor
from poolnorm_cli.tensors.sources import open_tensors
from poolnorm_cli.urls import is_url
from poolnorm_cli.weights.naming import OPTIONAL, keras_names, layer_and_weight


if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from poolnorm_cli.shapes import Ints
    from poolnorm_cli.tensors.sources import FirstInput
    from poolnorm_cli.tensors.tensor import Tensor
    from poolnorm_cli.weights.entry import Entry
    from poolnorm_cli.weights.fit import Weights


def programs(
    layer: Layer, checkpoint: Checkpoint, flags: LayerFlags, first: "FirstInput"
) -> dict[str, str]:
    """Write the programs that are wanted, by the name of the framework.

    Args:
        layer: The layer.
        checkpoint: Where its weights are.
        flags: What was typed.
        first: The first input, which the programs are for.

    Returns:
        A program for each framework that is wanted.

    Raises:
        PoolnormError: A file cannot be read, or a framework has no such layer.
    """
    wanted = flags.definition
    layer = with_constants(layer)
    file = flags.weights.weights
    if file is not None and checkpoint.entry is None:  # it is also written
        checkpoint = Checkpoint(entry=find_entry(type(layer), file))
    tensor = first.tensors()[0]
    given = Given(tensor, input_text(tensor, flags), flags.outputs.dtype)
    setting = setting_of(layer, checkpoint, flags, first, given)
    written = {}
    if wanted.keras:
        from poolnorm_cli.layers.programs.keras import keras_program

        written["keras"] = keras_program(layer, setting)
    if wanted.torch:
        from poolnorm_cli.layers.programs.torch import torch_program

        written["torch"] = torch_program(layer, setting)
    if flags.inputs.unbatched:
        written = {name: f"{text.rstrip()}\ny = y[0]" for name, text in written.items()}
    return written


class Given(NamedTuple):
    """What comes to a layer in a program.

    Attributes:
        tensor: What has its shape and dtype.
        text: What gives it in the program, in Python.
        asked: Dtype that is asked for of the output; None for what the layer gives.
    """

    tensor: "Tensor"
    text: str
    asked: str | None = None


def setting_of(
    layer: Layer, checkpoint: Checkpoint, flags: LayerFlags, first: "FirstInput", given: Given
) -> ProgramContext:
    """Return what a program of a layer is written for.

    Args:
        layer: The layer.
        checkpoint: Where its weights are.
        flags: What was typed.
        first: The first input, for the weights.
        given: What comes to the layer.

    Returns:
        The input, the mask and the weights as Python has them.

    Raises:
        PoolnormError: A file cannot be read, or is not on this machine.
    """
    tensor = given.tensor
    dtype, training = tensor.dtype.name, flags.training.training
    result = given.asked or layer.result_dtype(dtype)
    compute = "float64" if result == "float64" else layer.compute_dtype(dtype)
    mask, axis = None, "[None]" if flags.inputs.unbatched else ""
    if flags.mask.mask is not None:
        held = MaskFile(str(flags.mask.mask), flags.inputs.unbatched)
        held.mask_for(tensor, layer)  # refuses what does not fit
        mask = f"({_loading(held.array_for(tensor))}{axis} != 0)"
    if flags.places.indices is not None:
        places = IndicesFile(flags.places.indices, flags.inputs.unbatched)
        mask = f"{_loading(places.mask_for(tensor, layer)[0])}{axis}"
    weights = read_weights(layer, checkpoint, flags, first)
    started = initial_weights(layer, tensor.shape, dtype)
    kind = compute if compute == "float64" else "float32"
    file, members = _members(checkpoint.entry, weights, kind) if weights is not None else ("", {})
    words = {
        name: members.get(name) or array_literal(array, kind)
        for name, array in (weights or started).items()
        if name not in OPTIONAL and (weights is not None or not _starts_so(name, array))
    }
    return ProgramContext(
        shape=tensor.shape,
        dtype=dtype,
        compute=compute,
        result=result,
        x=given.text,
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
            written[name] = array_literal(drawn.reshape(sizes), dtype)
        else:
            written[name] = f"np.load({_local(adjustment.word)!r})[{name!r}].astype({dtype!r})"
    return written


def input_text(tensor: "Tensor", flags: LayerFlags) -> str:
    """Write what gives the input, with a batch axis.

    Args:
        tensor: The input.
        flags: What was typed.

    Returns:
        An expression of NumPy.

    Raises:
        UsageError: It is on another machine, or in a format that NumPy has not.
    """
    has_axis = isinstance(tensor, ShapeTensor) or not flags.inputs.unbatched
    return _loading(tensor) + ("" if has_axis else "[None]")


def _loading(tensor: "Tensor") -> str:
    """Write what loads a tensor.

    Raises:
        UsageError: It is on another machine, or in a format that NumPy has not.
    """
    if isinstance(tensor, ShapeTensor):
        return f"np.random.default_rng(0).standard_normal({tensor.shape})"
    path = _local(tensor.name if is_url(tensor.name) else str(tensor.path or tensor.name))
    return f"np.load({path!r})" + ("" if tensor.key is None else f"[{tensor.key!r}]")


def _local(path: str) -> str:
    if is_url(path):
        raise UsageError(f"a program for {path}", "NumPy loads files: give one on this machine")
    form = format_of(path)
    if form is not None and not form.numpy_loads:
        suffixes = tuple(each.suffix for each in FORMATS.values() if each.numpy_loads)
        raise UsageError(
            f"a program for {path}", f"NumPy loads {either(suffixes)}: give one of them"
        )
    return path


def _starts_so(name: str, array: "NDArray[Any]") -> bool:
    """Whether a weight has the values with which the frameworks start it."""
    start = 0 if name == "beta" or name.endswith("mean") else 1
    return bool((array == start).all())


def _members(
    entry: "Entry | None", weights: "Weights", dtype: str
) -> "tuple[str, Mapping[str, str]]":
    """Say how NumPy loads the weights: the file, and by Keras' name what to take from it."""
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
        layer, name = layer_and_weight(str(tensor.key))
        if layer == entry.name and name in entry.arrays:
            found[name] = tensor
    return found
