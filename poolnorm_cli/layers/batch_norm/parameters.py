"""The parameters of batch normalization, and what follows from them alone: checks and weights."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.affine import AffineNormalization
from poolnorm_cli.layers.batch_norm.adjustment import Adjustment
from poolnorm_cli.layers.batch_norm.checks import (
    keras_momentum,
    require_compatible,
    require_finite_momentum,
    require_supported,
)
from poolnorm_cli.layers.batch_norm.renorm import RENORM_WEIGHTS, Clipping, corrections
from poolnorm_cli.layers.batch_norm.statistics import (
    BATCHES,
    BatchStatistics,
    ghost_batches,
    require_no_negative,
)
from poolnorm_cli.layers.beyond_keras import BeyondKeras
from poolnorm_cli.layers.keras.initializers import ONES, ZEROS, Initializer
from poolnorm_cli.layers.maskable import Maskable
from poolnorm_cli.layers.normalization import require_rank
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.shapes import Ints, Shape, known_sizes
from poolnorm_cli.values import frozen, replace


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from poolnorm_cli.kernels.moments import Moments
    from poolnorm_cli.kernels.normalizing_loops import ScalingCall
    from poolnorm_cli.kernels.training_loops import TrainingCall
    from poolnorm_cli.layers.base import Layer
    from poolnorm_cli.layers.batch_norm.plain_training import PlainStep
    from poolnorm_cli.layers.call import Array, Weights
    from poolnorm_cli.strips import Strip


_KERAS_2 = ("fused", "virtual_batch_size", "adjustment")
_KERAS_OBJECTS = ("renorm_clipping", "adjustment")


def _keras_config(config: dict[str, Any]) -> dict[str, Any]:
    """Leave out the convention, and what Keras 3 does not have where it is not set."""
    absent = {"momentum_convention"} | {name for name in _KERAS_2 if config[name] is None}
    kept = {name: value for name, value in config.items() if name not in absent}
    words = {name: kept[name].config() for name in _KERAS_OBJECTS if kept.get(name) is not None}
    return kept | words


_VARIANCES = ("moving_variance", "moving_stddev", "renorm_stddev")


@frozen(kw_only=True)
class BatchParameters(AffineNormalization, Trainable, Maskable, BeyondKeras):
    """Everything about batch normalization but its arithmetic."""

    momentum: Annotated[
        float | None,
        "Share of the old moving statistics that a batch leaves; none: they are the averages of "
        "all batches, as torch's momentum=None has it.",
    ] = 0.99
    moving_mean_initializer: Annotated[
        Initializer, "Start of the moving mean, without --weights."
    ] = ZEROS
    moving_variance_initializer: Annotated[
        Initializer, "Start of the moving variance, without --weights."
    ] = ONES
    renorm: Annotated[bool, "Batch renormalization: train towards the moving statistics."] = False
    renorm_clipping: Annotated[
        Clipping | None, "Limits of its corrections, as rmin=0.5,rmax=2,dmax=1."
    ] = None
    renorm_momentum: Annotated[float, "Momentum of its own two moving statistics."] = 0.99
    fused: Annotated[
        bool | None,
        "Keras 2's fused path, which moves the variance by N/(N-1) of the batch's; or its other "
        "path. Neither: Keras 3.",
    ] = None
    virtual_batch_size: Annotated[
        int | None,
        "Train on ghost batches: interleaved parts of so many samples, each normalized apart.",
    ] = None
    adjustment: Annotated[
        Adjustment | None,
        "In training, scale and shift before gamma and beta: an .npz with scale and bias, "
        "or 'scale=...;bias=...' with initializers.",
    ] = None
    synchronized: Annotated[bool, "Train on all inputs as one batch, with one update."] = False
    unbiased: Annotated[
        bool,
        "Move the variance by N/(N-1) of the batch's at any rank, as torch does; --fused does too.",
    ] = False
    momentum_convention: Annotated[
        Literal["keras", "torch"], "torch's momentum is the share of the new: 1 - Keras'."
    ] = "keras"

    weight_names: ClassVar[tuple[str, ...]] = (
        *AffineNormalization.weight_names,
        *("moving_mean", "moving_variance"),
        *RENORM_WEIGHTS,
        BATCHES,
    )
    keras_2_only: ClassVar[tuple[str, ...]] = _KERAS_2
    keras_lacks: ClassVar[tuple[str, ...]] = ("unbiased",)

    def beyond_keras(self) -> list[str]:
        """List what was given that no Keras has: the average of all batches, N/(N-1) anywhere."""
        given = {"--momentum none": self.momentum is None, "--unbiased": self.unbiased}
        return [flag for flag, is_given in given.items() if is_given]

    def __post_init__(self) -> None:
        """Validate the parameters; from here on the momentum is as in Keras."""
        super().__post_init__()
        checked = {
            "momentum": keras_momentum(self.momentum, self.momentum_convention),
            "momentum_convention": "keras",
            "renorm_clipping": Clipping.of(given) if (given := self.renorm_clipping) else None,
            "adjustment": self.adjustment and Adjustment.of(self.adjustment, "--adjustment"),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        require_finite_momentum(self)
        require_compatible(self)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of the input.

        Raises:
            UsageError: The rank is below 2, an axis is out of range or has no known size, or
                Keras 2 has no fused path or no ghost batches for such an input.
        """
        require_rank(shape, 2, "batch normalization")
        axes = self.axes(len(shape))
        if len(axes) == len(shape):
            raise UsageError("--axis names every axis", "leave out the axes to normalize over")
        require_supported(self, axes, shape)
        return super().output_shape(shape)

    def compute_dtype(self, dtype: str) -> str:
        """Return the name of the dtype in which blocks are handed to `apply`.

        Raises:
            UsageError: It is float64, for which Keras 2 has no fused path.
        """
        if self.fused and dtype == "float64":
            raise UsageError("--fused with a float64 input", "give --no-fused, or float32")
        return super().compute_dtype(dtype)

    def weight_shapes(self, shape: Shape) -> dict[str, Ints]:
        """Return the shapes of gamma, beta (where the layer has them) and the moving statistics."""
        sizes = known_sizes(shape, self.axes(len(shape)))
        moving = ["moving_mean", "moving_variance", *(RENORM_WEIGHTS if self.renorm else ())]
        if self.momentum is None:
            moving.append(BATCHES)
        return super().weight_shapes(shape) | dict.fromkeys(moving, sizes)

    def initial_weight(self, weight: str, shape: Ints) -> "Array":
        """Return the values with which a weight starts; renorm's follow from the moving ones.

        Args:
            weight: One of `weight_names`.
            shape: Its shape.

        Returns:
            The values, in float64.

        Raises:
            UsageError: The initializer has none for such a shape, or a negative variance.
        """
        if weight == BATCHES:
            from poolnorm_cli.kernels.memory import filled

            return filled(shape, 0.0)
        if weight == "renorm_mean":
            return super().initial_weight("moving_mean", shape)
        if weight not in _VARIANCES:
            return super().initial_weight(weight, shape)
        variance = super().initial_weight("moving_variance", shape)
        require_no_negative(variance, str(self.moving_variance_initializer))
        root: Array = variance if weight == "moving_variance" else variance**0.5
        return root

    def with_arrays(self, read: "Callable[[str], Mapping[str, Array]]") -> Self:
        """Return the layer with the arrays that its adjustment names by a file."""
        if self.adjustment is None:
            return self
        return replace(self, adjustment=self.adjustment.with_arrays(read))

    def reduced_axes(self, rank: int) -> Ints:
        """Return all axes but the channels'."""
        axes = self.axes(rank)
        return tuple(axis for axis in range(rank) if axis not in axes)

    def statistics_axes(self, rank: int, *, training: bool, in_strips: bool = False) -> Ints:
        """Return all axes but the channels' in training; none in inference.

        Args:
            rank: Axes of the input.
            training: The call is a training call.
            in_strips: Makes no difference: the statistics are those of the batch, or the moving
                ones.

        Returns:
            The axes, sorted.
        """
        del in_strips  # the statistics are those of the batch, or the moving ones
        return self.reduced_axes(rank) if training and self.trainable else ()

    def is_synchronized(self, *, training: bool) -> bool:
        """Whether --synchronized makes one batch of all inputs."""
        return self.synchronized and training and self.trainable

    @property
    def moves_unbiased(self) -> bool:
        """Whether the moving variance moves by N/(N-1) of the batch's."""
        return self.unbiased or bool(self.fused)

    @property
    def has_ghost_batches(self) -> bool:
        """Whether a batch is made of ghost batches."""
        return self.virtual_batch_size is not None

    def ghost_batch_count(self, samples: int) -> int:
        """Return the number of ghost batches of a batch; 1 where there are none.

        Raises:
            UsageError: They do not come out even.
        """
        return ghost_batches(samples, self.virtual_batch_size)

    @property
    def takes_plain_step(self) -> bool:
        """Whether a training call does no more than normalize, and move two averages."""
        more = self.renorm, self.adjustment, self.virtual_batch_size, self.synchronized
        return not any(more) and self.momentum is not None

    def plain_step(
        self,
        weights: "Mapping[str, memoryview]",
        mean: list[float],
        squares: list[float],
        count: int,
    ) -> "PlainStep | None":
        """Return a training call on statistics that are plain numbers.

        Args:
            weights: As they are before it, float64.
            mean: Mean of each channel.
            squares: Sum of squared deviations from it.
            count: Cells of a channel.

        Returns:
            The call; None where a statistic is not finite.
        """
        if self.momentum is None:
            return None
        from poolnorm_cli.layers.batch_norm.plain_training import plain_step

        unbiased = self.moves_unbiased
        return plain_step(weights, (mean, squares), count, self.momentum, unbiased=unbiased)

    def scaling_call(self, shape: Ints, dtype: str) -> "ScalingCall | None":
        """Return the call of the loop that normalizes a block by the moving statistics.

        Args:
            shape: Shape of the block.
            dtype: Name of its dtype.

        Returns:
            The call; None where no loop serves.
        """
        from poolnorm_cli.kernels.normalizing_loops import by_channel

        return by_channel(shape, self.axes(len(shape)), dtype, self.epsilon)

    def batch_call(self, shape: Ints, dtype: str) -> "TrainingCall | None":
        """Return the call of the loop that makes a training call on all of a tensor at once.

        Args:
            shape: Shape of the tensor.
            dtype: Name of its dtype.

        Returns:
            The call; None with renorm, an adjustment or ghost batches, or where no loop serves.
        """
        if self.renorm or self.adjustment or self.ghost_batch_count(shape[0]) > 1:
            return None
        from poolnorm_cli.kernels.training_loops import training_call

        axes = self.statistics_axes(len(shape), training=True, in_strips=False)
        return training_call(self.scaling_call(shape, dtype), shape, axes)

    def batch_statistics(self, moments: "Moments", shape: Ints) -> BatchStatistics:
        """Return what a batch moves the moving statistics by.

        Args:
            moments: Statistics of the batch, or of each ghost batch along axis 0.
            shape: Shape of a weight.

        Returns:
            One mean and one variance per channel.
        """
        ghosts, unbiased = self.has_ghost_batches, self.moves_unbiased
        return BatchStatistics.of(moments, shape, ghosts=ghosts, unbiased=unbiased)

    def corrections(self, moments: "Moments", weights: "Weights") -> dict[str, Any]:
        """Return renorm's r and d; nothing without renorm.

        Args:
            moments: Statistics of the batch, or of each ghost batch along axis 0.
            weights: As they are before the batch.

        Returns:
            Arrays in float64 of the shape of a weight, by name.
        """
        if not self.renorm:
            return {}
        batch = self.batch_statistics(moments, weights["renorm_mean"].shape)
        return corrections(batch, weights, self.epsilon, self.renorm_clipping or Clipping())

    def fixes_batch(self, rank: int) -> bool:
        """Whether an adjustment has values for each sample of a batch."""
        return self.adjustment is not None and self.adjustment.fixes_batch(rank)

    def collapse_leading_axes(self, shape: Ints) -> "tuple[Layer, Ints]":
        """Merge all axes before the channels, unless its samples differ from each other.

        What Keras 2 calls fused concerns the rank and the moving variance, not the arithmetic.
        """
        if self.virtual_batch_size is not None or self.adjustment is not None:
            return self, shape
        return super(BatchParameters, replace(self, fused=None)).collapse_leading_axes(shape)

    def strips(self, shape: Ints, items: int) -> "list[Strip]":
        """Cut samples anywhere, unless there is an adjustment, which may differ along any axis.

        Args:
            shape: All axes of the input, batch first.
            items: About how many items of a sample go into a strip, 1 or more.

        Returns:
            The strips, in order; [] where samples are worked on whole.
        """
        return [] if self.adjustment is not None else super().strips(shape, items)

    def mask_shape(self, shape: Shape) -> Shape:
        """Return the shape of a mask: that of the input less its last axis.

        Raises:
            UsageError: There are ghost batches, for which Keras 2 has no mask.
        """
        if self.virtual_batch_size is not None:
            raise UsageError("--mask with --virtual-batch-size", "leave one of them out")
        return shape[:-1]

    def ignores_mask(self, *, training: bool) -> str | None:
        """Return why a mask makes no difference: as in Keras, it concerns the statistics alone."""
        if not (training and self.trainable):
            return "the statistics are the moving ones; --training takes those of the batch"
        if self.fused:
            return "Keras 2's fused path counts all cells; --no-fused heeds a mask"
        return None

    def config(self, shape: Shape | None = None) -> dict[str, Any]:
        """Return Keras' config, with the parameters of Keras 2 only where they are set."""
        return _keras_config(super().config(shape))
