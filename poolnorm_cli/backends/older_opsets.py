"""Operators in the words of operator sets that are older than they: by others, or by attributes."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from poolnorm_cli.errors import UsageError
from poolnorm_cli.operators.graph import Graph, Value


OLDEST_OPSET = 9
"""The first one with Where, of which what is masked is made."""
_LAYER_NORM = 17
_AXES_INPUT = 13
_BFLOAT16 = 13
_ALL_INTEGERS = 12
_PAD_INPUTS = 11
_SLICE_INPUTS = 10
_SMALL = ("int8", "uint8")


class Builder(Graph, Protocol):
    """A graph that takes operators as they are given, and knows the values of constants."""

    def node(
        self, kind: str, inputs: Sequence[Value], attributes: Mapping[str, Any]
    ) -> list[Value]:
        """Add an operator as it is given, whatever the operator set.

        Args:
            kind: Which one.
            inputs: Its inputs.
            attributes: Its attributes.

        Returns:
            The outputs.
        """

    def constant_value(self, x: Value) -> Any:
        """Return the values of a constant."""


def in_older_words(
    graph: Builder, kind: str, inputs: Sequence[Value], attributes: dict[str, Any]
) -> list[Value] | None:
    """Add what an operator set had in place of an operator of today.

    Args:
        graph: The graph.
        kind: The operator.
        inputs: Its inputs.
        attributes: Its attributes.

    Returns:
        The outputs; None where the operator is as it is today.
    """
    opset = graph.opset
    if kind == "LayerNormalization" and opset < _LAYER_NORM:
        return [_layer_norm(graph, *inputs, **attributes)]
    if kind in ("Max", "Min") and opset < _ALL_INTEGERS and _is_integer(graph, inputs[0]):
        return [_extreme(graph, kind, inputs)]
    narrow = kind == "MaxPool" or kind.startswith("Reduce")
    if narrow and opset < _ALL_INTEGERS and graph.dtype(inputs[0]) in _SMALL:
        own = graph.dtype(inputs[0])
        wide = graph.cast(inputs[0], "float32" if kind == "MaxPool" else "int32")
        return [graph.cast(graph.op(kind, wide, *inputs[1:], **attributes), own)]
    return _by_attributes(graph, kind, inputs, attributes)


def _by_attributes(
    graph: Builder, kind: str, inputs: Sequence[Value], attributes: dict[str, Any]
) -> list[Value] | None:
    """Add an operator with attributes in place of inputs, if the operator set had it so."""
    if kind == "Unsqueeze" and graph.opset < _AXES_INPUT:
        axes = graph.constant_value(inputs[1])
        return graph.node(kind, inputs[:1], {"axes": [int(axis) for axis in axes]})
    if kind == "Pad" and graph.opset < _PAD_INPUTS:
        pads = [int(pad) for pad in graph.constant_value(inputs[1])]
        value = float(graph.constant_value(inputs[2])) if len(inputs) > 2 else 0.0
        return graph.node(kind, inputs[:1], {"pads": pads, "value": value} | attributes)
    if kind == "Slice" and graph.opset < _SLICE_INPUTS:
        return [_slice(graph, *inputs)]
    return None


def require_dtype(opset: int, dtype: str) -> None:
    """Refuse a dtype that an operator set does not have.

    Args:
        opset: Version of the operator set.
        dtype: The dtype.

    Raises:
        UsageError: There is no bfloat16 in it.
    """
    if opset < _BFLOAT16 and dtype == "bfloat16":
        what = f"--opset {opset} has no bfloat16"
        raise UsageError(what, f"give --opset {_BFLOAT16} or --dtype float32")


def _is_integer(graph: Builder, x: Value) -> bool:
    return "int" in graph.dtype(x)


def _layer_norm(
    graph: Builder, x: Value, gamma: Value, *beta: Value, axis: int, epsilon: float
) -> Value:
    """Divide by the deviation of the axes that gamma has, and scale."""
    axes = tuple(range(axis, axis + graph.constant_value(gamma).ndim))
    dtype = graph.dtype(x)
    away = graph.op("Sub", x, graph.reduce("ReduceMean", x, axes))
    variance = graph.reduce("ReduceMean", graph.op("Mul", away, away), axes)
    power = graph.op("Add", variance, graph.constant(epsilon, dtype))
    y = graph.op("Mul", graph.op("Div", away, graph.op("Sqrt", power)), gamma)
    return graph.op("Add", y, *beta) if beta else y


def _extreme(graph: Builder, kind: str, inputs: Sequence[Value]) -> Value:
    """Choose between integers one after another: these had comparisons first."""
    own = graph.dtype(inputs[0])
    wide = "int64" if own == "uint32" else own
    first, *others = (graph.cast(value, wide) for value in inputs)
    for other in others:
        larger = graph.op("Greater" if kind == "Max" else "Less", first, other)
        first = graph.op("Where", larger, first, other)
    return graph.cast(first, own)


def _slice(graph: Builder, x: Value, *bounds: Value) -> Value:
    """Cut by attributes, or pick cells where not all between the ends are wanted."""
    start, stop, axis, step = (int(graph.constant_value(bound)[0]) for bound in bounds)
    if step == 1:
        more = {"starts": [start], "ends": [stop], "axes": [axis]}
        return graph.node("Slice", [x], more)[0]
    places = graph.constant(list(range(start, stop, step)), "int64")
    return graph.op("Gather", x, places, axis=axis)
