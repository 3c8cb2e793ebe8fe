"""The graphs of an ONNX file: nodes, constants, and the graphs and functions inside."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field as slot
from sys import intern
from typing import Any

from poolnorm_cli.errors import InputError, shown
from poolnorm_cli.values import field, frozen, record
from poolnorm_cli.weights.onnx_tensors import TensorRef, sparse_at, tensor_at
from poolnorm_cli.weights.protobuf import VARINT, ProtobufFile, Range


MOST_NODES = 250_000
"""Nodes, tensors and inputs of all graphs; nodes of a function count as often as it is called."""
_MOST_PARTS = 1000
"""Attributes of a node."""
_MOST_NAMES = 20_000
"""Inputs or outputs of one node."""
_DEEPEST = 32
_FIX = "save it again with onnx.save"
_STANDARD_DOMAINS = ("", "ai.onnx")
"""The domain of the standard's operators, in both its spellings."""
_TYPED = (11, 12, 13)
"""Fields of a graph with types: those of its inputs, its outputs, and values inside."""
_WITH_GRAPHS = ("If", "Loop", "Scan", "SequenceMap")


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
    inputs: list[str] = slot(default_factory=list)
    outputs: list[str] = slot(default_factory=list)
    attributes: list[Range] = slot(default_factory=list)

    @property
    def label(self) -> str:
        """What messages call it: its name, or that of its output."""
        return self.name or (self.outputs[0] if self.outputs else "")


@dataclass(slots=True)
class Attribute:
    """An attribute of a node.

    Attributes:
        name: Its name.
        float_value: Its value, of a float.
        int_value: Its value, of an integer.
        floats: Its values, of a list of floats.
        ints: Its values, of a list of integers.
        tensor: Where its value is, of a tensor.
        sparse: Where its value is, of a sparse tensor.
        refers_to: In a function: the attribute of the call that is meant.
    """

    name: str = ""
    float_value: float | None = None
    int_value: int | None = None
    floats: list[float] = slot(default_factory=list)
    ints: list[int] = slot(default_factory=list)
    tensor: Range | None = None
    sparse: Range | None = None
    refers_to: str = ""


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
    _producers: dict[str, Node] | None = None

    def producer_of(self, name: str) -> Node | None:
        """Return the node that a value comes out of."""
        if self._producers is None:
            self._producers = {output: node for node in self.nodes for output in node.outputs}
        return self._producers.get(name)


