"""What a layer may have for a device besides its exact graph."""

from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from poolnorm_cli.layers.call import Weights
    from poolnorm_cli.operators.graph import Graph, GraphCall, Value, Values


class OnDevice:
    """A layer, as a device computes it soonest."""

    def build_for_device(
        self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall"
    ) -> "Value | None":
        """Add the operators that a device computes soonest, and what tells where they go wrong.

        Args:
            graph: The graph.
            x: The block, float32, whole samples of the shape in `call`.
            weights: As for `build`.
            call: Shape and dtype.

        Returns:
            The output; None where there is nothing sooner than the exact graph.
        """
        del graph, x, weights, call
        return None

    def fits_device(self, weights: "Weights") -> bool:
        """Whether what `build_for_device` adds loses no digits with these weights."""
        del weights
        return True
