"""What the normalization layers share: the axes of their weights and the checks on parameters."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.base import Layer, ints
from poolnorm_cli.layers.extremes import ByStatistics
from poolnorm_cli.layers.keras.initializers import ONES, ZEROS, Initializer
from poolnorm_cli.layers.keras.penalties import Constraint, Regularizer
from poolnorm_cli.shapes import Ints, Shape, format_shape, known, resolve_axes, within_64_bits
from poolnorm_cli.strips import boxes, merged_axes
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from poolnorm_cli.layers.base import Array, Weights
    from poolnorm_cli.strips import Strip


_MOST_STATISTICS = 1 << 24
"""Statistics of all samples up to which they are held, as 256 MiB, for samples to be cut."""
_WORDS = {"initializer": Initializer, "regularizer": Regularizer, "constraint": Constraint}
"""What a parameter is whose name ends in such a word."""


@frozen(kw_only=True)
class OverAxes(ByStatistics, Layer):
    """Something done along one axis or several, each sample like the others."""

    axis: Annotated[Ints, "Axis or axes, counted from the end if negative."] = (-1,)

    always_shown: ClassVar[tuple[str, ...]] = ("axis",)

    def __post_init__(self) -> None:
        """Check what can be checked without an input."""
        axes = ints(self.axis)
        if not axes:
            raise UsageError("--axis is empty", "give an axis, as --axis -1")
        object.__setattr__(self, "axis", within_64_bits(axes, "--axis"))

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of the input.

        Raises:
            UsageError: An axis is out of range, or has no known size.
        """
        if not shape:
            raise UsageError("the input has rank 0", "give a tensor of rank 1 or more")
        self.weight_shapes(shape)
        self.axes(len(shape))
        return shape

    def axes(self, rank: int) -> Ints:
        """Return the axes, non-negative and sorted."""
        return resolve_axes(self.axis, rank)

    def statistics_axes(self, rank: int, *, training: bool) -> Ints:
        """Name the axes if the first is among them: then no block knows its statistics alone."""
        del training
        axes = self.axes(rank)
        return axes if 0 in axes else ()

    def collapse_leading_axes(self, shape: Ints) -> "tuple[Layer, Ints]":
        """Merge all axes before the first one of the layer."""
        axes = self.axes(len(shape))
        before = axes[0] - 1
        if before < 1:
            return self, shape
        axis = tuple(axis - before for axis in axes)
        return replace(self, axis=axis), merged_axes(shape, axes[0])

    def strips(self, shape: Ints, items: int) -> "list[Strip]":
        """Cut samples anywhere: with its statistics known, each item is for itself.

        Not where these take as much memory as some samples.
        """
        own = self.sample_statistics_axes(len(shape))
        statistics = math.prod(size for axis, size in enumerate(shape) if axis not in own)
        return [] if own and statistics > _MOST_STATISTICS else boxes(shape, items)

    def part_shape(self, shape: Ints, strip: "Strip | None") -> Ints:
        """Return the shape of the block."""
        del strip
        return shape

    def sample_statistics_axes(self, rank: int) -> Ints:
        """Name the axes, unless statistics over them come first anyway."""
        return () if 0 in self.axes(rank) else self.axes(rank)

    def weights_at(self, weights: "Weights", origin: Ints, shape: Ints) -> "Weights":
        """Return the part of the weights that is for a block of `shape`, starting at `origin`."""
        part = _part(self.axes(len(shape)), origin, shape)
        return {name: weight[part] for name, weight in weights.items()}

    def splits_weights(self, rank: int) -> bool:
        """Whether axis 0 is among the axes."""
        return 0 in self.axes(rank)

    def config(self, shape: Shape | None = None) -> dict[str, Any]:
        """Give a single axis as a number, as Keras stores it."""
        axis: Any = self.axis[0] if len(self.axis) == 1 else list(self.axis)
        return super().config(shape) | {"axis": axis}


