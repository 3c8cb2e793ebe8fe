"""What ONNX makes of the numbers of a layer, and its own call for Keras' answer.

Calls are lines of ONNX' own text, as `onnx.parser` reads them. Where the standard and ONNX Runtime
differ, a call is one that the runtime answers as Keras does.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from poolnorm_cli.calculator.convention import Convention, names_of, reordered
from poolnorm_cli.layers.axis_rules import AxisRule, WindowRule
from poolnorm_cli.shapes import Ints, Shape


FRAMEWORK = "ONNX"
_EPSILON = "epsilon is 1e-05 there unless given"


def onnx_convention(layer: Any, shape: Shape) -> Convention | None:
    """Say what ONNX makes of the numbers of a layer.

    Args:
        layer: The layer.
        shape: Shape of the input, whose dims may be symbolic.

    Returns:
        The convention; None for a layer that nothing is known of.
    """
    write = _WRITERS.get(layer.keras_name)
    return None if write is None else write(layer, shape)


def _node(operator: str, inputs: str = "x", output: str = "y", **attributes: Any) -> str:
    """Write a node."""
    told = ", ".join(f"{name}={_word(value)}" for name, value in attributes.items())
    return f"{output} = {operator}{f'<{told}>' if told else ''}({inputs})"


def _word(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(str, value))}]"
    return repr(value)


def _constant(name: str, values: Sequence[int]) -> str:
    return _node("Constant", "", name, value_ints=list(values))


def _channels_at_1(axis: int, rank: int) -> Ints:
    first, *others = (other for other in range(rank) if other != axis)
    return (first, axis, *others)


def _spatial_order(layer: Any, shape: Shape) -> Ints:
    return _channels_at_1(len(shape) - 1 if layer.data_format == "channels_last" else 1, len(shape))


def _beyond_keras(layer: Any, shape: Shape) -> Convention:
    """Write windows that Keras does not have, with explicit pads."""
    rules: list[WindowRule] = layer.axis_rules(shape)
    order, placed = _spatial_order(layer, shape), [rule.placed for rule in rules]
    windows = [window for window in placed if window is not None]
    none = "" if len(windows) == len(rules) else "the pads depend on sizes that are not known"
    if any(w.divisor for w in windows):
        none = "AveragePool divides by the number of cells"
    counts = [(w.high > w.after) for w in windows if w.before or w.after]
    if any(counts):
        none = "AveragePool counts all padding that it is given, or none"
    if none:
        return Convention(framework=FRAMEWORK, order=order, same=False, why=none, none=none)
    numbers: dict[str, Any] = {
        "kernel_shape": [rule.size for rule in rules],
        "strides": [rule.stride for rule in rules],
        "pads": [w.low for w in windows] + [w.high for w in windows],
    }
    if any(w.dilation > 1 for w in windows):
        numbers["dilations"] = [w.dilation for w in windows]
    if counts:
        numbers["count_include_pad"] = 1
    line = _node("AveragePool" if layer.averages else "MaxPool", **numbers)
    notes = ["dilations of AveragePool are there from opset 19 on"] if layer.averages else []
    notes = notes if "dilations" in numbers else []
    return _alike(order, [line], reordered(layer.output_shape(shape), order), notes)


def _pooling(layer: Any, shape: Shape) -> Convention:
    if layer.beyond_keras():
        return _beyond_keras(layer, shape)
    rules: list[WindowRule] = layer.axis_rules(shape)
    order = _spatial_order(layer, shape)
    operator = "AveragePool" if layer.averages else "MaxPool"
    numbers: dict[str, Any] = {
        "kernel_shape": [rule.size for rule in rules],
        "strides": [rule.stride for rule in rules],
    }
    after = reordered(layer.output_shape(shape), order)
    notes = ["strides are 1 there unless given"]
    if layer.averages:
        notes.append(
            "count_include_pad is 0 there unless given: padding does not count, as in Keras"
        )
    if layer.padding == "valid":
        line = _node(operator, **numbers)
        return _alike(order, [line], after, notes)
    like = _node(operator, **numbers, auto_pad="SAME_UPPER")
    short = [_shortfall(rule) for rule in rules]
    if not any(cells is None or cells > 0 for cells in short):
        return _alike(order, [like], after, notes)
    why = "SAME_UPPER pads by less than 0 where the last window ends before the axis"
    # ONNX Runtime refuses that for MaxPool, and moves the windows of AveragePool by half of it.
    differs = not layer.averages or any(cells is None or cells > 1 for cells in short)
    pads = [[rule.pads[end] for rule in rules] for end in (0, 1)]
    known = all(isinstance(pad, int) for ends in pads for pad in ends)
    sizes = names_of([rule.length for rule in rules])
    return Convention(
        framework=FRAMEWORK,
        order=order,
        like=[like],
        like_shape=after,
        same=None if None in short else not differs,
        why=why if differs else "",
        call=[_node(operator, **numbers, pads=pads[0] + pads[1])] if known else (),
        none="" if known else f"the pads depend on {sizes}; give sizes",
        notes=notes,
    )


_NO_POWER = "LpPool has whole numbers p alone"


def _own_windows(layer: Any, shape: Shape) -> Convention:
    """Write windows of a layer that Keras does not have, with explicit pads."""
    rules: list[WindowRule] = layer.axis_rules(shape)
    order, pads = _spatial_order(layer, shape), [_pads(rule) for rule in rules]
    none = "" if None not in pads else "the pads depend on sizes that are not known; give sizes"
    if layer.words == "pool lp" and not layer.p.is_integer():
        none = _NO_POWER
    if none:
        return Convention(framework=FRAMEWORK, order=order, same=False, why=none, none=none)
    both = [ends for ends in pads if ends is not None]
    numbers: dict[str, Any] = {
        "kernel_shape": [rule.size for rule in rules],
        "strides": [rule.stride for rule in rules],
        "pads": [low for low, _ in both] + [high for _, high in both],
    }
    if any(rule.placing.dilation > 1 for rule in rules):
        numbers["dilations"] = [rule.placing.dilation for rule in rules]
    lines = [
        _node("Neg", "x", "negative"),
        _node("MaxPool", "negative", "most", **numbers),
        _node("Neg", "most"),
    ]
    if layer.words == "pool lp":
        lines = [_node("LpPool", p=int(layer.p), **numbers)]
    return _alike(order, lines, reordered(layer.output_shape(shape), order))


def _pads(rule: WindowRule) -> tuple[int, int] | None:
    """Return the pads that the places need; None where they depend on a length not known."""
    if rule.placed is not None:
        return rule.placed.low, rule.placed.high
    return None if rule.placing.ceil else rule.placing.fixed


def _own_global(layer: Any, shape: Shape) -> Convention:
    order, spatial = _spatial_order(layer, shape), list(range(2, len(shape)))
    after = layer.output_shape(shape)
    after = reordered(after, order) if layer.keepdims else after
    kept, axes = int(layer.keepdims), _constant("axes", spatial)
    p = getattr(layer, "p", None)
    whole = {None: "ReduceMin", 1.0: "ReduceL1", 2.0: "ReduceL2"}.get(p)
    if whole:
        return _alike(order, [axes, _node(whole, "x, axes", keepdims=kept)], after)
    lines = [axes, _node("Abs", "x", "size")]
    if p == float("inf"):
        return _alike(order, [*lines, _node("ReduceMax", "size, axes", keepdims=kept)], after)
    lines += [
        _node("Constant", "", "p", value_float=p),
        _node("Pow", "size, p", "powers"),
        _node("ReduceSum", "powers, axes", "sums", keepdims=kept),
        _node("Constant", "", "root", value_float=1 / float(p or 1)),
        _node("Pow", "sums, root"),
    ]
    return _alike(order, lines, after)


def _shortfall(rule: WindowRule) -> int | None:
    """Return by how many cells the last window of 'same' ends before the axis; None if unknown."""
    if rule.size >= rule.stride:
        return 0
    if not (isinstance(rule.length, int) and isinstance(rule.places, int)):
        return None
    return max(rule.length - (rule.places - 1) * rule.stride - rule.size, 0)


def _alike(
    order: Ints, lines: Sequence[str], after: Shape, notes: Sequence[str] = ()
) -> Convention:
    """Return that the operator of the same name has Keras' answer."""
    return Convention(
        framework=FRAMEWORK, order=order, like=lines, like_shape=after, call=lines, notes=notes
    )


