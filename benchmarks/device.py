"""Layers on a device, beside torch: `python -m benchmarks.device --peer-python PYTHON`.

"With copies" goes from an array in the processor's memory to one there; "without" has its input on
the device and leaves its output there, by the graph that a run tries first there, check included.
`--provider cpu` runs all of it on the processor.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import cases
from benchmarks.cases import Case, Input
from benchmarks.measure import Bench
from poolnorm_cli.backends import open_backend
from poolnorm_cli.backends.layer_graphs import BATCH, BlockGraph, FileGraph
from poolnorm_cli.backends.providers import choose
from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.engine.layer_pass import initial_weights
from poolnorm_cli.errors import UnavailableError
from poolnorm_cli.layers import find
from poolnorm_cli.layers.base import Layer


def with_copies(layer: Layer, x: Any, provider: Any, *, training: bool) -> Callable[[], Any]:
    backend = open_backend("onnx", provider)
    return lambda: run_array(layer, x, training=training, backend=backend)


def without_copies(layer: Layer, x: Any, provider: Any, *, training: bool) -> Callable[[], Any]:
    """Run the graph of a run on the whole tensor; in training, one that gathers for itself."""
    import onnxruntime

    weights = initial_weights(layer, x.shape, x.dtype.name)
    opened = choose(provider, print)
    if training:
        kinds = (x.dtype.name,) * 3
        model, _ = FileGraph(layer, x.shape, *kinds, training=True).model(weights)
        feeds = {model.graph.input[0].name: x}
    else:
        shape = (BATCH, *x.shape[1:])
        quicker = provider != "cpu" and layer.fits_device(weights)
        graph = BlockGraph(
            layer, shape, x.dtype.name, training=False, exact=True, on_device=quicker
        )
        model, _ = graph.build()
        feeds = {"x": x} | {name: w.astype(np.float64) for name, w in weights.items()}
    session = opened.session(model.SerializeToString())
    binding = session.io_binding()
    wanted = {given.name for given in session.get_inputs()}
    held = [
        (name, onnxruntime.OrtValue.ortvalue_from_numpy(array, provider, 0))
        for name, array in feeds.items()
        if name in wanted
    ]
    for name, value in held:
        binding.bind_ortvalue_input(name, value)
    for output in session.get_outputs():
        binding.bind_output(output.name, provider)
    binding.synchronize_inputs()

    def once() -> None:
        opened.run(session, binding)
        binding.synchronize_outputs()

    return once


def ours(spec: str, source: str, rounds: str) -> None:
    """Time a layer in this process and print seconds."""
    given = json.loads(spec)
    words = given["op"].removesuffix(" training")
    sizes = {"pool_size": (given["pool"],), "strides": (given["stride"],)}
    parameters = sizes | {"padding": given["padding"]} if given["pool"] else {}
    make = without_copies if given["resident"] else with_copies
    training = words != given["op"]
    layer, x = find(*words.split())(**parameters), np.load(source)
    once = make(layer, x, given["device"], training=training)
    once()
    times = []
    for _ in range(int(rounds)):
        start = time.perf_counter()
        once()
        times.append(time.perf_counter() - start)
    print(min(times))


def rows(bench: Bench, given: Input, case: Case, provider: str) -> None:
    source = bench.file(given)
    for resident in (False, True):
        spec = case.spec() | {"device": provider, "resident": resident}
        me = [sys.executable, "-m", "benchmarks.device", "ours", json.dumps(spec), str(source), "7"]
        commands = {"poolnorm": me}
        if "torch" in bench.peers:
            commands["torch"] = bench.peer("torch", spec, source, "-", 7)
        copies = "without copies" if resident else "with copies"
        bench.turns(f"{provider} {given.name} {case.name} {copies}", commands, bench.inside)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.device", description=__doc__)
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter that has torch")
    parser.add_argument("--provider", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--shape", default="64,224,224,64", help="of the input, float32")
    parser.add_argument("--results", type=Path, default=Path("device.json"))
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    shape = tuple(map(int, given.shape.split(",")))
    try:
        open_backend("onnx", given.provider)
    except UnavailableError as error:
        sys.exit(f"error: {error}")
    with tempfile.TemporaryDirectory() as work:
        peers = given.peer_python, ["torch"]
        bench = Bench(Path(work), peers, given.results, given.rounds)
        for case in cases.LAYERS:
            rows(bench, Input(given.shape.replace(",", "x"), shape), case, given.provider)


if __name__ == "__main__":
    if sys.argv[1:2] == ["ours"]:
        ours(*sys.argv[2:])
    else:
        main()
