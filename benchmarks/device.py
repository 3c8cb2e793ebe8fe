"""Layers on a device, beside torch: `python -m benchmarks.device --peer-python PYTHON`.

"Whole" is a command from a file to a file, beside a script with torch, "start" one of a small file
beside the way without a runtime. "With copies" goes from an array in the processor's memory to one
there; "without" has its input on the device and leaves its output there, by the graph that a run
tries first there, check included. `--provider cpu` runs all of it on the processor. `--only
candidates` times other graphs beside those, without copies (`benchmarks/candidates.py`).
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import candidates, cases
from benchmarks.cases import Case, Input
from benchmarks.measure import HERE, Bench, line
from benchmarks.peer import best_of
from poolnorm_cli.backends import open_backend
from poolnorm_cli.backends.providers import choose
from poolnorm_cli.engine.in_memory import run_array
from poolnorm_cli.errors import UnavailableError
from poolnorm_cli.layers import find
from poolnorm_cli.layers.base import Layer


def with_copies(layer: Layer, x: Any, provider: Any, *, training: bool) -> Callable[[], Any]:
    backend = open_backend("onnx", provider)
    return lambda: run_array(layer, x, training=training, backend=backend, threads=None)


def without_copies(layer: Layer, x: Any, provider: Any, *, training: bool) -> Callable[[], Any]:
    """Run the graph of a run on the whole tensor; in training, one that gathers for itself.

    A run gathers on the processor, which has the numbers before the device does.
    """
    import onnxruntime

    make = candidates.gathering if training else candidates.tried_first
    way = make(layer, x.shape, quicker=provider != "cpu")
    held = onnxruntime.OrtValue.ortvalue_from_numpy(x, provider, 0)
    once, _ = candidates.resident(way, choose(provider, print), held)
    return lambda: (once(), held)  # which keeps the tensor


def ours(specs: str, source: str, rounds: str) -> None:
    """Time layers in this process and print the seconds of each."""
    x = np.load(source)
    for given in json.loads(specs):
        words = given["op"].removesuffix(" training")
        sizes = {"pool_size": (given["pool"],), "strides": (given["stride"],)}
        parameters = sizes | {"padding": given["padding"]} if given["pool"] else {}
        make = without_copies if given["resident"] else with_copies
        training = words != given["op"]
        layer, seconds = find(*words.split())(**parameters), math.nan
        try:
            seconds = best_of(make(layer, x, given["device"], training=training), int(rounds))
        except Exception as error:  # noqa: BLE001 - the other rows are measured still
            print(f"note: {given}: {error}", file=sys.stderr)
        print(seconds, flush=True)


def inside(bench: Bench, given: Input, provider: str) -> None:
    """Time all layers with copies and without, each framework in one process."""
    source = bench.file(given)
    specs = [
        (case, case.spec() | {"device": provider, "resident": resident})
        for case in cases.LAYERS
        for resident in (False, True)
    ]
    every = json.dumps([spec for _, spec in specs])
    me = [sys.executable, "-m", "benchmarks.device", "ours", every, str(source), str(_TURNS)]
    commands = {"poolnorm": me}
    if "torch" in bench.peers:
        words = [bench.peer_python, HERE / "peer.py", "torch", every, source, "-", _TURNS]
        commands["torch"] = [*map(str, words)]
    for _ in range(bench.rounds):
        for label, command in commands.items():
            found = bench.numbers(command)
            for (case, spec), seconds in zip(specs, found, strict=True):
                if math.isnan(seconds):
                    continue
                copies = "without copies" if spec["resident"] else "with copies"
                name = f"{provider} {given.name} {case.name} {copies}"
                bench.times.setdefault(name, {}).setdefault(label, []).append(seconds)
    bench.save()
    for name, times in bench.times.items():
        print(line(name, times), flush=True)


def jobs(bench: Bench, given: Input, provider: str, end: float) -> None:
    """Time whole jobs, from a file to a file, those that write most first."""
    source, folder = bench.file(given), bench.work / "outputs"
    folder.mkdir(exist_ok=True)
    target = folder / "y.npy"
    for case in reversed(cases.LAYERS):
        if time.perf_counter() > end:
            print(f"note: no time is left for {case.name}, whole", file=sys.stderr)
            continue
        spec = case.spec() | {"device": provider}
        commands = {"poolnorm": _command(bench, case, source, target, provider)}
        if "torch" in bench.peers:
            commands["torch"] = bench.peer("torch", spec, source, target)
        name = f"{provider} {given.name} {case.name} whole"
        bench.turns(name, commands, bench.whole, str(folder))


def start(bench: Bench, provider: str) -> None:
    """Time small jobs, beside the way without a runtime."""
    source, folder = bench.file(cases.SMALL), bench.work / "outputs"
    folder.mkdir(exist_ok=True)
    case = cases.LAYERS[0]
    way = _command(bench, case, source, folder / "y.npy", provider)
    commands = {"poolnorm": way, "NumPy's way": way[: -len(_on(provider))]}
    name = f"{provider} {cases.SMALL.name} {case.name} start"
    bench.turns(name, commands, bench.whole, str(folder))


def _command(bench: Bench, case: Case, source: Path, target: Path, provider: str) -> list[str]:
    return bench.poolnorm(*case.command, source, "-o", target, *_on(provider))


def _on(provider: str) -> tuple[str, ...]:
    return ("--backend", "onnx", "--provider", provider)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.device", description=__doc__)
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter that has torch")
    parser.add_argument("--provider", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--shape", default="64,224,224,64", help="of the input, float32")
    parser.add_argument("--results", type=Path, default=Path("device.json"))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--work", type=Path, help="folder for files; /dev/shm where that is")
    parser.add_argument("--seconds", type=float, default=1e9, help="after which no row is begun")
    parser.add_argument("--only", choices=[*_PARTS], help="a part; all but candidates by default")
    given, began = parser.parse_args(), time.perf_counter()
    shape = tuple(map(int, given.shape.split(",")))
    try:
        open_backend("onnx", given.provider)
    except UnavailableError as error:
        sys.exit(f"error: {error}")
    given.results.unlink(missing_ok=True)  # rounds of two runs are not mixed
    where = given.work or next((p for p in (Path("/dev/shm"),) if p.is_dir()), None)
    with tempfile.TemporaryDirectory(dir=where) as work:
        peers = given.peer_python, ["torch"]
        bench = Bench(Path(work), peers, given.results, given.rounds, _device(given.provider))
        source = Input(given.shape.replace(",", "x"), shape)
        if given.only in (None, "inside"):
            inside(bench, source, given.provider)
        if given.only in (None, "start"):
            start(bench, given.provider)
        if given.only in (None, "whole"):
            jobs(bench, source, given.provider, began + given.seconds)
        if given.only == "candidates":
            opened = choose(given.provider, print)
            candidates.measure(bench, source, opened, given.seconds)


_PARTS = ("start", "inside", "whole", "candidates")
_TURNS = 7


def _device(provider: str) -> dict[str, str]:
    """Name the device, the runtime and the commit."""
    import onnxruntime

    facts = {"onnxruntime": str(onnxruntime.__version__)}
    asked = {"commit": ["git", "-C", str(HERE), "rev-parse", "--short", "HEAD"]}
    if provider == "cuda":
        asked["device"] = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    for name, command in asked.items():
        with suppress(OSError):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            facts |= {name: done.stdout.split("\n")[0]} if done.returncode == 0 else {}
    return facts


if __name__ == "__main__":
    if sys.argv[1:2] == ["ours"]:
        ours(*sys.argv[2:])
    else:
        main()