def _global(layer: Any, shape: Shape) -> Convention:
    order, spatial = _spatial_order(layer, shape), list(range(2, len(shape)))
    operator = "GlobalAveragePool" if "Average" in layer.keras_name else "GlobalMaxPool"
    kept = (*reordered(shape, order)[:2], *(1 for _ in spatial))
    if layer.keepdims:
        return _alike(order, [_node(operator)], kept)
    return Convention(
        framework=FRAMEWORK,
        order=order,
        like=[_node(operator)],
        like_shape=kept,
        same=False,
        why="it keeps the axes, with size 1",
        call=[
            _node(operator, output="pooled"),
            _constant("axes", spatial),
            _node("Squeeze", "pooled, axes"),
        ],
    )


def _adaptive(layer: Any, shape: Shape) -> Convention:
    rules: list[AxisRule] = layer.axis_rules(shape)
    order = _spatial_order(layer, shape)
    operator = "AveragePool" if "Average" in layer.keras_name else "MaxPool"
    reach = [rule.reach for rule in rules]
    even = all(isinstance(rule.length, int) for rule in rules) and None not in [s for _, s in reach]
    sizes = [size for size, _ in reach]
    none = ""
    if not even:
        named = names_of([rule.length for rule in rules])
        uneven = "windows of several sizes; `poolnorm apool --export` writes them one by one"
        none = f"the windows depend on {named}; give sizes" if named else uneven
    return Convention(
        framework=FRAMEWORK,
        order=order,
        same=False,
        why="ONNX has no adaptive pooling",
        call=[_node(operator, kernel_shape=sizes, strides=sizes)] if even else (),
        none=none,
    )


