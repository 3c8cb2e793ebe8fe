"""From a layer to a model: the graph for a run, block by block, and the graph for a file."""

from typing import TYPE_CHECKING

from poolnorm_cli.backends.graph import DEFAULT_OPSET, GraphBuilder
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.operators.graph import GraphCall, GraphMoments
from poolnorm_cli.shapes import Ints, Shape
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from collections.abc import Mapping

    from onnx import ModelProto


BATCH = "N"
MOMENTS = ("mean", "variance", "count")


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
    """

    layer: Layer
    shape: Shape
    dtype: str
    training: bool
    exact: bool
    masked: bool = False

    def build(self) -> "tuple[ModelProto, list[str]]":
        """Return the model, and what is to be said of it.

        Its inputs are `x`, the weights by name, where statistics are gathered `mean`, `variance`,
        `count` and what the layer is fed, all but `x` in float64; and `mask`. Its output is `y`.
        """
        graph = GraphBuilder(DEFAULT_OPSET)
        x = graph.input("x", self.dtype, self.shape)
        weights = {
            name: graph.input(name, "float64", size)
            for name, size in self.layer.weight_shapes(self.shape).items()
        }
        axes = self.layer.statistics_axes(len(self.shape), training=self.training)
        moments = _given_moments(graph, self.shape, axes, self.layer) if axes else None
        mask = None
        if self.masked:
            mask = graph.input("mask", "bool", self.layer.mask_shape(self.shape))
        fed = self.layer.fed_shapes(self.shape) if moments else {}
        values = {name: graph.input(name, "float64", size) for name, size in fed.items()}
        call = GraphCall(self.shape, self.dtype, self.training, moments, self.exact, mask, values)
        y = self.layer.build(graph, x, weights, call)
        result = self.layer.output_shape(self.shape)
        return graph.model("block", {"y": (y, self.dtype, result)}, {}), graph.notes


def _given_moments(graph: GraphBuilder, shape: Shape, axes: Ints, layer: Layer) -> GraphMoments:
    reduced = axes[1:] if layer.has_ghosts else axes
    kept = tuple(1 if axis in reduced else size for axis, size in enumerate(shape))
    shapes: Mapping[str, Shape] = {"mean": kept, "variance": kept, "count": ()}
    return GraphMoments(*(graph.input(name, "float64", shapes[name]) for name in MOMENTS))
