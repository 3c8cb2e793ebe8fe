"""Layer normalization as Keras 3 computes it."""

import math
from typing import TYPE_CHECKING, ClassVar

from poolnorm_cli.layers.affine import AffineNormalization
from poolnorm_cli.layers.call import INFERENCE, Call
from poolnorm_cli.layers.weight_arrays import affine_arrays, affine_vector, apply_affine
from poolnorm_cli.shapes import Shape
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.layers.call import Array, Facts, Weights
    from poolnorm_cli.operators.graph import Graph, GraphCall, Value, Values


_LARGE = 1e30
"""Weights of float32 from which on what they make may leave the range before it is a result."""
_LEAST_ON_DEVICE = 1e-12
"""Epsilon from which on the root of a variance of 0 has an inverse that float32 holds."""


@frozen(kw_only=True)
class LayerNormalization(AffineNormalization):
    """Normalize over one or several axes of each sample, by the statistics of these cells."""

    words: ClassVar[str] = "ln"
    keras_name: ClassVar[str] = "LayerNormalization"
    example: ClassVar[str] = "--axis -1"
    formula: ClassVar[str] = "y = gamma * (x - mean) / sqrt(variance + epsilon) + beta, over --axis"

    def apply(self, x: "Array", weights: "Weights", call: Call = INFERENCE) -> "Array":
        """Compute `(x - mean) / sqrt(variance + epsilon) * gamma + beta`, the variance biased.

        Args:
            x: The block, float32 or float64.
            weights: `gamma` and `beta`, as far as the layer has them, of the sizes of its axes.
            call: Where the block starts, and the statistics, where they were gathered before.

        Returns:
            The output, in the dtype of `x`, as Keras 3's `LayerNormalization` (Ba et al., 2016,
            arXiv:1607.06450) gives it.
        """
        from poolnorm_cli.kernels.moments import moments_of
        from poolnorm_cli.kernels.rows import can_normalize_rows, normalize_rows, run_loop
        from poolnorm_cli.kernels.scaling import center_and_scale, inverse_deviation

        axes, origin = self.axes(x.ndim), call.origin(x.ndim)
        found = self.by_known_statistics(x, weights, call)
        if found is not None:
            return found
        if call.moments is None:
            own = self.normalizing_call(x.shape, x.dtype.name)
            y = run_loop(own, x, *affine_arrays(weights, x.shape, axes, origin))
            if y is not None:
                return y
        if call.moments is None and can_normalize_rows(x, axes, self.epsilon):
            rows = x.reshape(-1, math.prod(x.shape[axes[0] :]))
            affine = [affine_vector(weights, name, x, axes) for name in ("gamma", "beta")]
            if all(vector is None or (abs(vector) < _LARGE).all() for vector in affine):
                return normalize_rows(rows, self.epsilon, *affine).reshape(x.shape)
        given = self.call_statistics(call, x.shape)
        if given is None:
            moments = moments_of(x, axes)
            given = moments.mean, moments.variance
        y = center_and_scale(x, given[0], inverse_deviation(given[1], self.epsilon), 0.0)
        return apply_affine(y, weights, axes, origin)

    def explain(self, facts: "Facts") -> list[str]:
        """Describe over which cells the statistics are taken, and by which formula."""
        from poolnorm_cli.formulas import reduction_text
        from poolnorm_cli.layers.explain import first_cells, moments_lines

        axes = self.axes(len(facts.shape))
        first = first_cells(facts.first, axes)
        return moments_lines(self.epsilon, facts, reduction_text(facts.shape, axes), first)

    def formula_lines(self, shape: Shape) -> list[str]:
        """Describe over which cells the statistics are taken, and by which formula."""
        from poolnorm_cli.formulas import reduction_text
        from poolnorm_cli.layers.explain import normalization_lines

        over = reduction_text(shape, self.axes(len(shape)))
        return normalization_lines(self.epsilon, self.weight_shapes(shape), over)

    def build(self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall") -> "Value":
        """Add LayerNormalization, or operators where axes are not trailing or it must be exact.

        Args:
            graph: The graph.
            x: The block, of the shape and dtype in `call`.
            weights: `gamma` and `beta`, as far as the layer has them.
            call: Shape, dtype, statistics, and whether every input must be exact.

        Returns:
            The output, in the dtype of `x`.
        """
        from poolnorm_cli.operators.moments import moments_of
        from poolnorm_cli.operators.scaling import apply_affine, deviations

        axes = self.axes(call.rank)
        trailing = axes == tuple(range(axes[0], call.rank))
        plain = trailing and axes[0] and call.moments is None
        if plain and call.dtype == "float32" and not call.exact:
            return self._plain(graph, x, weights, call)
        moments = call.moments or moments_of(graph, x, axes)
        y = deviations(graph, x, call.dtype, moments, self.epsilon)
        return apply_affine(graph, y, weights, call, axes)

    def build_for_device(
        self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall"
    ) -> "Value | None":
        """Add LayerNormalization of what is left of the mean, and whether variances are finite.

        Args:
            graph: The graph.
            x: The block, float32.
            weights: Those of the layer, if it has any.
            call: Shape and dtype, and statistics where they are given.

        Returns:
            The output; None where nothing is sooner than the exact graph.
        """
        from poolnorm_cli.operators.moments import FEW_CELLS, centered
        from poolnorm_cli.operators.scaling import checked_layer_norm

        axes = self.axes(call.rank)
        cells = math.prod(call.sizes[axis] for axis in axes)
        trailing = axes == tuple(range(axes[0], call.rank))
        if not trailing or not axes[0] or call.moments is not None or cells > FEW_CELLS:
            return None
        if self.epsilon < _LEAST_ON_DEVICE:
            return None
        near = centered(graph, x, axes, cells)
        return checked_layer_norm(graph, near, weights, call, axes[0], self.epsilon)

    def _plain(self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall") -> "Value":
        from poolnorm_cli.operators.moments import centered

        axes = self.axes(call.rank)
        first, x = axes[0], centered(graph, x, axes, math.prod(call.sizes[axes[0] :]))
        gamma = weights.get("gamma") or graph.full(call.sizes[first:], 1, call.dtype)
        given = [gamma, *([weights["beta"]] if "beta" in weights else [])]
        cast = (graph.cast(weight, call.dtype) for weight in given)
        return graph.op("LayerNormalization", x, *cast, axis=first, epsilon=self.epsilon)
