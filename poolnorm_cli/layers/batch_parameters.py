"""The parameters of batch normalization, and what follows from them alone: checks and weights."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers import batch_rules
from poolnorm_cli.layers.adjustment import Adjustment
from poolnorm_cli.layers.initializers import ONES, ZEROS, Initializer
from poolnorm_cli.layers.normalization import Normalization, require_rank
from poolnorm_cli.layers.renorm import RENORM_WEIGHTS, Clipping
from poolnorm_cli.shapes import Ints, Shape, known
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from poolnorm_cli.bands import Band
    from poolnorm_cli.layers.base import Array, Layer

VARIANCES = ("moving_variance", "moving_stddev", "renorm_stddev")


@frozen(kw_only=True)
class BatchParameters(Normalization):
    """Everything about batch normalization but its arithmetic."""

    momentum: Annotated[float, "Share of the old moving statistics that a batch leaves."] = 0.99
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
        int | None, "Train on interleaved ghost batches of so many samples."
    ] = None
    adjustment: Annotated[
        Adjustment | None,
        "In training, scale and shift before gamma and beta: an .npz with scale and bias, "
        "or 'scale=...;bias=...' with initializers.",
    ] = None
    synchronized: Annotated[bool, "Train on all inputs as one batch, with one update."] = False
    momentum_convention: Annotated[
        Literal["keras", "torch"], "torch's momentum is the share of the new: 1 - Keras'."
    ] = "keras"

    weight_names: ClassVar[tuple[str, ...]] = (
        *Normalization.weight_names,
        *("moving_mean", "moving_variance"),
        *RENORM_WEIGHTS,
    )
    keras_2_only: ClassVar[tuple[str, ...]] = ("fused", "virtual_batch_size", "adjustment")

    def __post_init__(self) -> None:
        """Check what can be checked without an input; from here on momentum is Keras'."""
        super().__post_init__()
        settled = {
            "momentum": batch_rules.keras_momentum(self.momentum, self.momentum_convention),
            "momentum_convention": "keras",
            "renorm_clipping": Clipping.of(given) if (given := self.renorm_clipping) else None,
            "adjustment": self.adjustment and Adjustment.of(self.adjustment, "--adjustment"),
        }
        for name, value in settled.items():
            object.__setattr__(self, name, value)
        batch_rules.require_finite_momentum(self)
        batch_rules.require_compatible(self)

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
        batch_rules.require_supported(self, axes, shape)
        return super().output_shape(shape)

    def compute_dtype(self, dtype: str) -> str:
        """Name the dtype in which blocks are handed to `apply`.

        Raises:
            UsageError: It is float64, for which Keras 2 has no fused path.
        """
        if self.fused and dtype == "float64":
            raise UsageError("--fused with a float64 input", "give --no-fused, or float32")
        return super().compute_dtype(dtype)

    def weight_shapes(self, shape: Shape) -> dict[str, Ints]:
        """Name gamma and beta, where the layer has them, and the moving statistics."""
        sizes = known(shape, self.axes(len(shape)))
        moving = ("moving_mean", "moving_variance", *(RENORM_WEIGHTS if self.renorm else ()))
        return super().weight_shapes(shape) | dict.fromkeys(moving, sizes)

    def initial_weight(self, weight: str, shape: Ints) -> "Array":
        """Return the values with which a weight starts; renorm's follow from the moving ones.

        Raises:
            UsageError: The initializer has none for such a shape, or a negative variance.
        """
        if weight == "renorm_mean":
            return super().initial_weight("moving_mean", shape)
        if weight not in VARIANCES:
            return super().initial_weight(weight, shape)
        variance = super().initial_weight("moving_variance", shape)
        batch_rules.require_no_negative(variance, str(self.moving_variance_initializer))
        root: Array = variance if weight == "moving_variance" else variance**0.5
        return root

    def bound(self, read: "Callable[[str], Mapping[str, Array]]") -> Self:
        """Return the layer with the arrays that its adjustment names by a file."""
        if self.adjustment is None:
            return self
        return replace(self, adjustment=self.adjustment.bound(read))

    def narrowed(self, shape: Ints) -> "tuple[Layer, Ints]":
        """Merge all axes before the channels, unless samples are told from each other.

        What Keras 2 calls fused concerns the rank and the moving variance, not the arithmetic.
        """
        if self.virtual_batch_size is not None or self.adjustment is not None:
            return self, shape
        return super(BatchParameters, replace(self, fused=None)).narrowed(shape)

    def bands(self, shape: Ints, items: int) -> "list[Band]":
        """Cut samples anywhere, unless an adjustment has a say in them."""
        return [] if self.adjustment is not None else super().bands(shape, items)

    def banded_axes(self, rank: int) -> Ints:
        """Name none: the statistics are those of the batch, or the moving ones."""
        del rank
        return ()

    def mask_shape(self, shape: Shape) -> Shape:
        """Return the shape of a mask: that of the input less its last axis.

        Raises:
            UsageError: There are ghost batches, for which Keras 2 has no mask.
        """
        if self.virtual_batch_size is not None:
            raise UsageError("--mask with --virtual-batch-size", "leave one of them out")
        return shape[:-1]

    def ignores_mask(self, *, training: bool) -> str | None:
        """Say why a mask makes no difference: as in Keras, it only says what statistics count."""
        if not (training and self.trainable):
            return "the statistics are the moving ones; --training takes those of the batch"
        if self.fused:
            return "Keras 2's fused path counts all cells; --no-fused heeds a mask"
        return None

    def config(self, shape: Shape | None = None) -> dict[str, Any]:
        """Return Keras' config, with the parameters of Keras 2 only where they are set."""
        return batch_rules.keras_config(super().config(shape))
