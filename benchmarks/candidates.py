"""Graphs beside each other, on the device and without copies: what a run tries first, and others.

`python -m benchmarks.device --only candidates`, for layers that take longer there than torch's.
Each is named after what is different about it; "poolnorm" is that of a run. Of each the largest
difference to NumPy's result is said, in epsilons of float32.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

from benchmarks.cases import LAYERS, Case, Input
from benchmarks.measure import HERE, Bench
from benchmarks.peer import best_of
from poolnorm_cli.backends.graph import GraphBuilder
from poolnorm_cli.backends.layer_graphs import BATCH, BlockGraph, FileGraph
from poolnorm_cli.backends.model import Model
from poolnorm_cli.backends.providers import Provider
from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.engine.layer_pass import initial_weights
from poolnorm_cli.errors import UnavailableError
from poolnorm_cli.layers import find
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.global_pooling import GlobalMaxPooling
from poolnorm_cli.operators import device
from poolnorm_cli.operators.graph import GraphCall, Value


Array = Any
Feeds = Mapping[str, Array]
TURNS = 7
_EPSILON = float(np.finfo(np.float32).eps)
_WRONG = 100.0
"""Epsilons, of results of about 1, from which on a graph does something else than the layer."""
_COMPARED = 2
"""Samples of a result that are held against NumPy's."""


class Candidate(NamedTuple):
    """A graph for a row.

    Attributes:
        label: What is different about it.
        model: The graph; its first output is the result, its first input the tensor.
        feeds: What else it takes, by name.
        shape: The shape in which it takes the tensor.
    """

    label: str
    model: Model
    feeds: Feeds
    shape: tuple[int, ...]


def tried_first(
    layer: Layer, shape: tuple[int, ...], label: str = "poolnorm", *, quicker: bool = True
) -> Candidate:
    """Build the graph of a run, or the exact one."""
    weights = initial_weights(layer, shape, "float32")
    sizes: Any = (BATCH, *shape[1:])
    quicker = quicker and layer.fits_device(weights)
    graph = BlockGraph(layer, sizes, "float32", training=False, exact=True, on_device=quicker)
    model, _ = graph.build()
    dtypes = {given.name: given.dtype for given in model.inputs}
    return Candidate(label, model, {n: w.astype(dtypes[n]) for n, w in weights.items()}, shape)


def gathering(
    layer: Layer, shape: tuple[int, ...], label: str = "poolnorm", *, quicker: bool = True
) -> Candidate:
    """Build the graph of a whole batch in training, or the exact one."""
    weights = initial_weights(layer, shape, "float32")
    graph = FileGraph(layer, shape, *("float32",) * 3, training=True, on_device=quicker)
    return Candidate(label, graph.model(weights)[0], {}, shape)


def built(
    label: str,
    shape: tuple[int, ...],
    add: Callable[[GraphBuilder, Value], Value],
    *,
    opset: int = 17,
) -> Candidate:
    """Build a graph of operators that are added to the tensor, without a check."""
    graph = GraphBuilder(opset)
    y = add(graph, graph.input("x", "float32", (BATCH, *shape[1:])))
    return Candidate(label, graph.model("block", {"y": (y, "float32", None)}, {}), {}, shape)


def averages(layer: Layer, shape: tuple[int, ...]) -> Iterator[Candidate]:
    """Yield ways to the mean over all of space."""
    _, *space, channels = shape
    cells = int(np.prod(space))
    few = device.largest_divisor(cells, 16)
    yield tried_first(layer, shape)
    for label, constants in {
        "sums of 16, then float64": {"_AGAIN": 1},
        "sums of 64, then float64": {"_TOGETHER": 64, "_AGAIN": 1},
        "sums of 256, then float64": {"_TOGETHER": 256, "_AGAIN": 1},
        "two products": {"_TOGETHER": 256, "_AGAIN": cells},
        "one product": {"_TOGETHER": cells, "_AGAIN": 1},
    }.items():
        with mock.patch.multiple(device, **constants):
            yield tried_first(layer, shape, label)

    def transposed(graph: GraphBuilder, x: Value) -> Value:
        """Have the tensor on the left, where a product takes all samples by one stride."""
        left = cells // few
        x = graph.transpose(graph.reshape(x, [0, few, left * channels]), [0, 2, 1])
        x = graph.op("MatMul", x, graph.full((few, 1), 1.0, "float32"))
        x = graph.cast(graph.reshape(x, [0, left, channels]), "float64")
        mean = graph.op("MatMul", graph.full((1, left), 1 / cells, "float64"), x)
        return graph.cast(graph.reshape(mean, [0, channels]), "float32")

    def of_rows(graph: GraphBuilder, x: Value) -> Value:
        x = graph.reshape(x, [0, cells, channels])
        return graph.reduce("ReduceMean", x, (1,), keepdims=False)

    def pooled(graph: GraphBuilder, x: Value) -> Value:
        y = graph.op("GlobalAveragePool", graph.transpose(x, [0, 3, 1, 2]))
        return graph.reshape(y, [0, channels])

    yield built("sums of 16, the tensor on the left", shape, transposed)
    yield built("ReduceMean", shape, of_rows)
    yield built("GlobalAveragePool", shape, pooled)


