"""RMS normalization as Keras 3 computes it, over any axes."""

import math
from typing import TYPE_CHECKING, Annotated, ClassVar

from poolnorm_cli.layers.call import INFERENCE, Call
from poolnorm_cli.layers.normalization import Normalization, require_epsilon
from poolnorm_cli.layers.weight_arrays import affine_arrays, apply_affine
from poolnorm_cli.shapes import Ints, Shape, known_sizes
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.layers.call import Array, Facts, Weights
    from poolnorm_cli.operators.graph import Graph, GraphCall, Value, Values


@frozen(kw_only=True)
class RMSNormalization(Normalization):
    """Divide by the root of the mean square along one axis or several, and scale."""

    epsilon: Annotated[float, "Added to the mean square, so that nothing is divided by zero."] = (
        1e-6
    )

    words: ClassVar[str] = "rms"
    keras_name: ClassVar[str] = "RMSNormalization"
    always_shown: ClassVar[tuple[str, ...]] = ("axis", "epsilon")
    example: ClassVar[str] = "--axis -1"
    formula: ClassVar[str] = "y = scale * x / sqrt(mean(x**2) + epsilon), the mean over --axis"
    centered: ClassVar[bool] = False
    weight_names: ClassVar[tuple[str, ...]] = ("scale",)

    def __post_init__(self) -> None:
        """Validate the parameters, as far as that needs no input."""
        super().__post_init__()
        require_epsilon(self.epsilon)

    def weight_shapes(self, shape: Shape) -> dict[str, Ints]:
        """Return the shape of `scale`, which the layer always has."""
        return {"scale": known_sizes(shape, self.axes(len(shape)))}

    def initial_weight(self, weight: str, shape: Ints) -> "Array":
        """Start `scale` at 1.

        Args:
            weight: `scale`.
            shape: Its shape.

        Returns:
            Ones, in float64.

        Raises:
            UsageError: The layer has no such weight.
        """
        from poolnorm_cli.kernels.memory import filled

        return filled(shape, 1.0) if weight == "scale" else super().initial_weight(weight, shape)

    def initial_constant(self, weight: str) -> float | None:
        """Return 1 for `scale`.

        Args:
            weight: `scale`.

        Returns:
            The number.
        """
        return 1.0 if weight == "scale" else None

    def apply(self, x: "Array", weights: "Weights", call: Call = INFERENCE) -> "Array":
        """Compute `x / sqrt(mean(x^2) + epsilon) * scale`.

        Args:
            x: The block, float32 or float64.
            weights: `scale`, of the sizes of the axes.
            call: Where the block starts, and the statistics, where they were gathered before.

        Returns:
            The output, in the dtype of `x`, as Keras 3's `RMSNormalization` (Zhang and Sennrich,
            2019, arXiv:1910.07467) gives it.
        """
        from poolnorm_cli.kernels.moments import mean_square
        from poolnorm_cli.kernels.rows import run_loop
        from poolnorm_cli.kernels.scaling import inverse_deviation, scaled

        axes, origin = self.axes(x.ndim), call.origin(x.ndim)
        found = self.by_known_statistics(x, weights, call)
        if found is not None:
            return found
        given = self.call_statistics(call, x.shape)
        if given is None:
            own = self.normalizing_call(x.shape, x.dtype.name)
            found = run_loop(own, x, *affine_arrays(weights, x.shape, axes, origin))
            if found is not None:
                return found
        y = scaled(x, inverse_deviation(mean_square(x, axes, given), self.epsilon))
        return apply_affine(y, weights, axes, origin)

    def explain(self, facts: "Facts") -> list[str]:
        """Describe over which cells the squares are averaged, and by which formula."""
        from poolnorm_cli.layers.explain import first_cells, first_statistic_lines, weight_lines

        first = first_cells(facts.first, self.axes(len(facts.shape)))
        shown = () if first is None else (("mean(x**2)", (first**2).mean()),)
        statistic, formula = self.formula_lines(facts.shape)
        return [statistic, *first_statistic_lines(*shown), formula, *weight_lines(facts)]

    def formula_lines(self, shape: Shape) -> list[str]:
        """Describe over which cells the squares are averaged, and by which formula."""
        from poolnorm_cli.formulas import reduction_text

        return [
            f"mean(x**2) over {reduction_text(shape, self.axes(len(shape)))}",
            f"y = x / sqrt(mean(x**2) + epsilon) * scale, epsilon = {self.epsilon:g}",
        ]

    def build(self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall") -> "Value":
        """Add RMSNormalization, or operators where axes are not trailing or it must be exact.

        Args:
            graph: The graph.
            x: The block, of the shape and dtype in `call`.
            weights: `scale`.
            call: Shape, dtype, statistics, and whether every input must be exact.

        Returns:
            The output, in the dtype of `x`.
        """
        from poolnorm_cli.operators.moments import mean_square
        from poolnorm_cli.operators.scaling import apply_affine, inverse_deviation

        axes = self.axes(call.rank)
        trailing = axes == tuple(range(axes[0], call.rank))
        plain = trailing and axes[0] and call.moments is None and not call.exact
        if plain and call.dtype == "float32" and graph.opset >= 23:
            scale = graph.cast(weights["scale"], call.dtype)
            return graph.op("RMSNormalization", x, scale, axis=axes[0], epsilon=self.epsilon)
        square = mean_square(graph, x, axes, call.moments)
        unit = None if call.moments is None else call.moments.unit
        inverse = inverse_deviation(graph, square, self.epsilon if unit is None else 0.0)
        cells = x if unit is None else graph.op("Mul", x, unit)
        y = graph.op("Mul", cells, graph.cast(inverse, call.dtype))
        return apply_affine(graph, y, weights, call, axes)

    def build_for_device(
        self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall"
    ) -> "Value | None":
        """Add one operator, and whether mean squares are finite.

        Args:
            graph: The graph.
            x: The block, float32.
            weights: `scale`.
            call: Shape and dtype, and statistics where they are given.

        Returns:
            The output; None where nothing is sooner than the exact graph.
        """
        from poolnorm_cli.operators.device_norms import (
            LEAST_EPSILON,
            checked_rms,
            has_few_trailing_cells,
        )

        axes = self.axes(call.rank)
        cells = math.prod(call.sizes[axis] for axis in axes)
        if self.epsilon < LEAST_EPSILON or not has_few_trailing_cells(axes, cells, call):
            return None
        return checked_rms(graph, x, weights["scale"], call, axes[0], self.epsilon)
