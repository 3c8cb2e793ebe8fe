"""From a chain of layers to a model: one graph for a block, and the graph in a file."""

from typing import TYPE_CHECKING, Any, NamedTuple

from poolnorm_cli.backends.checked_files import require_gathered, serialized
from poolnorm_cli.backends.graph import DEFAULT_OPSET, GraphBuilder
from poolnorm_cli.backends.layer_graphs import (
    BATCH,
    CHECK,
    declare_moments,
    takes_own_statistics,
)
from poolnorm_cli.backends.model import with_casts_outside
from poolnorm_cli.layers.normalization import Normalization, splits_weights
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.operators.graph import GraphCall
from poolnorm_cli.values import frozen, replace


if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from poolnorm_cli.backends.model import Model
    from poolnorm_cli.layers.chain import Chain, Link
    from poolnorm_cli.operators.graph import Value
    from poolnorm_cli.shapes import Shape

    Outputs = dict[str, tuple[Value, str, Shape | None]]


class BuiltChain(NamedTuple):
    """A model, and what its further outputs are.

    Attributes:
        model: The model; its first output is `y`.
        notes: How it computes.
        monitored: For each layer the outputs that tell whether its statistics have overflowed.
        checked: It has an output that is NaN where the exact graph is wanted.
    """

    model: "Model"
    notes: list[str]
    monitored: tuple[tuple[str, ...], ...]
    checked: bool


@frozen
class ChainGraph:
    """What decides on the graph that a block runs through from the first layer to the last.

    Attributes:
        chain: The layers; the batch axis of their shapes is a name.
        training: Which of them are in training.
        exact: Which of them must give what `apply` gives for every input.
        on_device: Which of them may be what a device computes soonest, and a check; () for none.
    """

    chain: "Chain"
    training: tuple[bool, ...]
    exact: tuple[bool, ...]
    on_device: tuple[bool, ...] = ()

    def build(self) -> BuiltChain:
        """Return the model.

        Its inputs are `x`, in the dtype in which the first layer computes, and for each layer, by
        the name that `Link.weight_key` gives, weights, statistics that are gathered, and extra
        inputs, all in float64; weights in float32 where the graph has no use for more.
        """
        graph = GraphBuilder(DEFAULT_OPSET)
        links = self.chain.links
        x = graph.input("x", links[0].compute, self.chain.shape)
        monitored: list[tuple[str, ...]] = []
        for place, link in enumerate(links):
            before = len(graph.monitored)
            x = graph.cast(x, link.compute)
            x = self._add(graph, place, link, x)
            if place < len(links) - 1:
                x = graph.cast(x, link.result)
            own = takes_own_statistics(link.layer, len(link.shape), training=self.training[place])
            monitored.append(tuple(graph.monitored)[before:] if own else ())
        last = links[-1]
        outputs: Outputs = {"y": (x, last.compute, self.chain.output_shape)}
        check = graph.checked()
        if check is not None:
            outputs[CHECK] = (check, "float32", ())
        for name in (name for names in monitored for name in names):
            outputs[name] = (graph.monitored[name], "float64", None)
        own_weights = {
            link.weight_key(name) for link in links for name in link.layer.weight_shapes(link.shape)
        }
        model = with_casts_outside(graph.model("block", outputs, {}), own_weights)
        return BuiltChain(model, graph.notes, tuple(monitored), check is not None)

    def _add(self, graph: GraphBuilder, place: int, link: "Link", x: "Value") -> "Value":
        layer, training = link.layer, self.training[place]
        weights = {
            name: graph.input(link.weight_key(name), "float64", size)
            for name, size in layer.weight_shapes(link.shape).items()
        }
        axes = layer.statistics_axes(len(link.shape), training=training)
        moments = None
        if axes:
            moments = declare_moments(graph, layer, link.shape, axes, start=link.weight_key(""))
        extra: dict[str, str] = {}
        if moments and training and isinstance(layer, Trainable):
            shapes = layer.extra_input_shapes(link.shape).items()
            extra = {n: graph.input(link.weight_key(n), "float64", size) for n, size in shapes}
        exact = self.exact[place]
        call = GraphCall(link.shape, link.compute, training, moments, exact, None, extra)
        if self.on_device and self.on_device[place] and link.compute == "float32":
            y = layer.build_for_device(graph, x, weights, call)
            if y is not None:
                return y
        return graph.cast(layer.build(graph, x, weights, call), link.compute)


