"""What PyTorch makes of the numbers of a layer, and its own call for Keras' answer.

The calls are those of `layers/programs/torch_layers.py`, which are tested against torch; what is
told here besides is what its layer of the same name does with the same numbers.
"""

from collections.abc import Callable
from math import prod
from typing import Any

from poolnorm_cli.calculator.convention import Convention, names_of, reordered, sized
from poolnorm_cli.layers.axis_rules import WindowRule
from poolnorm_cli.layers.programs.program import ProgramContext, one_or_tuple
from poolnorm_cli.layers.programs.torch_layers import TORCH_LAYERS, TorchLayer, torch_momentum
from poolnorm_cli.shapes import Dim, Shape, counted
from poolnorm_cli.values import replace
from poolnorm_cli.windows import Placing, Window


FRAMEWORK = "PyTorch"
_EPSILON = "eps is 1e-05 there unless given"
_NO_CELLS = "it refuses an axis without cells"


def torch_convention(layer: Any, shape: Shape) -> Convention | None:
    """Say what PyTorch makes of the numbers of a layer.

    Args:
        layer: The layer.
        shape: Shape of the input, whose dims may be symbolic.

    Returns:
        The convention; None for a layer that nothing is known of.
    """
    write = _WRITERS.get(layer.keras_name)
    return None if write is None else write(layer, shape)


def _torch_layer(layer: Any, shape: Shape, least: int = 0) -> TorchLayer:
    context = ProgramContext(
        shape=sized(shape, least), dtype="float32", compute="float32", result="float32", x="x"
    )
    return TORCH_LAYERS[layer.keras_name](layer, context)


def _call(made: TorchLayer) -> list[str]:
    """Return the lines that make `y` of `x`, in the order of axes that torch wants."""
    lines = list(made.lines)
    if made.sizes is not None:  # several axes as one
        channels = made.sizes[1]
        lines = [f"y = layer(x.reshape(-1, {channels})).reshape(x.shape)"]
    return [*([f"layer = {made.module}"] if made.module else []), *lines]


def _beyond_keras(layer: Any, shape: Shape) -> Convention:
    """Write windows that Keras does not have: torch's own layer, or its operators."""
    made, after = _torch_layer(layer, shape), layer.output_shape(shape)
    call = _call(made)
    known = all(isinstance(rule.length, int) for rule in layer.axis_rules(shape))
    own = made.module and made.lines == ["y = layer(x)"]
    if not (known or own):
        sizes = names_of([rule.length for rule in layer.axis_rules(shape)])
        none = f"the padding depends on {sizes}; give sizes"
        return Convention(framework=FRAMEWORK, order=made.order, same=False, none=none)
    return Convention(
        framework=FRAMEWORK,
        order=made.order,
        like=call if own else (),
        like_shape=reordered(after, made.order) if own else None,
        same=bool(own),
        why="" if own else "no layer there has such windows; operators give the same",
        call=call,
    )


