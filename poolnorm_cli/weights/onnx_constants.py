"""Values of an ONNX graph that do not depend on its inputs: constants, and what is made of them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.shapes import Ints
from poolnorm_cli.sizes import LARGEST_WEIGHT_BYTES
from poolnorm_cli.weights.onnx_graph import Model, Node, Scope, attributes_of, describe_node
from poolnorm_cli.weights.onnx_tensors import (
    TensorRef,
    sparse_at,
    tensor_at,
    unreadable_reason,
    values_of,
)


_DEEPEST = 60
MOST_AXES = 64

Array = NDArray[Any]


class NotConstantError(Exception):
    """A value that is not known without an input; its text goes on from the value's name."""


class ConstantOperator(NamedTuple):
    """An operator whose output is computed: the shape of that, and the values."""

    shape: Callable[["NodeInputs"], Ints]
    values: Callable[["NodeInputs"], Array]


class Source(NamedTuple):
    """Where a name leads: a tensor of the file, or the node that it comes out of."""

    scope: Scope
    tensor: TensorRef | None = None
    node: Node | None = None
    output: int = 0


def source_of(scope: Scope, name: str) -> Source | None:
    """Find what a name stands for in a graph.

    Args:
        scope: The graph.
        name: The name of a value there.

    Returns:
        The tensor or the node that it comes from; None for an input of the model, or no value.
    """
    for _ in range(_DEEPEST):
        if name in scope.graph.tensors:
            return Source(scope, tensor=scope.graph.tensors[name])
        if (node := scope.graph.producer_of(name)) is not None:
            return Source(scope, node=node, output=node.outputs.index(name))
        if name in scope.given and scope.caller is not None:
            scope, name = scope.caller, scope.given[name]
        elif scope.outer is not None and name not in scope.graph.inputs:
            scope = scope.outer
        else:
            return None
    return None


class Constants:
    """The values of a model that are known without an input."""

    def __init__(self, model: Model, operators: Mapping[str, ConstantOperator]) -> None:
        """Begin with no value known.

        Args:
            model: The model.
            operators: The operators that are computed, by name.
        """
        self.model, self._operators = model, operators
        self._shapes: dict[tuple[int, str], Ints] = {}
        self._values: dict[tuple[int, str], Array] = {}
        self._depth = self._bytes = 0

    def shape(self, scope: Scope, name: str) -> Ints:
        """Return the shape of a value that is known without an input.

        Args:
            scope: The graph.
            name: The name that the value has there.

        Returns:
            The shape.

        Raises:
            NotConstantError: It is not known without an input, or not read.
            InputError: It is damaged.
        """
        key = (id(scope), name)
        if key not in self._shapes:
            found = self._source(scope, name)
            if found.tensor is not None:
                shape = self.shape_of(found.tensor)
            else:
                with self._operator_of(found) as (foldable, inputs):
                    shape = foldable.shape(inputs)
            if len(shape) > MOST_AXES or prod(shape) * 4 > LARGEST_WEIGHT_BYTES:
                raise NotConstantError("has more values than a weight")
            self._shapes[key] = shape
        return self._shapes[key]

    def values(self, scope: Scope, name: str) -> Array:
        """Return the values of what has a `shape`.

        Args:
            scope: The graph.
            name: The name that the value has there.

        Returns:
            The values, of that shape and the dtype of the file; bfloat16 comes as float32.

        Raises:
            NotConstantError: It is not known without an input, or not read.
            InputError: It is damaged.
        """
        if not self._depth:
            self._values.clear()
            self._bytes = 0
        key, shape = (id(scope), name), self.shape(scope, name)
        if key not in self._values:
            self._bytes += prod(shape) * 8
            if self._bytes > 4 * LARGEST_WEIGHT_BYTES:
                raise NotConstantError("has more values than a weight")
            found = self._source(scope, name)
            if found.tensor is not None:
                self._values[key] = self.read(found.tensor)
            else:
                with self._operator_of(found) as (foldable, inputs), np.errstate(all="ignore"):
                    self._values[key] = np.asarray(foldable.values(inputs)).reshape(shape)
        return self._values[key]

    def shape_of(self, tensor: TensorRef) -> Ints:
        """Return the shape of a tensor.

        Raises:
            NotConstantError: It is not read.
        """
        if problem := unreadable_reason(tensor):
            raise NotConstantError(problem)
        return tensor.shape

    def read(self, tensor: TensorRef) -> Array:
        """Return the values of a tensor.

        Raises:
            InputError: They are damaged.
        """
        protobuf = self.model.protobuf
        return values_of(
            protobuf, tensor, f"{protobuf.place}: {tensor.name[:60]}".removesuffix(": ")
        )

    def _source(self, scope: Scope, name: str) -> Source:
        found = source_of(scope, name)
        if found is None:
            raise NotConstantError("is an input of the graph")
        return found

    @contextmanager
    def _operator_of(self, found: Source) -> "Iterator[tuple[ConstantOperator, NodeInputs]]":
        """Yield the operator of a node, and its inputs, as far as both are known."""
        node = found.node or Node()
        foldable = self._operators.get(node.operator)
        if foldable is None or found.output or self._depth > _DEEPEST:
            raise NotConstantError(f"comes out of {describe_node(node)}")
        self._depth += 1
        try:
            yield foldable, NodeInputs(self, found.scope, node)
        except NotConstantError as error:
            message = f"comes out of {describe_node(node)}, of which an input {error}"
            raise NotConstantError(message) from None
        except (ValueError, IndexError, TypeError, OverflowError, KeyError):
            raise NotConstantError(
                f"comes out of {describe_node(node)}, which cannot be computed"
            ) from None
        finally:
            self._depth -= 1


