"""Unit normalization as Keras 3 computes it."""

import math
from typing import TYPE_CHECKING, ClassVar

from poolnorm_cli.layers.base import INFERENCE, Call
from poolnorm_cli.layers.normalization import OverAxes
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.layers.base import Array, Weights
    from poolnorm_cli.layers.facts import Facts
    from poolnorm_cli.operators.graph import Graph, GraphCall, Value, Values

_LEAST_NORM = 1e-12
"""Norms below it count as it, so that zeros stay zeros; Keras 2 has 1e-6."""
_LP_UNTIL = 22
"""Version of the operators whose LpNormalization ONNX Runtime does not have before 1.27."""


@frozen(kw_only=True)
class UnitNormalization(OverAxes):
    """Divide by the Euclidean norm along one axis or several."""

    words: ClassVar[str] = "unit"
    keras_name: ClassVar[str] = "UnitNormalization"
    example: ClassVar[str] = "--axis -1"
    centered: ClassVar[bool] = False
    least_power: ClassVar[float] = _LEAST_NORM**2

    def apply(self, x: "Array", weights: "Weights", call: Call = INFERENCE) -> "Array":
        """Compute `x / max(norm, 1e-12)`."""
        import numpy as np

        from poolnorm_cli.kernels.mean_squares import mean_square
        from poolnorm_cli.kernels.rows import divide_rows
        from poolnorm_cli.kernels.scaling import inverse_deviation, scaled

        del weights
        axes = self.axes(x.ndim)
        if call.moments is None:
            y = divide_rows(x, axes, 1.0, 0.0, _LEAST_NORM**2)
            if y is not None:
                return y
        count = call.moments.count if call.moments else math.prod(x.shape[axis] for axis in axes)
        square = mean_square(x, axes, self.given(call, x.shape))
        inverse = inverse_deviation(square * count, 0.0)
        return scaled(x, np.minimum(inverse, 1 / _LEAST_NORM))

    def explain(self, facts: "Facts") -> list[str]:
        """Say over which cells the norm is taken, and by which formula."""
        from poolnorm_cli.layers.normalization_explained import first_cells, of_the_first, places

        axes = self.axes(len(facts.shape))
        first = first_cells(facts.first, axes)
        shown = () if first is None else (("norm", (first**2).sum() ** 0.5),)
        return [
            f"norm = sqrt(sum(x**2)) over {places(facts.shape, axes)}",
            *of_the_first(*shown),
            f"y = x / max(norm, {_LEAST_NORM:g})",
        ]

    def build(self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall") -> "Value":
        """Add LpNormalization, or operators where it has several axes or must be exact."""
        from poolnorm_cli.operators.moments import mean_square
        from poolnorm_cli.operators.scaling import inverse_deviation

        del weights
        axes = self.axes(call.rank)
        plain = len(axes) == 1 and axes[0] and call.moments is None and graph.opset < _LP_UNTIL
        if plain and call.dtype == "float32" and not call.exact:
            return graph.op("LpNormalization", x, axis=axes[0], p=2)
        square = mean_square(graph, x, axes, call.moments)
        count = graph.constant(float(math.prod(call.sizes[axis] for axis in axes)), "float64")
        if call.moments is not None:
            count = call.moments.count
        inverse = inverse_deviation(graph, graph.op("Mul", square, count), 0.0)
        most = graph.constant(1 / _LEAST_NORM, "float64")
        if call.moments is not None and call.moments.unit is not None:
            most = graph.op("Div", most, call.moments.unit)
            x = graph.op("Mul", x, call.moments.unit)
        least = graph.op("Min", inverse, most)
        return graph.op("Mul", x, graph.cast(least, call.dtype))
