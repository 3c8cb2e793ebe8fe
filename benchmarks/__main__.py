"""Run `python -m benchmarks --peer-python PYTHON`: ratios to the screen, times to a JSON file."""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from benchmarks import cases
from benchmarks.cases import Case, Input
from benchmarks.measure import HERE, PEERS, Bench
from benchmarks.picture import draw
from benchmarks.report import write


LARGEST_HELD = 2000
"""Megabytes of the largest input that is given to those who hold it in memory, input and output."""


PARTS = ("whole", "inside", "windows", "growth", "start", "report")


def whole_jobs(bench: Bench, inputs: tuple[Input, ...], layers: tuple[Case, ...]) -> None:
    """Time whole processes, file in and file out."""
    for given in inputs:
        source, target = bench.file(given), bench.work / "out.npy"
        for case in layers:
            words = (*case.command, source, "-q", "--overwrite", "-o", target)
            commands = {
                "poolnorm": bench.poolnorm(*words),
                "floor": bench.floor(source, target),
            }
            peers = [name for name in bench.peers if name in case.peers]
            commands |= {name: bench.peer(name, case.spec(), source, target) for name in peers}
            if given.megabytes > LARGEST_HELD:
                commands = {"poolnorm": commands["poolnorm"]}
            bench.turns(f"whole {given.name} {case.name}", commands, bench.whole)
        bench.file(given).unlink()


def inside(bench: Bench, inputs: tuple[Input, ...], layers: tuple[Case, ...]) -> None:
    """Time layers in process, on arrays in memory."""
    for given in inputs:
        source = bench.file(given)
        for case in layers:
            commands = {
                "poolnorm": _ours(case, source),
                "floor": [sys.executable, "-m", "benchmarks.ours", "copy", "{}", str(source), "7"],
            }
            peers = [name for name in bench.peers if name in case.peers]
            commands |= {n: bench.peer(n, case.spec(), source, "-", 7) for n in peers}
            bench.turns(f"inside {given.name} {case.name}", commands, bench.inside)
        source.unlink()


def _ours(case: Case, source: Path) -> list[str]:
    words = case.op.removesuffix(" training")
    parameters: dict[str, object] = {"training": True} if words != case.op else {}
    if case.pool:
        parameters = {"pool_size": case.pool, "strides": case.stride, "padding": case.padding}
    more = [words, json.dumps(parameters), str(source), "7"]
    return [sys.executable, "-m", "benchmarks.ours", *more]


def growth(bench: Bench, sizes: tuple[Input, ...], files: tuple[Input, ...]) -> None:
    """Time what grows: the input, the number of files."""
    case = cases.LAYERS[0]
    whole_jobs(bench, sizes, (case,))
    for given in files:
        folder = bench.file(given)
        with tempfile.TemporaryDirectory(dir=bench.work) as target:
            words = (*case.command, folder, "-q", "-O", target, "-j", "auto")
            commands = {
                "poolnorm": bench.poolnorm(*words),
                "floor": [sys.executable, str(HERE / "loop.py"), str(folder), target],
            }
            peers = [name for name in bench.peers if name in case.peers]
            commands |= {name: bench.peer(name, case.spec(), folder, target) for name in peers}
            bench.turns(f"files {given.count} {case.name}", commands, bench.whole, target)


def start(bench: Bench) -> None:
    """Time the start of the ONNX way, whose floor is a script that runs one operator."""
    source, target = bench.file(cases.SMALL), bench.work / "out.npy"
    for case in cases.LAYERS:
        words = (*case.command, source, "-q", "--overwrite", "-o", target, "--backend", "onnx")
        commands = {
            "poolnorm": bench.poolnorm(*words),
            "floor": [sys.executable, str(HERE / "bare.py")],
        }
        bench.turns(f"start {cases.SMALL.name} {case.name}", commands, bench.whole)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter of the peers")
    parser.add_argument("--peers", default=",".join(PEERS), help="some of them")
    parser.add_argument("--inputs", default="", help="only those whose name has this in it")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "poolnorm-bench")
    parser.add_argument("--results", type=Path, default=Path("benchmarks.json"))
    parser.add_argument("--picture", type=Path, help="an SVG of ratios; one of growth beside it")
    parser.add_argument("--report", type=Path, help="a page with the ratios, in Markdown")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=PARTS, help="a part; `report`: nothing")
    parser.add_argument("--smallest", action="store_true", help="one tiny input, one round")
    parser.add_argument("--more", action="store_true", help="more shapes and dtypes")
    parser.add_argument("--huge", action="store_true", help="up to 10 GB and 10,000 files")
    given = parser.parse_args()
    if given.only != "report":
        measure(given)
    document = json.loads(given.results.read_text())
    if given.picture:
        draw(document["times"], given.picture, document["machine"]["processors"])
    if given.report:
        write(given.results, given.report)


def measure(given: argparse.Namespace) -> None:
    """Measure what the flags ask for, into a file of results."""
    rounds = 1 if given.smallest else given.rounds
    peers = given.peer_python, given.peers.split(",")
    bench = Bench(given.work, peers, given.results, rounds)
    inputs = (cases.SMALL, cases.FEW, cases.MANY, *(cases.MORE if given.more else ()))
    if given.smallest:
        inputs = cases.TINY
    inputs = tuple(one for one in inputs if given.inputs in one.name)
    if given.only in (None, "whole"):
        whole_jobs(bench, inputs, cases.LAYERS)
    if given.only in (None, "inside"):
        inside(bench, inputs if given.smallest else cases.INSIDE, cases.LAYERS)
    if given.only in (None, "windows") and not given.smallest:
        inside(bench, (cases.FEW,), cases.WINDOWS)
    if given.only in (None, "growth") and not given.smallest:
        sizes = cases.GROWTH + (cases.HUGE if given.huge else ())
        growth(bench, sizes, cases.FILES + (cases.MANY_FILES if given.huge else ()))
    if given.only in (None, "start") and not given.smallest:
        start(bench)


if __name__ == "__main__":
    main()
