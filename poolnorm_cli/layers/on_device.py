"""What a layer may have for a device besides its exact graph."""

from typing import TYPE_CHECKING, Any, ClassVar


if TYPE_CHECKING:
    from poolnorm_cli.layers.call import Weights
    from poolnorm_cli.operators.graph import Graph, GraphCall, Value, Values
    from poolnorm_cli.shapes import Ints


_COUNTING = ("count_include_pad", "divisor_override")
"""Parameters with which an average has another divisor than its real cells."""


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


class PooledOnDevice(OnDevice):
    """Pooling, for which a device may have an operator."""

    device_kind: ClassVar[str] = ""
    """That operator; empty where there is none."""

    def has_operator(self: Any, shape: "Ints", dtype: str) -> bool:
        """Whether the operator gives what the exact graph does, if all that it gives is finite.

        Args:
            shape: Shape of the block.
            dtype: Name of its dtype.

        Returns:
            Whether it does.
        """
        return bool(self.plain_op_limit(shape, dtype))

    def build_for_device(
        self: Any, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall"
    ) -> "Value | None":
        """Add MaxPool or AveragePool, and whether every cell, or every sum, is finite.

        Args:
            graph: The graph.
            x: The block, float32.
            weights: Not used: there are none.
            call: Shape, dtype and strip.

        Returns:
            The output; None where the operator has no such windows, or would be slow.
        """
        from poolnorm_cli.operators.device import max_windows, mean_windows

        del weights
        counts_otherwise = any(getattr(self, name, None) for name in _COUNTING)
        if not self.device_kind or counts_otherwise:
            return None
        if not self.has_operator(call.sizes, call.dtype):
            return None
        windows: Any = self.windows(call.sizes, call.strip)
        if any(window.dilation > 1 for window in windows.values()):
            return None
        take = max_windows if self.device_kind == "MaxPool" else mean_windows
        return take(graph, x, windows, call)
