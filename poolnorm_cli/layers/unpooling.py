"""Maxima put back where they were: `MaxUnpool1d/2d/3d` of torch, `MaxUnpool` of ONNX."""

from math import prod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.base import positive_ints
from poolnorm_cli.layers.call import INFERENCE, Call
from poolnorm_cli.layers.maskable import Maskable
from poolnorm_cli.layers.pads import Pads
from poolnorm_cli.layers.spatial import SpatialLayer
from poolnorm_cli.shapes import (
    DataFormat,
    Dim,
    Ints,
    Shape,
    atom,
    per_axis,
    spatial_axes,
    spatial_rank,
)
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.layers.call import Array, Facts, Weights
    from poolnorm_cli.operators.graph import Graph, GraphCall, Value, Values
    from poolnorm_cli.strips import Strip


@frozen(kw_only=True)
class MaxUnpooling(Maskable, SpatialLayer):
    """Put each value where its index says, and 0 elsewhere."""

    pool_size: Annotated[Ints, "Window of the pooling: one int, or one per spatial axis."] = (2,)
    strides: Annotated[Ints | None, "Its step: like the pool size, its default."] = None
    pads: Annotated[
        Pads | None, "Its cells of padding: N at both ends or LOW:HIGH, one or per axis."
    ] = None
    output_size: Annotated[
        Ints | None,
        "Size that the pooling had before it: one int, or one per spatial axis. By default the "
        "least that it can have been.",
    ] = None
    data_format: Annotated[DataFormat, "Where the channels are."] = "channels_last"

    words: ClassVar[str] = "unpool"
    keras_name: ClassVar[str] = "MaxUnpooling"
    example: ClassVar[str] = "--pool-size 2"
    formula: ClassVar[str] = "y[indices[i]] = x[i], 0 elsewhere"
    always_shown: ClassVar[tuple[str, ...]] = ("pool_size",)
    keeps_integers: ClassVar[bool] = True
    stays_in_range: ClassVar[bool] = True
    mask_name: ClassVar[str] = "indices"
    mask_dtype: ClassVar[str] = "int64"

    def __post_init__(self) -> None:
        """Validate the parameters, as far as that needs no input."""
        object.__setattr__(self, "pool_size", positive_ints(self.pool_size, "--pool-size"))
        for name in ("strides", "output_size"):
            if getattr(self, name) is not None:
                flag = f"--{name.replace('_', '-')}"
                object.__setattr__(self, name, positive_ints(getattr(self, name), flag))
        if self.pads is not None:
            object.__setattr__(self, "pads", Pads.of(self.pads))
        super().__post_init__()

    def output_shape(self, shape: Shape) -> Shape:
        """Return the size that the pooling had before it, on each spatial axis.

        Raises:
            UsageError: The rank is not 3, 4 or 5, sizes are not one per spatial axis, or none is
                left of one.
        """
        rank = spatial_rank(shape)
        sizes = per_axis(self.pool_size, rank, "--pool-size")
        strides = per_axis(self.strides or self.pool_size, rank, "--strides")
        ends = ((0, 0),) * rank if self.pads is None else self.pads.on(rank)
        result: list[Dim] = list(shape)
        given = None
        if self.output_size is not None:
            given = per_axis(self.output_size, rank, "--output-size")
        axes = spatial_axes(len(shape), self.data_format)
        for index, axis in enumerate(axes):
            if given is not None:
                result[axis] = given[index]
                continue
            more = sizes[index] - sum(ends[index])
            result[axis] = _unpooled(shape[axis], strides[index], more, axis)
        return tuple(result)

    def mask_shape(self, shape: Shape) -> Shape:
        """Return the shape of the indices: that of the input."""
        return shape

    def mask_cells(self, part: "Array", shape: Ints) -> "Array":
        """Return indices, of which each is one of a cell.

        Args:
            part: Some of them, of any integer dtype.
            shape: Shape of the block that they are for; its batch is not looked at.

        Returns:
            The same as int64, in memory of their own.

        Raises:
            UsageError: The output has no such cell.
        """
        cells = self._cells(self.output_shape(shape))
        for found in (int(part.min()), int(part.max())) if part.size else ():
            if not 0 <= found < cells:
                sizes = self._spatial(self.output_shape(shape))
                what = f"--indices has {found}, the output {cells} cells ({'x'.join(sizes)})"
                fix = "give the size that the indices were taken from as --output-size"
                raise UsageError(what, fix)
        return part.astype("int64")

    def _spatial(self, shape: Shape) -> list[str]:
        return [str(shape[axis]) for axis in spatial_axes(len(shape), self.data_format)]

    def _cells(self, shape: Shape) -> int:
        axes = spatial_axes(len(shape), self.data_format)
        return prod(int(shape[axis] or 0) for axis in axes)

    def _flat(self, shape: Ints) -> tuple[int, int, int]:
        """View a block as images of some cells and items: -1 images where they are the samples."""
        cells = self._cells(shape)
        if self.data_format == "channels_last":
            return shape[0], cells, shape[-1]
        return shape[0] * shape[1], cells, 1

    def apply(self, x: "Array", weights: "Weights", call: Call = INFERENCE) -> "Array":
        """Put the values where their indices say; of several at one place the last stays.

        Args:
            x: The block, of any numeric dtype.
            weights: Not used: there are none.
            call: Its mask are the indices.

        Returns:
            The output, in the dtype of `x`, as torch's `max_unpool1d/2d/3d` give it.

        Raises:
            UsageError: There are no indices.
        """
        from poolnorm_cli.kernels.unpooling import put_back

        del weights
        if call.mask is None:
            raise UsageError("unpool without --indices", "give the file of them as --indices FILE")
        shape = self.block_shape(x.shape, call.strip)
        return put_back(x, call.mask, self._flat(x.shape), self._flat(shape)[1]).reshape(shape)

    def row_strips(self, shape: Ints, rows: int) -> "list[Strip]":
        """Return no strips: a value may go anywhere in its sample.

        Args:
            shape: All axes of the input, batch first.
            rows: Not looked at.

        Returns:
            None.
        """
        del shape, rows
        return []

    def build(self, graph: "Graph", x: "Value", weights: "Values", call: "GraphCall") -> "Value":
        """Add ScatterElements into zeros: runtimes have MaxUnpool of float32 alone.

        Args:
            graph: The graph.
            x: The block, of the shape and dtype in `call`.
            weights: Not used: there are none.
            call: Shape, dtype and indices.

        Returns:
            The output, in the dtype of `x`.

        Raises:
            UsageError: There are no indices.
        """
        del weights
        if call.mask is None:
            raise UsageError("unpool without --indices", "give the file of them as --indices FILE")
        from poolnorm_cli.operators.unpooling import put_back

        shape = self.output_shape(call.sizes)
        sizes = [int(size or 0) for size in shape[1:]]
        made, channels = [0, *sizes], sizes[0 if self.data_format == "channels_first" else -1]
        places, cells = self._cells(call.sizes), self._cells(shape)
        if self.data_format == "channels_first":
            return put_back(graph, x, call, 2, ((0, channels, places), (channels, cells), made))
        return put_back(graph, x, call, 1, ((0, places, channels), (cells, channels), made))

    def plain_op_limit(self, shape: Ints, dtype: str) -> float:
        """Return infinity: values are moved as they are.

        Args:
            shape: Not looked at.
            dtype: Not looked at.

        Returns:
            Infinity.
        """
        del shape, dtype
        return float("inf")

    def explain(self, facts: "Facts") -> list[str]:
        """Describe where values go."""
        return self.explain_shape(facts.shape)

    def formula_lines(self, shape: Shape) -> list[str]:
        """Describe where values go, with the sizes."""
        cells = "x".join(self._spatial(self.output_shape(shape)))
        return [f"y = 0, and x at the cell of {cells} to which its index counts"]

    def config(self, shape: Shape | None = None) -> dict[str, Any]:
        """Give the pads as they are typed."""
        config = super().config(shape)
        return config | ({"pads": self.pads.word} if self.pads is not None else {})


def _unpooled(length: Dim, stride: int, more: int, axis: int) -> Dim:
    """Return the least size of an axis that a pooling makes `length` of."""
    if length is None:
        return None
    if not isinstance(length, int):
        rest = more - stride
        total = f"{stride}*{atom(length)}" if stride > 1 else atom(length)
        return f"{total}{rest:+d}" if rest else total
    size = (length - 1) * stride + more
    if size < 1 or not length:
        what = f"axis {axis} has {length} cells, of which the pooling is undone to {max(size, 0)}"
        raise UsageError(what, "give --output-size, or other --pads")
    return size
