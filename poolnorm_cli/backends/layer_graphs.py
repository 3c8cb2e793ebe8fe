"""From a layer to a model: the graph that blocks run through, and the graph in a file."""

from functools import partial
from typing import TYPE_CHECKING, Any

from poolnorm_cli.backends.checked_files import require_gathered, serialized
from poolnorm_cli.backends.graph import DEFAULT_OPSET, GraphBuilder
from poolnorm_cli.backends.model import with_casts_outside
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.maskable import require_maskable
from poolnorm_cli.layers.normalization import Normalization, splits_weights
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.operators.graph import GraphCall, GraphMoments
from poolnorm_cli.shapes import Ints, Shape, format_shape
from poolnorm_cli.values import frozen, replace


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from poolnorm_cli.backends.model import Model
    from poolnorm_cli.strips import Strip


BATCH = "N"
ROWS = "rows"
"""Statistics of ghost batches: one row per sample, or a single one where all are in one batch."""
CHECK = "check"
"""The output that is NaN where a graph for a device does not give what the exact one does."""
MOMENTS = ("mean", "variance", "count", "unit")


@frozen
class BlockGraph:
    """What decides on the graph that a block runs through.

    Attributes:
        layer: The layer.
        shape: Shape of the block; its batch axis is a name unless the weights run along it.
        dtype: Dtype of the block.
        training: Use the statistics of the batch.
        exact: Give what `apply` gives for every input.
        masked: Take a mask as an input.
        strip: What kind of strip of a sample the block is; None where it is whole samples.
        on_device: Take the operators that a device computes soonest, where the layer has any; the
            output `check` is then NaN for a block that wants the exact graph.
        in_units: Numbers may overflow: statistics are given, in units of a power of two.
    """

    layer: Layer
    shape: Shape
    dtype: str
    training: bool
    exact: bool
    masked: bool = False
    strip: "Strip | None" = None
    on_device: bool = False
    in_units: bool = False

    def build(self) -> "tuple[Model, list[str]]":
        """Return the model, and notes on how it computes.

        Its inputs are `x`, the weights by name, where statistics are gathered `mean`, `variance`,
        `count` and the layer's extra inputs; and `mask`. All but `x` and `mask` are float64, or
        float32 where the graph has no use for more. Its first output is `y`; others are the
        statistics that it computed itself, to be checked for overflow.
        """
        graph = GraphBuilder(DEFAULT_OPSET)
        x, dtype = graph.input("x", self.dtype, self.shape), self.dtype
        if self.in_units:
            dtype = "float64"
            x = graph.cast(x, dtype)
        weights = {
            name: graph.input(name, "float64", size)
            for name, size in self.layer.weight_shapes(self.shape).items()
        }
        moments = self._moments(graph)
        mask = None
        if self.masked:
            maskable = require_maskable(self.layer, self.shape)
            mask = graph.input("mask", maskable.mask_dtype, maskable.mask_shape(self.shape))
        extra_inputs: dict[str, str] = {}
        if moments and self.training and isinstance(self.layer, Trainable):
            shapes = self.layer.extra_input_shapes(self.shape).items()
            extra_inputs = {name: graph.input(name, "float64", size) for name, size in shapes}
        more = (self.exact, mask, extra_inputs, self.strip)
        call = GraphCall(self.shape, dtype, self.training, moments, *more)
        y = None
        if self.on_device and not (self.masked or self.in_units) and self.dtype == "float32":
            y = self.layer.build_for_device(graph, x, weights, call)
        for_device = y is not None
        if y is None:
            y = self.layer.build(graph, x, weights, call)
        y = graph.cast(y, self.dtype)
        result = (self.shape[0], *self.layer.block_shape(call.sizes, self.strip)[1:])
        outputs: dict[str, tuple[str, str, Shape | None]] = {"y": (y, self.dtype, result)}
        check = graph.checked()
        if check is not None:
            outputs[CHECK] = (check, "float32", ())
        if self.monitors and not for_device:
            outputs |= {name: (value, "float64", None) for name, value in graph.monitored.items()}
        model = graph.model("block", outputs, {})
        return with_casts_outside(model, weights), graph.notes

    @property
    def monitors(self) -> bool:
        """Whether the graph computes statistics, and returns them to be checked for overflow."""
        own = takes_own_statistics(self.layer, len(self.shape), training=self.training)
        return own and self.strip is None and not self.in_units

    def _moments(self, graph: GraphBuilder) -> GraphMoments | None:
        """Declare the statistics that the block is given, if it is given any."""
        layer, rank = self.layer, len(self.shape)
        in_strips = self.strip is not None
        axes = layer.statistics_axes(rank, training=self.training, in_strips=in_strips)
        if self.in_units and isinstance(layer, Normalization):
            axes = layer.reduced_axes(rank)
        elif not axes:
            return None
        return declare_moments(graph, layer, self.shape, axes, in_units=self.in_units)


