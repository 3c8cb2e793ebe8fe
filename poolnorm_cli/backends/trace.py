"""From a layer to a model: the graph for a run, block by block, and the graph for a file."""

from typing import TYPE_CHECKING

from poolnorm_cli.backends.graph import DEFAULT_OPSET, GraphBuilder
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.extremes import ByStatistics
from poolnorm_cli.operators.graph import GraphCall, GraphMoments
from poolnorm_cli.shapes import Shape
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from collections.abc import Mapping

    from onnx import ModelProto

    from poolnorm_cli.strips import Strip


BATCH = "N"
ROWS = "rows"
"""Statistics of ghost batches: one row per sample, or a single one where all are in one batch."""
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
        extreme: Numbers may be at the edge of their range: statistics are given, in units.
    """

    layer: Layer
    shape: Shape
    dtype: str
    training: bool
    exact: bool
    masked: bool = False
    strip: "Strip | None" = None
    extreme: bool = False

    def build(self) -> "tuple[ModelProto, list[str]]":
        """Return the model, and what is to be said of it.

        Its inputs are `x`, the weights by name, where statistics are gathered `mean`, `variance`,
        `count` and what the layer is fed, all but `x` in float64; and `mask`. Its first output is
        `y`; others are what it was normalized by, if it took that itself.
        """
        graph = GraphBuilder(DEFAULT_OPSET)
        x, dtype = graph.input("x", self.dtype, self.shape), self.dtype
        if self.extreme:
            dtype = "float64"
            x = graph.cast(x, dtype)
        weights = {
            name: graph.input(name, "float64", size)
            for name, size in self.layer.weight_shapes(self.shape).items()
        }
        moments = self._moments(graph)
        mask = None
        if self.masked:
            mask = graph.input("mask", "bool", self.layer.mask_shape(self.shape))
        extra_inputs = (
            self.layer.extra_input_shapes(self.shape) if moments and self.training else {}
        )
        values = {name: graph.input(name, "float64", size) for name, size in extra_inputs.items()}
        more = (self.exact, mask, values, self.strip)
        call = GraphCall(self.shape, dtype, self.training, moments, *more)
        y = graph.cast(self.layer.build(graph, x, weights, call), self.dtype)
        result = (self.shape[0], *self.layer.part_shape(call.sizes, self.strip)[1:])
        outputs: dict[str, tuple[str, str, Shape | None]] = {"y": (y, self.dtype, result)}
        if self.watches:
            outputs |= {name: (value, "float64", None) for name, value in graph.watched.items()}
        return graph.model("block", outputs, {}), graph.notes

    @property
    def watches(self) -> bool:
        """Whether the graph takes statistics of its own, and gives what a run has to look at."""
        layer, rank = self.layer, len(self.shape)
        if not isinstance(layer, ByStatistics) or layer.has_moving or self.extreme:
            return False
        return self.strip is None and not layer.statistics_axes(rank, training=self.training)

    def _moments(self, graph: GraphBuilder) -> GraphMoments | None:
        """Declare the statistics that the block is given, if it is given any."""
        layer, rank = self.layer, len(self.shape)
        axes = layer.statistics_axes(rank, training=self.training)
        if not axes and self.strip is not None:
            axes = layer.sample_statistics_axes(rank)
        if self.extreme and isinstance(layer, ByStatistics):
            axes = layer.reduced_axes(rank)
        elif not axes:
            return None
        kept = tuple(1 if axis in axes else size for axis, size in enumerate(self.shape))
        if layer.has_ghost_batches:
            kept = (ROWS, *kept[1:])
        shapes: Mapping[str, Shape] = {"mean": kept, "variance": kept, "count": (), "unit": kept}
        names = MOMENTS if self.extreme else MOMENTS[:-1]
        return GraphMoments(*(graph.input(name, "float64", shapes[name]) for name in names))
