"""Blocks through ONNX Runtime: one session per layer, dtype and sample shape, used again."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.backends import Notify, ignore
from poolnorm_cli.backends.installed import import_onnx
from poolnorm_cli.backends.layer_graphs import BATCH, CHECK, BlockGraph
from poolnorm_cli.backends.onnx_feeds import as_float64, statistics_feeds
from poolnorm_cli.backends.providers import DeviceMemoryError, Provider, choose
from poolnorm_cli.backends.smaller_blocks import SmallerBlocks
from poolnorm_cli.errors import UnavailableError
from poolnorm_cli.layers.chain import ChainLayer
from poolnorm_cli.layers.normalization import Normalization, splits_weights
from poolnorm_cli.layers.range_checks import (
    parameters_may_overflow,
    statistics_may_overflow,
    values_may_overflow,
)
from poolnorm_cli.sizes import BLOCK_BYTES, DEVICE_BLOCK_BYTES, SCANNED_FIRST_BYTES


if TYPE_CHECKING:
    from collections.abc import Sequence

    from poolnorm_cli.backends.onnx_chain import ChainRunner
    from poolnorm_cli.layers.base import Layer
    from poolnorm_cli.layers.call import Array, Call, Weights
    from poolnorm_cli.layers.chain import Chain


_MAX_SESSIONS = 32
_MAX_ON_DEVICE = 8
"""Each takes about 100 MB of the device for its libraries, before any block."""
_MAX_UNEVEN = 2
"""Sessions that are kept where strips of a sample may each need one of their own."""


@dataclass(slots=True)
class _Session:
    """A session and what is bound to it: weights stay, the output's memory is used again.

    Attributes:
        session: The session of the runtime.
        inputs: Names of the inputs that the graph has.
        monitored: Names of the outputs that are checked for overflow.
        checked: It has an output that is NaN for a block that wants the exact graph.
        weights: The weights that are bound; None before the first block.
        feeds: The same in float64.
        output: Memory of the result; None before the first block.
    """

    session: Any
    inputs: frozenset[str]
    monitored: tuple[str, ...]
    checked: bool = False
    weights: "Weights | None" = None
    feeds: dict[str, NDArray[Any]] = field(default_factory=dict)
    output: NDArray[Any] | None = None


class OnnxBackend:
    """Computes blocks by the graphs of layers."""

    name = "onnx"

    def __init__(self, provider: Provider, threads: int | None, detail: Notify) -> None:
        """Keep what sessions will be opened with.

        Args:
            provider: Where they run.
            threads: Threads per session; None for as many as the machine has.
            detail: Told, once for each graph, of its operators, or what they do otherwise.
        """
        self.block_bytes = DEVICE_BLOCK_BYTES if provider.on_device else BLOCK_BYTES
        self._provider, self._threads, self._detail = provider, threads, detail
        self._sessions: OrderedDict[tuple[Any, ...], _Session] = OrderedDict()
        self._checked: tuple[bool, tuple[Any, ...]] = False, (None, None, None)
        self._fitting: tuple[bool, tuple[Any, ...]] = False, (None, None)
        self._unfit: set[tuple[Any, ...]] = set()
        self._chains: ChainRunner | None = None
        self._smaller = SmallerBlocks(self._free)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as what it takes to open the same in another process.

        Where several processes share the work, each computes on one thread unless told otherwise.
        """
        return _reopen, (self._provider.name, self._threads or 1)

    def apply(self, layer: "Layer", x: "Array", weights: "Weights", call: "Call") -> "Array":
        """Compute one block by the layer's graph.

        Args:
            layer: The layer.
            x: The block: samples along axis 0, or a strip of one sample.
            weights: The layer's weights, by Keras name.
            call: What else decides on the result.

        Returns:
            The output, in the dtype of `x`; it is overwritten by the next block.
        """
        if isinstance(layer, ChainLayer):
            return self.apply_chain(layer.chain, x, layer.weights, layer.calls_at(call.start))
        shape = layer.block_shape(x.shape, call.strip)
        if 0 in (*x.shape, *shape):
            return layer.apply(x, weights, call)  # no cells: runtimes refuse them
        if not self._provider.on_device:
            return self._apply(layer, x, weights, call)
        return self._smaller.apply(
            lambda part, calls: self._apply(layer, part, weights, calls[0]), x, [call]
        )

    def _free(self) -> None:
        """Give back the memory of all sessions."""
        self._sessions.clear()
        self._chains = None

    def _apply(self, layer: "Layer", x: "Array", weights: "Weights", call: "Call") -> "Array":
        """Compute one block, all of it at once."""
        if not isinstance(layer, Normalization):
            return self._run(layer, x, weights, call, in_units=False, monitor=False)[0]
        small = x.nbytes <= SCANNED_FIRST_BYTES
        in_units = self._parameters_need_units(layer, x, weights, call)
        if small and not in_units:
            in_units = values_may_overflow(layer, x, call)
        y, found = self._run(layer, x, weights, call, in_units=in_units, monitor=not small)
        if found and statistics_may_overflow(layer, x.dtype, found):
            y, _ = self._run(layer, x, weights, call, in_units=True, monitor=False)
        return y

    def apply_chain(
        self, chain: "Chain", x: "Array", weights: "Sequence[Weights]", calls: "Sequence[Call]"
    ) -> "Array":
        """Compute one block by one graph of several layers, with nothing brought back in between.

        Args:
            chain: The layers; the batch axis of their shapes is not looked at.
            x: Whole samples along axis 0, in the dtype in which the first layer computes.
            weights: Those of each layer, by their Keras names.
            calls: How each layer is called.

        Returns:
            The output, in the dtype in which the last layer computes; it is overwritten by the
            next block.
        """

        def compute(part: "Array", moved: "Sequence[Call]") -> "Array":
            if self._chains is None:
                from poolnorm_cli.backends.onnx_chain import ChainRunner

                given = self._provider, self._threads, self._detail
                self._chains = ChainRunner(*given, self.apply)
            return self._chains.apply(chain, part, weights, moved)

        if not self._provider.on_device:
            return compute(x, calls)
        return self._smaller.apply(compute, x, calls)

    def _run(
        self,
        layer: "Layer",
        x: "Array",
        weights: "Weights",
        call: "Call",
        *,
        in_units: bool,
        monitor: bool,
    ) -> "tuple[Array, dict[str, Array]]":
        """Compute one block; if `monitor`, return its statistics too.

        On a device a quicker graph is tried first, where the layer has one.
        """
        kind = repr(layer), x.shape[1:]
        if self._has_quicker(layer, x, weights, call) and not (in_units or kind in self._unfit):
            try:
                y, found = self._run_graph(
                    layer, x, weights, call, in_units=False, monitor=False, quicker=True
                )
            except DeviceMemoryError:
                raise
            except UnavailableError:
                self._unfit.add(kind)  # the device lacks an operator: the exact graph has few
            else:
                if y is not None:
                    return y, found
        y, found = self._run_graph(layer, x, weights, call, in_units=in_units, monitor=monitor)
        assert y is not None  # noqa: S101 - the exact graph has nothing that is checked
        return y, found

    def _has_quicker(self, layer: "Layer", x: "Array", weights: "Weights", call: "Call") -> bool:
        """Whether a quicker graph may give what the exact one does; once for the same weights."""
        if not self._provider.on_device or x.dtype != np.float32:
            return False
        if call.mask is not None or call.strip is not None or call.moments is not None:
            return False
        given = layer, weights
        if not all(one is other for one, other in zip(given, self._fitting[1], strict=True)):
            self._fitting = layer.fits_device(weights), given
        return self._fitting[0]

    def _run_graph(
        self,
        layer: "Layer",
        x: "Array",
        weights: "Weights",
        call: "Call",
        *,
        in_units: bool,
        monitor: bool,
        quicker: bool = False,
    ) -> "tuple[Array | None, dict[str, Array]]":
        """Compute one block by one graph; None where a check shows that it wants the exact one."""
        shape = layer.block_shape(x.shape, call.strip)
        opened = self._session(layer, x, call, in_units=in_units, quicker=quicker)
        binding = opened.session.io_binding()
        for name, array in _feeds(opened, layer, x, weights, call, in_units=in_units).items():
            if name in opened.inputs:  # an input that no operator needs is not in the model
                binding.bind_cpu_input(name, array)
        if opened.output is None or opened.output.shape != shape:
            opened.output = np.empty(shape, x.dtype)
        address = opened.output.ctypes.data
        binding.bind_output("y", "cpu", 0, opened.output.dtype, shape, address)
        names = opened.monitored if monitor else ()
        for name in names or ((CHECK,) if opened.checked else ()):
            binding.bind_output(name, "cpu")
        self._provider.run(opened.session, binding)
        values = binding.get_outputs()[1:] if names or opened.checked else []
        if opened.checked:
            return None if np.isnan(values[0].numpy()) else opened.output, {}
        return opened.output, {n: v.numpy() for n, v in zip(names, values, strict=True)}

    def _parameters_need_units(
        self, layer: Normalization, x: "Array", weights: "Weights", call: "Call"
    ) -> bool:
        """Whether weights or given statistics may overflow or underflow, whatever the block.

        It is found out once for all blocks that have the same ones.
        """
        kind = x.dtype
        if call.moments is not None or call.strip is not None or splits_weights(layer, x.ndim):
            return parameters_may_overflow(layer, kind, weights, call, x.shape)
        given = layer, weights, kind
        if not all(one is other for one, other in zip(given, self._checked[1], strict=True)):
            self._checked = parameters_may_overflow(layer, kind, weights, call, x.shape), given
        return self._checked[0]

    def _session(
        self, layer: "Layer", x: "Array", call: "Call", *, in_units: bool, quicker: bool
    ) -> _Session:
        """Return the session for such a block, opened at the first one."""
        batch = len(x) if splits_weights(layer, x.ndim) else BATCH
        exact = self._provider.on_device or not _plain_op_is_exact(layer, x)
        masked = call.mask is not None
        exact = exact or masked
        shape = (batch, *x.shape[1:])
        training = call.training and (call.moments is not None or not in_units)
        strip = call.strip and call.strip.kind
        more = (x.dtype.name, training, exact, masked, strip, quicker, in_units)
        graph, key = BlockGraph(layer, shape, *more), (repr(layer), shape, *more)
        if key not in self._sessions:
            model, notes = graph.build()
            plain = ", ".join(node.op_type for node in model.graph.node)
            for note in notes or [f"{graph.dtype}: {plain}"]:
                self._detail(f"{layer.words}: {note}")
            session = self._provider.session(model.SerializeToString(), self._threads)
            names = frozenset(given.name for given in session.get_inputs())
            monitored = tuple(given.name for given in session.get_outputs()[1:])
            self._sessions[key] = _Session(session, names, monitored, monitored == (CHECK,))
            while len(self._sessions) > self._max_sessions(call):
                self._sessions.popitem(last=False)
        self._sessions.move_to_end(key)
        return self._sessions[key]

    def _max_sessions(self, call: "Call") -> int:
        """Return how many sessions are kept."""
        if call.strip is not None and call.strip.bounds is not None:
            return _MAX_UNEVEN
        return _MAX_ON_DEVICE if self._provider.on_device else _MAX_SESSIONS


