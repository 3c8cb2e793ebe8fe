"""The call that makes a layer in torch, and what it takes besides to give the same output.

torch has the channels at axis 1 and normalizes over trailing axes; its momentum is one less
Keras'; it pads both ends alike. What that leaves over is written out as lines of Python.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.torch_axes import Lines, axes_last, channels_at_1, flat, number, permuted
from poolnorm_cli.shapes import Ints, spatial_axes


_PAD = "torch.nn.functional.pad"


def torch_call(layer: Layer, shape: Ints) -> str:
    """Write the layer in torch: one expression, or lines that make `y` of `x`.

    Args:
        layer: The layer.
        shape: Shape of the input, which gives the number of axes and of channels.

    Raises:
        UsageError: torch has nothing like it, or the layer cannot take the input.
    """
    layer.output_shape(shape)
    write = TORCH.get(layer.keras_name)
    if write is None:
        raise UsageError(f"torch has no {layer.keras_name}", "--keras writes it for Keras")
    return "\n".join(write(layer, shape))


def _max_pooling(layer: Any, shape: Ints) -> Lines:
    sizes, pads, even = _windows(layer, shape)
    module = f"torch.nn.MaxPool{len(shape) - 2}d"
    if even:
        lows = number([low for low, _ in pads])
        return channels_at_1(f"{module}({sizes}, padding={lows})", _axis(layer, shape), shape)
    padded = f"x = {_PAD}(x, {flat(pads)}, value=-torch.inf)"
    lines = [
        "# torch pads both ends alike; 'same' here does not",
        padded,
        f"y = {module}({sizes})(x)",
    ]
    return permuted(lines, _axis(layer, shape), shape)


def _average_pooling(layer: Any, shape: Ints) -> Lines:
    sizes, pads, even = _windows(layer, shape)
    module = f"torch.nn.AvgPool{len(shape) - 2}d"
    if even:
        lows = number([low for low, _ in pads])
        call = f"{module}({sizes}, padding={lows}, count_include_pad=False)"
        return channels_at_1(call, _axis(layer, shape), shape)
    lines = [
        "# torch pads both ends alike; 'same' here does not, and counts real cells only",
        f"ones = {_PAD}(torch.ones_like(x), {flat(pads)})",
        f"pool = {module}({sizes})",
        f"y = pool({_PAD}(x, {flat(pads)})) / pool(ones)",
    ]
    return permuted(lines, _axis(layer, shape), shape)


def _windows(layer: Any, shape: Ints) -> tuple[str, list[tuple[int, int]], bool]:
    """Write size and stride, list the pads, and say whether torch can pad so."""
    windows = list(layer.windows(shape).values())
    sizes = number([w.size for w in windows])
    text = f"kernel_size={sizes}, stride={number([w.stride for w in windows])}"
    even = all(w.low == w.high and w.low <= w.size // 2 for w in windows)
    return text, [(w.low, w.high) for w in windows], even


def _global(reduction: str, module: str) -> Callable[[Any, Ints], Lines]:
    def write(layer: Any, shape: Ints) -> Lines:
        if layer.data_format == "channels_last":
            axes = spatial_axes(len(shape), layer.data_format)
            return [f"y = torch.{reduction}(x, dim={axes}, keepdim={layer.keepdims})"]
        call = f"torch.nn.{module}{len(shape) - 2}d(output_size=1)"
        return [call if layer.keepdims else f"torch.nn.Sequential({call}, torch.nn.Flatten())"]

    return write


def _adaptive(module: str) -> Callable[[Any, Ints], Lines]:
    def write(layer: Any, shape: Ints) -> Lines:
        rank = len(shape) - 2
        sizes = layer.output_size if len(layer.output_size) > 1 else layer.output_size * rank
        call = f"torch.nn.{module}{rank}d(output_size={number(sizes)})"
        return channels_at_1(call, _axis(layer, shape), shape)

    return write


def _batch_norm(layer: Any, shape: Ints) -> Lines:
    axis, size = _one_axis(layer, shape)
    for name in ("renorm", "virtual_batch_size", "adjustment"):
        if getattr(layer, name, None):
            flag = "--" + name.replace("_", "-")
            raise UsageError(f"torch has no {flag}", f"leave out {flag}, or give --keras")
    if len(shape) > 5:
        raise UsageError(f"torch's batch normalization takes rank 2 to 5, not {len(shape)}")
    momentum = float(1 - Decimal(repr(layer.momentum)))
    call = (
        f"torch.nn.BatchNorm{max(len(shape) - 2, 1)}d(num_features={size}, eps={layer.epsilon!r}, "
        f"momentum={momentum!r}, affine={layer.scale or layer.center})"
    )
    notes = _affine(layer)
    if not getattr(layer, "fused", None):
        notes.append("# in training, its running_var moves by N/(N-1) of what Keras 3's does")
    return [*notes, *channels_at_1(call, axis, shape)]


def _group_norm(layer: Any, shape: Ints) -> Lines:
    axis, size = _one_axis(layer, shape)
    groups = layer.group_count(size)
    affine = layer.scale or layer.center
    call = (
        f"torch.nn.GroupNorm(num_groups={groups}, num_channels={size}, "
        f"eps={layer.epsilon!r}, affine={affine})"
    )
    return [*_affine(layer), *channels_at_1(call, axis, shape)]


def _layer_norm(layer: Any, shape: Ints) -> Lines:
    affine = layer.scale or layer.center
    call = (
        f"torch.nn.LayerNorm(normalized_shape={_sizes(layer, shape)}, eps={layer.epsilon!r}, "
        f"elementwise_affine={affine}, bias={layer.center})"
    )
    notes = _affine(layer)[:1] if layer.center else []
    return [*notes, *axes_last(call, layer.axes(len(shape)), shape)]


def _rms_norm(layer: Any, shape: Ints) -> Lines:
    call = f"torch.nn.RMSNorm(normalized_shape={_sizes(layer, shape)}, eps={layer.epsilon!r})"
    return axes_last(call, layer.axes(len(shape)), shape)


def _unit_norm(layer: Any, shape: Ints) -> Lines:
    axes = layer.axes(len(shape))
    dim = axes[0] if len(axes) == 1 else axes
    return [f"y = torch.nn.functional.normalize(x, p=2.0, dim={dim}, eps=1e-12)"]


def _affine(layer: Any) -> Lines:
    """Say what torch cannot leave out by itself."""
    if layer.scale == layer.center:
        return []
    kept = "weight at 1" if layer.center else "bias at 0"
    return [f"# torch has weight and bias together: leave its {kept}"]


def _sizes(layer: Any, shape: Ints) -> Ints:
    return tuple(shape[axis] for axis in layer.axes(len(shape)))


def _axis(layer: Any, shape: Ints) -> int:
    return len(shape) - 1 if layer.data_format == "channels_last" else 1


def _one_axis(layer: Any, shape: Ints) -> tuple[int, int]:
    axis, *others = layer.axes(len(shape))
    if others:
        raise UsageError("torch takes one axis of channels", "give one --axis, or --keras")
    return axis, shape[axis]


TORCH: dict[str, Callable[[Any, Ints], Lines]] = {
    "MaxPooling": _max_pooling,
    "AveragePooling": _average_pooling,
    "GlobalMaxPooling": _global("amax", "AdaptiveMaxPool"),
    "GlobalAveragePooling": _global("mean", "AdaptiveAvgPool"),
    "AdaptiveMaxPooling": _adaptive("AdaptiveMaxPool"),
    "AdaptiveAveragePooling": _adaptive("AdaptiveAvgPool"),
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "GroupNormalization": _group_norm,
    "RMSNormalization": _rms_norm,
    "UnitNormalization": _unit_norm,
}
"""Keras' class, less its rank -> how torch writes it."""
