"""Programs that give in torch what a layer gives here.

A layer says what it is there, and between which permutations; the program around that is the same
for all.
"""

from typing import Any

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.programs.program import Lines, ProgramContext, inverse_order, is_identity
from poolnorm_cli.layers.programs.torch_layers import TORCH_LAYERS, TorchLayer, torch_dtype
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.shapes import Ints


def torch_program(layer: Layer, context: ProgramContext) -> str:
    """Write the layer in torch, as a program that makes `y` of the input.

    Args:
        layer: The layer.
        context: The input, its mask, the weights.

    Returns:
        The program, its last line without an end.

    Raises:
        UsageError: torch has nothing like it, or the layer cannot take the input.
    """
    source = f"torch.from_numpy({context.input_as(torch_dtype(context.compute))})"
    return "\n".join([*TORCH_IMPORTS, "", *torch_lines(layer, context, source)])


TORCH_IMPORTS = ["import numpy as np", "import torch"]


def torch_lines(layer: Layer, context: ProgramContext, source: str) -> Lines:
    """Write what makes `y` of the input, without imports.

    Args:
        layer: The layer.
        context: The input, its mask, the weights.
        source: What gives the input as a tensor, in Python.

    Returns:
        The lines.

    Raises:
        UsageError: torch has nothing like it, or the layer cannot take the input.
    """
    layer.output_shape(context.shape)
    write = TORCH_LAYERS.get(layer.keras_name)
    if write is None:
        raise UsageError(f"torch has no {layer.keras_name}", "--keras writes it for Keras")
    torch_layer = write(layer, context)
    lines = [*torch_layer.notes, f"x = {source}", *context.weight_lines()]
    if torch_layer.module:
        lines += [f"layer = {torch_layer.module}", *loaded_state(torch_layer, context)]
        batch = isinstance(layer, Trainable) and _by_batch(layer, context)
        lines.append("layer.train()" if batch else "layer.eval()")
    y_shape = layer.block_shape(context.shape, None)
    body = [*_before(torch_layer), *torch_layer.lines, *_after(torch_layer, context, y_shape)]
    lines += ["with torch.no_grad():", *(f"    {line}" for line in body)]
    if context.result != torch_dtype(context.compute):
        lines.append(f"y = y.to(torch.{context.result})")
    return lines


def loaded_state(torch_layer: TorchLayer, context: ProgramContext, module: str = "layer") -> Lines:
    """Load the weights that do not start as the module's do.

    Args:
        torch_layer: The module.
        context: The weights.
        module: What the program calls it.

    Returns:
        The lines; none where all start so.
    """
    given = {own: name for own, name in torch_layer.state.items() if name in context.weights}
    if not given:
        return []
    flat = ".reshape(-1)" if torch_layer.sizes else ""
    held = [f"    {own!r}: torch.from_numpy(weights[{n!r}]{flat})," for own, n in given.items()]
    return [f"{module}.load_state_dict({{", *held, "}, strict=False)"]


def _before(torch_layer: TorchLayer) -> Lines:
    lines = [] if is_identity(torch_layer.order) else [f"x = x.permute{torch_layer.order}"]
    return [*lines, f"x = x.reshape{torch_layer.sizes}"] if torch_layer.sizes else lines


def _after(torch_layer: TorchLayer, context: ProgramContext, y_shape: Ints) -> Lines:
    if len(y_shape) != context.rank:
        return []
    there = tuple(y_shape[axis] for axis in torch_layer.order)
    lines = [f"y = y.reshape{there}"] if torch_layer.sizes else []
    if not is_identity(torch_layer.order):
        lines.append(f"y = y.permute{inverse_order(torch_layer.order)}")
    return lines


def _by_batch(layer: Any, context: ProgramContext) -> bool:
    """Whether batch normalization is by the statistics of the batch."""
    return bool(context.training and layer.trainable)
