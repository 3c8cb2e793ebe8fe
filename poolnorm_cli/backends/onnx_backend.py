"""Blocks through ONNX Runtime: one session per layer, dtype and sample shape, used again."""

from collections import OrderedDict
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from poolnorm_cli.backends import Notify, ignore
from poolnorm_cli.backends.device_memory import RingError
from poolnorm_cli.backends.graph import GraphBuilder
from poolnorm_cli.backends.layer_graphs import BATCH, CHECK, BlockGraph
from poolnorm_cli.backends.model import type_number
from poolnorm_cli.backends.onnx_session import Session, feeds_of
from poolnorm_cli.backends.places import Halves, Here, OnLane
from poolnorm_cli.backends.providers import DeviceMemoryError, Provider, choose
from poolnorm_cli.backends.smaller_blocks import SmallerBlocks
from poolnorm_cli.errors import UnavailableError
from poolnorm_cli.kernels.halves import BITS, widen_bfloat16, widen_float16
from poolnorm_cli.layers.chain import ChainLayer
from poolnorm_cli.layers.normalization import Normalization, splits_weights
from poolnorm_cli.layers.range_checks import (
    parameters_may_overflow,
    statistics_may_overflow,
    values_may_overflow,
)
from poolnorm_cli.sizes import (
    BLOCK_BYTES,
    DEVICE_BLOCK_BYTES,
    RING_BLOCK_BYTES,
    SCANNED_FIRST_BYTES,
)


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from poolnorm_cli.backends.onnx_chain import ChainRunner
    from poolnorm_cli.backends.places import Place
    from poolnorm_cli.backends.ring import Ring
    from poolnorm_cli.layers.base import Layer
    from poolnorm_cli.layers.call import Array, Call, Weights
    from poolnorm_cli.layers.chain import Chain


_MAX_SESSIONS = 32
_MAX_ON_DEVICE = 8
"""Each takes about 100 MB of the device for its libraries, before any block."""
_MAX_UNEVEN = 2
"""Sessions that are kept where strips of a sample may each need one of their own."""


