"""Keras, PyTorch and ONNX side by side: what each makes of the same numbers."""

from poolnorm_cli.calculator.convention import Convention
from poolnorm_cli.calculator.onnx_conventions import onnx_convention
from poolnorm_cli.calculator.torch_conventions import torch_convention
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.keras.config import keras_call, lacking_in_keras, needs_keras_2
from poolnorm_cli.layers.programs.program import axes_last, inverse_order
from poolnorm_cli.shapes import Shape
from poolnorm_cli.values import replace


def conventions_of(layer: Layer, shape: Shape) -> list[Convention]:
    """Say what each framework makes of a layer's numbers, and how it gives Keras' answer.

    Args:
        layer: The layer.
        shape: Shape of the input, whose dims may be symbolic.

    Returns:
        Keras, PyTorch, ONNX; those that something is known of.

    Raises:
        UsageError: The layer cannot take such an input.
    """
    layer.output_shape(shape)
    found = (_keras(layer, shape), torch_convention(layer, shape), onnx_convention(layer, shape))
    return [each for each in found if each is not None]


def _keras(layer: Layer, shape: Shape) -> Convention | None:
    none = lacking_in_keras(layer)
    if none:
        order = tuple(range(len(shape)))
        return Convention(framework="Keras", order=order, same=False, why=none, none=none)
    package = "tf_keras" if needs_keras_2(layer) else "keras"
    lines = [f"y = {keras_call(layer, shape, package)}(x)"]
    order = tuple(range(len(shape)))
    if layer.keras_name == "RMSNormalization":
        moved = axes_last(layer.axes(len(shape)), len(shape))  # type: ignore[attr-defined]
        if moved != order:
            return _rms_norm(layer, shape, lines, moved)
    notes = []
    if package == "tf_keras":
        notes.append("Keras 2 alone has these parameters: it is tf_keras today")
    if _fails(layer, shape):
        notes.append("on TensorFlow it fails for such an input: a window has all cells of an axis")
    return Convention(
        framework="Keras",
        order=order,
        like=lines,
        like_shape=layer.output_shape(shape),
        call=lines,
        notes=notes,
    )


def _fails(layer: Layer, shape: Shape) -> bool:
    """Whether TensorFlow ends the process: it tries windows of one cell more than the smallest."""
    if not layer.keras_name.startswith("Adaptive"):
        return False
    rules = layer.axis_rules(shape)
    sizes = [(rule.length, rule.places) for rule in rules]
    return any(
        -(-length // places) >= length
        for length, places in sizes
        if isinstance(length, int) and isinstance(places, int)
    )


def _rms_norm(layer: Layer, shape: Shape, like: list[str], order: tuple[int, ...]) -> Convention:
    """Say that Keras' weight goes along the last axes, whatever the axis is."""
    axes = layer.axes(len(shape))  # type: ignore[attr-defined]
    last = replace(layer, axis=tuple(range(-len(axes), 0)))
    return Convention(
        framework="Keras",
        order=tuple(range(len(shape))),
        like=like,
        like_shape=None,
        same=False,
        why="its weight goes along the last axes, whatever the axis: it refuses most shapes",
        call=[
            f"x = keras.ops.transpose(x, {order})",
            f"y = {keras_call(last, shape)}(x)",
            f"y = keras.ops.transpose(y, {inverse_order(order)})",
        ],
    )
