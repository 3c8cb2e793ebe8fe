"""What all kinds of pooling by a sliding window share: windows, strips and plain operators."""

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, get_args

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.base import positive_ints, require_one_of
from poolnorm_cli.layers.beyond_keras import BeyondKeras
from poolnorm_cli.layers.keras.spelling import flag_of
from poolnorm_cli.layers.on_device import PooledOnDevice
from poolnorm_cli.layers.pads import Pads
from poolnorm_cli.layers.spatial import SpatialLayer
from poolnorm_cli.shapes import (
    DataFormat,
    Dim,
    Ints,
    Shape,
    counted,
    per_axis,
    spatial_axes,
    spatial_rank,
)
from poolnorm_cli.strips import window_strips
from poolnorm_cli.values import frozen
from poolnorm_cli.windows import Padding, Placing, Reduction, Window


if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from poolnorm_cli.kernels.native import LoopCall
    from poolnorm_cli.kernels.strip_loops import StripCall
    from poolnorm_cli.layers.axis_rules import AxisRule, WindowRule
    from poolnorm_cli.layers.call import Facts
    from poolnorm_cli.operators.graph import Graph, GraphCall, Value
    from poolnorm_cli.strips import Strip


@frozen(kw_only=True)
class Pooling(PooledOnDevice, SpatialLayer, BeyondKeras):
    """Slide a window over every spatial axis and reduce what is under it to one value."""

    pool_size: Annotated[Ints, "Window size: one int, or one per spatial axis."] = (2,)
    strides: Annotated[Ints | None, "Window step: like the pool size, its default."] = None
    padding: Annotated[
        Padding,
        "'valid' keeps whole windows, 'same' gives ceil(size/stride), 'same_lower' too, with the "
        "odd cell of padding first.",
    ] = "valid"
    data_format: Annotated[DataFormat, "Where the channels are."] = "channels_last"
    pads: Annotated[
        Pads | None,
        "Cells of padding in place of --padding: N at both ends or LOW:HIGH, one or per axis, as "
        "in torch and ONNX.",
    ] = None
    ceil_mode: Annotated[
        bool, "Keep a last window that is not whole, if it begins on the axis or before, as torch."
    ] = False
    dilation_rate: Annotated[
        Ints, "From one cell under the window to the next: one int, or one per spatial axis."
    ] = (1,)

    always_shown: ClassVar[tuple[str, ...]] = ("pool_size",)
    keras_lacks: ClassVar[tuple[str, ...]] = ("pads", "ceil_mode", "dilation_rate")
    averages: ClassVar[bool] = False
    """It divides by the number of real cells under the window."""
    reduces_by: ClassVar[Reduction] = "max"
    """What its compiled loop makes of the cells."""

    def __post_init__(self) -> None:
        """Validate the parameters, as far as that needs no input."""
        for name in ("pool_size", "dilation_rate"):
            object.__setattr__(self, name, positive_ints(getattr(self, name), flag_of(name)))
        if self.strides is not None:
            object.__setattr__(self, "strides", positive_ints(self.strides, "--strides"))
        require_one_of(self.padding, get_args(Padding), "--padding")
        if self.pads is not None:
            object.__setattr__(self, "pads", Pads.of(self.pads))
            if self.padding != "valid":
                what = f"both --pads {self.pads} and --padding {self.padding}"
                raise UsageError(what, "give one of them")
        if self.ceil_mode and self.padding != "valid":
            what = f"--ceil-mode with --padding {self.padding}, which keeps every last window"
            raise UsageError(what, "leave out one of them")
        super().__post_init__()

    def beyond_keras(self) -> list[str]:
        """List the flags that were given and no Keras has, as one would type them."""
        changed = self.shown_parameters()
        given = [flag_of(name) for name in self.keras_lacks if name in changed]
        return [*given, *(["--padding same_lower"] if self.padding == "same_lower" else [])]

    def output_shape(self, shape: Shape) -> Shape:
        """Count the places of the window on each spatial axis.

        Raises:
            UsageError: The rank is not 3, 4 or 5; or a window is larger than its axis and the
                padding is 'valid', or lies in padding alone.
        """
        result: list[Dim] = list(shape)
        for axis, placing in self._placings(shape).items():
            length = shape[axis]
            if placing.fixed is not None:
                self._require_cells(axis, length, placing)
            if placing.dilation > 1 and isinstance(length, int) and length:
                _refuse_empty(axis, length, placing)
            result[axis] = placing.count_on(length)
        return tuple(result)

    def _require_cells(self, axis: int, length: Dim, placing: Placing) -> None:
        """Refuse a window that is larger than its axis, or a place of it without a cell."""
        size, extent = placing.size, placing.extent
        low, high = placing.fixed or (0, 0)
        what = f"the window of {size}"
        if placing.dilation > 1:
            what = f"the {extent} that {what} with --dilation-rate {placing.dilation} reaches over"
        if max(low, high) >= extent:
            raise UsageError(
                f"--pads {self.pads} on axis {axis} has {max(low, high)} cells, as many as {what}"
                if max(low, high) == extent
                else f"--pads {self.pads} on axis {axis} has more cells than {what}",
                f"give {extent - 1} at most: a window must reach the input",
            )
        if not isinstance(length, int):
            return
        if not placing.on(length).count or not length:
            fix = "give --padding same"
            if self.pads is not None or self.ceil_mode or placing.dilation > 1:
                fix = "give a smaller --pool-size, or more --pads"
                fix = fix if length else "give an input with 1 cell or more on every spatial axis"
            elif length:
                fix = f"give --pool-size {length} or less, or --padding same"
            padded = f" and {counted(low + high, 'cell')} of padding" if low + high else ""
            what = f"axis {axis} has {counted(length, 'cell')}{padded}, fewer than {what}"
            raise UsageError(what, fix)

    def windows(self, shape: Ints, strip: "Strip | None" = None) -> dict[int, Window]:
        """Place the window on each spatial axis, clipped to the cells there are.

        Args:
            shape: Shape of the block, batch first.
            strip: Which rows of a sample the block is; None where it is whole samples.

        Returns:
            Spatial axis -> the window on it; on axis 1 of a strip, the window on its own rows.

        Raises:
            UsageError: The rank is not 3, 4 or 5, or the sizes are not one per spatial axis.
        """
        placed = _windows(shape, self._key, self.divisor_key)
        return placed if strip is None or strip.window is None else placed | {1: strip.window}

    @property
    def _key(self) -> "_Key":
        """What windows depend on."""
        given = self.pool_size, self.strides or self.pool_size, self.padding, self.data_format
        return (*given, self.dilation_rate, self.pads, self.ceil_mode)

    @property
    def divisor_key(self) -> tuple[bool, int]:
        """Whether an average counts padding, and what it divides by, 0 for the cells."""
        return False, 0

    def row_strips(self, shape: Ints, rows: int) -> "list[Strip]":
        """Cut the first spatial axis under the window, with the rows that neighbours share.

        Args:
            shape: All axes of the input, batch first.
            rows: About how many rows go into a strip, 1 or more.

        Returns:
            The strips, in order.
        """
        return window_strips(shape[1], self.windows(shape)[1], rows)

    def block_shape(self, shape: Ints, strip: "Strip | None") -> Ints:
        """Return the shape of what `apply` makes of a block: the places of the window on each axis.

        Args:
            shape: Shape of the block.
            strip: Which rows of a sample the block is; None where it is whole samples.

        Returns:
            The shape, on a strip with the places of its own rows.
        """
        windows = self.windows(shape, strip)
        return tuple(windows[a].count if a in windows else n for a, n in enumerate(shape))

    def loop_call(
        self, shape: Ints, dtype: str, weights: "Mapping[str, memoryview]"
    ) -> "LoopCall | None":
        """Return the call of the loop of windows.

        Args:
            shape: Shape of the block.
            dtype: Name of its dtype.
            weights: Not used: there are none.

        Returns:
            The call; None where no loop serves for these windows, or this dtype.
        """
        del weights
        return self._window_call(shape, self.windows(shape), dtype)

    def strip_call(self, shape: Ints, strip: "Strip", dtype: str) -> "StripCall | None":
        """Return the call of the loop of windows on a strip, where each has all of its rows there.

        Args:
            shape: Shape of the rows of the strip that are used.
            strip: Which rows of a sample they are.
            dtype: Name of their dtype.

        Returns:
            The call; None where no loop serves for these windows, or this dtype.
        """
        if strip.place is not None:
            return None
        from poolnorm_cli.kernels.strip_loops import StripCall

        call = self._window_call(shape, self.windows(shape, strip), dtype)
        return None if call is None else StripCall(call, dtype)

    def _window_call(
        self, shape: Ints, windows: "Mapping[int, Window]", dtype: str
    ) -> "LoopCall | None":
        """Return the call of the loop for windows on a block."""
        from poolnorm_cli.kernels.window_loops import window_call

        call = window_call(shape, windows, dtype, self.reduces_by)
        return None if call is None else call.run

    def build_plain(
        self, graph: "Graph", kind: str, x: "Value", call: "GraphCall", **attributes: int
    ) -> "Value":
        """Add a pooling operator with explicit pads, the channels brought before space.

        Args:
            graph: The graph.
            kind: `MaxPool` or `AveragePool`.
            x: The block.
            call: Its shape and strip.
            attributes: More attributes of the operator.

        Returns:
            What it gives, with the axes of `x`.
        """
        from poolnorm_cli.operators.graph import channels_first

        windows = self.windows(call.sizes, call.strip)
        moved, back = channels_first(graph, x, tuple(windows), call.rank)
        apart = [window.dilation for window in windows.values()]
        pooled = graph.op(
            kind,
            moved,
            kernel_shape=[window.size for window in windows.values()],
            **({"dilations": apart} if max(apart) > 1 else {}),
            strides=[window.stride for window in windows.values()],
            pads=[w.low for w in windows.values()] + [w.high for w in windows.values()],
            **attributes,
        )
        return graph.transpose(pooled, back)

    def explain(self, facts: "Facts") -> list[str]:
        """Describe how the window goes along each axis, and what is made of the cells under it."""
        return self.explain_shape(facts.shape)

    def axis_rules(self, shape: Shape) -> "list[AxisRule]":
        """Return how the window goes along each spatial axis, its sizes as they were given.

        Raises:
            UsageError: The rank is not 3, 4 or 5, or the sizes are not one per spatial axis.
        """
        return [*self.rules(shape)]

    def rules(self, shape: Shape) -> "list[WindowRule]":
        """Return what `axis_rules` does, as rules of windows."""
        from poolnorm_cli.layers.axis_rules import WindowRule

        return [
            WindowRule(
                axis=axis, length=shape[axis], placing=placing, **self.rule_details(axis, shape)
            )
            for axis, placing in self._placings(shape).items()
        ]

    def rule_details(self, axis: int, shape: Shape) -> dict[str, Any]:
        """Return what a rule of an axis has besides its place.

        Args:
            axis: The axis.
            shape: Shape of the input.

        Returns:
            Fields of a `WindowRule`.
        """
        del axis, shape
        return {}

    def _placings(self, shape: Shape) -> "dict[int, Placing]":
        return _placings(shape, self._key)

    def config(self, shape: Shape | None = None) -> dict[str, Any]:
        """Give sizes and strides per axis of an input of `shape`, as Keras stores them."""
        config = super().config(shape)
        if self.pads is not None:
            config["pads"] = self.pads.word
        if shape is None:
            return config
        placings = self._placings(shape).values()
        per_axis = {
            "pool_size": [p.size for p in placings],
            "strides": [p.stride for p in placings],
        }
        if "dilation_rate" in config:
            per_axis["dilation_rate"] = [p.dilation for p in placings]
        return config | per_axis


