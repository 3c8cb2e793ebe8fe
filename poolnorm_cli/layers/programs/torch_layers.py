"""What each layer is in torch: a module and the order of axes that it wants, or operators.

torch has the channels at axis 1 and normalizes over trailing axes; its momentum is one less
Keras'; it pads both ends alike.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from math import isinf, prod
from typing import Any

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.batch_norm.statistics import KERAS_EPSILON
from poolnorm_cli.layers.programs.program import Lines, ProgramContext, axes_last, one_or_tuple
from poolnorm_cli.shapes import Ints, adaptive_bounds, spatial_axes
from poolnorm_cli.values import field, frozen


@frozen(kw_only=True)
class TorchLayer:
    """What a layer is in torch.

    Attributes:
        order: The axes of the input in the order in which the module wants them.
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


def torch_dtype(dtype: str) -> str:
    """Return the name of the dtype in which torch computes: it has few operators for integers.

    Raises:
        UsageError: torch computes in no dtype that holds all of the values.
    """
    if dtype == "uint64":
        raise UsageError("torch does not compute in uint64", "give int64, or --keras")
    if dtype in ("bool", "int8", "uint8", "int16", "uint16"):
        return "float32"
    return {"int32": "float64", "uint32": "float64"}.get(dtype, dtype)


def _of_dtype(context: ProgramContext) -> str:
    """Write the argument that makes the weights of a module float64, where they are."""
    return ", dtype=torch.float64" if context.compute == "float64" else ""


def _channels_at_1(axis: int, rank: int) -> Ints:
    """Return the order of axes in which the channels are at axis 1, where torch has them."""
    first, *others = (other for other in range(rank) if other != axis)
    return (first, axis, *others)


def _channels(layer: Any, context: ProgramContext) -> int:
    return context.rank - 1 if layer.data_format == "channels_last" else 1


def _pooling(kind: str) -> Callable[[Any, ProgramContext], TorchLayer]:
    from poolnorm_cli.layers.programs.torch_windows import pooling

    def write(layer: Any, context: ProgramContext) -> TorchLayer:
        order = _channels_at_1(_channels(layer, context), context.rank)
        whole = torch_dtype(context.compute) == "int64"
        module, lines, notes = pooling(kind, layer, context, whole=whole)
        if not lines:
            return TorchLayer(order=order, module=module)
        return TorchLayer(order=order, module=module, lines=lines, notes=notes)

    return write


_NEVER = {"amax": ("-", "min"), "amin": ("", "max")}
"""Reduction -> sign of the infinity that never wins, and which end of integers does not."""


def _minimum(layer: Any, context: ProgramContext) -> TorchLayer:
    """Write the minimum under a window."""
    from poolnorm_cli.layers.programs.torch_extremes import minimum

    most = _pooling("Max")(layer, context)
    own = [] if most.lines == ["y = layer(x)"] else most.lines
    module, lines = minimum(layer, context, (most.module, own))
    return TorchLayer(order=most.order, module=module, lines=lines, notes=most.notes)


def _norm_pooling(layer: Any, context: ProgramContext) -> TorchLayer:
    """Write the p-norm under a window."""
    from poolnorm_cli.layers.programs.torch_extremes import norm

    order = _channels_at_1(_channels(layer, context), context.rank)
    module, lines = norm(layer, context)
    return TorchLayer(order=order, module=module, lines=lines)


def _global_norm(layer: Any, context: ProgramContext) -> TorchLayer:
    """Write the p-norm over all of space."""
    axes = spatial_axes(context.rank, layer.data_format)
    power = "float('inf')" if layer.p == float("inf") else repr(layer.p)
    lines, cells = list[str](), "x"
    if context.mask is not None:
        channels = _channels(layer, context)
        lines = [f"mask = torch.from_numpy({context.mask}).unsqueeze({channels})"]
        cells = "torch.where(mask, x, 0)"
    more = f"ord={power}, dim={axes}, keepdim={layer.keepdims}"
    lines.append(f"y = torch.linalg.vector_norm({cells}, {more})")
    return TorchLayer(order=tuple(range(context.rank)), lines=lines)


