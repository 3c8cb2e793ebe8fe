"""Programs that give in torch what a layer gives here.

torch has the channels at axis 1 and normalizes over trailing axes; its momentum is one less
Keras'; it pads both ends alike. A layer says what it is there, and between which permutations; the
program around that is the same for all.
"""

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.programs.program import Lines, Setting, axes_last, back, in_order, number
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.shapes import Ints, adaptive_bounds, spatial_axes
from poolnorm_cli.values import frozen


PAD = "torch.nn.functional.pad"


@frozen(kw_only=True)
class Core:
    """What a layer is in torch.

    Attributes:
        order: The axes of the input in the order in which the core wants them.
        sizes: The shape in which it wants them then; None for the one that they have.
        module: The module that is made; empty where there is none.
        state: Name of a parameter or buffer of the module -> Keras' name of the weight.
        lines: What makes `y` of `x`.
        notes: What is worth knowing, as comments.
    """

    order: Ints
    sizes: Ints | None = None
    module: str = ""
    state: Mapping[str, str] = field(default_factory=dict)
    lines: Lines = field(default_factory=lambda: ["y = layer(x)"])
    notes: Lines = field(default_factory=list)


def torch_program(layer: Layer, setting: Setting) -> str:
    """Write the layer in torch, as a program that makes `y` of the input.

    Raises:
        UsageError: torch has nothing like it, or the layer cannot take the input.
    """
    layer.output_shape(setting.shape)
    write = cores().get(layer.keras_name)
    if write is None:
        raise UsageError(f"torch has no {layer.keras_name}", "--keras writes it for Keras")
    core = write(layer, setting)
    weights = setting.weight_lines()
    lines = ["import numpy as np", "import torch", "", *core.notes]
    lines += [f"x = torch.from_numpy({setting.input_as(_carrier(setting.compute))})", *weights]
    if core.module:
        lines += [f"layer = {core.module}", *_state(core, setting)]
        batch = isinstance(layer, Trainable) and _by_batch(layer, setting)
        lines.append("layer.train()" if batch else "layer.eval()")
    y_shape = tuple(int(size or 0) for size in layer.output_shape(setting.shape))
    body = [*_before(core), *core.lines, *_after(core, setting, y_shape)]
    lines += ["with torch.no_grad():", *(f"    {line}" for line in body)]
    if setting.result != _carrier(setting.compute):
        lines.append(f"y = y.to(torch.{setting.result})")
    return "\n".join(lines)


def _carrier(dtype: str) -> str:
    """Name the dtype in which torch computes: it has few operators for integers.

    Raises:
        UsageError: It holds not all of the values.
    """
    if dtype == "uint64":
        raise UsageError("torch computes nothing in uint64", "give int64, or --keras")
    if dtype in ("bool", "int8", "uint8", "int16", "uint16"):
        return "float32"
    return {"int32": "float64", "uint32": "float64"}.get(dtype, dtype)


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


def channels_at_1(axis: int, rank: int) -> Ints:
    """Return the order of axes in which the channels are at axis 1, where torch has them."""
    first, *others = (other for other in range(rank) if other != axis)
    return (first, axis, *others)


def _channels(layer: Any, setting: Setting) -> int:
    return setting.rank - 1 if layer.data_format == "channels_last" else 1