_Key = tuple[Ints, Ints, Padding, DataFormat, Ints, Pads | None, bool]


def _placings(shape: Shape, key: _Key) -> dict[int, Placing]:
    pool_size, strides, padding, data_format, dilation, pads, ceil = key
    rank = spatial_rank(shape)
    sizes, steps = per_axis(pool_size, rank, "--pool-size"), per_axis(strides, rank, "--strides")
    apart = per_axis(dilation, rank, "--dilation-rate")
    ends = (None,) * rank if pads is None else pads.on(rank)
    axes = spatial_axes(len(shape), data_format)
    each = zip(axes, sizes, steps, apart, ends, strict=True)
    return {axis: Placing(k, s, padding, d, both, ceil) for axis, k, s, d, both in each}


def _refuse_empty(axis: int, length: int, placing: Placing) -> None:
    """Refuse a dilated window that jumps over a short axis."""
    place = placing.on(length).empty_place(length)
    if place is not None:
        what = f"at place {place} of axis {axis}, {counted(length, 'cell')} long, the window "
        fix = "give a smaller --dilation-rate, or less padding"
        raise UsageError(f"{what}has cells of padding alone", fix)


def is_plain(windows: "Iterable[Window]") -> bool:
    """Whether runtimes take the padding of windows, which must be less than their cells."""
    return all(max(w.low, w.high) < w.size for w in windows)


@lru_cache(maxsize=64)
def _windows(shape: Ints, key: _Key, divisor: tuple[bool, int]) -> dict[int, Window]:
    placings = _placings(shape, key)
    found = {axis: placing.on(shape[axis]) for axis, placing in placings.items()}
    counts_padding, given = divisor
    if given:  # all of it along the first axis
        first = min(found)
        found = {a: w._replace(divisor=given if a == first else 1) for a, w in found.items()}
    elif counts_padding:
        found = {axis: _counting(w, placings[axis], shape[axis]) for axis, w in found.items()}
    return {axis: each.clipped(shape[axis]) for axis, each in found.items()}


def _counting(placed: Window, placing: Placing, length: int) -> Window:
    """Return a window for which an average counts the padding that was asked for."""
    low, high = placing.pads_on(length)
    return placed._replace(before=int(low or 0), after=int(high or 0))
