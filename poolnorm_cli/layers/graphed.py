"""What a layer says of its ONNX graph."""

from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import UnavailableError
from poolnorm_cli.shapes import Ints


if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from poolnorm_cli.layers.base import Array, Call, Weights
    from poolnorm_cli.operators.graph import Graph, GraphCall, GraphMoments, Value, Values


LARGEST = {"float32": 3.4028234663852886e38, "float64": 1.7976931348623157e308}
"""Largest finite values, by dtype."""


class Graphed:
    """The arithmetic of a layer as operators, beside its arithmetic in NumPy."""

    __slots__ = ()

    def build(self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall") -> "Value":
        """Add to `graph` the operators that compute what `apply` does, and return the output.

        Args:
            graph: The graph.
            x: The input, of the shape and in the dtype that `call` gives.
            weights: What `weight_shapes` names, each of its own dtype; cast it before use.
            call: Shape, dtype, training, statistics, and whether every input must be exact.

        Returns:
            The output, in the dtype of the input.
        """
        del graph, x, weights, call
        raise UnavailableError(
            f"{type(self).__name__} has no ONNX graph", "leave out --backend onnx"
        )

    def build_moments(
        self, graph: "Graph", x: "Value", axes: Ints, call: "GraphCall"
    ) -> "GraphMoments":
        """Add the statistics over `axes` of the whole input, for a graph that gathers for itself.

        The statistics may have a row for each sample; `call.moments` is what is returned here.
        """
        from poolnorm_cli.operators.moments import moments_of

        mask = call.mask
        if mask is not None:  # of all axes but the last
            column = graph.op("Unsqueeze", mask, graph.constant([-1], "int64"))
            mask = graph.op("Expand", column, graph.op("Shape", x))
        return moments_of(graph, x, axes, mask)

    def build_updated(
        self, graph: "Graph", weights: "Values", call: "GraphCall"
    ) -> "dict[str, Value]":
        """Add what `updated` does with `call.moments`; return the weights that change, by name."""
        del graph, weights, call
        return {}

    def plain_op_limit(self, shape: Ints, dtype: str) -> float:
        """Name the magnitude of values up to which a graph that is not `exact` may be run.

        0 where such a graph never gives what `apply` gives.
        """
        del shape, dtype
        return 0.0

    def at_the_edge(self, x: "Array", call: "Call") -> bool:
        """Whether numbers of a block that it is normalized by may leave the range on the way."""
        del x, call
        return False

    def found_at_the_edge(self, dtype: "np.dtype[Any]", seen: "Mapping[str, Array]") -> bool:
        """Whether numbers that a block was normalized by may have left the range on the way."""
        del dtype, seen
        return False

    def settings_at_the_edge(
        self, dtype: "np.dtype[Any]", weights: "Weights", call: "Call", shape: Ints
    ) -> bool:
        """Whether statistics that are known, gamma or beta may leave the range on the way."""
        del dtype, weights, call, shape
        return False

    def fixes_batch(self, rank: int, *, training: bool) -> bool:
        """Whether a graph is for one size of batch alone."""
        del training
        return self.splits_weights(rank)

    def weights_at(self, weights: "Weights", origin: Ints, shape: Ints) -> "Weights":
        """Return the part of the weights that is for a block of `shape`, starting at `origin`."""
        del origin, shape
        return weights

    def splits_weights(self, rank: int) -> bool:
        """Whether the weights run along axis 0, so that each block has a part of them."""
        del rank
        return False
