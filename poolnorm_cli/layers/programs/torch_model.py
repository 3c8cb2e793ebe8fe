"""A pipeline as a `Sequential` of torch, where one order of axes serves all of its layers."""

from typing import Any

from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.programs.program import (
    Lines,
    Placed,
    ProgramContext,
    inverse_order,
    is_identity,
)
from poolnorm_cli.layers.programs.torch import loaded_state
from poolnorm_cli.layers.programs.torch_layers import TORCH_LAYERS, TorchLayer, torch_dtype
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.shapes import Ints


_PLAIN = ["y = layer(x)"]


def torch_model(steps: list[Placed]) -> Lines | None:
    """Write a pipeline as a model of torch.

    Args:
        steps: The layers, in order.

    Returns:
        What makes `y` of the input, without imports; None where it takes more than a Sequential to
        give the same.
    """
    first, last = steps[0].context, steps[-1]
    kind, trained = first.compute, _modes(steps)
    same = all(s.context.compute == s.context.result == kind for s in steps)
    if len(trained) > 1 or not same or kind not in ("float32", "float64"):
        return None
    modules: list[tuple[str, Lines]] = []
    notes: Lines = []
    order = _order(steps)
    for _, layer, context in steps:
        words = _global(layer, context, order)
        if words:
            modules += [(word, []) for word in words]
            continue
        write = TORCH_LAYERS.get(layer.keras_name)
        made = None if write is None else write(layer, context)
        if made is None or not _fits(made, context, order):
            return None
        state = loaded_state(made, context, f"model[{len(modules)}]")
        modules.append((made.module, [*context.weight_lines(), *state] if state else []))
        notes += made.notes
    lines = [*notes, f"x = torch.from_numpy({first.input_as(torch_dtype(kind))})"]
    lines += ["model = torch.nn.Sequential(", *(f"    {word}," for word, _ in modules), ")"]
    for _, state in modules:
        lines += state
    lines.append("model.train()" if True in trained else "model.eval()")
    moved = "x" if is_identity(order) else f"x.permute{order}"
    lines += ["with torch.no_grad():", f"    y = model({moved})"]
    keeps_rank = len(last.layer.block_shape(last.context.shape, None)) == first.rank
    if keeps_rank and not is_identity(order):
        lines.append(f"y = y.permute{inverse_order(order)}")
    return lines


def _modes(steps: list[Placed]) -> set[bool]:
    """Return whether layers that are trained go by their batch: each answer that there is."""
    found: list[Any] = [s for s in steps if isinstance(s.layer, Trainable)]
    return {bool(s.context.training and s.layer.trainable) for s in found}


def _order(steps: list[Placed]) -> Ints:
    """Return the order of axes in which the first layer wants its input."""
    _, layer, context = steps[0]
    rank, at = context.rank, context.rank - 1
    if getattr(layer, "data_format", "") == "channels_first" or rank < 3:
        return tuple(range(rank))
    axes: Any = getattr(layer, "axes", None)
    if axes is not None and axes(rank) == (1,):
        return tuple(range(rank))
    return (0, at, *range(1, at))


def _fits(made: TorchLayer, context: ProgramContext, order: Ints) -> bool:
    """Whether a module takes what comes to it as it comes in the model."""
    own = order if context.rank == len(order) else tuple(range(context.rank))
    plain = made.module and made.sizes is None and made.lines == _PLAIN
    return bool(plain) and context.mask is None and made.order == own


def _global(layer: Layer, context: ProgramContext, order: Ints) -> list[str]:
    """Write global pooling as modules; nothing for another layer."""
    if not layer.keras_name.startswith("Global") or context.rank != len(order):
        return []
    own: Any = layer
    first = own.data_format == "channels_first"
    kind = {"GlobalMaxPooling": "Max", "GlobalAveragePooling": "Avg"}.get(layer.keras_name)
    if kind is None or context.mask is not None or first != is_identity(order):
        return []
    words = [f"torch.nn.Adaptive{kind}Pool{context.rank - 2}d(1)"]
    return words if own.keepdims else [*words, "torch.nn.Flatten()"]