@frozen(eq=False)
class Scope:
    """A graph where it runs, with the names that it sees from outside.

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


def describe_node(node: Node) -> str:
    """Return what messages call a node: its operator and its name."""
    return f"{shown(node.operator, 40)} {shown(node.label, 40)!r}"


class Model:
    """An ONNX model in an open file."""

    def __init__(self, protobuf: ProtobufFile, size: int) -> None:
        """Read what there is in it, but for values.

        Args:
            protobuf: The file.
            size: Bytes that it has.

        Raises:
            InputError: It is no model, or none with a graph.
        """
        self.protobuf, self._opset, self._count = protobuf, 0, 0
        self._functions: dict[str, Range] = {}
        self._bodies: dict[str, Graph] = {}
        graphs = []
        for number, start, end in protobuf.fields(Range(0, size)):
            if end == VARINT:
                continue
            if number == 7:
                graphs.append(Range(start, end))
            elif number == 8:
                self._opset = self._version(Range(start, end)) or self._opset
            elif number == 25:
                name = self._parts(Range(start, end), (1, 10))
                self._functions[_qualified(name[1], name[10])] = Range(start, end)
        if len(graphs) != 1:
            raise InputError.at(
                protobuf.place, f"an ONNX file with {len(graphs)} graphs, not one", _FIX
            )
        self.main = Scope(self._graph(graphs[0]))
        if not self.main.graph.nodes:
            raise InputError.at(protobuf.place, "not an ONNX file with a graph", _FIX)

    def scopes(self) -> Iterator[Scope]:
        """List all graphs where they run, the main one first."""
        waiting, seen = [(self.main, 0)], 0
        while waiting:
            scope, depth = waiting.pop()
            yield scope
            if depth > _DEEPEST:
                raise InputError.at(
                    self.protobuf.place, f"graphs nested more than {_DEEPEST} deep", _FIX
                )
            inside = [(inner, depth + 1) for inner in self._inside(scope)]
            seen += sum(len(inner.graph.nodes) for inner, _ in inside)
            if seen > MOST_NODES:
                raise self._endless()
            waiting += reversed(inside)

    def rank_of(self, scope: Scope, name: str) -> int | None:
        """Return the number of axes of a value.

        Args:
            scope: The graph.
            name: The name that the value has there.

        Returns:
            The number; None where the graph does not say.
        """
        for number, start, end in self.protobuf.fields(scope.graph.place):
            if number not in _TYPED or end == VARINT:
                continue
            if self._parts(Range(start, end), (1,))[1] == name:
                types = list(self._messages(Range(start, end), 2))
                return self._rank(types[-1]) if types else None
        return None

    def _graph(self, found: Range) -> Graph:
        graph = Graph(place=found, opset=self._opset)
        for number, start, end in self.protobuf.fields(found):
            if end == VARINT:
                continue
            each = Range(start, end)
            if number == 1:
                self._add(graph, each)
            elif number in (5, 15):
                self._count_one()
                tensor = (
                    tensor_at(self.protobuf, each)
                    if number == 5
                    else sparse_at(self.protobuf, each)
                )
                graph.tensors[tensor.name] = tensor
            elif number == 11:
                self._count_one()
                graph.inputs.append(self._parts(each, (1,))[1])
        return graph

    def _function(self, operator: str) -> Graph:
        """Return the body of a function, which is read once."""
        if operator not in self._bodies:
            graph = self._bodies[operator] = Graph(opset=self._opset)
            for number, start, end in self.protobuf.fields(self._functions[operator]):
                if end == VARINT:
                    continue
                each = Range(start, end)
                if number == 7:
                    self._add(graph, each)
                elif number == 4:
                    graph.inputs.append(self.protobuf.text(each))
                elif number == 9:
                    graph.opset = self._version(each) or graph.opset
                elif number == 11:
                    graph.defaults.append(each)
        return self._bodies[operator]

    def _add(self, graph: Graph, found: Range) -> None:
        self._count_one()
        node, domain, read = Node(), "", self.protobuf.text
        for number, start, end in self.protobuf.fields(found):
            if end == VARINT:
                continue
            each = Range(start, end)
            if number in (1, 2):
                names = node.inputs if number == 1 else node.outputs
                self.protobuf.require(len(names) < _MOST_NAMES)
                names.append(read(each))
            elif number == 3:
                node.name = read(each)
            elif number == 4:
                node.operator = read(each)
            elif number == 5:
                self.protobuf.require(len(node.attributes) < _MOST_PARTS)
                node.attributes.append(each)
            elif number == 7:
                domain = read(each)
        node.operator = intern(_qualified(node.operator, domain))
        graph.nodes.append(node)

    def _inside(self, scope: Scope) -> Iterator[Scope]:
        for node in scope.graph.nodes:
            if node.operator in _WITH_GRAPHS:
                for each in node.attributes:
                    name, graphs = "", []
                    for number, start, end in self.protobuf.fields(each):
                        if number == 1 and end != VARINT:
                            name = self.protobuf.text(Range(start, end))
                        elif number in (6, 11) and end != VARINT:
                            graphs.append(Range(start, end))
                    for graph in graphs:
                        path = f"{scope.path}{node.label}/{name}/"
                        inner = self._graph(graph)
                        yield Scope(inner, path, outer=scope)
            elif node.operator in self._functions:
                body = self._function(node.operator)
                given = dict(zip(body.inputs, node.inputs, strict=False))
                path = f"{scope.path}{node.label}/"
                yield Scope(body, path, given=given, caller=scope, call=node)

    def _rank(self, found: Range) -> int | None:
        """Count the dimensions in a type: tensor_type, shape, dim."""
        for wanted in (1, 2):
            inner = list(self._messages(found, wanted))
            if not inner:
                return None
            found = inner[-1]
        return len(list(self._messages(found, 1)))

    def _messages(self, found: Range, wanted: int) -> Iterator[Range]:
        for number, start, end in self.protobuf.fields(found):
            if number == wanted and end != VARINT:
                yield Range(start, end)

    def _parts(self, found: Range, numbers: tuple[int, ...]) -> dict[int, str]:
        """Read some strings of a message, by the numbers of their fields."""
        parts = dict.fromkeys(numbers, "")
        for number, start, end in self.protobuf.fields(found):
            if number in parts and end != VARINT:
                parts[number] = self.protobuf.text(Range(start, end))
        return parts

    def _version(self, found: Range) -> int:
        """Return the version of an operator set that is imported; 0 of another than ONNX' own."""
        version, domain = 0, ""
        for number, start, end in self.protobuf.fields(found):
            if number == 1 and end != VARINT:
                domain = self.protobuf.text(Range(start, end))
            elif number == 2 and end == VARINT:
                version = start
        return version if domain in _STANDARD_DOMAINS else 0

    def _count_one(self) -> None:
        self._count += 1
        if self._count > MOST_NODES:
            raise self._endless()

    def _endless(self) -> InputError:
        return InputError.at(self.protobuf.place, f"more than {MOST_NODES} nodes and tensors", _FIX)


