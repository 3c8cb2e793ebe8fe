"""Unit normalization as Keras 3 computes it, and by other norms, over any axes."""

import math
from typing import TYPE_CHECKING, Annotated, ClassVar

from poolnorm_cli.errors import UsageError, shown
from poolnorm_cli.layers.beyond_keras import BeyondKeras
from poolnorm_cli.layers.call import INFERENCE, Call
from poolnorm_cli.layers.normalization import Normalization, require_epsilon
from poolnorm_cli.shapes import Ints, Shape
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.kernels.apart_loops import ApartCall, NormCall
    from poolnorm_cli.kernels.normalizing_loops import Division, NormalizingCall
    from poolnorm_cli.layers.call import Array, Facts, Weights
    from poolnorm_cli.operators.graph import Graph, GraphCall, Value, Values
    from poolnorm_cli.strips import Strip


_LEAST_NORM = 1e-12
"""Keras' floor of a norm; Keras 2 has 1e-6."""
_EUCLIDEAN = 2.0
_LP_ORDERS = (1.0, 2.0)
"""Norms that LpNormalization has."""
_LP_UNTIL = 22
"""Version of the operators whose LpNormalization ONNX Runtime does not have before 1.27."""

_NORMS = {
    2: "sqrt(sum(x**2))",
    1: "sum(|x|)",
    0: "number of x that are not 0",
    math.inf: "max(|x|)",
    -math.inf: "min(|x|)",
}