def _global(reduction: str) -> Callable[[Any, ProgramContext], TorchLayer]:
    def write(layer: Any, context: ProgramContext) -> TorchLayer:
        axes = spatial_axes(context.rank, layer.data_format)
        order = tuple(range(context.rank))
        more = f"dim={axes}, keepdim={layer.keepdims}"
        if context.mask is None:
            return TorchLayer(order=order, lines=[f"y = x.{reduction}({more})"])
        channels = _channels(layer, context)
        lines = [
            f"mask = torch.from_numpy({context.mask}).unsqueeze({channels})",
            f"y = torch.where(mask, x, 0).sum({more}) / mask.sum({more})",
        ]
        if reduction in _NEVER:
            sign, word = _NEVER[reduction]
            is_float = context.compute.startswith("float")
            never = f"{sign}torch.inf" if is_float else f"torch.iinfo(x.dtype).{word}"
            lines[1] = f"y = torch.where(mask, x, {never}).{reduction}({more})"
        return TorchLayer(order=order, lines=lines)

    return write


def _adaptive(kind: str) -> Callable[[Any, ProgramContext], TorchLayer]:
    def write(layer: Any, context: ProgramContext) -> TorchLayer:
        rank = context.rank - 2
        sizes = layer.output_size if len(layer.output_size) > 1 else layer.output_size * rank
        order = _channels_at_1(_channels(layer, context), context.rank)
        if torch_dtype(context.compute) == "int64":
            lines = []
            for axis, size in enumerate(sizes, 2):
                cuts = adaptive_bounds(context.shape[order[axis]], size)
                slices = "".join(f"({low}, {high}), " for low, high in cuts)
                lines.append(
                    f"x = [x.narrow({axis}, a, b - a).amax({axis}) for a, b in [{slices[:-2]}]]"
                )
                lines.append(f"x = torch.stack(x, {axis})")
            return TorchLayer(order=order, lines=[*lines, "y = x"])
        module = f"torch.nn.Adaptive{kind}Pool{rank}d(output_size={one_or_tuple(sizes)})"
        return TorchLayer(order=order, module=module)

    return write


def _unit_norm(layer: Any, context: ProgramContext) -> TorchLayer:
    axes = layer.axes(context.rank)
    dim = axes[0] if len(axes) == 1 else axes
    norm = f'float("{layer.order}")' if isinf(layer.order) else repr(layer.order)
    if layer.order != 2 and len(axes) > 1:  # of several axes p=1 would be a norm of matrices
        norms = f"torch.linalg.vector_norm(x, {norm}, dim={axes}, keepdim=True)"
        lines = [f"y = x / {norms}.clamp(min={layer.epsilon!r})"]
        return TorchLayer(order=tuple(range(context.rank)), lines=lines)
    more = f"p={norm}, dim={dim}, eps={layer.epsilon!r}"
    lines = [f"y = torch.nn.functional.normalize(x, {more})"]
    return TorchLayer(order=tuple(range(context.rank)), lines=lines)


def _over_last(name: str) -> Callable[[Any, ProgramContext], TorchLayer]:
    """Write a layer that normalizes over its last axes: LayerNorm, RMSNorm."""

    def write(layer: Any, context: ProgramContext) -> TorchLayer:
        axes = layer.axes(context.rank)
        sizes = tuple(context.shape[axis] for axis in axes)
        more = state = None
        if name == "LayerNorm":
            more = f"elementwise_affine={layer.scale or layer.center}, bias={layer.center}"
            state = {"weight": "gamma", "bias": "beta"}
        text = ", ".join(
            filter(None, [f"normalized_shape={sizes}", f"eps={layer.epsilon!r}", more])
        )
        return TorchLayer(
            order=axes_last(axes, context.rank),
            module=f"torch.nn.{name}({text}{_of_dtype(context)})",
            state=state or {"weight": "scale"},
        )

    return write