def _qualified(operator: str, domain: str) -> str:
    return operator if domain in _STANDARD_DOMAINS else f"{domain}::{operator}"


def attributes_of(
    protobuf: ProtobufFile, node: Node, scope: Scope, depth: int = 0
) -> dict[str, Attribute]:
    """Read the attributes of a node; one that a function leaves to its call is that of the call.

    Args:
        protobuf: The file.
        node: The node.
        scope: The graph that it is in.
        depth: Calls of functions that this is inside of.

    Returns:
        The attributes by name.

    Raises:
        InputError: They are damaged.
    """
    found = [_read_attribute(protobuf, each) for each in node.attributes]
    if not any(each.refers_to for each in found):
        return {each.name: each for each in found}
    while scope.call is None and scope.outer is not None:
        scope = scope.outer  # a graph inside a node of a function
    outer: dict[str, Attribute] = {}
    if scope.call is not None and scope.caller is not None and depth < _DEEPEST:
        defaults = (_read_attribute(protobuf, each) for each in scope.graph.defaults)
        outer = {each.name: each for each in defaults}
        outer |= attributes_of(protobuf, scope.call, scope.caller, depth + 1)
    meant = {each.name: outer.get(each.refers_to) if each.refers_to else each for each in found}
    return {name: each for name, each in meant.items() if each is not None}


def _read_attribute(protobuf: ProtobufFile, found: Range) -> Attribute:
    made = Attribute()
    for each in protobuf.fields(found):
        number, start, end = each
        if number == 8:
            made.ints += protobuf.integers(each)
        elif end == VARINT:
            made.int_value = protobuf.integers(each)[0] if number == 3 else made.int_value
        elif number in _READERS:
            _READERS[number](made, protobuf, Range(start, end))
    return made


def _set(
    name: str, read: Callable[[ProtobufFile, Range], Any]
) -> Callable[[Attribute, ProtobufFile, Range], None]:
    """Return what sets a part of an attribute to what is read out of a field."""
    return lambda made, protobuf, found: setattr(made, name, read(protobuf, found))


_READERS: dict[int, Callable[[Attribute, ProtobufFile, Range], None]] = {
    1: _set("name", ProtobufFile.text),
    2: _set("float_value", ProtobufFile.float32),
    5: _set("tensor", lambda _, found: found),
    7: lambda made, protobuf, found: made.floats.extend(protobuf.float32s(found)),
    21: _set("refers_to", ProtobufFile.text),
    22: _set("sparse", lambda _, found: found),
}
"""What is done with the fields of an attribute that are no whole numbers."""
