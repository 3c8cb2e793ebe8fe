"""What a layer that is trained says beyond `Layer`: of its batches, and how its weights move."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.call import Call


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from poolnorm_cli.kernels.moments import Moments
    from poolnorm_cli.kernels.training_loops import TrainingCall
    from poolnorm_cli.layers.batch_norm.plain_training import PlainStep
    from poolnorm_cli.layers.call import Array, Weights
    from poolnorm_cli.layers.keras.penalties import Constraint, Regularizer
    from poolnorm_cli.operators.graph import Graph, GraphCall, GraphMoments, Value, Values
    from poolnorm_cli.shapes import Ints, Shape


class Trainable(Layer):
    """A layer that does something else in training: it moves its weights from batch to batch.

    In inference it goes by its weights alone, so that it amounts to a scale and a shift per
    channel.
    """

    keras_2_only: ClassVar[tuple[str, ...]] = ()
    """Parameters that Keras 3 does not have."""
    takes_halves: ClassVar[bool] = False
    """`apply` takes float16, too, where there are compiled loops: it computes in float32."""

    @abstractmethod
    def updated(self, weights: "Weights", moments: "Moments") -> dict[str, Any]:
        """Return the weights as a training call leaves them.

        Args:
            weights: As they are before the call, by Keras' names.
            moments: Statistics of the batch over `statistics_axes`.

        Returns:
            All weights, each in the dtype that it had.

        Raises:
            InputError: A statistic of the batch is not finite.
            StatisticRangeError: A new value does not fit into the dtype of its weight.
        """

    @abstractmethod
    def build_updated(
        self, graph: "Graph", weights: "Values", call: "GraphCall"
    ) -> "dict[str, Value]":
        """Add to `graph` what `updated` does with `call.moments`.

        Args:
            graph: The graph.
            weights: All weights, each of its own dtype.
            call: Shape, dtype and statistics of the batch.

        Returns:
            The weights that change, by name.
        """

    def build_batch_for_device(
        self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall"
    ) -> "tuple[Value, GraphMoments] | None":
        """Add a training call on a whole batch, as a device computes it soonest, and a check.

        Args:
            graph: The graph.
            x: The batch, float32.
            weights: All weights.
            call: Shape and dtype.

        Returns:
            The output, and the statistics of the batch; None where nothing is sooner than exact.
        """
        del graph, x, weights, call
        return None

    @abstractmethod
    def fold(self, weights: "Weights") -> dict[str, Any]:
        """Return the `scale` and `shift` per channel that inference amounts to."""

    @abstractmethod
    def apply_folded(self, x: "Array", folded: "Weights", call: Call) -> "Array":
        """Compute `x * scale + shift`, as a model does that has the layer folded into another.

        Args:
            x: A block.
            folded: What `fold` returned.
            call: Where the block starts in its tensor.

        Returns:
            The output, computed in the dtype of `x`.
        """

    def weights_of_batch(self, weights: "Weights", moments: "Moments") -> "dict[str, Array] | None":
        """Return the weights with which inference gives what a training call does.

        Args:
            weights: As they are before the call.
            moments: Statistics of the batch.

        Returns:
            They; None where a training call does more.
        """
        del weights, moments
        return None

    def batch_call(self, shape: "Ints", dtype: str) -> "TrainingCall | None":
        """Return the call of the loop that makes a training call on all of a tensor at once.

        Args:
            shape: Shape of the tensor.
            dtype: Name of its dtype.

        Returns:
            The call; None where a training call takes more, or no loop serves.
        """
        del shape, dtype
        return None

    @property
    def takes_plain_step(self) -> bool:
        """Whether `plain_step` makes a training call."""
        return False

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
            The call; None where arrays are needed.
        """
        del weights, mean, squares, count
        return None

    def is_synchronized(self, *, training: bool) -> bool:
        """Whether all inputs of a run are one batch."""
        del training
        return False

    @property
    def has_ghost_batches(self) -> bool:
        """Whether a batch is made of ghost batches, each normalized by statistics of its own."""
        return False

    def ghost_batch_count(self, samples: int) -> int:
        """Return the number of interleaved ghost batches of a batch; 1 where there are none.

        Raises:
            UsageError: They do not come out even.
        """
        del samples
        return 1

    def fixes_batch(self, rank: int) -> bool:
        """Whether a graph of a training call is for one size of batch alone."""
        del rank
        return False

    def extra_input_shapes(self, shape: "Shape") -> "dict[str, Shape]":
        """Return what `extra_inputs` gives, each with its shape for a block of `shape`."""
        del shape
        return {}

    def extra_inputs(self, weights: "Weights", call: Call, shape: "Ints") -> dict[str, Any]:
        """Return what a training call takes besides statistics and weights.

        Args:
            weights: As they are before the call.
            call: Statistics of the batch, where the block starts, and the calls before.
            shape: Shape of the block.

        Returns:
            Arrays in float64 that broadcast against the block, by name.
        """
        del weights, call, shape
        return {}

    def with_arrays(self, read: "Callable[[str], Mapping[str, Array]]") -> Self:
        """Return the layer with the arrays of the files that its parameters name.

        Args:
            read: Reads all arrays of a file.
        """
        del read
        return self


def penalties(layer: "Layer", weights: "Weights") -> dict[str, float]:
    """Return the penalty of each weight that has a regularizer.

    Args:
        layer: The layer.
        weights: Its weights, by name.

    Returns:
        Name of a weight -> its penalty; none for a layer that is not trained.

    Raises:
        UsageError: The regularizer is for weights of another rank.
    """
    found: dict[str, Regularizer] = _trained(layer, "regularizer", weights)
    return {name: each.penalty(weights[name].astype("float64")) for name, each in found.items()}


def apply_constraints(layer: "Layer", weights: "Weights") -> "dict[str, Array]":
    """Return each weight that has a constraint, projected by it, in its own dtype.

    Args:
        layer: The layer.
        weights: Its weights, by name.

    Returns:
        Name of a weight -> its projection; none for a layer that is not trained.

    Raises:
        UsageError: The constraint is for weights of another rank.
    """
    found: dict[str, Constraint] = _trained(layer, "constraint", weights)
    return {
        name: each.project(weights[name].astype("float64")).astype(weights[name].dtype)
        for name, each in found.items()
    }


def _trained(layer: "Layer", kind: str, weights: "Weights") -> dict[str, Any]:
    """Return the regularizer or constraint of each weight that has one and is trained."""
    if not weights or not getattr(layer, "trainable", True):
        return {}
    named = {name: getattr(layer, f"{name}_{kind}", None) for name in weights}
    return {name: each for name, each in named.items() if each is not None}
