"""A graph of ONNX operators, built up and closed into a model."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.backends.model import Model, Node, ValueInfo, type_number
from poolnorm_cli.backends.older_opsets import in_older_words, require_dtype
from poolnorm_cli.operators.graph import Value
from poolnorm_cli.shapes import Ints, Shape


DEFAULT_OPSET = 17
_BOOLEAN = {"Less", "Equal", "Greater", "IsNaN", "IsInf", "Not", "And", "Or"}
_COUNTING = {"Shape", "Size"}
_AXES_ATTRIBUTE_BELOW = 18
"""Before this version of the operators all reductions but ReduceSum took axes as an attribute."""
_SUM_AXES_ATTRIBUTE_BELOW = 13


class GraphBuilder:
    """Implements the `Graph` that layers add their operators to."""

    def __init__(self, opset: int = DEFAULT_OPSET) -> None:
        """Begin an empty graph.

        Args:
            opset: Version of the operator set.
        """
        self.opset = opset
        self.notes: list[str] = []
        self.scope = ""
        self.monitored: dict[str, Value] = {}
        self._checks: list[Value] = []
        self._nodes: list[Node] = []
        self._dtypes: dict[Value, str] = {}
        self._constants: dict[Value, NDArray[Any]] = {}
        self._known: dict[tuple[Any, ...], Value] = {}
        self._transposed: dict[Value, tuple[Value, tuple[int, ...]]] = {}
        self._inputs: dict[Value, ValueInfo] = {}

    def input(self, name: str, dtype: str, shape: Shape) -> Value:
        """Declare an input of the graph.

        Args:
            name: Its name.
            dtype: Its NumPy dtype.
            shape: Its shape; a name stands for a size that may be any.

        Returns:
            The input.
        """
        self._inputs[name] = self._info(name, dtype, shape)
        self._dtypes[name] = dtype
        return name

    def op(self, kind: str, *inputs: Value, **attributes: Any) -> Value:
        """Add an operator and return its first output."""
        (name,) = self.outputs(kind, 1, *inputs, **attributes)
        source = inputs[1] if kind == "Where" else inputs[0]
        known = "bool" if kind in _BOOLEAN else "int64" if kind in _COUNTING else None
        self._dtypes[name] = known or self._dtypes[source]
        return name

    def outputs(self, kind: str, count: int, *inputs: Value, **attributes: Any) -> list[Value]:
        """Add an operator and return its first outputs.

        Args:
            kind: Which one.
            count: How many outputs are used.
            inputs: Its inputs.
            attributes: Its attributes.

        Returns:
            The outputs, all taken to be of the dtype of the first input.
        """
        if self.opset < DEFAULT_OPSET:
            older = in_older_words(self, kind, inputs, attributes)
            if older is not None:
                return older
        return self.node(kind, inputs, attributes, count)

    def node(
        self, kind: str, inputs: Sequence[Value], attributes: Mapping[str, Any], count: int = 1
    ) -> list[Value]:
        """Add an operator as it is given, whatever the operator set.

        Args:
            kind: Which one.
            inputs: Its inputs.
            attributes: Its attributes.
            count: How many outputs are used.

        Returns:
            The outputs, all taken to be of the dtype of the first input.
        """
        name = f"{self.scope}{kind.lower()}.{len(self._nodes)}"
        names = [name, *(f"{name}.{place}" for place in range(1, count))]
        self._nodes.append(Node(kind, tuple(inputs), tuple(names), name, dict(attributes)))
        self._dtypes |= dict.fromkeys(names, self._dtypes[inputs[0]])
        return names

    def constant(self, value: Any, dtype: str) -> Value:
        """Return a constant; equal ones are the same.

        Args:
            value: A number, nested sequences of numbers, or an array.
            dtype: Its NumPy dtype.

        Returns:
            The constant.
        """
        array = np.asarray(value).astype(dtype)
        key = (dtype, array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = self.weight(f"constant.{len(self._constants)}", array)
        return self._known[key]

    def full(self, shape: Ints, value: float, dtype: str) -> Value:
        """Return a constant of which all cells have one value.

        Args:
            shape: Its shape.
            value: The value.
            dtype: Its NumPy dtype.

        Returns:
            The constant.
        """
        return self.constant(np.full(shape, value), dtype)

    def weight(self, name: str, array: NDArray[Any]) -> Value:
        """Add a constant under a name of its own, as an initializer of the model.

        Args:
            name: Its name.
            array: Its values.

        Returns:
            The constant.
        """
        self._constants[name] = array
        self._dtypes[name] = array.dtype.name
        return name

    def cast(self, x: Value, dtype: str) -> Value:
        """Convert a value; a constant is converted at once, and one of that dtype is kept.

        Args:
            x: A value.
            dtype: The NumPy dtype to convert it to.

        Returns:
            The value in that dtype.
        """
        if self._dtypes[x] == dtype:
            return x
        if x in self._constants:
            return self.weight(f"{x}.{dtype}", self._constants[x].astype(dtype))
        key = ("Cast", x, dtype)
        if key not in self._known:
            self._known[key] = self.op("Cast", x, to=self._type(dtype))
            self._dtypes[self._known[key]] = dtype
        return self._known[key]

    def reshape(self, x: Value, shape: Sequence[int]) -> Value:
        """Reshape a value; a constant is reshaped at once.

        Args:
            x: A value.
            shape: Its new shape: 0 keeps the size of that axis, -1 takes what is left.

        Returns:
            The value in that shape.
        """
        if x not in self._constants:
            return self.op("Reshape", x, self.constant(list(shape), "int64"))
        array = self._constants[x]
        sizes = [size or array.shape[axis] for axis, size in enumerate(shape)]
        return self.weight(f"{x}.{'x'.join(map(str, sizes))}", array.reshape(sizes))

    def transpose(self, x: Value, axes: Sequence[int]) -> Value:
        """Transpose a value; neighbouring transposes become one, or none.

        Args:
            x: A value.
            axes: The axes of `x` in their new order.

        Returns:
            The transposed value.
        """
        source, before = self._transposed.get(x, (x, tuple(range(len(axes)))))
        order = tuple(before[axis] for axis in axes)
        if order == tuple(range(len(axes))):
            return source
        result = self.op("Transpose", source, perm=order)
        self._transposed[result] = (source, order)
        return result

    def reduce(self, kind: str, x: Value, axes: Ints, *, keepdims: bool = True) -> Value:
        """Add a reduction, its axes as an attribute or an input as the operator set has it.

        Args:
            kind: `ReduceMean`, `ReduceMax`, ...
            x: A value.
            axes: Axes to reduce.
            keepdims: Keep them with size 1.

        Returns:
            The reduced value.
        """
        below = _SUM_AXES_ATTRIBUTE_BELOW if kind == "ReduceSum" else _AXES_ATTRIBUTE_BELOW
        if self.opset < below:
            return self.op(kind, x, axes=list(axes), keepdims=int(keepdims))
        return self.op(kind, x, self.constant(list(axes), "int64"), keepdims=int(keepdims))

    def dtype(self, x: Value) -> str:
        """Name the dtype of a value."""
        return self._dtypes[x]

    def check(self, value: Value) -> None:
        """Keep a number that is NaN where this graph does not give what the exact one does.

        Args:
            value: A single float32, otherwise 0.
        """
        self._checks.append(value)

    def checked(self) -> Value | None:
        """Return the sum of all numbers that are to be checked; None where there are none."""
        if len(self._checks) < 2:
            return self._checks[0] if self._checks else None
        return self.op("Sum", *self._checks)

    def constant_value(self, x: Value) -> NDArray[Any]:
        """Return the values of a constant."""
        return self._constants[x]

    def monitor(self, kind: str, value: Value) -> None:
        """Keep a value as a possible output, to be checked for overflow by a run.

        Args:
            kind: What it is: `mean` or `power`.
            value: The value.
        """
        self.monitored[f"{kind}.{len(self.monitored)}"] = value

    def note(self, text: str) -> None:
        """Keep a note on how this graph computes, once."""
        if text not in self.notes:
            self.notes.append(text)

    def model(
        self,
        name: str,
        outputs: Mapping[str, tuple[Value, str, Shape | None]],
        metadata: Mapping[str, str],
    ) -> Model:
        """Close the graph into a model.

        Args:
            name: Name of the graph.
            outputs: Name -> (value, dtype, shape), in order; None for a shape that is not stated.
            metadata: Key -> text that is kept with the model, besides its producer.

        Returns:
            The model, with the operators that its outputs need and no others.
        """
        from poolnorm_cli import __version__

        nodes = self._named({output: value for output, (value, _, _) in outputs.items()})
        used = {word for node in nodes for word in node.inputs}
        infos = [self._info(output, dtype, shape) for output, (_, dtype, shape) in outputs.items()]
        return Model(
            name,
            tuple(nodes),
            tuple(self._inputs.values()),
            tuple(infos),
            {word: array for word, array in self._constants.items() if word in used},
            self.opset,
            __version__,
            dict(metadata),
        )

    def _named(self, outputs: Mapping[str, Value]) -> list[Node]:
        """Return the operators that are needed, their results named as the outputs are."""
        new: dict[Value, str] = {}
        for output, value in outputs.items():
            if value in self._inputs or value in self._constants or value in new:
                self._nodes.append(Node("Identity", (value,), (output,), output, {}))
            else:
                new[value] = output

        def named(words: tuple[Value, ...]) -> tuple[str, ...]:
            return tuple(new.get(word, word) for word in words)

        nodes = self._used({*outputs, *outputs.values()})
        return [
            node._replace(inputs=named(node.inputs), outputs=named(node.outputs)) for node in nodes
        ]

    def _used(self, wanted: set[Value]) -> list[Node]:
        """Return the operators on which `wanted` depend, in order."""
        kept = []
        for node in reversed(self._nodes):
            if wanted.intersection(node.outputs):
                wanted |= set(node.inputs)
                kept.append(node)
        return kept[::-1]

    def _info(self, name: str, dtype: str, shape: Shape | None) -> ValueInfo:
        require_dtype(self.opset, dtype)
        return ValueInfo(name, dtype, shape)

    def _type(self, dtype: str) -> int:
        require_dtype(self.opset, dtype)
        return type_number(dtype)
