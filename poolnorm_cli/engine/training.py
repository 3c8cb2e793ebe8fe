"""The weights of a run, and what training makes of them from tensor to tensor."""

from typing import TYPE_CHECKING

from poolnorm_cli.engine.layer_pass import LayerPass, Weights, initial_weights
from poolnorm_cli.engine.training_step import Notes, TrainingStep
from poolnorm_cli.errors import StatisticRangeError
from poolnorm_cli.layers.trainable import Trainable, apply_constraints
from poolnorm_cli.shapes import Ints
from poolnorm_cli.values import field, record
from poolnorm_cli.weights.fit import BroadcastableWeights, fit


if TYPE_CHECKING:
    from poolnorm_cli.kernels.moments import Moments
    from poolnorm_cli.layers.base import Layer


@record
class TrainingState:
    """The weights of a run before its next tensor: the one part of a job that changes.

    Attributes:
        weights: As they were read, or as training has left them; None until the first input,
            whose shape gives the initial ones.
        is_saved: They are saved after the run.
        moments: Statistics of the one batch that all inputs are, where they are synchronized.
        updated: The weights that this batch leaves.
        notes: What there is to say of that.
        step: Tensors that were trained on.
    """

    weights: Weights | None = None
    is_saved: bool = False
    moments: "Moments | None" = None
    updated: Weights | None = None
    notes: Notes = ()
    step: int = 0
    _fitted: dict[tuple[tuple[str, Ints], ...], Weights] = field(default_factory=dict, init=False)

    @property
    def trained(self) -> Weights | None:
        """The weights as the run has left them."""
        if isinstance(self.weights, BroadcastableWeights) and self._fitted:
            return next(iter(self._fitted.values()))  # as the first input has them laid out
        return self.updated or self.weights

    def is_known(self, layer: "Layer") -> bool:
        """Whether no input is needed to say what the weights are."""
        has_shapes = isinstance(self.weights, dict) and not isinstance(
            self.weights, BroadcastableWeights
        )
        return has_shapes or not layer.weight_names

    def weights_for(self, plan: LayerPass) -> Weights:
        """Return the weights for a tensor, checked once per shape of them.

        Raises:
            PoolnormError: They do not fit, or are not what weights can be.
        """
        if not plan.layer.weight_names:
            return {}
        expected = plan.layer.weight_shapes(plan.shape)
        key = tuple(expected.items())
        if key not in self._fitted:
            if self.weights is None:
                self.weights = initial_weights(plan.layer, plan.shape, plan.dtype)
            fitted = fit(self.weights, expected, plan.layer, training=plan.training)
            apply_constraints(plan.layer, fitted)  # refuses weights that it could not project later
            self._fitted[key] = fitted
        return self._fitted[key]

    def apply_step(self, plan: LayerPass, moments: "Moments | None") -> TrainingStep:
        """Return what a tensor is computed with, and move the weights on, in training.

        Args:
            plan: The layer on the tensor.
            moments: Statistics of the tensor; None where the layer asks for none.

        Returns:
            The step: the weights before it, and those after it.

        Raises:
            PoolnormError: The weights do not fit, or the statistics may not enter them.
        """
        weights = self.weights_for(plan)
        if not plan.training:
            return TrainingStep(weights, moments)
        step, updated, notes = self.step, None, Notes()
        self.step += 1
        if isinstance(plan.layer, Trainable) and plan.layer.is_synchronized(training=True):
            return TrainingStep(weights, self.moments, self.updated, step, self.notes)
        if moments is not None:
            updated, notes = self._updated(plan.layer, weights, moments)
            self.weights = updated
            self._fitted.clear()
        return TrainingStep(weights, moments, updated, step, notes)

    def accumulate(self, plan: LayerPass, moments: "Moments | None") -> None:
        """Add the statistics of a tensor to the one batch of all, in the order of the inputs.

        Args:
            plan: The layer on the tensor.
            moments: Statistics of the tensor; None where the layer asks for none.

        Raises:
            PoolnormError: The weights or the others do not go with it, or it is not finite.
        """
        weights = self.weights_for(plan)
        if moments is not None:
            from poolnorm_cli.kernels.moments import merge_tensors

            self._updated(plan.layer, weights, moments)  # refuses what is not finite
            before = self.moments
            self.moments = moments if before is None else merge_tensors(before, moments)
            self.updated, self.notes = self._updated(plan.layer, weights, self.moments)

    def _updated(
        self, layer: "Layer", weights: Weights, moments: "Moments"
    ) -> tuple[Weights, Notes]:
        """Return the weights as a batch leaves them, and what is to be said of that.

        Raises:
            InputError: A statistic may not enter them, or is to be saved and does not fit.
        """
        if not isinstance(layer, Trainable):
            return weights, ()
        try:
            return layer.updated(weights, moments), ()
        except StatisticRangeError as error:
            if self.is_saved or not error.harmless:
                raise
            return dict(error.kept), (f"{error.message}, and was left as it is",)


def with_constants(layer: "Layer") -> "Layer":
    """Return a layer with the arrays of the files that its parameters name.

    Raises:
        InputError: A file cannot be read.
        UsageError: One is not an `.npz` file, or has other arrays.
    """
    return layer.with_arrays(_load_constants) if isinstance(layer, Trainable) else layer


def _load_constants(file: str) -> Weights:
    from poolnorm_cli.weights.npz import load

    return load(file, ("scale", "bias"))