_MISSING = {"gamma": "gamma is needed there: give ones", "beta": "beta is needed there: give zeros"}


def _needed(layer: Any, shape: Shape, *names: str) -> list[str]:
    """Tell of the weights that an operator wants and the layer does not have."""
    has = layer.weight_shapes(shape)
    return [_MISSING[name] for name in names if name not in has]


def _batch_norm(layer: Any, shape: Shape) -> Convention:
    axes, rank = layer.axes(len(shape)), len(shape)
    numbers = {"epsilon": layer.epsilon}
    if layer.momentum is not None:
        numbers["momentum"] = layer.momentum
    weights = "x, gamma, beta, moving_mean, moving_variance"
    notes = [
        f"{_EPSILON}, and momentum 0.9; it means what Keras' does",
        "training_mode=1 gives the moving statistics as further outputs",
        *_needed(layer, shape, "gamma", "beta"),
    ]
    if len(axes) == 1 and axes[0]:
        line = _node("BatchNormalization", weights, **numbers)
        order = _channels_at_1(axes[0], rank)
        return _alike(order, [line], reordered(shape, order), notes)
    channels = 1
    for axis in axes:
        channels *= int(shape[axis] or 0)
    return Convention(
        framework=FRAMEWORK,
        order=(*(a for a in range(rank) if a not in axes), *axes),
        same=False,
        why="it normalizes along axis 1 alone",
        call=[
            _constant("rows", [-1, channels]),
            _node("Reshape", "x, rows", "flat"),
            _node("BatchNormalization", weights.replace("x", "flat", 1), "normal", **numbers),
            _node("Shape", "x", "sizes"),
            _node("Reshape", "normal, sizes"),
        ],
        notes=[*notes, "its weights are vectors"],
    )


