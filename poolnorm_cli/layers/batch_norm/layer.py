"""Batch normalization as Keras 3 computes it, with every parameter of Keras 2."""

import math
from typing import TYPE_CHECKING, Any, ClassVar

from poolnorm_cli.layers.batch_norm.parameters import BatchParameters
from poolnorm_cli.layers.batch_norm.renorm import renorm_updates
from poolnorm_cli.layers.batch_norm.statistics import (
    STEPS,
    block_mean_and_variance,
    replace_moved,
    require_finite,
)
from poolnorm_cli.layers.call import INFERENCE, Call
from poolnorm_cli.layers.weight_arrays import broadcast_weight
from poolnorm_cli.shapes import Ints, Shape
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from collections.abc import Mapping

    from poolnorm_cli.kernels.moments import Moments
    from poolnorm_cli.kernels.native import LoopCall, LoopMaker
    from poolnorm_cli.layers.call import Array, Facts, Weights
    from poolnorm_cli.operators.graph import Graph, GraphCall, GraphMoments, Value, Values

_LARGEST_FOLDED = 8.0
"""Of means in units of deviations up to which float32 has digits to spare, folded into a shift."""
_LEAST_ON_DEVICE = 1e-5
"""The least epsilon of cuDNN, which puts it in place of a smaller one."""
_MOVING = ("moving_mean", "moving_variance")


