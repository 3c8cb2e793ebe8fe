"""Batch and group normalization in torch: its modules, or operators where these cannot do it."""

from decimal import Decimal
from math import prod
from typing import Any

from poolnorm_cli.layers.programs.program import Lines, Setting, axes_last
from poolnorm_cli.layers.programs.torch import Core, channels_at_1, of_dtype
from poolnorm_cli.shapes import Ints


_KERAS_EPSILON = 1e-7


def batch_norm(layer: Any, setting: Setting) -> Core:
    """Write batch normalization."""
    axes = layer.axes(setting.rank)
    over = tuple(axis for axis in range(setting.rank) if axis not in axes)
    trained = setting.training and layer.trainable
    masked = setting.mask is not None and not layer.ignores_mask(training=setting.training)
    lone = prod(setting.shape[axis] for axis in over) <= 1
    stepwise = masked or layer.renorm or lone or layer.has_ghost_batches or setting.adjustment
    if trained and stepwise:
        return _by_operators(layer, setting, axes, over, masked=masked)
    momentum = float(1 - Decimal(repr(layer.momentum)))
    channels = prod(setting.shape[axis] for axis in axes)
    plain = len(axes) == 1 and axes[0] and 2 <= setting.rank <= 5
    order = channels_at_1(axes[0], setting.rank) if plain else axes_last(axes, setting.rank)
    module = (
        f"torch.nn.BatchNorm{max(setting.rank - 2, 1) if plain else 1}d(num_features={channels}, "
        f"eps={layer.epsilon!r}, momentum={momentum!r}, affine={layer.scale or layer.center}"
        f"{of_dtype(setting)})"
    )
    notes = []
    if trained and not getattr(layer, "fused", None):
        notes = ["# its running_var moves by N/(N-1) of what Keras 3's moving_variance does"]
    state = {"weight": "gamma", "bias": "beta"}
    state |= {"running_mean": "moving_mean", "running_var": "moving_variance"}
    sizes = None if plain else (-1, channels)
    return Core(order=order, sizes=sizes, module=module, state=state, notes=notes)


def group_norm(layer: Any, setting: Setting) -> Core:
    """Write group or instance normalization."""
    (axis,) = layer.axes(setting.rank)
    channels = setting.shape[axis]
    groups = layer.group_count(channels)
    lone = prod(setting.shape[1:]) <= max(groups, 1)  # x minus itself, of which torch misses a bit
    if setting.mask is not None or lone:
        return _of_groups(layer, setting, axis, groups)
    module = (
        f"torch.nn.GroupNorm(num_groups={groups}, num_channels={channels}, "
        f"eps={layer.epsilon!r}, affine={layer.scale or layer.center}{of_dtype(setting)})"
    )
    state = {"weight": "gamma", "bias": "beta"}
    return Core(order=channels_at_1(axis, setting.rank), module=module, state=state)


def _by_operators(layer: Any, setting: Setting, axes: Ints, over: Ints, *, masked: bool) -> Core:
    """Write training as Keras computes it, step by step.

    Of G ghost batches, sample i is in ghost batch i % G.
    """
    sizes = tuple(setting.shape[a] if a in axes else 1 for a in range(setting.rank))
    mask = f"torch.from_numpy({setting.mask})[..., None]" if masked else None
    lines, restored = [], ""
    if layer.has_ghost_batches:
        lines = [f"x = x.reshape{(layer.virtual_batch_size, -1, *setting.shape[1:])}"]
        over = (0, *(axis + 1 for axis in over if axis))
        restored = f".reshape{setting.shape}"
    lines += _moments(over, mask, f"+ {_KERAS_EPSILON!r}")
    lines.append(f"y = ((x - mean) / torch.sqrt(variance + {layer.epsilon!r})){restored}")
    if layer.renorm:
        if layer.has_ghost_batches:
            means = (f"{name} = {name}.mean(1)" for name in ("mean", "variance"))
            lines += [*means]
        lines += [f"sd = torch.sqrt(variance + {layer.epsilon!r})"]
        lines += _renorm(layer, setting, sizes)
    terms = (("*", "scale"), ("+", "bias"))
    given = [(sign, n) for sign, n in terms if n in setting.adjustment]
    lines += [f"y = y {sign} torch.from_numpy({setting.adjustment[n]})" for sign, n in given]
    return _plain(setting, [*lines, *_affine(setting, sizes)])


def _of_groups(layer: Any, setting: Setting, axis: int, groups: int) -> Core:
    shape = setting.shape
    split = (*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :])
    over = tuple(a for a in range(1, len(split)) if a != axis)
    mask = None
    if setting.mask is not None:
        mask = f"torch.from_numpy({setting.mask}).expand{shape}.reshape{split}"
    lines = [
        f"x = x.reshape{split}",
        *_moments(over, mask, ".clamp(min=1)"),
        f"y = ((x - mean) / torch.sqrt(variance + {layer.epsilon!r})).reshape{shape}",
    ]
    sizes = tuple(n if a == axis else 1 for a, n in enumerate(shape))
    return _plain(setting, [*lines, *_affine(setting, sizes)])


def _plain(setting: Setting, lines: Lines) -> Core:
    return Core(order=tuple(range(setting.rank)), lines=lines)


def _moments(over: Ints, mask: str | None, divisor: str) -> Lines:
    """Take mean and biased variance of `x`, those of the cells that count where there is a mask."""
    dim = f"dim={over}, keepdim=True"
    if mask is None:
        return [f"mean = x.mean({dim})", f"variance = ((x - mean) ** 2).mean({dim})"]
    count = f"mask.expand(x.shape).sum({dim})"
    return [
        f"mask = {mask}",
        f"count = {count}{divisor}" if divisor.startswith(".") else f"count = {count} {divisor}",
        f"mean = torch.where(mask, x, 0).sum({dim}) / count",
        f"variance = torch.where(mask, (x - mean) ** 2, 0).sum({dim}) / count",
    ]


def _renorm(layer: Any, setting: Setting, sizes: Ints) -> Lines:
    """Correct towards the moving statistics."""
    mean, stddev = (_weight(setting, n, sizes) for n in ("renorm_mean", "renorm_stddev"))
    root = f"{layer.epsilon!r} ** 0.5"
    lines = [
        f"stddev = ({stddev} + torch.zeros_like(sd)).clamp(min={root})",
        "r = sd / stddev",
        f"d = (mean - {mean}) / stddev",
    ]
    limits = layer.renorm_clipping
    if limits and limits.rmin is not None:
        lines.append(f"r = r.clamp(min={limits.rmin!r})")
    if limits and limits.rmax is not None:
        lines.append(f"r = r.clamp(max={limits.rmax!r})")
    if limits and limits.dmax is not None:
        lines.append(f"d = d.clamp({-limits.dmax!r}, {limits.dmax!r})")
    return [*lines, "y = y * r + d"]


def _affine(setting: Setting, sizes: Ints) -> Lines:
    """Multiply by gamma and add beta, where they do not start as 1 and 0."""
    pairs = (("*", "gamma"), ("+", "beta"))
    given = [(sign, name) for sign, name in pairs if name in setting.weights]
    return [f"y = y {sign} {_weight(setting, name, sizes)}" for sign, name in given]


def _weight(setting: Setting, name: str, sizes: Ints) -> str:
    if name not in setting.weights:
        return "0.0" if name.endswith("mean") else "1.0"
    return f"torch.from_numpy(weights[{name!r}].reshape{sizes})"
