"""Maxima put back in torch: `max_unpool1d/2d/3d`, or a scatter where that has no such size."""

from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.programs.program import is_identity, one_or_tuple
from poolnorm_cli.shapes import Ints, per_axis, spatial_axes


if TYPE_CHECKING:
    from poolnorm_cli.layers.programs.program import Lines, ProgramContext


def unpooling(layer: Any, context: "ProgramContext", order: Ints, *, whole: bool) -> "Lines":
    """Write what puts values back where they were.

    Args:
        layer: The layer.
        context: Its input and its indices.
        order: The axes of the input as torch has them.
        whole: The input is integers, which torch's functions do not take.

    Returns:
        The lines that make `y` of `x`.

    Raises:
        UsageError: There are no indices.
    """
    if context.mask is None:
        raise UsageError("unpool without --indices", "give the file of them as --indices FILE")
    axes = spatial_axes(context.rank, layer.data_format)
    made = layer.block_shape(context.shape, None)
    sizes = tuple(made[axis] for axis in axes)
    moved = "" if is_identity(order) else f".permute{order}"
    lines = [f"places = torch.from_numpy({context.mask}.astype('int64')){moved}"]
    rank = len(axes)
    kernel = per_axis(layer.pool_size, rank, "--pool-size")
    stride = per_axis(layer.strides or layer.pool_size, rank, "--strides")
    ends = ((0, 0),) * rank if layer.pads is None else layer.pads.on(rank)
    lengths = [context.shape[axis] for axis in axes]
    least = [
        (n - 1) * s + k - sum(both)
        for n, s, k, both in zip(lengths, stride, kernel, ends, strict=True)
    ]
    near = all(abs(m - n) < s for m, n, s in zip(sizes, least, stride, strict=True))
    if whole or not near or any(low != high for low, high in ends):
        cells = "torch.zeros(*x.shape[:2], {}, dtype=x.dtype)".format(" * ".join(map(str, sizes)))
        scattered = f"{cells}.scatter_(2, places.flatten(2), x.flatten(2))"
        return [*lines, f"y = {scattered}.unflatten(2, {sizes})"]
    text = f"{one_or_tuple(kernel)}, {one_or_tuple(stride)}, {one_or_tuple([a for a, _ in ends])}"
    call = f"torch.nn.functional.max_unpool{rank}d"
    return [*lines, f"y = {call}(x, places, {text}, output_size={sizes})"]
