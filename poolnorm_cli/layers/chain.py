"""Layers one after another as one function of a block: what runs in a single graph.

A pipeline says which layers there are; a chain is a pipeline for inputs of one shape and dtype, so
that it knows what passes between the layers.
"""

import math
from typing import TYPE_CHECKING, ClassVar

from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.call import INFERENCE
from poolnorm_cli.values import frozen, replace


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from poolnorm_cli.layers.call import Array, Call, Weights
    from poolnorm_cli.layers.pipeline import Pipeline
    from poolnorm_cli.shapes import Ints, Shape

    Compute = Callable[[Layer, Array, Weights, Call], Array]


_LARGEST = {"float16": 65504.0, "bfloat16": 3.3e38, "float32": 3.4e38, "float64": 1.7e308}
_SLACK = 1.01
"""What rounding may add to a magnitude on its way through a layer and a dtype."""


@frozen
class Link:
    """A layer of a chain, and what passes through it.

    Attributes:
        layer: The layer.
        name: What its weights are called after; no other layer of the chain is called so.
        shape: Shape of its input, batch first.
        compute: Dtype in which it computes.
        result: Dtype of its output, as a file has it.
    """

    layer: Layer
    name: str
    shape: "Shape"
    compute: str
    result: str

    @property
    def sizes(self) -> "Ints":
        """The shape of its input, with 1 for a size that is a name."""
        return tuple(size if isinstance(size, int) else 1 for size in self.shape)

    def weight_key(self, weight: str) -> str:
        """Return what one of its weights is called in the whole chain."""
        return f"{self.name}/{weight}"


@frozen
class Chain:
    """Layers of which each takes what the one before it gives, rounded as a file would hold it.

    Attributes:
        links: The layers, in order; one at least.
    """

    links: tuple[Link, ...]

    @classmethod
    def of(
        cls, pipeline: "Pipeline", shape: "Shape", dtype: str, last: str | None = None
    ) -> "Chain":
        """Make the chain of a pipeline.

        Args:
            pipeline: The layers.
            shape: Shape of the input, batch first; the batch may be a name.
            dtype: Dtype of the input, as it is stored.
            last: Dtype that is asked for of the output; None for what the last layer gives.

        Returns:
            The chain.

        Raises:
            UsageError: A layer cannot take what comes to it; its step is named.
        """
        steps = pipeline.steps
        shapes = [shape, *pipeline.shapes(shape)]
        dtypes = [dtype, *pipeline.dtypes(dtype, last)]
        return cls(
            tuple(
                Link(
                    step.layer,
                    step.name,
                    shapes[place],
                    _compute(step.layer, dtypes[place], dtypes[place + 1]),
                    dtypes[place + 1],
                )
                for place, step in enumerate(steps)
            )
        )

    @property
    def shape(self) -> "Shape":
        """Shape of the input."""
        return self.links[0].shape

    @property
    def output_shape(self) -> "Shape":
        """Shape of the output."""
        last = self.links[-1]
        return last.layer.output_shape(last.shape)

    def weight_shapes(self) -> "dict[str, Ints]":
        """Return the shape of each weight of each layer, by a name such as `bn_2/gamma`."""
        return {
            link.weight_key(weight): size
            for link in self.links
            for weight, size in link.layer.weight_shapes(link.shape).items()
        }

    def apply(
        self,
        x: "Array",
        weights: "Sequence[Weights]",
        calls: "Sequence[Call]",
        compute: "Compute | None" = None,
    ) -> "Array":
        """Compute one block layer by layer.

        Args:
            x: Samples along axis 0, in the dtype in which the first layer computes.
            weights: Those of each layer, by their Keras names.
            calls: How each layer is called.
            compute: Computes one layer, in memory that it may use again for the next block; None
                for the layers' own arithmetic.

        Returns:
            The output, in the dtype in which the last layer computes.
        """
        for place, (link, own, call) in enumerate(zip(self.links, weights, calls, strict=True)):
            if place:
                x = between(x, self.links[place - 1].result, link.compute)
            if compute is None:
                x = link.layer.apply(x, own, call)
            else:
                # A copy: layers that are alike may share the memory of their outputs.
                x = compute(link.layer, x.copy() if place else x, own, call)
        return x

    def limits(
        self, most: float, weights: "Sequence[Weights]", calls: "Sequence[Call]"
    ) -> list[float]:
        """Return a magnitude for each layer that no value of its input exceeds.

        Args:
            most: The one of the chain's input, all of it finite; infinity where it is not known.
            weights: Those of each layer.
            calls: How each layer is called.

        Returns:
            The magnitudes; infinity where a NaN or an infinity may come.
        """
        found = []
        for link, own, call in zip(self.links, weights, calls, strict=True):
            found.append(most)
            plain = math.isfinite(most) and call.moments is None and call.mask is None
            most = link.layer.output_limit(most, link.shape, own) * _SLACK if plain else math.inf
            if not most <= _LARGEST.get(link.result, math.inf):
                most = math.inf
        return found


def _compute(layer: Layer, dtype: str, result: str) -> str:
    own = layer.compute_dtype(dtype)  # which may refuse what is stored
    return "float64" if result == "float64" else own


def between(x: "Array", result: str, compute: str) -> "Array":
    """Round a block as a file between two layers would hold it, and widen it for the next.

    Args:
        x: What a layer has made, in its compute dtype.
        result: Dtype of its output.
        compute: Dtype in which the next layer computes.

    Returns:
        A new array, or `x` where nothing is to be done.
    """
    import numpy as np

    with np.errstate(all="ignore"):
        if result == "bfloat16":
            from poolnorm_cli.kernels.halves import narrow_bfloat16, widen_bfloat16

            x = widen_bfloat16(narrow_bfloat16(x))
        else:
            x = x.astype(result, copy=False)
        return x.astype(compute, copy=False)


@frozen(kw_only=True, eq=False)
class ChainLayer(Layer):
    """A chain as one layer, called as is known beforehand: what a run hands to a backend.

    Attributes:
        chain: The layers.
        weights: Those of each layer, by their Keras names.
        calls: How each layer is called on the first block, with statistics where it needs any.
    """

    chain: Chain
    weights: "tuple[Weights, ...]"
    calls: "tuple[Call, ...]"

    words: ClassVar[str] = "pipe"
    keras_name: ClassVar[str] = "Sequential"

    def output_shape(self, shape: "Shape") -> "Shape":
        """Return the shape of what the last layer gives."""
        for link in self.chain.links:
            shape = link.layer.output_shape(shape)
        return shape

    def compute_dtype(self, dtype: str) -> str:
        """Return the dtype in which the first layer computes."""
        del dtype
        return self.chain.links[0].compute

    def calls_at(self, start: int) -> "tuple[Call, ...]":
        """Return how each layer is called on the block that starts at a sample."""
        return tuple(replace(call, start=start) for call in self.calls)

    def apply(self, x: "Array", weights: "Weights", call: "Call" = INFERENCE) -> "Array":
        """Compute one block layer by layer.

        Args:
            x: Whole samples, in the dtype in which the first layer computes.
            weights: Not used: the chain has its own.
            call: Where the block starts.

        Returns:
            The output, in the dtype in which the last layer computes.
        """
        del weights
        return self.chain.apply(x, self.weights, self.calls_at(call.start))