@frozen(kw_only=True)
class BatchNormalization(BatchParameters):
    """Normalize each channel by its moving statistics, or with --training by those of the batch."""

    words: ClassVar[str] = "bn"
    keras_name: ClassVar[str] = "BatchNormalization"
    example: ClassVar[str] = "--weights bn.npz"
    takes_halves: ClassVar[bool] = True
    formula: ClassVar[str] = (
        "y = gamma * (x - moving_mean) / sqrt(moving_variance + epsilon) + beta"
    )

    def apply(self, x: "Array", weights: "Weights", call: Call = INFERENCE) -> "Array":
        """Compute `(x - mean) / sqrt(variance + epsilon) * gamma + beta`.

        In training the statistics are those of `call.moments`, the variance the biased one, and
        the normalized value goes through renorm and the adjustment before gamma and beta.

        Args:
            x: The block, float32 or float64.
            weights: All weights of the layer, of the sizes of its axes.
            call: Training or inference, where the block starts, and the statistics of the batch.

        Returns:
            The output, in the dtype of `x`, as Keras' `BatchNormalization` (Ioffe and Szegedy,
            2015, arXiv:1502.03167) gives it.
        """
        from poolnorm_cli.kernels.rows import run_loop
        from poolnorm_cli.kernels.scaling import center_and_scale, inverse_deviation

        def weight(name: str) -> Any:
            return broadcast_weight(weights, name, x.shape, self.axes(x.ndim), call.origin(x.ndim))

        mean, variance = self.known_statistics(weights, call, x.shape)
        held = {name: weight(name) for name in ("gamma", "beta")} | self.extra_inputs(
            weights, call, x.shape
        )
        own = None if call.moments is not None else self.scaling_call(x.shape, x.dtype.name)
        if own is not None:
            y = run_loop(own, x, mean, variance, held["gamma"], held["beta"])
            if y is not None:
                return y
        scale, shift = inverse_deviation(variance, self.epsilon), 0.0
        for factor, addend in STEPS:
            if held.get(factor) is not None:
                scale, shift = scale * held[factor], shift * held[factor]
            if held.get(addend) is not None:
                shift = shift + held[addend]
        return center_and_scale(x, mean, scale, shift)

    def loop_call(
        self, shape: Ints, dtype: str, weights: "Mapping[str, memoryview]"
    ) -> "LoopCall | None":
        """Return the call of the loop for a block and the weights, in inference.

        Args:
            shape: Shape of the block.
            dtype: Name of its dtype.
            weights: All weights of the layer, in float64.

        Returns:
            The call; None where no loop serves.
        """
        return self.loop_maker(shape, dtype)(weights)

    def loop_maker(self, shape: Ints, dtype: str) -> "LoopMaker":
        """Return `loop_call` of any weights.

        Args:
            shape: Shape of the block.
            dtype: Name of its dtype.

        Returns:
            What takes weights.
        """
        call = self.scaling_call(shape, dtype)

        def make(weights: "Mapping[str, memoryview]") -> "LoopCall | None":
            if call is None:
                return None
            mean, variance = (weights[name] for name in _MOVING)
            return call.on(mean, variance, weights.get("gamma"), weights.get("beta"))

        return make

    def weights_of_batch(self, weights: "Weights", moments: "Moments") -> "dict[str, Array] | None":
        """Put the statistics of the batch in place of the moving ones.

        Args:
            weights: As they are before the call.
            moments: Statistics of the batch.

        Returns:
            The weights; None with renorm, an adjustment or ghost batches, and for statistics that
            float64 cannot hold.
        """
        each = moments.mean.dtype.name, moments.mean.size
        if self.renorm or self.adjustment or each != ("float64", weights[_MOVING[0]].size):
            return None
        shape = weights[_MOVING[0]].shape
        mean, variance = (v.reshape(shape) for v in (moments.mean, moments.variance))
        return dict(weights) | dict(zip(_MOVING, (mean, variance), strict=True))

    def known_statistics(
        self, weights: "Weights", call: Call, shape: Ints
    ) -> "tuple[Array, Array]":
        """Return the mean and variance that come with the call, or the moving ones.

        Args:
            weights: All weights of the layer.
            call: The call.
            shape: Shape of the block.

        Returns:
            Both in float64, of shapes that broadcast against the block.
        """
        given = self.call_statistics(call, shape)
        if given is not None:
            return given
        more = shape, self.axes(len(shape)), call.origin(len(shape))
        mean, variance = (broadcast_weight(weights, name, *more) for name in _MOVING)
        assert mean is not None and variance is not None  # noqa: S101, PT018 - they are always there
        return mean, variance

    def block_statistics(
        self, moments: "Moments", origin: Ints, shape: Ints
    ) -> "tuple[Array, Array]":
        """Return the mean and variance for a block; each ghost batch has its own.

        Args:
            moments: Statistics of the batch, or of each ghost batch along axis 0.
            origin: Index at which the block starts in its tensor.
            shape: Shape of the block.

        Returns:
            Both in float64, of shapes that broadcast against the block.
        """
        return block_mean_and_variance(moments, origin, shape)

    def extra_input_shapes(self, shape: Shape) -> dict[str, Shape]:
        """Return what `extra_inputs` gives, each with its shape for a block of `shape`."""
        kept = tuple(n if axis in self.axes(len(shape)) else 1 for axis, n in enumerate(shape))
        terms = {"r": kept, "d": kept} if self.renorm else {}
        return terms | (self.adjustment.term_shapes(shape, kept) if self.adjustment else {})

    def extra_inputs(self, weights: "Weights", call: Call, shape: Ints) -> dict[str, Any]:
        """Return renorm's r and d, and the adjustment's s and b, for a block.

        Args:
            weights: As they are before the call.
            call: Statistics of the batch, where the block starts, and the calls before.
            shape: Shape of the block.

        Returns:
            Arrays in float64 that broadcast against the block, by name; none in inference.
        """
        if call.moments is None:
            return {}
        axes = self.axes(len(shape))
        terms = self.corrections(call.moments, weights)
        origin = call.origin(len(shape))
        given = {name: broadcast_weight(terms, name, shape, axes, origin) for name in terms}
        return given | (self.adjustment.block_terms(shape, axes, call) if self.adjustment else {})

    def updated(self, weights: "Weights", moments: "Moments") -> dict[str, Any]:
        """Move the moving statistics: `moving * momentum + batch * (1 - momentum)`.

        Args:
            weights: As they are before the call.
            moments: Statistics of the batch, or of each ghost batch along axis 0.

        Returns:
            All weights, each in the dtype that it had.

        Raises:
            InputError: A statistic is not finite; it would stay so for ever.
            StatisticRangeError: One does not fit into the dtype of its weight.
        """
        if not (moments.masked or moments.count):
            return dict(weights)
        require_finite(moments)
        batch = self.batch_statistics(moments, weights["moving_mean"].shape)
        if self.renorm and self.momentum is not None:
            momenta = self.momentum, self.renorm_momentum
            return replace_moved(weights, renorm_updates(batch, weights, self.epsilon, *momenta))
        return replace_moved(weights, batch.moved(weights, self.momentum))

    def build(self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall") -> "Value":
        """Add BatchNormalization, or operators in training, for several axes and to be exact.

        Args:
            graph: The graph.
            x: The block or the whole input, of the shape and dtype in `call`.
            weights: All weights of the layer, each of its own dtype.
            call: Shape, dtype, training, statistics, and whether every input must be exact.

        Returns:
            The output, in the dtype of `x`.
        """
        from poolnorm_cli.layers.batch_norm.graph import build

        return build(self, graph, x, weights, call)

    def build_for_device(
        self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall"
    ) -> "Value | None":
        """Add BatchNormalization, if statistics and weights are given.

        Args:
            graph: The graph.
            x: The block, float32.
            weights: Those of the layer, if it has any.
            call: Shape and dtype, and statistics where they are given.

        Returns:
            The output; None where nothing is sooner than the exact graph.
        """
        from poolnorm_cli.layers.batch_norm.graph import build_for_device

        return build_for_device(self, graph, x, weights, call)

    def build_batch_for_device(
        self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall"
    ) -> "tuple[Value, GraphMoments] | None":
        """Add statistics by sums in float32, BatchNormalization, and whether digits are kept.

        Args:
            graph: The graph.
            x: The batch, float32.
            weights: All weights.
            call: Shape and dtype.

        Returns:
            The output, and the statistics of the batch; None where nothing is sooner than exact.
        """
        from poolnorm_cli.layers.batch_norm.graph import build_batch_for_device

        if self.epsilon < _LEAST_ON_DEVICE:
            return None
        return build_batch_for_device(self, graph, x, weights, call)

    def fits_device(self, weights: "Weights") -> bool:
        """Whether `shift - mean * scale` in float32 keeps the digits of `(x - mean) * scale`."""
        import numpy as np

        if self.epsilon < _LEAST_ON_DEVICE:
            return False
        folded = self.fold(weights)["scale"] * weights["moving_mean"]
        return bool(np.abs(folded).max(initial=0.0) <= _LARGEST_FOLDED)

    def build_moments(
        self, graph: "Graph", x: "Value", axes: Ints, call: "GraphCall"
    ) -> "GraphMoments":
        """Add the moments of the batch, under its mask, or of each ghost batch.

        Args:
            graph: The graph.
            x: The whole input.
            axes: What `statistics_axes` returned.
            call: Shape, dtype and mask.

        Returns:
            The statistics, with a row for each sample where there are ghost batches.
        """
        from poolnorm_cli.operators.moments import ghost_moments

        if self.virtual_batch_size is None:
            return super().build_moments(graph, x, axes, call)
        return ghost_moments(graph, x, axes, call, self.virtual_batch_size)

    def build_updated(
        self, graph: "Graph", weights: "Values", call: "GraphCall"
    ) -> "dict[str, Value]":
        """Move the moving statistics: `moving * momentum + batch * (1 - momentum)`.

        Args:
            graph: The graph.
            weights: All weights of the layer, each of its own dtype.
            call: Shape, dtype and statistics of the batch.

        Returns:
            The weights that change, by name, each in its own dtype.
        """
        from poolnorm_cli.layers.batch_norm.graph import build_updated

        return build_updated(self, graph, weights, call)

    def output_limit(self, limit: float, shape: Shape, weights: "Weights") -> float:
        """Return the limit times the largest scale, plus the largest shift.

        Args:
            limit: One that no value of the input exceeds, all of which are finite.
            shape: Not used.
            weights: All weights of the layer.

        Returns:
            The magnitude in inference; infinity where a scale is none.
        """
        del shape
        import numpy as np

        with np.errstate(all="ignore"):
            folded = self.fold(weights)
            scale, shift = (float(abs(folded[n]).max(initial=0.0)) for n in ("scale", "shift"))
        most = limit * scale + shift
        return most if math.isfinite(most) else math.inf

    def fold(self, weights: "Weights") -> dict[str, Any]:
        """Return the scale and shift that the layer amounts to in inference, per channel."""
        from poolnorm_cli.layers.batch_norm.statistics import fold

        return fold(weights, self.epsilon)

    def apply_folded(self, x: "Array", folded: "Weights", call: Call) -> "Array":
        """Compute `x * scale + shift`, as a model does that has the layer folded into another.

        Args:
            x: A block.
            folded: `scale` and `shift`, one value per channel.
            call: Where the block starts in its tensor.

        Returns:
            The output, computed in the dtype of `x`.
        """
        axes, origin = self.axes(x.ndim), call.origin(x.ndim)
        terms: Any = [broadcast_weight(folded, name, x.shape, axes, origin) for name in folded]
        scale, shift = (term.astype(x.dtype) for term in terms)
        y: Array = x * scale + shift
        return y

    def explain(self, facts: "Facts") -> list[str]:
        """Describe which statistics were used, by which formula, and how the moving ones moved."""
        from poolnorm_cli.layers.batch_norm.explain import explain

        return explain(self, facts)

    def formula_lines(self, shape: Shape) -> list[str]:
        """Describe what inference and training do with any input of `shape`."""
        from poolnorm_cli.layers.batch_norm.explain import shape_lines

        return shape_lines(self, shape)