def _local_response(layer: Any, context: ProgramContext) -> TorchLayer:
    """Write local response normalization; of rank 2 it takes an axis of one cell for space."""
    axis, rank = layer.channel_axis(context.rank), context.rank
    numbers = f"alpha={layer.alpha!r}, beta={layer.beta!r}, k={layer.bias!r}"
    module = f"torch.nn.LocalResponseNorm(size={layer.size}, {numbers})"
    if rank == 2:
        lines = [f"y = {module}(x[:, :, None])[:, :, 0]"]
        return TorchLayer(order=(0, 1), lines=lines)
    return TorchLayer(order=_channels_at_1(axis, rank), module=module)


def torch_momentum(momentum: float | None) -> float | None:
    """Return torch's momentum, the share of the new batch, for Keras'; None is the same in both."""
    return None if momentum is None else float(1 - Decimal(repr(momentum)))


def _batch_norm(layer: Any, context: ProgramContext) -> TorchLayer:
    """Write batch normalization."""
    axes = layer.axes(context.rank)
    over = tuple(axis for axis in range(context.rank) if axis not in axes)
    trained = context.training and layer.trainable
    masked = context.mask is not None and not layer.ignores_mask(training=context.training)
    lone = prod(context.shape[axis] for axis in over) <= 1
    stepwise = masked or layer.renorm or lone or layer.has_ghost_batches or context.adjustment
    if trained and stepwise:
        return _by_operators(layer, context, axes, over, masked=masked)
    momentum = torch_momentum(layer.momentum)
    channels = prod(context.shape[axis] for axis in axes)
    plain = len(axes) == 1 and axes[0] and 2 <= context.rank <= 5
    order = _channels_at_1(axes[0], context.rank) if plain else axes_last(axes, context.rank)
    module = (
        f"torch.nn.BatchNorm{max(context.rank - 2, 1) if plain else 1}d(num_features={channels}, "
        f"eps={layer.epsilon!r}, momentum={momentum!r}, affine={layer.scale or layer.center}"
        f"{_of_dtype(context)})"
    )
    notes = []
    if trained and not layer.moves_unbiased:
        notes = ["# its running_var moves by N/(N-1) of what Keras 3's moving_variance does"]
    state = {"weight": "gamma", "bias": "beta"}
    state |= {"running_mean": "moving_mean", "running_var": "moving_variance"}
    sizes = None if plain else (-1, channels)
    return TorchLayer(order=order, sizes=sizes, module=module, state=state, notes=notes)


def _group_norm(layer: Any, context: ProgramContext) -> TorchLayer:
    """Write group or instance normalization."""
    (axis,) = layer.axes(context.rank)
    channels = context.shape[axis]
    groups = layer.group_count(channels)
    lone = prod(context.shape[1:]) <= max(groups, 1)  # x minus itself, of which torch misses a bit
    if context.mask is not None or lone:
        return _of_groups(layer, context, axis, groups)
    module = (
        f"torch.nn.GroupNorm(num_groups={groups}, num_channels={channels}, "
        f"eps={layer.epsilon!r}, affine={layer.scale or layer.center}{_of_dtype(context)})"
    )
    state = {"weight": "gamma", "bias": "beta"}
    return TorchLayer(order=_channels_at_1(axis, context.rank), module=module, state=state)