@frozen
class ChainFile:
    """What decides on the graph of a chain in a file.

    Attributes:
        chain: The layers, for the shape of an input.
        dtype: Dtype of the graph's input.
        training: Which layers use the statistics of the batch; their updated weights are further
            outputs.
        opset: Version of the operator set.
        command: The command line that makes this pipeline, kept in the file.
        unbatched: The input and the output have no batch axis; layers see a batch of one.
    """

    chain: "Chain"
    dtype: str
    training: tuple[bool, ...]
    opset: int = DEFAULT_OPSET
    command: str = ""
    unbatched: bool = False

    def serialized(
        self, weights: "tuple[Mapping[str, NDArray[Any]], ...]"
    ) -> tuple[bytes, list[str]]:
        """Return the checked model as bytes, and notes on how it computes.

        Args:
            weights: Those of each layer, by their Keras names.

        Returns:
            The bytes of a file, and the notes.

        Raises:
            UsageError: There is no such operator set, an input has no cells or is a batch that a
                layer cannot be trained on, or the model is too large for a file.
            UnavailableError: `onnx` is not installed, or ONNX Runtime cannot run the model.
        """

        def build() -> "tuple[Model, list[str]]":
            for link, training in zip(self.chain.links, self.training, strict=True):
                require_gathered(link.layer, link.sizes, training=training)
            return self.model(weights)

        return serialized(build, self.opset)

    def model(self, weights: "tuple[Mapping[str, NDArray[Any]], ...]") -> "tuple[Model, list[str]]":
        """Build the model, its weights inline.

        Args:
            weights: Those of each layer, by their Keras names.

        Returns:
            The model, its input named after the first layer and its outputs after those that make
            them, and notes on how it computes.
        """
        graph = GraphBuilder(self.opset)
        links = self.chain.links
        batch = self.chain.shape[0] if self.unbatched or self._fixes_batch() else BATCH
        x = self._input(graph, f"{links[0].name}_input", (batch, *self.chain.shape[1:]))
        outputs: Outputs = {}
        updates: Outputs = {}
        for link, own, training in zip(links, weights, self.training, strict=True):
            x, changed = self._add(
                graph, replace(link, shape=(batch, *link.shape[1:])), x, own, training
            )
            updates |= changed
        last = links[-1]
        shape = last.layer.output_shape((batch, *last.shape[1:]))
        if self.unbatched:
            shape = shape[1:]
            x = graph.reshape(x, [int(size or 0) for size in shape])
        outputs[last.name] = (x, last.result, shape)
        return graph.model("pipeline", outputs | updates, self._metadata()), graph.notes

    def _add(
        self,
        graph: GraphBuilder,
        link: "Link",
        x: "Value",
        weights: "Mapping[str, NDArray[Any]]",
        training: bool,  # noqa: FBT001
    ) -> "tuple[Value, Outputs]":
        """Add a layer; return its output, and the weights that training changes."""
        graph.scope = link.weight_key("")  # what the names of its operators begin with
        layer, x = link.layer, graph.cast(x, link.compute)
        constants = {n: graph.weight(link.weight_key(n), array) for n, array in weights.items()}
        call = GraphCall(link.shape, link.compute, training)
        axes = layer.statistics_axes(len(link.shape), training=training)
        if axes and isinstance(layer, Normalization):
            call = replace(call, moments=layer.build_moments(graph, x, axes, call))
        y = graph.cast(layer.build(graph, x, constants, call), link.result)
        changed: Outputs = {}
        if training and isinstance(layer, Trainable):
            updated = layer.build_updated(graph, constants, call)
            for name in (name for name in weights if name in updated):  # in Keras' order
                value = updated[name]
                key = f"{link.name}_{name}"
                changed[key] = (value, graph.dtype(value), weights[name].shape)
        return y, changed

    def _input(self, graph: GraphBuilder, name: str, shape: "Shape") -> "Value":
        """Declare the input, to which a batch axis of one sample is added where it has none."""
        if not self.unbatched:
            return graph.input(name, self.dtype, shape)
        given = graph.input(name, self.dtype, shape[1:])
        return graph.reshape(given, [int(size or 0) for size in shape])

    def _fixes_batch(self) -> bool:
        for link, training in zip(self.chain.links, self.training, strict=True):
            layer, rank = link.layer, len(link.shape)
            if splits_weights(layer, rank):
                return True
            if training and isinstance(layer, Trainable) and layer.fixes_batch(rank):
                return True
        return False

    def _metadata(self) -> dict[str, str]:
        from poolnorm_cli import __version__

        calls = ", ".join(link.layer.call_text(link.shape) for link in self.chain.links)
        return {
            "command": self.command,
            "keras": f"Sequential([{calls}])",
            "poolnorm_version": __version__,
        }