def takes_own_statistics(layer: Layer, rank: int, *, training: bool) -> bool:
    """Whether the graph of a layer takes its statistics from the block itself.

    Args:
        layer: The layer.
        rank: Axes of its input.
        training: It is in training.

    Returns:
        False where they are given, and where there are none.
    """
    if not isinstance(layer, Normalization) or isinstance(layer, Trainable):
        return False
    return not layer.statistics_axes(rank, training=training)


def declare_moments(
    graph: GraphBuilder,
    layer: Layer,
    shape: Shape,
    axes: Ints,
    *,
    in_units: bool = False,
    start: str = "",
) -> GraphMoments:
    """Declare the statistics that a layer is given.

    Args:
        graph: The graph.
        layer: The layer.
        shape: Shape of its input.
        axes: Those over which the statistics are.
        in_units: They are in units of a power of two, which is given too.
        start: What the names of these inputs begin with.

    Returns:
        The inputs, in float64.
    """
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    if isinstance(layer, Trainable) and layer.has_ghost_batches:
        kept = (ROWS, *kept[1:])
    shapes: Mapping[str, Shape] = {"mean": kept, "variance": kept, "count": (), "unit": kept}
    names = MOMENTS if in_units else MOMENTS[:-1]
    given = (graph.input(f"{start}{name}", "float64", shapes[name]) for name in names)
    return GraphMoments(*given)