class NodeInputs:
    """The inputs and attributes of one node, as far as they are known.

    Attributes:
        attributes: The attributes by name.
    """

    def __init__(self, constants: Constants, scope: Scope, node: Node) -> None:
        """Read the attributes of a node.

        Args:
            constants: The values of the model.
            scope: The graph that the node is in.
            node: The node.
        """
        self._constants, self._scope, self._node = constants, scope, node
        self.attributes = attributes_of(constants.model.protobuf, node, scope)

    @property
    def count(self) -> int:
        """Number of inputs before the first that is left out."""
        given = self._node.inputs
        return given.index("") if "" in given else len(given)

    def has(self, index: int) -> bool:
        """Whether an input is given."""
        return index < len(self._node.inputs) and bool(self._node.inputs[index])

    def shape(self, index: int) -> Ints:
        """Return the shape of an input."""
        return self._constants.shape(self._scope, self._node.inputs[index])

    def values(self, index: int) -> Array:
        """Return the values of an input."""
        return self._constants.values(self._scope, self._node.inputs[index])

    def sizes(self, index: int) -> list[int]:
        """Return the values of an input that is a list of sizes or axes."""
        shape = self.shape(index)
        if len(shape) > 1 or prod(shape) > MOST_AXES:
            raise ValueError
        return [int(size) for size in self.values(index).reshape(-1)]

    def dtype(self, index: int) -> int:
        """Return ONNX' number of the type of an input that is in the file; 0 of another."""
        found = source_of(self._scope, self._node.inputs[index])
        return found.tensor.dtype if found is not None and found.tensor is not None else 0

    def tensor(self) -> TensorRef | None:
        """Return the tensor that the node has for an attribute, None without one."""
        protobuf = self._constants.model.protobuf
        for attribute in self.attributes.values():
            if attribute.tensor is not None:
                return tensor_at(protobuf, attribute.tensor)
            if attribute.sparse is not None:
                return sparse_at(protobuf, attribute.sparse)
        return None

    def shape_of(self, tensor: TensorRef) -> Ints:
        """Return the shape of a tensor."""
        return self._constants.shape_of(tensor)

    def values_of(self, tensor: TensorRef) -> Array:
        """Return the values of a tensor."""
        self.shape_of(tensor)  # which refuses what is not read
        return self._constants.read(tensor)
