"""Programs that give in torch what a layer gives here.

A layer says what it is there, and between which permutations; the program around that is the same
for all.
"""

from typing import Any

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.programs.program import Lines, Setting, back, in_order
from poolnorm_cli.layers.programs.torch_cores import CORES, Core, carrier
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.shapes import Ints


def torch_program(layer: Layer, setting: Setting) -> str:
    """Write the layer in torch, as a program that makes `y` of the input.

    Raises:
        UsageError: torch has nothing like it, or the layer cannot take the input.
    """
    layer.output_shape(setting.shape)
    write = CORES.get(layer.keras_name)
    if write is None:
        raise UsageError(f"torch has no {layer.keras_name}", "--keras writes it for Keras")
    core = write(layer, setting)
    weights = setting.weight_lines()
    lines = ["import numpy as np", "import torch", "", *core.notes]
    lines += [f"x = torch.from_numpy({setting.input_as(carrier(setting.compute))})", *weights]
    if core.module:
        lines += [f"layer = {core.module}", *_state(core, setting)]
        batch = isinstance(layer, Trainable) and _by_batch(layer, setting)
        lines.append("layer.train()" if batch else "layer.eval()")
    y_shape = tuple(int(size or 0) for size in layer.output_shape(setting.shape))
    body = [*_before(core), *core.lines, *_after(core, setting, y_shape)]
    lines += ["with torch.no_grad():", *(f"    {line}" for line in body)]
    if setting.result != carrier(setting.compute):
        lines.append(f"y = y.to(torch.{setting.result})")
    return "\n".join(lines)


def _state(core: Core, setting: Setting) -> Lines:
    """Load the weights that do not start as the module's do."""
    given = {own: name for own, name in core.state.items() if name in setting.weights}
    if not given:
        return []
    flat = ".reshape(-1)" if core.sizes else ""
    held = [f"    {own!r}: torch.from_numpy(weights[{n!r}]{flat})," for own, n in given.items()]
    return ["layer.load_state_dict({", *held, "}, strict=False)"]


def _before(core: Core) -> Lines:
    lines = [] if in_order(core.order) else [f"x = x.permute{core.order}"]
    return [*lines, f"x = x.reshape{core.sizes}"] if core.sizes else lines


def _after(core: Core, setting: Setting, y_shape: Ints) -> Lines:
    if len(y_shape) != setting.rank:
        return []
    there = tuple(y_shape[axis] for axis in core.order)
    lines = [f"y = y.reshape{there}"] if core.sizes else []
    return lines if in_order(core.order) else [*lines, f"y = y.permute{back(core.order)}"]


def _by_batch(layer: Any, setting: Setting) -> bool:
    """Whether batch normalization is by the statistics of the batch."""
    return bool(setting.training and layer.trainable)
