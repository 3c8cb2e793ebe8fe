"""What an ONNX graph is made of: tensors, nodes, graphs, and where these run."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from poolnorm_cli.tensors.messages import shown
from poolnorm_cli.values import frozen, record
from poolnorm_cli.weights.wire import WHOLE, Field, Range, Wire


_MOST_PARTS = 1000
"""Sizes of a shape, and entries about a tensor's file."""
_MOST_PIECES = 1 << 16
"""Fields that hold the values of one tensor: one, but for those that do not pack them."""
_VALUES = (4, 5, 7, 9, 10, 11)
"""Fields of a tensor that hold values."""


@dataclass(slots=True)
class TensorRef:
    """A tensor of the file, its values not read.

    Attributes:
        name: Its name.
        dtype: ONNX' number of its type.
        shape: Its shape.
        data: Where its values are, by the number of the field they are in; several pieces of one
            follow each other. Whole numbers that stand alone are themselves.
        external: Where it says in which other file they are.
        sparse: Its values and their indices, of a sparse tensor.
    """

    name: str = ""
    dtype: int = 0
    shape: tuple[int, ...] = ()
    data: dict[int, list[Range | int]] = field(default_factory=dict)
    external: list[Range] = field(default_factory=list)
    sparse: "tuple[TensorRef, TensorRef] | None" = None


@dataclass(slots=True)
class Node:
    """A node of a graph.

    Attributes:
        operator: Its operator, with the domain in front where that is not ONNX' own.
        name: Its name; empty for many.
        inputs: The names of its inputs; an empty one is left out.
        outputs: The names of its outputs.
        attributes: Where its attributes are.
    """

    operator: str = ""
    name: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    attributes: list[Range] = field(default_factory=list)

    @property
    def called(self) -> str:
        """What messages call it: its name, or that of its output."""
        return self.name or (self.outputs[0] if self.outputs else "")


@record
class Graph:
    """What is in a graph, or in the body of a function.

    Attributes:
        nodes: Its nodes.
        tensors: Its initializers, by name.
        inputs: The names of its inputs.
        place: Where it is in the file.
        opset: Version of the standard's operators.
        defaults: Where the attributes of a function are that need not be given.
    """

    nodes: list[Node] = field(default_factory=list)
    tensors: dict[str, TensorRef] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    place: Range = Range(0, 0)
    opset: int = 0
    defaults: list[Range] = field(default_factory=list)
    _makers: dict[str, Node] | None = None

    def maker_of(self, name: str) -> Node | None:
        """Return the node that a value comes out of."""
        if self._makers is None:
            self._makers = {output: node for node in self.nodes for output in node.outputs}
        return self._makers.get(name)


@frozen(eq=False)
class Scope:
    """A graph where it runs: names that it has not itself are those of what it is in.

    Attributes:
        graph: The graph.
        path: The nodes that it is inside, each with a slash after it.
        outer: What a graph inside a node sees besides; None for all others.
        given: What the inputs of a function are: names in the scope of its call.
        caller: That scope; None for all others.
        call: The node that calls the function, whose attributes it may refer to.
    """

    graph: Graph
    path: str = ""
    outer: "Scope | None" = None
    given: Mapping[str, str] = field(default_factory=dict)
    caller: "Scope | None" = None
    call: Node | None = None


def described(node: Node) -> str:
    """Return what messages call a node: its operator and its name."""
    return f"{shown(node.operator, 40)} {shown(node.called, 40)!r}"


def tensor_at(wire: Wire, found: Range) -> TensorRef:
    """Describe a tensor, its values not read.

    Raises:
        InputError: It is damaged.
    """
    made = TensorRef()
    shape: list[int] = []
    for each in wire.fields(found):
        number, start, end = each
        if number == 1:
            shape += _sizes(wire, each, shape)
        elif number == 2 and end == WHOLE:
            made.dtype = start
        elif number in _VALUES:
            wire.require(len(made.data.get(number, ())) < _MOST_PIECES)
            made.data.setdefault(number, []).append(start if end == WHOLE else Range(start, end))
        elif number == 8 and end != WHOLE:
            made.name = wire.text(Range(start, end))
        elif number == 13 and end != WHOLE:
            wire.require(len(made.external) < _MOST_PARTS)
            made.external.append(Range(start, end))
        elif number == 14 and end == WHOLE and start and not made.external:
            made.external.append(Range(0, 0))  # it says so, and not where
    made.shape = tuple(shape)
    return made


def sparse_at(wire: Wire, found: Range) -> TensorRef:
    """Describe a sparse tensor as one with all its values.

    Raises:
        InputError: It is damaged.
    """
    parts = {1: TensorRef(), 2: TensorRef()}
    shape: list[int] = []
    for each in wire.fields(found):
        number, start, end = each
        if number in parts and end != WHOLE:
            parts[number] = tensor_at(wire, Range(start, end))
        elif number == 3:
            shape += _sizes(wire, each, shape)
    values, indices = parts[1], parts[2]
    return TensorRef(values.name, values.dtype, tuple(shape), sparse=(values, indices))


def _sizes(wire: Wire, found: Field, before: list[int]) -> list[int]:
    """Read sizes of a shape, of which there are few."""
    wire.require(len(before) < _MOST_PARTS and found[2] - found[1] < _MOST_PARTS)
    return wire.numbers(found)
