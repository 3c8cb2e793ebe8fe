"""A layer folded to a scale and a shift, and how far these are from the layer itself."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.engine.layer_pass import LayerPass, Weights, placed_blocks
from poolnorm_cli.errors import UsageError, error_context
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.call import Call
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.outputs import open_output
from poolnorm_cli.values import frozen
from poolnorm_cli.weights.fit import fit


if TYPE_CHECKING:
    from collections.abc import Iterable

    from poolnorm_cli.tensors.tensor import Tensor


@frozen
class Folded:
    """What an inference layer amounts to: `x * scale + shift`.

    Attributes:
        scale: A factor per channel.
        shift: An addend per channel.
        errors: Name of an input -> the largest distance between `x * scale + shift`, computed in
            the dtype of the input, and what the layer gives.
    """

    scale: NDArray[Any]
    shift: NDArray[Any]
    errors: dict[str, float]


def fold(layer: Layer, weights: Weights, tensors: "Iterable[Tensor]") -> Folded:
    """Fold a layer, and compare on tensors, which are read block by block.

    Args:
        layer: The layer, which is foldable.
        weights: Its weights, as they are in their file.
        tensors: Inputs; each is closed after it.

    Returns:
        Scale and shift, and their largest error on each tensor.

    Raises:
        PoolnormError: A tensor cannot be read, or the layer cannot take it.
    """
    folded = _foldable(layer).fold(weights)
    errors = {}
    for tensor in tensors:
        with error_context(tensor.name):
            errors[tensor.name] = _largest_error(layer, weights, folded, tensor)
        tensor.close()
    return Folded(folded["scale"], folded["shift"], errors)


def _foldable(layer: Layer) -> Trainable:
    if not isinstance(layer, Trainable):
        raise UsageError(f"{layer.keras_name} cannot be folded", "only bn can")
    return layer


def save_folded(folded: Folded, file: str, *, overwrite: bool, sync: bool = False) -> None:
    """Write scale and shift to an `.npz` file.

    Args:
        folded: Scale and shift.
        file: The file.
        overwrite: Replace a file that is there.
        sync: Have them on the disk before the file gets its name.

    Raises:
        PoolnormError: It is there, or cannot be written.
    """
    with open_output(file, overwrite, sync=sync) as output:
        for name in ("scale", "shift"):
            array = getattr(folded, name)
            writer = output.add(name, array.shape, DTYPES[array.dtype.name])
            writer.write(array)
            writer.close()


def _largest_error(
    layer: Layer, weights: Weights, folded: dict[str, Any], tensor: "Tensor"
) -> float:
    layer.output_shape(tensor.shape)
    dtype = tensor.dtype.name
    plan = LayerPass(layer, tensor.shape, dtype, layer.result_dtype(dtype)).inner
    fitted = fit(weights, layer.weight_shapes(tensor.shape), layer)
    largest = 0.0
    for block in placed_blocks(plan.blocks(tensor), None, 0, plan.strips):
        x, call = plan.layer_input(block)[0], Call(start=block.start, strip=block.strip)
        with np.errstate(all="ignore"):
            y = _foldable(plan.layer).apply_folded(x, folded, call)
            error = np.abs(y - plan.layer.apply(x, fitted, call))
            largest = float(np.fmax.reduce(error, axis=None, initial=largest))
    return largest