def _by_operators(
    layer: Any, context: ProgramContext, axes: Ints, over: Ints, *, masked: bool
) -> TorchLayer:
    """Write training as Keras computes it, step by step.

    Of G ghost batches, sample i is in ghost batch i % G.
    """
    sizes = tuple(context.shape[a] if a in axes else 1 for a in range(context.rank))
    mask = f"torch.from_numpy({context.mask})[..., None]" if masked else None
    lines, restored = [], ""
    if layer.has_ghost_batches:
        lines = [f"x = x.reshape{(layer.virtual_batch_size, -1, *context.shape[1:])}"]
        over = (0, *(axis + 1 for axis in over if axis))
        restored = f".reshape{context.shape}"
    lines += _moments(over, mask, f"+ {KERAS_EPSILON!r}")
    lines.append(f"y = ((x - mean) / torch.sqrt(variance + {layer.epsilon!r})){restored}")
    if layer.renorm:
        if layer.has_ghost_batches:
            means = (f"{name} = {name}.mean(1)" for name in ("mean", "variance"))
            lines += [*means]
        lines += [f"sd = torch.sqrt(variance + {layer.epsilon!r})"]
        lines += _renorm(layer, context, sizes)
    terms = (("*", "scale"), ("+", "bias"))
    given = [(sign, n) for sign, n in terms if n in context.adjustment]
    lines += [f"y = y {sign} torch.from_numpy({context.adjustment[n]})" for sign, n in given]
    return _plain(context, [*lines, *_affine(context, sizes)])


def _of_groups(layer: Any, context: ProgramContext, axis: int, groups: int) -> TorchLayer:
    shape = context.shape
    split = (*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :])
    over = tuple(a for a in range(1, len(split)) if a != axis)
    mask = None
    if context.mask is not None:
        mask = f"torch.from_numpy({context.mask}).expand{shape}.reshape{split}"
    lines = [
        f"x = x.reshape{split}",
        *_moments(over, mask, ".clamp(min=1)"),
        f"y = ((x - mean) / torch.sqrt(variance + {layer.epsilon!r})).reshape{shape}",
    ]
    sizes = tuple(n if a == axis else 1 for a, n in enumerate(shape))
    return _plain(context, [*lines, *_affine(context, sizes)])


def _plain(context: ProgramContext, lines: Lines) -> TorchLayer:
    return TorchLayer(order=tuple(range(context.rank)), lines=lines)


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


def _renorm(layer: Any, context: ProgramContext, sizes: Ints) -> Lines:
    """Correct towards the moving statistics."""
    mean, stddev = (_weight(context, n, sizes) for n in ("renorm_mean", "renorm_stddev"))
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


def _affine(context: ProgramContext, sizes: Ints) -> Lines:
    """Multiply by gamma and add beta, where they do not start as 1 and 0."""
    pairs = (("*", "gamma"), ("+", "beta"))
    given = [(sign, name) for sign, name in pairs if name in context.weights]
    return [f"y = y {sign} {_weight(context, name, sizes)}" for sign, name in given]


def _weight(context: ProgramContext, name: str, sizes: Ints) -> str:
    if name not in context.weights:
        return "0.0" if name.endswith("mean") else "1.0"
    return f"torch.from_numpy(weights[{name!r}].reshape{sizes})"


def _unpooling(layer: Any, context: ProgramContext) -> TorchLayer:
    """Write the maxima put back."""
    from poolnorm_cli.layers.programs.torch_unpooling import unpooling

    order = _channels_at_1(_channels(layer, context), context.rank)
    whole = torch_dtype(context.compute) == "int64"
    return TorchLayer(order=order, lines=unpooling(layer, context, order, whole=whole))


TORCH_LAYERS: dict[str, Callable[[Any, ProgramContext], TorchLayer]] = {
    "MaxPooling": _pooling("Max"),
    "AveragePooling": _pooling("Avg"),
    "MinPooling": _minimum,
    "LpPooling": _norm_pooling,
    "GlobalMinPooling": _global("amin"),
    "GlobalLpPooling": _global_norm,
    "GlobalMaxPooling": _global("amax"),
    "GlobalAveragePooling": _global("mean"),
    "AdaptiveMaxPooling": _adaptive("Max"),
    "AdaptiveAveragePooling": _adaptive("Avg"),
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _over_last("LayerNorm"),
    "GroupNormalization": _group_norm,
    "RMSNormalization": _over_last("RMSNorm"),
    "UnitNormalization": _unit_norm,
    "LocalResponseNormalization": _local_response,
    "MaxUnpooling": _unpooling,
}
"""Keras' class, less its rank -> what writes it for torch."""