def _over_last(layer: Any, shape: Shape) -> Convention:
    """Write LayerNormalization and RMSNormalization, which go from an axis to the last."""
    axes, rank = layer.axes(len(shape)), len(shape)
    operator, weights = "RMSNormalization", "x, scale"
    notes = [_EPSILON, "its operator set is 23 or later"]
    if layer.centered:
        operator, weights = "LayerNormalization", "x, gamma" + (", beta" if layer.center else "")
        notes = [_EPSILON, *_needed(layer, shape, "gamma")]
    trailing = axes == tuple(range(rank - len(axes), rank))
    first = layer.axis[0] if len(layer.axis) == 1 else axes[0]
    like = _node(operator, weights, axis=first, epsilon=layer.epsilon)
    last = _node(operator, weights, axis=-len(axes), epsilon=layer.epsilon)
    order = (*(a for a in range(rank) if a not in axes), *axes)
    if trailing:
        return _alike(order, [like], shape, notes)
    return Convention(
        framework=FRAMEWORK,
        order=order,
        like=[like],
        like_shape=None,
        same=False,
        why=f"axis={first} means axes {axes[0]} to {rank - 1} there",
        call=[last],
        notes=notes,
    )


def _group_norm(layer: Any, shape: Shape) -> Convention:
    (axis,) = layer.axes(len(shape))
    order = _channels_at_1(axis, len(shape))
    groups = layer.group_count(int(shape[axis] or 0))
    after = reordered(shape, order)
    notes = [_EPSILON, *_needed(layer, shape, "gamma", "beta")]
    if layer.words == "in" and len(shape) > 2:
        line = _node("InstanceNormalization", "x, gamma, beta", epsilon=layer.epsilon)
        return _alike(order, [line], after, notes)
    line = _node("GroupNormalization", "x, gamma, beta", num_groups=groups, epsilon=layer.epsilon)
    notes.append("before operator set 21 it has one gamma and one beta a group")
    return _alike(order, [line], after, notes)


_LEAST_NORM = 1e-12
"""A floor that hardly any vector is below."""


def _unit_norm(layer: Any, shape: Shape) -> Convention:
    axes, order = layer.axes(len(shape)), tuple(range(len(shape)))
    reduce = {2: "ReduceL2", 1: "ReduceL1", math.inf: "ReduceMax", -math.inf: "ReduceMin"}
    if layer.order not in reduce:
        why = f"it has no norm of order {layer.order:g}"
        return Convention(framework=FRAMEWORK, order=order, none=why, why=why, same=False)
    largest = math.isinf(layer.order)
    call = [
        _constant("axes", axes),
        *([_node("Abs", "x", "size")] if largest else []),
        _node(reduce[layer.order], "size, axes" if largest else "x, axes", "norm", keepdims=1),
        _node("Constant", "", "least", value_float=layer.epsilon),
        _node("Max", "norm, least", "divisor"),
        _node("Div", "x, divisor"),
    ]
    why = "it has one axis" if len(axes) > 1 else "it has no such norm" if largest else ""
    if why:
        return Convention(framework=FRAMEWORK, order=order, same=False, why=why, call=call)
    return Convention(
        framework=FRAMEWORK,
        order=order,
        like=[_node("LpNormalization", axis=layer.axis[0], p=int(layer.order))],
        like_shape=shape,
        same=True if layer.epsilon <= _LEAST_NORM else None,
        why=f"it has no floor: vectors shorter than {layer.epsilon:g} get length 1, too",
        call=call,
    )


def _local_response(layer: Any, shape: Shape) -> Convention:
    order = _channels_at_1(layer.channel_axis(len(shape)), len(shape))
    numbers = {"alpha": layer.alpha, "beta": layer.beta, "bias": layer.bias}
    line = _node("LRN", "x", size=layer.size, **numbers)
    notes = ["alpha is divided by size there, too"]
    if layer.size % 2 and len(shape) == 4:
        return _alike(order, [line], reordered(shape, order), notes)
    why = "runtimes take it for rank 4 alone"
    if layer.size % 2 == 0:
        why = "of an even size it has the extra channel behind, and runtimes refuse it"
    return Convention(framework=FRAMEWORK, order=order, none=why, why=why, same=False, notes=notes)


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
"""Keras' class, less its rank -> what says what ONNX makes of it."""