def _pooling(layer: Any, shape: Shape) -> Convention:
    if layer.beyond_keras():
        return _beyond_keras(layer, shape)
    rules: list[WindowRule] = layer.axis_rules(shape)
    rank, kind = len(rules), "Avg" if layer.averages else "Max"
    sizes, strides = [rule.size for rule in rules], [rule.stride for rule in rules]
    same = layer.padding == "same"
    pads = [(size - 1) // 2 if same else 0 for size in sizes]
    order = _torch_layer(replace(layer, padding="valid", strides=None, pool_size=1), shape).order
    module = f"torch.nn.{kind}Pool{rank}d"
    text = f"kernel_size={one_or_tuple(sizes)}, stride={one_or_tuple(strides)}"
    padding = f", padding={one_or_tuple(pads)}" if any(pads) else ""
    places = [_torch_places(rule, pad) for rule, pad in zip(rules, pads, strict=True)]
    refused = any(isinstance(count, int) and count < 1 for count in places)
    small = any(isinstance(rule.length, int) and rule.length < rule.size for rule in rules)
    outcome = _same_windows(rules, pads, places, averages=layer.averages)
    if layer.averages and rank == 3 and small:
        refused, outcome = True, (False, "it refuses a window larger than the input, pads or not")
    elif refused and outcome[0]:
        outcome = False, _NO_CELLS
    notes = (
        ["torch has no 'same' for pooling: padding=(kernel_size-1)//2 is the usual stand-in"]
        if same
        else []
    )
    call, none = _pooling_call(layer, shape, rules)
    return Convention(
        framework=FRAMEWORK,
        order=order,
        like=[f"y = {module}({text}{padding})(x)"],
        like_shape=None if refused else (*reordered(shape, order)[:2], *places),
        same=outcome[0],
        why=outcome[1],
        call=call,
        none=none,
        notes=notes,
    )


def _own_windows(layer: Any, shape: Shape) -> Convention:
    """Write windows of a layer that Keras does not have, as torch's own or its operators."""
    rules: list[WindowRule] = layer.axis_rules(shape)
    known = all(isinstance(rule.length, int) for rule in rules)
    least = max(max(rule.placing.extent, rule.stride) for rule in rules)
    made = _torch_layer(layer, shape, least)
    none = _NO_CELLS if any(rule.places == 0 for rule in rules) else ""
    if not known and (layer.padding != "valid" or layer.ceil_mode):
        none = f"the padding depends on {names_of([rule.length for rule in rules])}; give sizes"
    if none:
        return Convention(framework=FRAMEWORK, order=made.order, same=False, none=none)
    after = reordered(layer.output_shape(shape), made.order)
    notes = []
    if layer.words == "pool lp":
        notes = ["its LPPool takes no magnitudes: an odd p of negative numbers may give NaN"]
    call = _call(made)
    return Convention(
        framework=FRAMEWORK, order=made.order, like=call, like_shape=after, call=call, notes=notes
    )


def _own_global(layer: Any, shape: Shape) -> Convention:
    made, after = _torch_layer(layer, shape), layer.output_shape(shape)
    lines = made.lines
    return Convention(
        framework=FRAMEWORK, order=made.order, like=lines, like_shape=after, call=lines
    )


def _torch_places(rule: WindowRule, pad: int) -> Dim:
    """Count places as torch does: whole windows, with padding at both ends alike."""
    if isinstance(rule.length, int):
        return (rule.length + 2 * pad - rule.size) // rule.stride + 1
    return Placing(rule.size - 2 * pad, rule.stride).count_on(rule.length)


def _same_windows(
    rules: list[WindowRule], pads: list[int], places: list[Dim], *, averages: bool
) -> tuple[bool | None, str]:
    """Compare torch's windows with Keras', axis by axis."""
    known = True
    for rule, pad, count in zip(rules, pads, places, strict=True):
        if rule.padding == "valid":
            continue
        low, high = rule.pads
        told = f"axis {rule.axis}: it pads {pad} at both ends, Keras {low} before, {high} after"
        if not (isinstance(count, int) and isinstance(rule.places, int)):
            if isinstance(low, int) and (low, high) != (pad, pad):
                return False, told
            known = known and low == pad
            continue
        if count != rule.places:
            return False, f"{told}: {counted(max(count, 0), 'place')}, not {rule.places}"
        length = int(rule.length or 0)
        theirs = Window(rule.size, rule.stride, count, pad, pad)
        ours = Window(rule.size, rule.stride, count, int(low or 0), int(high or 0))
        if _ends(theirs, length) != _ends(ours, length):
            return False, f"{told}: other cells are under the windows"
    padded = averages and any(pads)
    if padded:
        return False, "it divides by the cells of padding, too: count_include_pad is True"
    if not known:
        sizes = names_of([rule.length for rule in rules])
        return None, f"Keras' padding depends on {sizes}, that of torch does not"
    return True, ""


def _ends(window: Window, length: int) -> list[tuple[int, int]]:
    """Return the cells under the first two places and the last two: the others are between."""
    places = sorted({0, 1, window.count - 2, window.count - 1})
    return [window.bounds_at(place, length) for place in places if 0 <= place < window.count]


def _pooling_call(layer: Any, shape: Shape, rules: list[WindowRule]) -> tuple[list[str], str]:
    if any(rule.places == 0 for rule in rules):
        return [], _NO_CELLS
    least = max(max(rule.size, rule.stride) for rule in rules)
    if all(isinstance(pad, int) for rule in rules for pad in rule.pads):
        return _call(_torch_layer(layer, shape, least)), ""
    sizes, strides = ([getattr(rule, name) for rule in rules] for name in ("size", "stride"))
    kind = "Avg" if layer.averages else "Max"
    module = f"torch.nn.{kind}Pool{len(rules)}d"
    pad = "torch.nn.functional.pad"
    lines = [
        f"steps = zip(x.shape[2:], {tuple(sizes)}, {tuple(strides)})",
        "pads = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in steps]",
        "pads = [cells for p in reversed(pads) for cells in (p // 2, p - p // 2)]",
        f"layer = {module}(kernel_size={one_or_tuple(sizes)}, stride={one_or_tuple(strides)})",
    ]
    if layer.averages:
        ones = f"{pad}(torch.ones_like(x), pads)"
        return [*lines, f"y = layer({pad}(x, pads)) / layer({ones})"], ""
    return [*lines, f"y = layer({pad}(x, pads, value=-torch.inf))"], ""


def _global(layer: Any, shape: Shape) -> Convention:
    rank = len(shape) - 2
    channels = len(shape) - 1 if layer.data_format == "channels_last" else 1
    order = (0, channels, *(rule.axis for rule in layer.axis_rules(shape)))
    kind = "Max" if "Max" in layer.keras_name else "Avg"
    like = [f"y = torch.nn.Adaptive{kind}Pool{rank}d(output_size=1)(x)"]
    dims = tuple(range(2, len(shape)))
    reduction = "amax" if kind == "Max" else "mean"
    return Convention(
        framework=FRAMEWORK,
        order=order,
        like=like,
        like_shape=(*reordered(shape, order)[:2], *(1 for _ in dims)),
        same=layer.keepdims,
        why="" if layer.keepdims else "it keeps the axes, with size 1",
        call=like if layer.keepdims else [f"y = x.{reduction}(dim={dims})"],
        notes=["torch has no global pooling of that name; this is what stands for it"],
    )


def _adaptive(layer: Any, shape: Shape) -> Convention:
    made = _torch_layer(layer, shape)
    call = _call(made)
    after = reordered(layer.output_shape(shape), made.order)
    return Convention(framework=FRAMEWORK, order=made.order, like=call, like_shape=after, call=call)


def _batch_norm(layer: Any, shape: Shape) -> Convention:
    made = _torch_layer(layer, shape)
    ours, momentum = torch_momentum(layer.momentum), layer.momentum
    like = [line.replace(f"momentum={ours!r}", f"momentum={momentum!r}") for line in _call(made)]
    one = len(layer.axes(len(shape))) == 1
    notes = [f"{_EPSILON}, and momentum 0.1, which is 0.9 in Keras"]
    if not layer.moves_unbiased:
        notes.append("in training its running_var moves by N/(N-1) of the batch's variance")
    if not one:
        notes.append("it has one axis of channels: several are made one")
    special = [n for n in ("renorm", "virtual_batch_size", "adjustment") if getattr(layer, n)]
    if special:
        notes.append(f"torch has no {special[0]}: the call is that of inference")
    why = (
        "its momentum is the share of the new batch, 1 - Keras': in inference the answer is Keras'"
    )
    same = momentum == ours
    return Convention(
        framework=FRAMEWORK,
        order=made.order,
        like=like if one else (),
        like_shape=reordered(shape, made.order) if one else None,
        same=same,
        why=("" if same else why) if one else "it normalizes along one axis",
        call=_call(made),
        weights=_state(layer, shape, made),
        notes=notes,
    )


def _state(layer: Any, shape: Shape, made: TorchLayer) -> dict[str, str]:
    """Return those of its weights that the layer has."""
    has = layer.weight_shapes(shape)
    return {theirs: ours for theirs, ours in made.state.items() if ours in has}


def _over_last(layer: Any, shape: Shape) -> Convention:
    """Write LayerNorm and RMSNorm, which normalize over their last axes."""
    made, axes, rank = _torch_layer(layer, shape), layer.axes(len(shape)), len(shape)
    trailing = axes == tuple(range(rank - len(axes), rank))
    call = _call(made)
    notes = [_EPSILON if layer.centered else "eps is that of the dtype there unless given"]
    if not trailing:
        notes.append("it takes sizes, not axes: those of the last axes, so bring these there")
    return Convention(
        framework=FRAMEWORK,
        order=made.order,
        like=call,
        like_shape=reordered(shape, made.order),
        call=call,
        weights=_state(layer, shape, made),
        notes=notes,
    )


def _group_norm(layer: Any, shape: Shape) -> Convention:
    (axis,) = layer.axes(len(shape))
    channels = shape[axis]
    groups = layer.group_count(channels)
    first, *others = (other for other in range(len(shape)) if other != axis)
    order = (first, axis, *others)
    if prod(sized(shape)[1:]) <= max(groups, 1):
        why = "each value is a group of its own, and becomes beta"
        return Convention(framework=FRAMEWORK, order=order, why=why, none=why, same=False)
    made = _torch_layer(layer, (None, *shape[1:]))
    call, like = _call(made), _call(made)
    notes = [_EPSILON]
    if layer.words == "in" and 3 <= len(shape) <= 5:
        module = f"torch.nn.InstanceNorm{len(shape) - 2}d"
        affine = f"affine={layer.scale or layer.center}"
        text = f"num_features={channels}, eps={layer.epsilon!r}, {affine}"
        call = like = [f"layer = {module}({text})", "y = layer(x)"]
        notes.append("affine is False there unless given: no gamma, no beta")
    return Convention(
        framework=FRAMEWORK,
        order=made.order,
        like=like,
        like_shape=reordered(shape, made.order),
        call=call,
        weights=_state(layer, shape, made),
        notes=notes,
    )


def _unit_norm(layer: Any, shape: Shape) -> Convention:
    made = _torch_layer(layer, shape)
    return Convention(
        framework=FRAMEWORK,
        order=made.order,
        like=made.lines,
        like_shape=shape,
        call=made.lines,
        notes=["p is 2 and eps 1e-12 there, too, unless given; dim is 1"],
    )


def _local_response(layer: Any, shape: Shape) -> Convention:
    made = _torch_layer(layer, shape)
    call = _call(made) if made.module else made.lines
    return Convention(
        framework=FRAMEWORK,
        order=made.order,
        like=call,
        like_shape=reordered(shape, made.order),
        call=call,
        notes=["alpha is divided by size there, too; k is the bias"],
    )


_WRITERS: dict[str, Callable[[Any, Shape], Convention]] = {
    "MaxPooling": _pooling,
    "AveragePooling": _pooling,
    "MinPooling": _own_windows,
    "LpPooling": _own_windows,
    "GlobalMinPooling": _own_global,
    "GlobalLpPooling": _own_global,
    "GlobalMaxPooling": _global,
    "GlobalAveragePooling": _global,
    "AdaptiveMaxPooling": _adaptive,
    "AdaptiveAveragePooling": _adaptive,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _over_last,
    "GroupNormalization": _group_norm,
    "RMSNormalization": _over_last,
    "UnitNormalization": _unit_norm,
    "LocalResponseNormalization": _local_response,
}
"""Keras' class, less its rank -> what says what torch makes of it."""
