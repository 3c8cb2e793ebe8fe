"""A layer on items of a type that no loop is made for, by loops for another one."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from poolnorm_cli.kernels.converted_loops import ConvertedCall
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.shapes import Ints


if TYPE_CHECKING:
    from poolnorm_cli.kernels.native import LoopCall


def converted_call(
    layer: Layer, shape: Ints, dtypes: tuple[str, str, str], weights: Mapping[str, memoryview]
) -> tuple[ConvertedCall, int]:
    """Return what computes blocks a tile at a time.

    Args:
        layer: The layer.
        shape: Shape of the tensor, or of a block of it.
        dtypes: Names of the dtypes of the cells, of the arithmetic, and of the output.
        weights: The weights in the shapes that the layer asks for.

    Returns:
        The call, and how many samples it takes each sample of the tensor for: more than one where
        the layer does the same to smaller samples.
    """
    layer, small = layer.collapse_leading_axes(shape)
    calls: dict[tuple[int, str], LoopCall | None] = {}

    def make(samples: int, dtype: str) -> "LoopCall | None":
        key = samples, dtype
        if key not in calls:
            calls[key] = layer.loop_call((samples, *small[1:]), dtype, weights)
        return calls[key]

    made = tuple(int(size or 0) for size in layer.output_shape(small)[1:])
    return ConvertedCall(make, small[1:], made, dtypes), small[0] // max(shape[0], 1)
