"""Blocks through a chain of layers in ONNX Runtime: one graph in one session, nothing in between.

The first layer's input is at hand, and decides on the graph as it does for a layer alone. Of what
comes to the layers after it only a bound is known; where that is not enough they get the graph that
is exact for any input. A block of which a statistic turns out to have left its range is done again,
layer by layer.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from itertools import chain as joined
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.backends.chain_graphs import ChainGraph
from poolnorm_cli.backends.layer_graphs import BATCH, CHECK
from poolnorm_cli.backends.onnx_feeds import as_wanted, statistics_feeds
from poolnorm_cli.backends.places import Held
from poolnorm_cli.backends.providers import DeviceMemoryError
from poolnorm_cli.errors import UnavailableError
from poolnorm_cli.layers.chain import Chain, Link
from poolnorm_cli.layers.normalization import Normalization, splits_weights
from poolnorm_cli.layers.range_checks import parameters_may_overflow, statistics_may_overflow


if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from threading import RLock

    from poolnorm_cli.backends import Notify
    from poolnorm_cli.backends.places import Place
    from poolnorm_cli.backends.providers import Provider
    from poolnorm_cli.layers.call import Array, Call, Weights
    from poolnorm_cli.layers.chain import Compute


_MAX_SESSIONS = 8


@dataclass(slots=True)
class _Session:
    """A session of a whole chain, and what is bound to it.

    Attributes:
        session: The session of the runtime.
        inputs: Dtypes of the inputs that the graph has, by name.
        monitored: For each layer the outputs that are checked for overflow.
        checked: It has an output that is NaN for a block that wants the exact graphs.
        weights: The weights of each layer that are bound; None before the first block.
        feeds: The same as the graph takes them, by the names of inputs.
        held: What the device has of these and of statistics.
    """

    session: Any
    inputs: "Mapping[str, str]"
    monitored: tuple[tuple[str, ...], ...]
    checked: bool = False
    weights: "tuple[Weights, ...] | None" = None
    feeds: dict[str, NDArray[Any]] = field(default_factory=dict)
    held: Held = field(default_factory=dict)


class ChainRunner:
    """Computes blocks by the graphs of chains."""

    def __init__(
        self,
        provider: "Provider",
        threads: int | None,
        detail: "Notify",
        compute: "Compute",
        lock: "RLock",
    ) -> None:
        """Keep what sessions will be opened with.

        Args:
            provider: Where they run.
            threads: Threads per session; None for as many as the machine has.
            detail: Told, once for each graph, how it computes.
            compute: Computes one layer alone, for blocks that are done layer by layer.
            lock: Of whoever runs sessions of this provider.
        """
        self._provider, self._threads, self._detail = provider, threads, detail
        self._compute, self._lock = compute, lock
        self._sessions: OrderedDict[tuple[Any, ...], _Session] = OrderedDict()

    def apply(
        self,
        chain: Chain,
        x: "Array",
        weights: "Sequence[Weights]",
        calls: "Sequence[Call]",
        place: "Place",
    ) -> "Array":
        """Compute one block by the chain's graph.

        Args:
            chain: The layers; the batch axis of their shapes is not looked at.
            x: Whole samples along axis 0, in the dtype in which the first layer computes.
            weights: Those of each layer, by their Keras names.
            calls: How each layer is called.
            place: Where the block lies.

        Returns:
            The output, in the dtype in which the last layer computes, in memory that `release`
            takes back.
        """
        links = [replace(link, shape=(len(x), *link.shape[1:])) for link in chain.links]
        fits = _fit_one_graph(links, calls) and not _need_units(links, weights, calls)
        if fits:
            for quicker in (True, False) if self._provider.on_device else (False,):
                y = self._tried(chain, links, x, weights, calls, place, quicker=quicker)
                if y is not None:
                    return y
        return Chain(tuple(links)).apply(x, weights, calls, self._compute)

    def _tried(
        self,
        chain: Chain,
        links: list[Link],
        x: "Array",
        weights: "Sequence[Weights]",
        calls: "Sequence[Call]",
        place: "Place",
        *,
        quicker: bool,
    ) -> "Array | None":
        """Run one graph; return None where its results are not to be used."""
        on_device = tuple(
            quicker and call.moments is None and link.layer.fits_device(own)
            for link, own, call in zip(links, weights, calls, strict=True)
        )
        if quicker and not any(on_device):
            return None
        try:
            with self._lock:
                opened = self._session(chain, links, x, weights, calls, on_device)
                check, values = self._run(opened, links, weights, calls, place)
            return _result(opened, links, place, check, values)
        except DeviceMemoryError:
            raise
        except UnavailableError:
            if not quicker:
                raise
            return None

    def _session(
        self,
        chain: Chain,
        links: list[Link],
        x: "Array",
        weights: "Sequence[Weights]",
        calls: "Sequence[Call]",
        on_device: tuple[bool, ...],
    ) -> _Session:
        exact = _exact(links, x, weights, calls, on_device=self._provider.on_device)
        training = tuple(call.training for call in calls)
        key = (repr(chain.links), training, exact, on_device)
        if key not in self._sessions:
            any_batch = (replace(link, shape=(BATCH, *link.shape[1:])) for link in links)
            built = ChainGraph(Chain(tuple(any_batch)), training, exact, on_device).build()
            kinds = ", ".join(node.kind for node in built.model.nodes)
            for note in built.notes or [kinds]:
                self._detail(f"pipe: {note}")
            session = self._provider.session(built.model.serialized(), self._threads)
            wanted = built.model.dtypes_of(given.name for given in session.get_inputs())
            self._sessions[key] = _Session(session, wanted, built.monitored, built.checked)
            while len(self._sessions) > _MAX_SESSIONS:
                self._sessions.popitem(last=False)
        self._sessions.move_to_end(key)
        return self._sessions[key]

    def _run(
        self,
        opened: _Session,
        links: list[Link],
        weights: "Sequence[Weights]",
        calls: "Sequence[Call]",
        place: "Place",
    ) -> "tuple[str, dict[str, Any]]":
        """Run a session; return the output that is checked, and all but `y` by name."""
        feeds = {**_weight_feeds(opened, links, weights)}
        for link, own, call in zip(links, weights, calls, strict=True):
            like = np.broadcast_to(np.zeros(1, link.compute), link.sizes)
            given = statistics_feeds(link.layer, like, own, call)
            feeds |= {link.weight_key(name): values for name, values in given.items()}
        binding, last = opened.session.io_binding(), links[-1]
        check = CHECK if opened.checked else ""
        place.bind_block(binding)
        wanted = {name: array for name, array in feeds.items() if name in opened.inputs}
        place.bind_inputs(binding, wanted, opened.held)
        shape = last.layer.block_shape(last.sizes, None)
        place.bind_result(binding, shape, np.dtype(last.compute), check)
        monitored = [*joined.from_iterable(opened.monitored)]
        for name in monitored:
            binding.bind_output(name, "cpu")
        self._provider.run(opened.session, binding)
        names = [*([check] if check else []), *monitored]
        found = binding.get_outputs()[1:] if names else []
        return check, dict(zip(names, found, strict=True))


def _result(
    opened: _Session, links: list[Link], place: "Place", check: str, values: dict[str, Any]
) -> "Array | None":
    """Return the output of a run; None where a statistic has left its range."""
    y = place.result(values, check)
    if y is None:
        return None
    inside = all(
        _in_range(link, {name: values[name].numpy() for name in own})
        for link, own in zip(links, opened.monitored, strict=True)
    )
    return y if inside else None


def _in_range(link: Link, seen: "dict[str, Array]") -> bool:
    """Whether the statistics that a layer took from its input have stayed in their range."""
    if not seen or not isinstance(link.layer, Normalization):
        return True
    return not statistics_may_overflow(link.layer, np.dtype(link.compute), seen)


def _fit_one_graph(links: list[Link], calls: "Sequence[Call]") -> bool:
    """Whether one graph serves: there are cells, no masks, no strips, and no weights of samples."""
    if len(links) < 2 or any(0 in link.sizes for link in links):
        return False
    last = links[-1]
    if 0 in last.layer.block_shape(last.sizes, None):
        return False
    if any(splits_weights(link.layer, len(link.shape)) for link in links):
        return False
    return all(call.mask is None and call.strip is None for call in calls)


def _need_units(links: list[Link], weights: "Sequence[Weights]", calls: "Sequence[Call]") -> bool:
    """Whether weights, or statistics that are given, may leave their range in a layer."""
    return any(
        parameters_may_overflow(link.layer, np.dtype(link.compute), own, call, link.sizes)
        for link, own, call in zip(links, weights, calls, strict=True)
        if isinstance(link.layer, Normalization)
    )


def _exact(
    links: list[Link],
    x: "Array",
    weights: "Sequence[Weights]",
    calls: "Sequence[Call]",
    *,
    on_device: bool,
) -> tuple[bool, ...]:
    """Say of each layer whether its graph must be exact for any input."""
    if on_device:
        return (True,) * len(links)
    bounds = [link.layer.plain_op_limit(link.sizes, link.compute) for link in links]
    most = math.inf
    if any(bound and math.isfinite(bound) for bound in bounds):
        most = _magnitude(x)
    limits = Chain(tuple(links)).limits(most, weights, calls)
    return tuple(
        math.isfinite(bound) and not limit <= bound
        for bound, limit in zip(bounds, limits, strict=True)
    )


def _magnitude(x: "Array") -> float:
    """Return the largest magnitude; infinity where one is a NaN."""
    most = max(float(x.max()), -float(x.min()))  # both are NaN if one value is
    return most if math.isfinite(most) else math.inf


def _weight_feeds(
    opened: _Session, links: list[Link], weights: "Sequence[Weights]"
) -> dict[str, NDArray[Any]]:
    """Return the weights as a graph takes them, converted once where all blocks have the same."""
    same = opened.weights is not None and all(
        one is other for one, other in zip(opened.weights, weights, strict=True)
    )
    if not same:
        opened.weights = tuple(weights)
        named = {
            link.weight_key(name): weight
            for link, own in zip(links, weights, strict=True)
            for name, weight in own.items()
        }
        opened.feeds = {
            name: as_wanted(weight, opened.inputs.get(name, "float64"))
            for name, weight in named.items()
        }
    return opened.feeds
