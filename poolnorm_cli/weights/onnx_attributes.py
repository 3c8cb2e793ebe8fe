"""The attributes of a node of an ONNX file."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from poolnorm_cli.weights.onnx_parts import Node, Scope
from poolnorm_cli.weights.wire import WHOLE, Range, Wire


_DEEPEST = 32


@dataclass(slots=True)
class Attribute:
    """An attribute.

    Attributes:
        name: Its name.
        real: Its value, of a float.
        whole: Its value, of a whole number.
        reals: Its values, of a list of floats.
        wholes: Its values, of a list of whole numbers.
        tensor: Where its value is, of a tensor.
        sparse: Where its value is, of a sparse tensor.
        refers: In a function: the attribute of the call that is meant.
    """

    name: str = ""
    real: float | None = None
    whole: int | None = None
    reals: list[float] = field(default_factory=list)
    wholes: list[int] = field(default_factory=list)
    tensor: Range | None = None
    sparse: Range | None = None
    refers: str = ""


def attributes_of(wire: Wire, node: Node, scope: Scope, depth: int = 0) -> dict[str, Attribute]:
    """Read the attributes of a node; one that a function leaves to its call is that of the call.

    Args:
        wire: The file.
        node: The node.
        scope: The graph that it is in.
        depth: Calls that this is inside of.

    Raises:
        InputError: They are damaged.
    """
    found = [_attribute(wire, each) for each in node.attributes]
    if not any(each.refers for each in found):
        return {each.name: each for each in found}
    while scope.call is None and scope.outer is not None:
        scope = scope.outer  # a graph inside a node of a function
    outer: dict[str, Attribute] = {}
    if scope.call is not None and scope.caller is not None and depth < _DEEPEST:
        defaults = (_attribute(wire, each) for each in scope.graph.defaults)
        outer = {each.name: each for each in defaults}
        outer |= attributes_of(wire, scope.call, scope.caller, depth + 1)
    meant = {each.name: outer.get(each.refers) if each.refers else each for each in found}
    return {name: each for name, each in meant.items() if each is not None}


def _attribute(wire: Wire, found: Range) -> Attribute:
    made = Attribute()
    for each in wire.fields(found):
        number, start, end = each
        if number == 8:
            made.wholes += wire.numbers(each)
        elif end == WHOLE:
            made.whole = wire.numbers(each)[0] if number == 3 else made.whole
        elif number in _READERS:
            _READERS[number](made, wire, Range(start, end))
    return made


def _set(name: str, read: Callable[[Wire, Range], Any]) -> Callable[[Attribute, Wire, Range], None]:
    """Return what sets a part of an attribute to what is read out of a field."""
    return lambda made, wire, found: setattr(made, name, read(wire, found))


_READERS: dict[int, Callable[[Attribute, Wire, Range], None]] = {
    1: _set("name", Wire.text),
    2: _set("real", Wire.real),
    5: _set("tensor", lambda _, found: found),
    7: lambda made, wire, found: made.reals.extend(wire.reals(found)),
    21: _set("refers", Wire.text),
    22: _set("sparse", lambda _, found: found),
}
"""What is done with the fields of an attribute that are no whole numbers."""
