"""Programs that give in Keras what a layer gives here."""

from math import prod
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.keras.config import keras_call, needs_keras_2, require_in_keras
from poolnorm_cli.layers.normalization import splits_weights
from poolnorm_cli.layers.programs.program import (
    Lines,
    ProgramContext,
    axes_last,
    inverse_order,
    is_identity,
)
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.shapes import spatial_axes


if TYPE_CHECKING:
    from collections.abc import Mapping

    from poolnorm_cli.layers.base import Layer
    from poolnorm_cli.strips import Bounds


_LARGEST_SIZE = 2**31 - 1
_TERMS = (("scale", 1), ("bias", 0))


def keras_program(layer: "Layer", context: ProgramContext) -> str:
    """Write the layer in Keras, as a program that makes `y` of the input.

    A layer that only Keras 2 has is that of tf_keras, which is Keras 2 today; so is one whose mask
    only Keras 2 heeds.

    Args:
        layer: The layer.
        context: The input, its mask, the weights.

    Returns:
        The program, its last line without an end.

    Raises:
        UsageError: Keras has no such layer, or it cannot take the input.
    """
    package, lines = keras_lines(layer, context)
    return "\n".join([*keras_imports({package}), "", *lines])


def keras_lines(layer: "Layer", context: ProgramContext) -> tuple[str, Lines]:
    """Write what makes `y` of the input, without imports.

    Args:
        layer: The layer.
        context: The input, its mask, the weights.

    Returns:
        The package that is used, and the lines.

    Raises:
        UsageError: Keras has no such layer, or it cannot take the input.
    """
    require_in_keras(layer)
    layer.output_shape(context.shape)
    package, dtype, notes = package_and_dtype(layer, context)
    cuts = _axis_by_axis(layer, context, dtype)
    if cuts:
        dtype = "int8" if context.compute == "bool" else context.compute
        body = cuts
    else:
        body = _layer_lines(layer, context, package, dtype)
    lines = [*notes, f"x = {context.input_as(dtype)}", *body]
    if context.result != dtype:
        cast = "keras.ops.cast" if package == "keras" else "tf.cast"
        lines.append(f"y = {cast}(y, {context.result!r})")
    return package, lines


def package_and_dtype(layer: "Layer", context: ProgramContext) -> tuple[str, str, Lines]:
    """Choose the package that has the layer, and the dtype that it is given.

    Args:
        layer: The layer.
        context: The input, its mask, the weights.

    Returns:
        Both, and comments on them.
    """
    package = "tf_keras" if _mask_needs_keras_2(layer, context) or needs_keras_2(layer) else "keras"
    dtype = _dtype(layer, context)
    corrected = package == "tf_keras" and getattr(layer, "renorm", False) and context.training
    if corrected and dtype == "float64":
        return package, "float32", ["# the renorm of tf_keras has no float64"]
    return package, dtype, []


def plain_call(layer: "Layer", context: ProgramContext) -> str | None:
    """Write the layer as a model has it.

    Args:
        layer: The layer.
        context: Its input, its mask, the weights.

    Returns:
        The call of its class; None where it takes more than that to give the same.

    Raises:
        UsageError: Keras has no such layer, or it cannot take the input.
    """
    require_in_keras(layer)
    layer.output_shape(context.shape)
    package, dtype, _ = package_and_dtype(layer, context)
    order, made = _with_axes_last(layer, context)
    own = context.mask is None and not context.adjustment and is_identity(order)
    own = own and not splits_weights(layer, context.rank)  # a model is for any batch
    same = package == "keras" and dtype == context.compute == context.result
    if not (own and same) or _axis_by_axis(layer, context, dtype):
        return None
    more = {"dtype": repr(dtype)} if dtype == "float64" else {}
    return keras_call(made, context.shape, package, more)


def _mask_needs_keras_2(layer: Any, context: ProgramContext) -> bool:
    """Whether Keras 2 alone heeds the mask: of one channel Keras 3 cannot be trained under one."""
    if context.mask is None or layer.keras_name != "BatchNormalization":
        return context.mask is not None and layer.keras_name == "GroupNormalization"
    trained = context.training and layer.trainable and layer.fused is None
    return trained and prod(context.shape[axis] for axis in layer.axes(context.rank)) == 1


def _layer_lines(layer: "Layer", context: ProgramContext, package: str, dtype: str) -> Lines:
    """Make the layer, give it its weights, and call it."""
    order, made = _with_axes_last(layer, context)
    more = {"dtype": repr(dtype)} if dtype == "float64" else {}
    if package == "tf_keras" and getattr(layer, "fused", 0) is None and context.mask is not None:
        more["fused"] = "False"  # the other path counts all cells
    if context.adjustment:  # a function there
        terms = (context.adjustment.get(n, f"np.full(1, {v}, {dtype!r})") for n, v in _TERMS)
        more["adjustment"] = f"lambda shape: ({', '.join(terms)})"
    lines = [] if is_identity(order) else [f"x = x.transpose{order}"]
    lines.append(f"layer = {keras_call(made, context.shape, package, more)}")
    lines += [*_weights(layer, context), f"y = layer({_call(layer, context)})"]
    if not is_identity(order):
        lines.append(f"y = keras.ops.transpose(y, {inverse_order(order)})")
    return lines