def _pooling(kind: str) -> Callable[[Any, Setting], Core]:
    def write(layer: Any, setting: Setting) -> Core:
        windows = list(layer.windows(setting.shape).values())
        pads = tuple(n for w in reversed(windows) for n in (w.low, w.high))
        order = channels_at_1(_channels(layer, setting), setting.rank)
        if _carrier(setting.compute) == "int64":
            least = "torch.iinfo(x.dtype).min"
            lines = [f"x = {PAD}(x, {pads}, value={least})"] if any(pads) else []
            steps = [(axis, w.size, w.stride) for axis, w in enumerate(windows, 2)]
            lines += [f"x = x.unfold{step}.amax(-1)" for step in steps]
            return Core(order=order, lines=[*lines, "y = x"])
        sizes = number([w.size for w in windows])
        text = f"kernel_size={sizes}, stride={number([w.stride for w in windows])}"
        module = f"torch.nn.{kind}Pool{setting.rank - 2}d"
        if all(w.low == w.high and w.low <= w.size // 2 for w in windows):
            more = ", count_include_pad=False" if kind == "Avg" else ""
            padding = number([w.low for w in windows])
            return Core(order=order, module=f"{module}({text}, padding={padding}{more})")
        note = "# torch pads both ends alike; 'same' here does not"
        lines = [f"y = layer({PAD}(x, {pads}, value=-torch.inf))"]
        if kind == "Avg":
            note += ", and counts real cells only"
            ones = f"{PAD}(torch.ones_like(x), {pads})"
            lines = [f"y = layer({PAD}(x, {pads})) / layer({ones})"]
        return Core(order=order, module=f"{module}({text})", lines=lines, notes=[note])

    return write


def _global(reduction: str) -> Callable[[Any, Setting], Core]:
    def write(layer: Any, setting: Setting) -> Core:
        axes = spatial_axes(setting.rank, layer.data_format)
        order = tuple(range(setting.rank))
        more = f"dim={axes}, keepdim={layer.keepdims}"
        if setting.mask is None:
            return Core(order=order, lines=[f"y = x.{reduction}({more})"])
        channels = _channels(layer, setting)
        lines = [
            f"mask = torch.from_numpy({setting.mask}).unsqueeze({channels})",
            f"y = torch.where(mask, x, 0).sum({more}) / mask.sum({more})",
        ]
        return Core(order=order, lines=lines)

    return write


def _adaptive(kind: str) -> Callable[[Any, Setting], Core]:
    def write(layer: Any, setting: Setting) -> Core:
        rank = setting.rank - 2
        sizes = layer.output_size if len(layer.output_size) > 1 else layer.output_size * rank
        order = channels_at_1(_channels(layer, setting), setting.rank)
        if _carrier(setting.compute) == "int64":
            lines = []
            for axis, size in enumerate(sizes, 2):
                cuts = adaptive_bounds(setting.shape[order[axis]], size)
                slices = "".join(f"({low}, {high}), " for low, high in cuts)
                lines.append(
                    f"x = [x.narrow({axis}, a, b - a).amax({axis}) for a, b in [{slices[:-2]}]]"
                )
                lines.append(f"x = torch.stack(x, {axis})")
            return Core(order=order, lines=[*lines, "y = x"])
        module = f"torch.nn.Adaptive{kind}Pool{rank}d(output_size={number(sizes)})"
        return Core(order=order, module=module)

    return write


def _unit_norm(layer: Any, setting: Setting) -> Core:
    axes = layer.axes(setting.rank)
    dim = axes[0] if len(axes) == 1 else axes
    lines = [f"y = torch.nn.functional.normalize(x, p=2.0, dim={dim}, eps=1e-12)"]
    return Core(order=tuple(range(setting.rank)), lines=lines)


def _over_last(name: str) -> Callable[[Any, Setting], Core]:
    """Write a layer that normalizes over its last axes: LayerNorm, RMSNorm."""

    def write(layer: Any, setting: Setting) -> Core:
        axes = layer.axes(setting.rank)
        sizes = tuple(setting.shape[axis] for axis in axes)
        more = state = None
        if name == "LayerNorm":
            more = f"elementwise_affine={layer.scale or layer.center}, bias={layer.center}"
            state = {"weight": "gamma", "bias": "beta"}
        text = ", ".join(
            filter(None, [f"normalized_shape={sizes}", f"eps={layer.epsilon!r}", more])
        )
        return Core(
            order=axes_last(axes, setting.rank),
            module=f"torch.nn.{name}({text}{of_dtype(setting)})",
            state=state or {"weight": "scale"},
        )

    return write


def of_dtype(setting: Setting) -> str:
    """Write the argument that makes the weights of a module float64, where they are."""
    return ", dtype=torch.float64" if setting.compute == "float64" else ""


def cores() -> dict[str, Callable[[Any, Setting], Core]]:
    """Return how torch writes each class of Keras, by its name less its rank."""
    from poolnorm_cli.layers.programs.torch_statistics import batch_norm, group_norm

    return {
        "MaxPooling": _pooling("Max"),
        "AveragePooling": _pooling("Avg"),
        "GlobalMaxPooling": _global("amax"),
        "GlobalAveragePooling": _global("mean"),
        "AdaptiveMaxPooling": _adaptive("Max"),
        "AdaptiveAveragePooling": _adaptive("Avg"),
        "BatchNormalization": batch_norm,
        "LayerNormalization": _over_last("LayerNorm"),
        "GroupNormalization": group_norm,
        "RMSNormalization": _over_last("RMSNorm"),
        "UnitNormalization": _unit_norm,
    }