@frozen
class FileGraph:
    """What decides on the graph in a file.

    Attributes:
        layer: The layer.
        shape: Shape of the input; the batch may be any unless the weights run along it.
        dtype: Dtype of the graph's input.
        compute: Dtype in which the layer computes.
        result: Dtype of the graph's output.
        training: Use the statistics of the batch, and return the updated ones as further outputs.
        opset: Version of the operator set.
        command: The command line that makes this layer, kept in the file.
        masked: Take a mask as a second input.
        unbatched: Inputs and outputs have no batch axis; the layer's has one sample.
        named: The shape with names, or None, for axes of any size; None where all sizes are those
            of `shape`.
        on_device: Take in training what a device computes soonest, where the layer has it; there
            is a last output `check` then, NaN for a batch that wants the exact graph.
    """

    layer: Layer
    shape: Ints
    dtype: str
    compute: str
    result: str
    training: bool = False
    opset: int = DEFAULT_OPSET
    command: str = ""
    masked: bool = False
    unbatched: bool = False
    named: Shape | None = None
    on_device: bool = False

    def serialized(self, weights: "Mapping[str, NDArray[Any]]") -> tuple[bytes, list[str]]:
        """Return the checked model as bytes, and notes on how it computes.

        Raises:
            UsageError: There is no such operator set, the input has no cells or is a batch that
                the layer cannot be trained on, or the model is too large for a file.
            UnavailableError: ONNX Runtime is not installed, or cannot run the model.
        """

        def build() -> "tuple[Model, list[str]]":
            require_gathered(self.layer, self.shape, training=self.training)
            return self.model(weights)

        return serialized(build, self.opset)

    def model(self, weights: "Mapping[str, NDArray[Any]]") -> "tuple[Model, list[str]]":
        """Build the model, its weights inline, its input and outputs named after the layer.

        Raises:
            UsageError: It depends on the size of an axis that has a name in its place.
        """
        found = self._built(weights)
        free = [axis for axis, size in enumerate(self.named or ()) if not isinstance(size, int)]
        free = [axis for axis in free if axis > 0]
        strides: Any = getattr(self.layer, "strides", None)
        strides = strides or getattr(self.layer, "pool_size", (1,))
        varies = getattr(self.layer, "padding", "valid") != "valid" and max(strides) > 1
        if free and (varies or any(map(partial(self._differs, found[0], weights), _sizes(free)))):
            named = format_shape(self.named or ())
            what = f"--export for ({named}): the operators depend on the size of the axes"
            raise UsageError(what, "give numbers in place of the names")
        return found

    def _differs(
        self,
        model: "Model",
        weights: "Mapping[str, NDArray[Any]]",
        sizes: "Mapping[int, int]",
    ) -> bool:
        """Whether other sizes of some axes give other operators or constants."""
        shape = tuple(sizes.get(axis, size) for axis, size in enumerate(self.shape))
        other, _ = replace(self, shape=shape)._built(weights)  # noqa: SLF001 - of the same class
        return model.parts != other.parts

    def _built(self, weights: "Mapping[str, NDArray[Any]]") -> "tuple[Model, list[str]]":
        graph = GraphBuilder(self.opset)
        name = self.layer.instance_name(self.shape)
        trained = self.layer if self.training and isinstance(self.layer, Trainable) else None
        rank = len(self.shape)
        fixed = splits_weights(self.layer, rank) or bool(trained and trained.fixes_batch(rank))
        shape: Shape = self.shape if fixed or self.unbatched else (BATCH, *self.shape[1:])
        declared = shape
        if self.named is not None:
            batch = shape[0] if self.named[0] is None or fixed else self.named[0]
            declared = (shape[0] if isinstance(batch, int) else batch, *self.named[1:])
        x = graph.cast(
            self._input(graph, f"{name}_input", self.dtype, shape, declared), self.compute
        )
        constants = {key: graph.weight(f"{name}/{key}", array) for key, array in weights.items()}
        axes = self.layer.statistics_axes(rank, training=self.training)
        mask = None
        if self.masked:
            maskable = require_maskable(self.layer, shape)
            whole = maskable.mask_shape(shape), maskable.mask_shape(declared)
            own = f"{name}_{maskable.mask_name}"
            mask = self._input(graph, own, maskable.mask_dtype, *whole)
        call = GraphCall(shape, self.compute, self.training, mask=mask)
        found = None
        if self.on_device and trained and axes and self.compute == "float32":
            found = trained.build_batch_for_device(graph, x, constants, call)
        if found is not None:
            y, call = found[0], replace(call, moments=found[1])
        else:
            if axes and isinstance(self.layer, Normalization):
                call = replace(call, moments=self.layer.build_moments(graph, x, axes, call))
            y = self.layer.build(graph, x, constants, call)
        y = graph.cast(y, self.result)
        result = self.layer.output_shape(declared)
        if self.unbatched:
            sizes = self.layer.output_shape(shape)[1:]
            y = graph.reshape(y, [int(size or 0) for size in sizes])
            result = result[1:]
        outputs = {name: (y, self.result, result)}
        updated = trained.build_updated(graph, constants, call) if trained else {}
        for key in (key for key in weights if key in updated):  # in Keras' order
            value = updated[key]
            outputs[f"{name}_{key}"] = (value, graph.dtype(value), weights[key].shape)
        check = graph.checked()
        if check is not None:
            outputs[CHECK] = (check, "float32", ())
        return graph.model(name, outputs, self._metadata()), graph.notes

    def _input(
        self, graph: GraphBuilder, name: str, dtype: str, shape: Shape, declared: Shape
    ) -> str:
        """Declare an input, to which a batch axis of one sample is added where it has none."""
        if not self.unbatched:
            return graph.input(name, dtype, declared)
        given = graph.input(name, dtype, declared[1:])
        return graph.reshape(given, [int(size or 0) for size in shape])

    def _metadata(self) -> dict[str, str]:
        from poolnorm_cli import __version__

        keras = self.layer.call_text(self.shape)
        return {"command": self.command, "keras": keras, "poolnorm_version": __version__}


def _sizes(axes: "Sequence[int]") -> "Iterator[dict[int, int]]":
    """Yield sizes for axes that may have any, in which every rule that depends on them shows."""
    return (dict.fromkeys(axes, size) for size in (*range(24, 37), 61))