def keras_imports(packages: "set[str]") -> Lines:
    """Write the imports of a program that uses some packages."""
    lines = ["import keras"] if "keras" in packages else []
    lines.append("import numpy as np")
    return [
        *lines,
        *(["import tensorflow as tf", "import tf_keras"] if "tf_keras" in packages else []),
    ]


def _dtype(layer: "Layer", context: ProgramContext) -> str:
    """Choose the dtype that the layer is given: TensorFlow pools few kinds of integers."""
    if context.compute in ("float32", "float64"):
        return context.compute
    small = context.compute in ("bool", "int8", "uint8", "int16", "uint16")
    return "float32" if small and layer.keras_name != "GlobalMaxPooling" else "float64"


def _axis_by_axis(layer: Any, context: ProgramContext, dtype: str) -> Lines:
    """Pool axis by axis, where Keras' layer fails on TensorFlow; nothing where it does not."""
    if not layer.keras_name.endswith("Pooling") or context.mask is not None:
        return []
    most = "Max" in layer.keras_name
    bounds, fails = _bounds(layer, context)
    wide = context.compute in ("int64", "uint64")  # float64 holds whole numbers up to 2**53
    unknown = context.rank == 5 and dtype == "float64"  # MaxPool3D, AvgPool3D have no float64
    if not (fails or (most and wide) or (unknown and "Global" not in layer.keras_name)):
        return []
    last = "y = x"
    if layer.keras_name.startswith("Global") and not layer.keepdims:
        last = f"y = keras.ops.squeeze(x, {tuple(bounds)})"
    return [
        "# axis by axis: Keras' layer fails on such an input with TensorFlow",
        "for axis, cuts in (",
        *(f"    ({axis}, {cuts})," for axis, cuts in bounds.items()),
        "):",
        "    parts = [x[(slice(None),) * axis + (slice(a, b),)] for a, b in cuts]",
        f"    parts = [keras.ops.{'max' if most else 'mean'}(part, axis) for part in parts]",
        "    x = keras.ops.stack(parts, axis)",
        last,
    ]


def _bounds(layer: Any, context: ProgramContext) -> "tuple[Mapping[int, Bounds], bool]":
    """Return first cell and end of the windows on each spatial axis, and if their sizes fail.

    TensorFlow's sizes are of 32 bits. Keras' adaptive layers pool with windows of one cell more
    than the smallest too, and the process dies where these do not fit.
    """
    shape = context.shape
    if layer.keras_name.startswith("Global"):
        return {a: [(0, shape[a])] for a in spatial_axes(context.rank, layer.data_format)}, False
    if layer.keras_name.startswith("Adaptive"):
        bounds = layer.window_bounds(shape)
        return bounds, any(-(-shape[a] // len(cuts)) >= shape[a] for a, cuts in bounds.items())
    sizes = (*layer.pool_size, *(layer.strides or ()))
    windows = layer.windows(shape).items()
    return {a: w.bounds(shape[a]) for a, w in windows}, max(sizes) > _LARGEST_SIZE


def _with_axes_last(layer: "Layer", context: ProgramContext) -> "tuple[tuple[int, ...], Layer]":
    """Bring the axes of RMS normalization to the end, along which alone Keras has its weight."""
    from poolnorm_cli.values import replace

    made: Any = layer
    order = tuple(range(context.rank))
    if layer.keras_name == "RMSNormalization":
        axes = made.axes(context.rank)
        order = axes_last(axes, context.rank)
        if not is_identity(order):
            made = replace(made, axis=tuple(range(-len(axes), 0)))
    several = len(getattr(made, "axis", ())) > 1
    if several and is_identity(order):  # Keras lays weights anew for axes in disorder
        made = replace(made, axis=made.axes(context.rank))
    return order, made


def _weights(layer: "Layer", context: ProgramContext) -> Lines:
    """Assign weights that come from a file, or that an initializer draws here in another way."""
    lines = given_weights(layer, context)
    if not lines:
        return []
    return [
        *lines,
        "layer.build(x.shape)",
        "for name, value in weights.items():",
        "    variable = getattr(layer, name)",
        "    variable.assign(value.reshape(tuple(variable.shape)))",
    ]


def given_weights(layer: "Layer", context: ProgramContext) -> Lines:
    """Write the weights that the layer does not start with by itself; nothing without any.

    Args:
        layer: The layer.
        context: The weights.

    Returns:
        A dictionary of arrays, and what it needs before it.
    """
    return context.weight_lines() if context.loaded or _draws(layer) else []


def _heeds_mask(layer: Any, context: ProgramContext) -> bool:
    """Whether Keras has a mask for the layer: of global pooling the average of sequences alone."""
    is_global = layer.keras_name.startswith("Global")
    return not is_global or (layer.averages and context.rank == 3)


def _draws(layer: "Layer") -> bool:
    """Whether an initializer draws the same numbers at every run here."""
    found = (getattr(layer, p.name) for p in layer.parameters() if p.name.endswith("initializer"))
    return any(getattr(initializer, "seed", None) is not None for initializer in found)


def _call(layer: "Layer", context: ProgramContext) -> str:
    words = ["x"]
    if context.mask is not None and not _heeds_mask(layer, context):
        what = f"Keras' {layer.keras_class(context.shape)} takes no mask"
        raise UsageError(what, "give --torch or --export instead")
    if isinstance(layer, Trainable):
        words.append(f"training={context.training}")
    if context.mask is not None:
        words.append(f"mask={context.mask}")
    return ", ".join(words)