def open_backend(provider: str, threads: int | None, notify: Notify, detail: Notify) -> OnnxBackend:
    """Open ONNX Runtime on a provider.

    Args:
        provider: `cpu`, `cuda` (or fail), or `auto`: CUDA where it loads, else the processor.
        threads: Threads per session; None for as many as the machine has.
        notify: Told which provider `auto` took.
        detail: Told, once for each graph, of its operators, or what they do otherwise.

    Returns:
        The backend, with no session yet.

    Raises:
        UnavailableError: A package is not installed, or the provider does not load.
    """
    backend = OnnxBackend(choose(provider, notify), threads, detail)
    import_onnx()  # before any input is looked at: it makes the graphs
    return backend


def _reopen(provider: str, threads: int) -> OnnxBackend:
    # What there is to say the process that this one works for has said.
    return OnnxBackend(choose(provider, ignore), threads, ignore)


def _plain_op_is_exact(layer: "Layer", x: "Array") -> bool:
    """Whether the plain operator gives what NumPy gives for this block."""
    bound = layer.plain_op_limit(x.shape, x.dtype.name)
    if not np.isfinite(bound):
        return True
    return bool(bound and x.min() >= -bound and x.max() <= bound)  # both are NaN if one value is


def _feeds(
    opened: _Session,
    layer: "Layer",
    x: "Array",
    weights: "Weights",
    call: "Call",
    *,
    in_units: bool,
) -> Mapping[str, NDArray[Any]]:
    """Return the inputs of the graph by name: the block, the weights, the statistics."""
    feeds = {**_weight_feeds(opened, layer, x, weights, call), "x": np.ascontiguousarray(x)}
    if call.mask is not None:
        feeds["mask"] = np.ascontiguousarray(call.mask)
    return feeds | statistics_feeds(layer, x, weights, call, in_units=in_units)


def _weight_feeds(
    opened: _Session, layer: "Layer", x: "Array", weights: "Weights", call: "Call"
) -> dict[str, NDArray[Any]]:
    """Return the weights for a block in float64, converted once where all blocks have the same."""
    if call.strip is not None or splits_weights(layer, x.ndim):
        if isinstance(layer, Normalization):
            weights = layer.weights_at(weights, call.origin(x.ndim), x.shape)
        return {name: as_float64(weight) for name, weight in weights.items()}
    if opened.weights is not weights:
        opened.weights = weights
        opened.feeds = {name: as_float64(weight) for name, weight in weights.items()}
    return opened.feeds