class OnnxBackend:
    """Computes blocks by the graphs of layers."""

    name = "onnx"

    def __init__(
        self, provider: Provider, threads: int | None, detail: Notify, ring: "Ring | None" = None
    ) -> None:
        """Keep what sessions will be opened with.

        Args:
            provider: Where they run.
            threads: Threads per session; None for as many as the machine has.
            detail: Told, once for each graph, of its operators, or what they do otherwise.
            ring: Brings blocks to the device; None where the runtime does.
        """
        self.block_bytes = DEVICE_BLOCK_BYTES if provider.on_device else BLOCK_BYTES
        self.lanes = 0
        if ring is not None:
            self.block_bytes, self.lanes = RING_BLOCK_BYTES, ring.lanes
        self._ring, self._lock = ring, RLock()
        self._provider, self._threads, self._detail = provider, threads, detail
        self._sessions: OrderedDict[tuple[Any, ...], Session] = OrderedDict()
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
            x: The block: samples along axis 0, or a strip of one sample; float16 and `BITS` of
                bfloat16, too, where `takes_halves` says so.
            weights: The layer's weights, by Keras name.
            call: What else decides on the result.

        Returns:
            The output, in the dtype of `x` or wider, in memory that `release` takes back.
        """
        if x.dtype in (np.float16, BITS):
            return self._apply_halves(layer, x, weights, call)
        if isinstance(layer, ChainLayer):
            return self.apply_chain(layer.chain, x, layer.weights, layer.calls_at(call.start))
        shape = layer.block_shape(x.shape, call.strip)
        if 0 in (*x.shape, *shape):
            return layer.apply(x, weights, call)  # no cells: runtimes refuse them
        if not self._provider.on_device:
            return self._apply(layer, x, weights, call, Here(x))
        return self._smaller.apply(
            lambda part, calls: self._placed(
                part, lambda place: self._apply(layer, part, weights, calls[0], place)
            ),
            x,
            [call],
        )

    @property
    def takes_halves(self) -> bool:
        """Whether blocks of two bytes for layers that compute in float32 are best given as such."""
        return self._ring is not None and not self._ring.is_broken

    def _apply_halves(
        self, layer: "Layer", x: "Array", weights: "Weights", call: "Call"
    ) -> "Array":
        """Compute a block of two bytes, which the device widens, if a lane brings it there."""
        like = np.broadcast_to(np.float32(0), x.shape)
        plain = call.mask is None and call.strip is None and not isinstance(layer, ChainLayer)
        plain = plain and 0 not in layer.block_shape(x.shape, None)
        if isinstance(layer, Normalization) and plain:
            plain = not self._parameters_need_units(layer, like, weights, call)
        ring, y = self._ring, None
        if plain and ring is not None and ring.takes(x):
            try:
                with ring.lane() as lane:
                    place = Halves(lane, x, self._convert)
                    given = layer, like, weights, call, place
                    y, found = self._run(*given, in_units=False, monitor=True)
            except (RingError, DeviceMemoryError):
                y = None  # what the way below makes of it, counts
            else:
                if isinstance(layer, Normalization) and found:
                    y = None if statistics_may_overflow(layer, like.dtype, found) else y
        if y is not None:
            return y
        wide = widen_bfloat16(x.view(np.uint16)) if x.dtype == BITS else widen_float16(x)
        return self.apply(layer, wide, weights, call)

    def _convert(self, source: tuple[str, int], target: tuple[str, int], count: int) -> None:
        """Convert items on the device."""
        (old, start), (new, end) = source, target
        names = old, new
        with self._lock:
            opened = self._sessions.get(names)
            if opened is None:
                graph = GraphBuilder()
                y = graph.cast(graph.input("x", names[0], (BATCH,)), names[1])
                model = graph.model("convert", {"y": (y, names[1], (BATCH,))}, {})
                session = self._provider.session(model.serialized(), self._threads)
                opened = self._sessions[names] = Session(session, {"x": names[0]}, ())
            assert self._ring is not None  # noqa: S101 - a lane of it has the items
            binding, device = opened.session.io_binding(), self._ring.memory.device
            # By its number: NumPy has no bfloat16.
            binding.bind_input("x", device, 0, type_number(old), (count,), start)
            binding.bind_output("y", device, 0, type_number(new), (count,), end)
            self._provider.run(opened.session, binding)

    def _free(self) -> None:
        """Give back the memory of all sessions, and that of lanes."""
        if self._ring is not None:
            self._ring.free()
        with self._lock:
            self._sessions.clear()
            self._chains = None

    def _placed(self, x: "Array", compute: "Callable[[Place], Array]") -> "Array":
        """Compute a block in a lane of the ring, or where the runtime copies it itself."""
        if self._ring is not None and self._ring.takes(x):
            try:
                with self._ring.lane() as lane:
                    return compute(OnLane(lane, x))
            except RingError as error:
                self._ring.give_up()
                self._detail(f"{error}: the runtime copies all blocks")
        return compute(Here(x))

    def _apply(
        self, layer: "Layer", x: "Array", weights: "Weights", call: "Call", place: "Place"
    ) -> "Array":
        """Compute one block, all of it at once."""
        if not isinstance(layer, Normalization):
            return self._run(layer, x, weights, call, place, in_units=False, monitor=False)[0]
        small = x.nbytes <= SCANNED_FIRST_BYTES
        in_units = self._parameters_need_units(layer, x, weights, call)
        if small and not in_units:
            in_units = values_may_overflow(layer, x, call)
        given = layer, x, weights, call, place
        y, found = self._run(*given, in_units=in_units, monitor=not small)
        if found and statistics_may_overflow(layer, x.dtype, found):
            y, _ = self._run(*given, in_units=True, monitor=False)
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
            The output, in the dtype in which the last layer computes, in memory that `release`
            takes back.
        """

        def compute(part: "Array", moved: "Sequence[Call]", place: "Place") -> "Array":
            return self._chain_runner().apply(chain, part, weights, moved, place)

        if not self._provider.on_device:
            return compute(x, calls, Here(x))
        return self._smaller.apply(
            lambda part, moved: self._placed(part, lambda place: compute(part, moved, place)),
            x,
            calls,
        )

    def _chain_runner(self) -> "ChainRunner":
        with self._lock:
            if self._chains is None:
                from poolnorm_cli.backends.onnx_chain import ChainRunner

                given = self._provider, self._threads, self._detail
                self._chains = ChainRunner(*given, self.apply, self._lock)
            return self._chains

    def _run(
        self,
        layer: "Layer",
        x: "Array",
        weights: "Weights",
        call: "Call",
        place: "Place",
        *,
        in_units: bool,
        monitor: bool,
    ) -> "tuple[Array, dict[str, Array]]":
        """Compute one block; if `monitor`, return its statistics too.

        On a device a quicker graph is tried first, where the layer has one.
        """
        kind, given = (repr(layer), x.shape[1:]), (layer, x, weights, call, place)
        if self._has_quicker(layer, x, weights, call) and not (in_units or kind in self._unfit):
            try:
                y, found = self._run_graph(*given, in_units=False, monitor=False, quicker=True)
            except DeviceMemoryError:
                raise
            except UnavailableError:
                self._unfit.add(kind)  # the device lacks an operator: the exact graph has few
            else:
                if y is not None:
                    return y, found
        y, found = self._run_graph(*given, in_units=in_units, monitor=monitor)
        assert y is not None  # noqa: S101 - the exact graph has nothing that is checked
        return y, found

    def _has_quicker(self, layer: "Layer", x: "Array", weights: "Weights", call: "Call") -> bool:
        """Whether a quicker graph may give what the exact one does; once for the same weights."""
        if not self._provider.on_device or x.dtype != np.float32:
            return False
        if call.mask is not None or call.strip is not None or call.moments is not None:
            return False
        given, known = (layer, weights), self._fitting  # which other threads may change
        if not all(one is other for one, other in zip(given, known[1], strict=True)):
            known = self._fitting = layer.fits_device(weights), given
        return known[0]

    def _run_graph(
        self,
        layer: "Layer",
        x: "Array",
        weights: "Weights",
        call: "Call",
        place: "Place",
        *,
        in_units: bool,
        monitor: bool,
        quicker: bool = False,
    ) -> "tuple[Array | None, dict[str, Array]]":
        """Compute one block by one graph; None where a check shows that it wants the exact one."""
        shape = layer.block_shape(x.shape, call.strip)
        with self._lock:
            opened = self._session(layer, x, call, in_units=in_units, quicker=quicker)
            feeds = feeds_of(opened, layer, x, weights, call, in_units=in_units)
            check = CHECK if opened.checked else ""
            names = opened.monitored if monitor and not check else ()
            binding = opened.session.io_binding()
            place.bind_block(binding)
            place.bind_inputs(binding, feeds, opened.held)
            place.bind_result(binding, shape, x.dtype, check)
            for name in names:
                binding.bind_output(name, "cpu")
            self._provider.run(opened.session, binding)
        found = binding.get_outputs()[1:] if check or names else []
        values = dict(zip((check,) if check else names, found, strict=True))
        y = place.result(values, check)
        return y, {name: values[name].numpy() for name in names}

    def _parameters_need_units(
        self, layer: Normalization, x: "Array", weights: "Weights", call: "Call"
    ) -> bool:
        """Whether weights or given statistics may overflow or underflow, whatever the block.

        It is found out once for all blocks that have the same ones.
        """
        kind = x.dtype
        if call.moments is not None or call.strip is not None or splits_weights(layer, x.ndim):
            return parameters_may_overflow(layer, kind, weights, call, x.shape)
        given, known = (layer, weights, kind), self._checked  # which other threads may change
        if not all(one is other for one, other in zip(given, known[1], strict=True)):
            known = parameters_may_overflow(layer, kind, weights, call, x.shape), given
            self._checked = known
        return known[0]

    def _session(
        self, layer: "Layer", x: "Array", call: "Call", *, in_units: bool, quicker: bool
    ) -> Session:
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
            plain = ", ".join(node.kind for node in model.nodes)
            for note in notes or [f"{graph.dtype}: {plain}"]:
                self._detail(f"{layer.words}: {note}")
            session = self._provider.session(model.serialized(), self._threads)
            wanted = model.dtypes_of(given.name for given in session.get_inputs())
            monitored = tuple(given.name for given in session.get_outputs()[1:])
            self._sessions[key] = Session(session, wanted, monitored, monitored == (CHECK,))
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
    chosen = choose(provider, notify)
    return OnnxBackend(chosen, threads, detail, _ring_of(chosen))


def _reopen(provider: str, threads: int) -> OnnxBackend:
    # What there is to say the process that this one works for has said.
    chosen = choose(provider, ignore)
    return OnnxBackend(chosen, threads, ignore, _ring_of(chosen))


def _ring_of(provider: Provider) -> "Ring | None":
    if not provider.on_device:
        return None
    from poolnorm_cli.backends.ring import cuda_ring

    return cuda_ring(provider)


def _plain_op_is_exact(layer: "Layer", x: "Array") -> bool:
    """Whether the plain operator gives what NumPy gives for this block."""
    bound = layer.plain_op_limit(x.shape, x.dtype.name)
    if not np.isfinite(bound):
        return True
    return bool(bound and x.min() >= -bound and x.max() <= bound)  # both are NaN if one value is
