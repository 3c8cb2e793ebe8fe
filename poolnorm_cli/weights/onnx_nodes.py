"""Layers in an ONNX file: normalization nodes, and the constants that their weights come from."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import InputError, UsageError, shown
from poolnorm_cli.shapes import Ints, format_shape
from poolnorm_cli.sizes import LARGEST_PROTOBUF_BYTES
from poolnorm_cli.tensors.untrusted import open_span
from poolnorm_cli.values import frozen, replace
from poolnorm_cli.weights.entry import Entry, StoredArray, native_float
from poolnorm_cli.weights.fit import (
    BroadcastableWeights,
    broadcast_shapes,
    common_shape,
    fit,
    require_shapes,
)
from poolnorm_cli.weights.onnx_constants import MOST_AXES, Constants, NotConstantError, source_of
from poolnorm_cli.weights.onnx_graph import Attribute, Model, Node, Scope, attributes_of
from poolnorm_cli.weights.onnx_operators import OPERATORS as FOLDABLE
from poolnorm_cli.weights.onnx_tensors import FLOATS
from poolnorm_cli.weights.protobuf import ProtobufFile


if TYPE_CHECKING:
    from poolnorm_cli.layers.base import Layer
    from poolnorm_cli.weights.fit import Weights


@frozen(kw_only=True)
class OnnxEntry(Entry):
    """One layer of an ONNX file.

    Attributes:
        first_axis: The first of the axes that it is over, which go on to the last; None where it
            is over the channels.
        groups: For so many groups there is a weight each, not for each channel; None where not.
    """

    first_axis: int | None = None
    groups: int | None = None

    @property
    def needed_rank(self) -> int | None:
        """Axes that any input must have: which it is over is counted from the first."""
        return self.rank if self.first_axis is not None and self.first_axis >= 0 else None

    def for_rank(self, rank: int | None) -> "OnnxEntry":
        """Return the layer with the axes that it is over in an input of so many.

        Args:
            rank: Axes of the input; None where that is not known.

        Raises:
            UsageError: The input has fewer, or has not as many as the file says.
        """
        first, stated = self.first_axis, self.rank
        if first is None:
            return self
        if first < 0:
            return replace(self, config={**self.config, "axis": list(range(first, 0))}, rank=None)
        if rank is not None and stated is not None and rank != stated:
            what = f"its input has rank {stated}, not {rank}"
            raise UsageError.at(self.place, what, "give an input of that rank")
        known = rank if rank is not None else stated
        if known is None:
            what = f"it is over the axes from {first} on, of an input of any rank"
            raise UsageError.at(
                self.place, what, "give a file as the input, whose rank says how many these are"
            )
        if first >= known:
            what = f"it is over the axes from {first} on, the input has rank {known}"
            raise UsageError.at(self.place, what, "give an input of a higher rank")
        return replace(self, config={**self.config, "axis": list(range(first, known))}, rank=known)

    def read_weights(
        self, layer: "Layer", expected: Mapping[str, Ints], *, training: bool
    ) -> "Weights":
        """Read the weights, their shapes checked before any value is read.

        Args:
            layer: The layer that they are for.
            expected: Its weights in Keras' order, with their shapes.
            training: It updates its moving statistics, and does not divide by them.

        Returns:
            The weights as they are in the file: they broadcast to the shapes of any input.

        Raises:
            UsageError: A weight is missing, is not one of the layer's, or has another shape.
            InputError: It cannot be read, is not finite, or no variance.
        """
        with self.error_context():
            shapes = {name: stored.shape for name, stored in self.arrays.items()}
            require_shapes(broadcast_shapes(shapes, expected, self.groups), expected)
            values = {name: native_float(stored.read()) for name, stored in self.arrays.items()}
            found = BroadcastableWeights(values, self.groups)
            fit(found, expected, layer, training=training)
            return found

    def sizes(self, count: int) -> Ints:
        """Return the sizes of so many axes to which all weights broadcast."""
        if self.first_axis is None:
            return super().sizes(count)
        try:
            return common_shape(count, *(stored.shape for stored in self.arrays.values()))
        except ValueError:
            shapes = ", ".join(f"({format_shape(each.shape)})" for each in self.arrays.values())
            what = f"weights of shapes {shapes} for {count} axes"
            raise UsageError(what, "they must broadcast to these") from None


_FIX = "save it again with onnx.save, in one file"
_CHANNELS_SINCE = 21
"""Operator set from which on GroupNormalization has a scale for each channel, not each group."""
_SPATIAL_UNTIL = 9
"""Operator set from which on BatchNormalization is always over space."""
_FLOAT_ATTRIBUTES = ("epsilon", "momentum")

Numbers = dict[str, float | int]


@frozen
class Operator:
    """A normalization of ONNX.

    Attributes:
        kind: Keras' class.
        inputs: Weights in the order of the node's inputs, the tensor itself left out.
        config: Keras' parameters, of the node's attributes.
        over_axes: It is over all axes from one on, and its weights broadcast to these; otherwise
            its weights are of the channels, the second axis.
    """

    kind: str
    inputs: tuple[str, ...]
    config: Callable[[Numbers], dict[str, Any]]
    over_axes: bool = False


def _epsilon_config(attributes: Numbers) -> dict[str, Any]:
    return {"epsilon": _shortest_float(attributes.get("epsilon", 1e-5))}


def _batch_norm_config(attributes: Numbers) -> dict[str, Any]:
    return _epsilon_config(attributes) | {
        "momentum": _shortest_float(attributes.get("momentum", 0.9))
    }


def _group_config(attributes: Numbers) -> dict[str, Any]:
    return _epsilon_config(attributes) | {"groups": attributes.get("num_groups", -1)}


def _shortest_float(number: float) -> float:
    """Write a float32 as it was typed: 0.001, not 0.0010000000474974513."""
    return float(f"{number:.7g}")


_ATTRIBUTES = ("epsilon", "momentum", "num_groups", "axis", "training_mode", "is_test", "spatial")
_GAMMA_BETA = ("gamma", "beta")
_RMS = Operator("RMSNormalization", ("scale",), _epsilon_config, over_axes=True)
OPERATORS = {
    "BatchNormalization": Operator(
        "BatchNormalization", (*_GAMMA_BETA, "moving_mean", "moving_variance"), _batch_norm_config
    ),
    "InstanceNormalization": Operator("GroupNormalization", _GAMMA_BETA, _group_config),
    "GroupNormalization": Operator("GroupNormalization", _GAMMA_BETA, _group_config),
    "LayerNormalization": Operator(
        "LayerNormalization", _GAMMA_BETA, _epsilon_config, over_axes=True
    ),
    "RMSNormalization": _RMS,
    "SimplifiedLayerNormalization": _RMS,  # what ONNX Runtime's own exporters write for it
}


def entries(file: str) -> list[Entry]:
    """List the normalization nodes of an ONNX file.

    Those whose weights do not come from constants alone carry the reason.

    Raises:
        InputError: It is damaged, or has more nodes than any graph.
    """
    span = open_span(file)
    if span.size > LARGEST_PROTOBUF_BYTES:
        raise InputError.at(file, f"{span.size} bytes are too many for an ONNX file", _FIX)
    model = Model(ProtobufFile(span, file), span.size)
    constants = Constants(model, FOLDABLE)
    found = [
        _entry(constants, scope, node, operator, file)
        for scope, node, operator in _normalizations(model)
    ]
    return _with_unique_paths(found)


def _normalizations(model: Model) -> Iterator[tuple[Scope, Node, Operator]]:
    for scope in model.scopes():
        for node in scope.graph.nodes:
            if (operator := OPERATORS.get(node.operator)) is not None:
                yield scope, node, operator


def _entry(
    constants: Constants, scope: Scope, node: Node, operator: Operator, file: str
) -> OnnxEntry:
    name = f"{scope.path}{node.label}"
    place = f"{file}::{shown(name)}"
    attributes = _numbers(attributes_of(constants.model.protobuf, node, scope), place)
    arrays, reasons = {}, []
    for weight, given in zip(operator.inputs, node.inputs[1:], strict=False):
        if given:
            try:
                arrays[weight] = _stored(constants, scope, given)
            except NotConstantError as error:
                reasons.append(f"{weight} {error}")
    config = operator.config(attributes)
    if "beta" in operator.inputs:
        config["center"] = any(node.inputs[2:3])
    first = int(attributes.get("axis", -1))
    if first < -MOST_AXES:
        reasons.append(f"it is over the last {-first} axes, and no tensor has so many")
        first = -1
    rank = constants.model.rank_of(scope, node.inputs[0]) if first >= 0 and node.inputs else None
    missing = [weight for weight in _required(operator) if not _has_input(node, operator, weight)]
    reasons += [f"it has no {weight}" for weight in missing]
    opset, groups = scope.graph.opset, attributes.get("num_groups")
    per_group = node.operator == "GroupNormalization" and opset < _CHANNELS_SINCE
    if node.operator == "BatchNormalization":
        reasons += _not_spatial(attributes, opset)
    entry = OnnxEntry(
        file=file,
        name=name,
        path=f"{scope.path}{node.outputs[0] if node.outputs else name}",
        kind=operator.kind,
        arrays=arrays,
        config=config,
        layout={} if operator.over_axes else {"axis": 1},
        reason="; ".join(reasons),
        note=_note(node, attributes, opset),
        rank=rank,
        first_axis=first if operator.over_axes else None,
        groups=int(groups) if per_group and groups else None,
    )
    return entry if first >= 0 and rank is None else entry.for_rank(None)


def _stored(constants: Constants, scope: Scope, name: str) -> StoredArray:
    """Describe a weight that is known without an input.

    Raises:
        NotConstantError: It is not, or is not of floats.
    """
    shape = constants.shape(scope, name)
    found = source_of(scope, name)
    if found is not None and found.tensor is not None and found.tensor.dtype not in FLOATS:
        raise NotConstantError("is of integers")
    return StoredArray(shape, lambda: _read(constants, scope, name))


def _read(constants: Constants, scope: Scope, name: str) -> Any:
    """Read a weight.

    Raises:
        InputError: It is damaged, or cannot be computed after all.
    """
    place = f"{constants.model.protobuf.place}: {shown(name, 40)}"
    try:
        values = constants.values(scope, name)
    except NotConstantError as error:
        raise InputError.at(place, str(error), _FIX) from None
    if values.dtype.kind != "f":
        raise InputError.at(place, f"{values.dtype.name} values are not a weight", _FIX)
    return values


def _required(operator: Operator) -> tuple[str, ...]:
    """Name the weights that a node must have: of layer normalization the bias may be absent."""
    return operator.inputs[:1] if operator.over_axes else operator.inputs


def _has_input(node: Node, operator: Operator, weight: str) -> bool:
    return any(node.inputs[1 + operator.inputs.index(weight) :][:1])


def _not_spatial(attributes: Numbers, opset: int) -> list[str]:
    if opset < _SPATIAL_UNTIL and not attributes.get("spatial", 1):
        return ["it has statistics of each cell (spatial=0), not of each channel"]
    return []


def _note(node: Node, attributes: Numbers, opset: int) -> str:
    """Say where a node of batch normalization does something else than inference."""
    if node.operator != "BatchNormalization":
        return ""
    training = "training_mode=1" if attributes.get("training_mode") else ""
    if opset < 7 and not attributes.get("is_test", 0):
        training = "is_test=0"
    if not training:
        return ""
    return f"the node is one of training ({training}), which --training does; this is inference"


def _numbers(attributes: dict[str, Attribute], place: str) -> Numbers:
    """Return the numbers that a node states.

    Raises:
        InputError: One is of another type, or not finite.
    """
    found: Numbers = {}
    for name in _ATTRIBUTES:
        if (attribute := attributes.get(name)) is None:
            continue
        value = attribute.float_value if name in _FLOAT_ATTRIBUTES else attribute.int_value
        if value is None or not math.isfinite(value):
            raise InputError.at(place, f"its {name} is not a number", _FIX)
        found[name] = value
    return found


def _with_unique_paths(found: list[OnnxEntry]) -> list[Entry]:
    """Give each layer a path that no other has for a path or a name."""
    names = Counter(entry.name for entry in found)
    paths: set[str] = set()
    result: list[Entry] = []
    for entry in found:
        path, number = entry.path, 1
        while path in paths or names[path] > (path == entry.name):
            number += 1
            path = f"{entry.path}#{number}"
        paths.add(path)
        result.append(replace(entry, path=path))
    return result