def maxima(layer: Layer, shape: tuple[int, ...]) -> Iterator[Candidate]:
    """Yield ways to the maximum over all of space."""
    count, *space, channels = shape
    yield tried_first(layer, shape)
    for step in (7, 8, 14, 28, 32):
        with mock.patch.object(device, "_STEP", step):
            yield tried_first(layer, shape, f"steps of {step}")
    neighbours = (count, int(np.prod(space)), channels)
    for step in (64, 256):
        with mock.patch.object(device, "_STEP", step):
            yield tried_first(GlobalMaxPooling(), neighbours, f"{step} neighbours")

    def unchecked(graph: GraphBuilder, x: Value) -> Value:
        y = graph.transpose(x, [0, 3, 1, 2])
        pair = space
        while np.prod(pair) > 1:
            steps = [(n, 1, 1) if n < 32 else (n - n // 16 * 16 + 16, 16, n // 16) for n in pair]
            kernel, strides, pair = ([*part] for part in zip(*steps, strict=True))
            y = graph.op("MaxPool", y, kernel_shape=kernel, strides=strides)
        return graph.reshape(y, [0, channels])

    def pooled(graph: GraphBuilder, x: Value) -> Value:
        y = graph.op("GlobalMaxPool", graph.transpose(x, [0, 3, 1, 2]))
        return graph.reshape(y, [0, channels])

    yield built("without its check", shape, unchecked)
    yield built("GlobalMaxPool", shape, pooled)


def scalings(layer: Layer, shape: tuple[int, ...]) -> Iterator[Candidate]:
    """Yield ways to scale each channel."""
    first = tried_first(layer, shape)
    yield first

    def widened(graph: GraphBuilder, x: Value) -> Value:
        """Take weights in float64, as graphs did: an operator for each comes before the one."""
        weights = {n: graph.input(n, "float64", w.shape) for n, w in first.feeds.items()}
        vectors = (graph.cast(v, "float32") for v in weights.values())
        y = graph.transpose(x, [0, 3, 1, 2])
        y = graph.op("BatchNormalization", y, *vectors, epsilon=1e-3)
        return graph.transpose(y, [0, 2, 3, 1])

    def folded(graph: GraphBuilder, x: Value) -> Value:
        factor = graph.full((shape[-1],), 1 / np.sqrt(1 + 1e-3), "float32")
        addend = graph.full((shape[-1],), 0.0, "float32")
        return graph.op("Add", graph.op("Mul", x, factor), addend)

    wide = {name: weight.astype(np.float64) for name, weight in first.feeds.items()}
    yield built("weights in float64", shape, widened)._replace(feeds=wide)
    yield built("Mul and Add", shape, folded)


def trainings(layer: Layer, shape: tuple[int, ...]) -> Iterator[Candidate]:
    """Yield ways to normalize a batch by its own statistics."""
    yield gathering(layer, shape)
    for label, constants in {
        "sums of 16, then float64": {"_AGAIN": 1},
        "sums of 256, then float64": {"_TOGETHER": 256, "_AGAIN": 1},
    }.items():
        with mock.patch.multiple(device, **constants):
            yield gathering(layer, shape, label)

    _, *space, channels = shape
    cells = int(np.prod(space))
    few = device.largest_divisor(cells, 16)

    def by_norms(graph: GraphBuilder, x: Value) -> Value:
        """Take norms of a few cells in place of squares, which would be written and read."""
        call = GraphCall((BATCH, *shape[1:]), "float32")
        means = device.wide_mean(graph, x, (1, 2), call) or ""
        seen = graph.reshape(x, [0, few, cells // few * channels])
        norms = graph.reduce("ReduceL2", seen, (1,), keepdims=False)
        rows = graph.reshape(graph.op("Mul", norms, norms), [0, cells // few, channels])
        factors = graph.full((1, cells // few), 1 / cells, "float64")
        squares = graph.op("MatMul", factors, graph.cast(rows, "float64"))
        mean, square = (
            graph.reduce("ReduceMean", graph.reshape(v, [0, channels]), (0,), keepdims=False)
            for v in (means, squares)
        )
        variance = graph.op("Sub", square, graph.op("Mul", mean, mean))
        ones, zeros = (graph.full((channels,), v, "float32") for v in (1.0, 0.0))
        both = (graph.cast(v, "float32") for v in (mean, variance))
        moved = graph.transpose(x, [0, 3, 1, 2])
        y = graph.op("BatchNormalization", moved, ones, zeros, *both, epsilon=1e-3)
        return graph.transpose(y, [0, 2, 3, 1])

    yield built("norms of 16 in place of squares", shape, by_norms)

    def own(graph: GraphBuilder, x: Value) -> Value:
        """Have the operator gather them, as it did in old operator sets: by five outputs."""
        ones, zeros = (graph.full((shape[-1],), v, "float32") for v in (1.0, 0.0))
        moved = graph.transpose(x, [0, 3, 1, 2])
        given, more = [moved, ones, zeros, zeros, ones], {"epsilon": 1e-3, "momentum": 0.99}
        y, *_ = graph.node("BatchNormalization", given, more, 5)
        return graph.transpose(y, [0, 2, 3, 1])

    yield built("the operator's own statistics", shape, own, opset=13)


WAYS: dict[str, Callable[[Layer, tuple[int, ...]], Iterator[Candidate]]] = {
    "gpool average": averages,
    "gpool max": maxima,
    "bn": scalings,
    "bn --training": trainings,
}


def measure(bench: Bench, given: Input, opened: Provider, seconds: float) -> None:
    """Time all ways of all rows, beside torch, and print each with its difference.

    Args:
        bench: Keeps the times.
        given: The tensor.
        opened: Where they run.
        seconds: After which no row is begun.
    """
    import onnxruntime

    source, end = bench.file(given), time.perf_counter() + seconds
    cases = [case for case in LAYERS if case.name in WAYS]
    peers = _torch(bench, cases, str(source), opened.name)
    x = np.load(source)
    held = onnxruntime.OrtValue.ortvalue_from_numpy(x, opened.name, 0)
    for case in cases:
        if time.perf_counter() > end:
            print(f"note: no time is left for {case.name}", file=sys.stderr)
            continue
        name = f"{opened.name} {given.name} {case.name} candidates"
        times = bench.times.setdefault(name, {}) | peers.get(case.name, {})
        bench.times[name] = times
        layer = find(*case.op.removesuffix(" training").split())()
        expected, _ = run_array(layer, x, training="training" in case.op)
        print(name, *(f"torch {seen[0] * 1e3:.3f} ms" for seen in times.values()))
        for way in WAYS[case.name](layer, x.shape):
            try:
                took, y = _timed(way, opened, held)
            except UnavailableError as error:
                print(f"  {way.label:36} not here: {error}", flush=True)
                continue
            times[way.label] = [took]
            print(f"  {way.label:36} {_told(took, times, y, expected)}", flush=True)
        bench.save()


def _told(took: float, times: Mapping[str, list[float]], y: Array, expected: Array) -> str:
    """Say what a way took, also in units of torch, and how far from NumPy's its result is."""
    away = float(np.abs(y - expected[: len(y)]).max() / _EPSILON)
    told = f"{took * 1e3:9.3f} ms"
    if "torch" in times:
        told += f"  {took / times['torch'][0]:5.2f} of torch"
    return f"{told}  {away:6.1f} epsilons{'' if away <= _WRONG else ': WRONG'}"


def _torch(
    bench: Bench, cases: Sequence[Case], source: str, kind: str
) -> dict[str, dict[str, list[float]]]:
    """Time torch in one process of its own; nothing where it is not to be had."""
    if "torch" not in bench.peers:
        return {}
    specs = json.dumps([case.spec() | {"device": kind, "resident": True} for case in cases])
    words = [bench.peer_python, HERE / "peer.py", "torch", specs, source, "-", TURNS]
    found = bench.numbers([*map(str, words)])
    return {case.name: {"torch": [took]} for case, took in zip(cases, found, strict=True)}


def resident(way: Candidate, opened: Provider, held: Any) -> tuple[Callable[[], None], Any]:
    """Return what runs a graph on a tensor that the device has, and the binding of its results."""
    import onnxruntime

    session = opened.session(way.model.serialized())
    binding, kind = session.io_binding(), opened.name
    name, wanted = way.model.inputs[0].name, {given.name for given in session.get_inputs()}
    binding.bind_input(name, kind, 0, np.float32, way.shape, held.data_ptr())
    feeds = {n: onnxruntime.OrtValue.ortvalue_from_numpy(w, kind, 0) for n, w in way.feeds.items()}
    for name in wanted & {*feeds}:
        binding.bind_ortvalue_input(name, feeds[name])
    for output in session.get_outputs():
        binding.bind_output(output.name, kind)
    binding.synchronize_inputs()

    def once() -> None:
        opened.run(session, binding)
        binding.synchronize_outputs()

    return once, binding


def _timed(way: Candidate, opened: Provider, held: Any) -> tuple[float, Array]:
    """Return the seconds of a graph, and its first samples."""
    once, binding = resident(way, opened, held)
    took = best_of(once, TURNS)
    return took, binding.get_outputs()[0].numpy()[:_COMPARED]