@frozen(kw_only=True)
class Normalization(OverAxes):
    """Shift and scale values by their statistics."""

    epsilon: Annotated[float, "Added to the variance, so that nothing is divided by zero."] = 1e-3
    center: Annotated[bool, "Add the weight beta."] = True
    scale: Annotated[bool, "Multiply by the weight gamma."] = True
    beta_initializer: Annotated[Initializer, "Start of beta, without --weights."] = ZEROS
    gamma_initializer: Annotated[Initializer, "Start of gamma, without --weights."] = ONES
    beta_regularizer: Annotated[
        Regularizer | None, "Penalty of beta, as 'l2(0.01)'; it is reported."
    ] = None
    gamma_regularizer: Annotated[
        Regularizer | None, "Penalty of gamma, as 'l2(0.01)'; it is reported."
    ] = None
    beta_constraint: Annotated[
        Constraint | None, "Where beta is put when it is saved, as 'max_norm(2)'."
    ] = None
    gamma_constraint: Annotated[
        Constraint | None, "Where gamma is put when it is saved, as 'max_norm(2)'."
    ] = None
    trainable: Annotated[
        bool, "Without it, weights are not trained: no penalties, no constraints."
    ] = True

    always_shown: ClassVar[tuple[str, ...]] = ("axis", "epsilon")
    has_weights: ClassVar[bool] = True
    weight_names: ClassVar[tuple[str, ...]] = ("gamma", "beta")

    def __post_init__(self) -> None:
        """Check what can be checked without an input, and read the words of Keras objects."""
        super().__post_init__()
        require_epsilon(self.epsilon)
        for parameter in self.parameters():
            named = _WORDS.get(parameter.name.rpartition("_")[2])
            value = getattr(self, parameter.name)
            if named is not None and value is not None:
                object.__setattr__(self, parameter.name, named.of(value, parameter.flag))

    def weight_shapes(self, shape: Shape) -> dict[str, Ints]:
        """Name gamma and beta, where the layer has them."""
        sizes = known(shape, self.axes(len(shape)))
        return {name: sizes for name, used in self._affine() if used}

    def initial_weight(self, weight: str, shape: Ints) -> "Array":
        """Return the values with which a weight starts: those of its initializer, if it has one.

        Raises:
            UsageError: The initializer has none for such a shape.
        """
        initializer: Initializer | None = getattr(self, f"{weight}_initializer", None)
        if initializer is None:
            return super().initial_weight(weight, shape)
        return initializer.values(shape)

    def _affine(self) -> tuple[tuple[str, bool], ...]:
        return ("gamma", self.scale), ("beta", self.center)


def _part(axes: Ints, origin: Ints, shape: Ints) -> tuple[slice, ...]:
    return tuple(slice(origin[axis], origin[axis] + shape[axis]) for axis in axes)


def along(
    weights: "Weights", name: str, shape: Ints, axes: Ints, origin: Ints
) -> "NDArray[np.float64] | None":
    """Shape a weight, or the part of it for a block, so that it broadcasts against that.

    Args:
        weights: The weights of the layer.
        name: One of them; None is returned where the layer has none of that name.
        shape: Shape of the block.
        axes: Sorted axes of the tensor along which the weight runs.
        origin: Index at which the block starts in its tensor.

    Returns:
        The weight in float64.
    """
    import numpy as np

    if name not in weights:
        return None
    weight = np.asarray(weights[name][_part(axes, origin, shape)], dtype=np.float64)
    return weight.reshape([size if axis in axes else 1 for axis, size in enumerate(shape)])


def telling(weights: "Weights", name: str, x: "Array", axes: Ints) -> "Array | None":
    """Return a weight over trailing axes as a vector for a block; None where it changes nothing."""
    weight = _changing(along(weights, name, x.shape, axes, (0,) * x.ndim), name)
    return None if weight is None else weight.reshape(-1).astype(x.dtype)


def _changing(weight: "Array | None", name: str) -> "Array | None":
    """Return None for factors that are all 1 and addends that are all 0."""
    neutral = 0 if name == "beta" else 1
    return None if weight is None or (weight == neutral).all() else weight


def weighted(y: "Array", weights: "Weights", axes: Ints, origin: Ints) -> "Array":
    """Multiply a block, in place, by gamma or scale, and add beta: what there is of them.

    Args:
        y: The normalized block.
        weights: The weights of the layer.
        axes: Sorted axes of the tensor along which they run.
        origin: Index at which the block starts in its tensor.
    """
    from poolnorm_cli.kernels.scaling import multiply_and_add

    gamma, scale, beta = (
        _changing(along(weights, name, y.shape, axes, origin), name)
        for name in ("gamma", "scale", "beta")
    )
    multiply_and_add(y, scale if gamma is None else gamma, beta)
    return y


def require_epsilon(epsilon: float) -> None:
    """Refuse an epsilon that is negative or not finite.

    Raises:
        UsageError: It is.
    """
    if not (math.isfinite(epsilon) and epsilon >= 0):
        raise UsageError(
            f"--epsilon must not be negative, and is {epsilon}", "give --epsilon 0.001"
        )


def require_rank(shape: Shape, lowest: int, layer: str) -> None:
    """Refuse an input of too low a rank.

    Raises:
        UsageError: The rank is below `lowest`.
    """
    if len(shape) < lowest:
        raise UsageError(
            f"the input has rank {len(shape)}, shape ({format_shape(shape)})",
            f"{layer} takes rank {lowest} or more",
        )