@frozen(kw_only=True)
class UnitNormalization(Normalization, BeyondKeras):
    """Divide by the norm along one axis or several, the Euclidean one unless another is given."""

    order: Annotated[
        float,
        "Which norm: 2 for the root of the sum of squares, 1 for the sum of magnitudes, inf for "
        "the largest one, any other number as in torch.",
    ] = 2.0
    epsilon: Annotated[float, "Norms below it count as it, so that zeros stay zeros."] = _LEAST_NORM

    words: ClassVar[str] = "unit"
    keras_name: ClassVar[str] = "UnitNormalization"
    example: ClassVar[str] = "--axis -1"
    formula: ClassVar[str] = "y = x / max(norm, epsilon), norm = sqrt(sum(x**2)) over --axis"
    centered: ClassVar[bool] = False
    keras_lacks: ClassVar[tuple[str, ...]] = ("order", "epsilon")

    def __post_init__(self) -> None:
        """Validate the parameters, as far as that needs no input."""
        super().__post_init__()
        try:
            order = float(self.order)
        except (TypeError, ValueError):
            order = math.nan
        if math.isnan(order):
            what = f"--order is {shown(str(self.order))}, not a number"
            raise UsageError(what, "give a number such as 1, or inf")
        object.__setattr__(self, "order", order)
        require_epsilon(self.epsilon)

    @property
    def added(self) -> float:
        """Nothing is added: epsilon is a floor."""
        return 0.0

    @property
    def least_power(self) -> float:
        """The square of the floor."""
        return self.epsilon**2

    def beyond_keras(self) -> list[str]:
        """List the order and the floor, where they are not Keras'."""
        given = {
            f"--order {self.order:g}": self.order != _EUCLIDEAN,
            f"--epsilon {self.epsilon:g} of unit": self.epsilon != _LEAST_NORM,
        }
        return [flag for flag, is_given in given.items() if is_given]

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of the input.

        Raises:
            UsageError: An axis is out of range, or is that of the samples with another order
                than 2: such a norm is taken of whole samples alone.
        """
        if self.order != _EUCLIDEAN and 0 in self.axes(len(shape)):
            what = f"--order {self.order:g} along axis 0, that of the samples"
            raise UsageError(what, "give another --axis, --unbatched, or --order 2")
        return super().output_shape(shape)

    def statistics_axes(self, rank: int, *, training: bool, in_strips: bool = False) -> Ints:
        """Return the axes of the sum of squares where no block has it alone; () for other orders.

        Args:
            rank: Axes of the input.
            training: Makes no difference.
            in_strips: Samples are worked on in strips.

        Returns:
            The axes, sorted.
        """
        if self.order != _EUCLIDEAN:
            return ()
        return super().statistics_axes(rank, training=training, in_strips=in_strips)

    def strips(self, shape: Ints, items: int) -> "list[Strip]":
        """Cut samples anywhere for order 2, and nowhere for another.

        Args:
            shape: All axes of the input, batch first.
            items: About how many items of a sample go into a strip, 1 or more.

        Returns:
            The strips, in order; [] where samples are worked on whole.
        """
        return super().strips(shape, items) if self.order == _EUCLIDEAN else []

    def normalizing_call(
        self, shape: Ints, dtype: str
    ) -> "NormalizingCall | ApartCall | NormCall | None":
        """Return the call of the loop that divides cells of a block by their norm.

        Args:
            shape: Shape of the block.
            dtype: Name of its dtype.

        Returns:
            The call; None where no loop serves.
        """
        if self.order == _EUCLIDEAN:
            return super().normalizing_call(shape, dtype)
        from poolnorm_cli.kernels.apart_loops import norm_call

        return norm_call(shape, self.axes(len(shape)), dtype, (self.order, self.epsilon))

    def division(self, cells: int) -> "Division":
        """Return what cells are divided by: the root of the sum of squares itself.

        Args:
            cells: Not used.

        Returns:
            What a loop takes.
        """
        del cells
        return super().division(1)

    def apply(self, x: "Array", weights: "Weights", call: Call = INFERENCE) -> "Array":
        """Compute `x / max(norm, epsilon)`.

        Args:
            x: The block, float32 or float64.
            weights: Not used: there are none.
            call: Where the block starts, and the statistics, where they were gathered before.

        Returns:
            The output, in the dtype of `x`, as Keras 3's `UnitNormalization` gives it; for other
            orders as torch's `functional.normalize` does.
        """
        import numpy as np

        from poolnorm_cli.kernels.moments import mean_square
        from poolnorm_cli.kernels.rows import run_loop
        from poolnorm_cli.kernels.scaling import inverse_deviation, scaled

        axes = self.axes(x.ndim)
        found = self.by_known_statistics(x, weights, call)
        if found is not None:
            return found
        if call.moments is None:
            y = run_loop(self.normalizing_call(x.shape, x.dtype.name), x, None, None)
            if y is not None:
                return y
        if self.order != _EUCLIDEAN:
            from poolnorm_cli.kernels.norms import divided_by_norm

            return divided_by_norm(x, axes, self.epsilon, self.order)
        count = call.moments.count if call.moments else math.prod(x.shape[axis] for axis in axes)
        square = mean_square(x, axes, self.call_statistics(call, x.shape))
        inverse = inverse_deviation(square * count, 0.0)
        return scaled(x, np.minimum(inverse, self._most))

    @property
    def _norm(self) -> str:
        """The norm of cells, in words."""
        order = f"{self.order:g}"
        return _NORMS.get(self.order, f"sum(|x|**{order})**(1/{order})")

    @property
    def _most(self) -> float:
        """The largest factor: one over the floor."""
        return 1 / self.epsilon if self.epsilon else math.inf

    def explain(self, facts: "Facts") -> list[str]:
        """Describe over which cells the norm is taken, and by which formula."""
        from poolnorm_cli.layers.explain import first_cells, first_statistic_lines

        first = first_cells(facts.first, self.axes(len(facts.shape)))
        shown = () if first is None else (("norm", _norm_of(first, self.order)),)
        statistic, formula = self.formula_lines(facts.shape)
        return [statistic, *first_statistic_lines(*shown), formula]

    def formula_lines(self, shape: Shape) -> list[str]:
        """Describe over which cells the norm is taken, and by which formula."""
        from poolnorm_cli.formulas import reduction_text

        return [
            f"norm = {self._norm} over {reduction_text(shape, self.axes(len(shape)))}",
            f"y = x / max(norm, {self.epsilon:g})",
        ]

    def build(self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall") -> "Value":
        """Add LpNormalization, or operators where it has several axes or must be exact.

        Args:
            graph: The graph.
            x: The block, of the shape and dtype in `call`.
            weights: Not used: there are none.
            call: Shape, dtype, statistics, and whether every input must be exact.

        Returns:
            The output, in the dtype of `x`.
        """
        from poolnorm_cli.operators.moments import mean_square
        from poolnorm_cli.operators.scaling import inverse_deviation

        del weights
        axes = self.axes(call.rank)
        plain = len(axes) == 1 and axes[0] and call.moments is None and graph.opset < _LP_UNTIL
        plain = plain and self.epsilon == _LEAST_NORM and self.order in _LP_ORDERS
        if plain and call.dtype == "float32" and not call.exact:
            return graph.op("LpNormalization", x, axis=axes[0], p=int(self.order))
        if self.order != _EUCLIDEAN:
            from poolnorm_cli.operators.norms import divided_by_norm

            return divided_by_norm(graph, x, axes, self.epsilon, call, self.order)
        square = mean_square(graph, x, axes, call.moments)
        count = graph.constant(float(math.prod(call.sizes[axis] for axis in axes)), "float64")
        if call.moments is not None:
            count = call.moments.count
        inverse = inverse_deviation(graph, graph.op("Mul", square, count), 0.0)
        most = graph.constant(self._most, "float64")
        if call.moments is not None and call.moments.unit is not None:
            most = graph.op("Div", most, call.moments.unit)
            x = graph.op("Mul", x, call.moments.unit)
        least = graph.op("Min", inverse, most)
        return graph.op("Mul", x, graph.cast(least, call.dtype))

    def build_for_device(
        self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall"
    ) -> "Value | None":
        """Add the norm in float32, and whether sums of squares are finite.

        Args:
            graph: The graph.
            x: The block, float32.
            weights: Not used: there are none.
            call: Shape and dtype, and statistics where they are given.

        Returns:
            The output; None where nothing is sooner than the exact graph.
        """
        from poolnorm_cli.operators.device_norms import checked_unit, has_few_trailing_cells

        del weights
        axes = self.axes(call.rank)
        cells = math.prod(call.sizes[axis] for axis in axes)
        if self.order != _EUCLIDEAN or not has_few_trailing_cells(axes, cells, call):
            return None
        return checked_unit(graph, x, axes, call, self.epsilon)


def _norm_of(cells: "Array", order: float) -> float:
    import numpy as np

    return float(np.linalg.norm(cells.ravel(), order))
