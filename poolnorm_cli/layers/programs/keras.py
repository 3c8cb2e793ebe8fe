"""Programs that give in Keras what a layer gives here."""

from math import prod
from typing import TYPE_CHECKING, Any

from poolnorm_cli.layers.keras.config import keras_call, needs_keras_2
from poolnorm_cli.layers.programs.program import Lines, Setting, axes_last, back, in_order
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.shapes import spatial_axes


if TYPE_CHECKING:
    from collections.abc import Mapping

    from poolnorm_cli.layers.base import Layer
    from poolnorm_cli.strips import Bounds


_LARGEST_SIZE = 2**31 - 1
_TERMS = (("scale", 1), ("bias", 0))


def keras_program(layer: "Layer", setting: Setting) -> str:
    """Write the layer in Keras, as a program that makes `y` of the input.

    A layer that only Keras 2 has is that of tf_keras, which is Keras 2 today; so is one whose mask
    only Keras 2 heeds.

    Raises:
        UsageError: The layer cannot take the input.
    """
    layer.output_shape(setting.shape)
    package = "tf_keras" if _keras_2_heeds(layer, setting) or needs_keras_2(layer) else "keras"
    dtype, notes = _dtype(layer, setting), []
    corrected = package == "tf_keras" and getattr(layer, "renorm", False) and setting.training
    if corrected and dtype == "float64":
        dtype, notes = "float32", ["# the renorm of tf_keras has no float64"]
    cuts = _cuts(layer, setting, dtype)
    if cuts:
        dtype = "int8" if setting.compute == "bool" else setting.compute
        body = cuts
    else:
        body = _layer_lines(layer, setting, package, dtype)
    lines = [*_imports(package), "", *notes, f"x = {setting.input_as(dtype)}", *body]
    if setting.result != dtype:
        cast = "keras.ops.cast" if package == "keras" else "tf.cast"
        lines.append(f"y = {cast}(y, {setting.result!r})")
    return "\n".join(lines)


def _keras_2_heeds(layer: Any, setting: Setting) -> bool:
    """Whether Keras 2 alone heeds the mask: of one channel Keras 3 cannot be trained under one."""
    if setting.mask is None or layer.keras_name != "BatchNormalization":
        return setting.mask is not None and layer.keras_name == "GroupNormalization"
    trained = setting.training and layer.trainable and layer.fused is None
    return trained and prod(setting.shape[axis] for axis in layer.axes(setting.rank)) == 1


def _layer_lines(layer: "Layer", setting: Setting, package: str, dtype: str) -> Lines:
    """Make the layer, give it its weights, and call it."""
    order, made = _trailing(layer, setting)
    more = {"dtype": repr(dtype)} if dtype == "float64" else {}
    if package == "tf_keras" and getattr(layer, "fused", 0) is None and setting.mask is not None:
        more["fused"] = "False"  # the other path counts all cells
    if setting.adjustment:  # a function there
        terms = (setting.adjustment.get(n, f"np.full(1, {v}, {dtype!r})") for n, v in _TERMS)
        more["adjustment"] = f"lambda shape: ({', '.join(terms)})"
    lines = [] if in_order(order) else [f"x = x.transpose{order}"]
    lines.append(f"layer = {keras_call(made, setting.shape, package, more)}")
    lines += [*_weights(layer, setting), f"y = layer({_call(layer, setting)})"]
    return lines if in_order(order) else [*lines, f"y = keras.ops.transpose(y, {back(order)})"]


def _imports(package: str) -> Lines:
    if package == "keras":
        return ["import keras", "import numpy as np"]
    return ["import numpy as np", "import tensorflow as tf", "import tf_keras"]


def _dtype(layer: "Layer", setting: Setting) -> str:
    """Choose the dtype that the layer is given: TensorFlow pools few kinds of integers."""
    if setting.compute in ("float32", "float64"):
        return setting.compute
    small = setting.compute in ("bool", "int8", "uint8", "int16", "uint16")
    return "float32" if small and layer.keras_name != "GlobalMaxPooling" else "float64"


def _cuts(layer: Any, setting: Setting, dtype: str) -> Lines:
    """Pool axis by axis, where Keras' layer fails on TensorFlow; nothing where it does not."""
    if not layer.keras_name.endswith("Pooling") or setting.mask is not None:
        return []
    most = "Max" in layer.keras_name
    bounds, fails = _bounds(layer, setting)
    wide = setting.compute in ("int64", "uint64")  # float64 holds whole numbers up to 2**53
    unknown = setting.rank == 5 and dtype == "float64"  # MaxPool3D, AvgPool3D have no float64
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


def _bounds(layer: Any, setting: Setting) -> "tuple[Mapping[int, Bounds], bool]":
    """Return first cell and end of the windows on each spatial axis, and if their sizes fail.

    TensorFlow's sizes are of 32 bits. Keras' adaptive layers pool with windows of one cell more
    than the smallest too, and the process dies where these do not fit.
    """
    shape = setting.shape
    if layer.keras_name.startswith("Global"):
        return {a: [(0, shape[a])] for a in spatial_axes(setting.rank, layer.data_format)}, False
    if layer.keras_name.startswith("Adaptive"):
        bounds = layer.bounds(shape)
        return bounds, any(-(-shape[a] // len(cuts)) >= shape[a] for a, cuts in bounds.items())
    sizes = (*layer.pool_size, *(layer.strides or ()))
    windows = layer.windows(shape).items()
    return {a: w.bounds(shape[a]) for a, w in windows}, max(sizes) > _LARGEST_SIZE


def _trailing(layer: "Layer", setting: Setting) -> "tuple[tuple[int, ...], Layer]":
    """Bring the axes of RMS normalization to the end, along which alone Keras has its weight."""
    from dataclasses import replace

    made: Any = layer
    order = tuple(range(setting.rank))
    if layer.keras_name == "RMSNormalization":
        axes = made.axes(setting.rank)
        order = axes_last(axes, setting.rank)
        if not in_order(order):
            made = replace(made, axis=tuple(range(-len(axes), 0)))
    several = len(getattr(made, "axis", ())) > 1
    if several and in_order(order):  # Keras lays weights anew for axes in disorder
        made = replace(made, axis=made.axes(setting.rank))
    return order, made


def _weights(layer: "Layer", setting: Setting) -> Lines:
    """Assign weights that come of a file, or that an initializer draws here in another way."""
    if not (setting.loaded or _draws(layer)):
        return []
    lines = setting.weight_lines()
    if not lines:
        return []
    return [
        *lines,
        "layer.build(x.shape)",
        "for name, value in weights.items():",
        "    variable = getattr(layer, name)",
        "    variable.assign(value.reshape(tuple(variable.shape)))",
    ]


def _draws(layer: "Layer") -> bool:
    """Whether an initializer draws the same numbers at every run here."""
    found = (getattr(layer, p.name) for p in layer.parameters() if p.name.endswith("initializer"))
    return any(getattr(initializer, "seed", None) is not None for initializer in found)


def _call(layer: "Layer", setting: Setting) -> str:
    words = ["x"]
    if isinstance(layer, Trainable):
        words.append(f"training={setting.training}")
    if setting.mask is not None:
        words.append(f"mask={setting.mask}")
    return ", ".join(words)
