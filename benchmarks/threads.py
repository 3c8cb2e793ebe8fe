"""What every further processor brings: `python -m benchmarks.threads --peer-python PYTHON`.

Layers in process by number of threads, beside torch with as many; whole jobs beside load and save;
many files. What counts most comes first, and `--seconds` ends the run.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import cases
from benchmarks.cases import Case, Input
from benchmarks.measure import HERE, Bench
from benchmarks.sweep import Worker


Times = Mapping[str, Mapping[str, Sequence[float]]]

PARTS = ("inside", "whole", "files", "counts", "report")
FILES = 10_000
_ALLOWED = {"gpool": 0.35, "/2": 0.5}
"""Of load and save that a whole job may take in memory on 16 processors; others `_REST`."""
_REST = 0.6
_START = 0.6
"""Seconds that many files may take more than one process's time divided by the processors."""
_HEAD = """# Threads and processes

`python -m benchmarks.threads --peer-python PYTHON --results docs/{results}
--report docs/threads.md` wrote this from [{results}]({results}). Milliseconds; in process of one
pass over an array of {shape} ({megabytes:.0f} MB), best of some: ours by number of threads,
torch's with as many, and a copy of the input by one.
"""


class Clock:
    """The time that a run has left."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be begun."""
        return time.monotonic() > self._end


class Inside:
    """Our layers and torch's in process, with a given number of threads."""

    def __init__(self, bench: Bench, given: Input, seconds: float) -> None:
        self.bench, self.given, self.seconds = bench, given, seconds
        commands = {"poolnorm": [sys.executable, "-m", "benchmarks.sweep_ours"]}
        if "torch" in bench.peers:
            commands["torch"] = [bench.peer_python, str(HERE / "sweep_peer.py")]
        self.workers = {name: Worker(command) for name, command in commands.items()}

    def measure(self, case: Case, threads: int, names: Sequence[str]) -> None:
        """Time a layer with so many threads, and keep the best under each name."""
        row = {
            "words": case.op,
            "parameters": _parameters(case),
            "sizes": self.given.shape,
            "dtype": self.given.dtype,
            "layout": "channels_last",
            "threads": threads,
        }
        seen: dict[str, list[float]] = {}
        for name, worker in self.workers.items():
            answer = worker.ask({"row": row})
            if "error" in answer:
                print(f"note: {case.name}, {name}: {answer['error']}", file=sys.stderr)
                continue
            jobs = {"poolnorm": "poolnorm", "copy": "floor"} if name == "poolnorm" else {name: name}
            for job, label in jobs.items():
                found = worker.ask({"time": job, "seconds": self.seconds})["seconds"]
                seen[label] = [float(f"{found:.4g}")]
        for name in names:
            self.bench.times[name] = seen
        told = "  ".join(f"{label} {times[0] * 1e3:.1f}" for label, times in seen.items())
        print(f"{names[0]:52} {told}", flush=True)
        self.bench.save()

    def close(self) -> None:
        """End the processes."""
        for worker in self.workers.values():
            worker.close()


def _parameters(case: Case) -> dict[str, Any]:
    if not case.pool:
        return {}
    return {"pool_size": case.pool, "strides": case.stride, "padding": case.padding}


def counts(processors: int) -> list[int]:
    """Return the numbers of threads: 1, 2, 4 and so on, and all."""
    powers = [1 << k for k in range(processors.bit_length())]
    return sorted({*powers, processors})


def inside(bench: Bench, given: Input, wanted: Sequence[int], clock: Clock, seconds: float) -> None:
    """Time layers in process, with each of some numbers of threads."""
    both, most = Inside(bench, given, seconds), len(os.sched_getaffinity(0))
    for threads, case in product(wanted, cases.LAYERS):
        if not clock.is_over:
            names = [f"threads {threads} {given.name} {case.name}"]
            names += [f"inside {given.name} {case.name}"] if threads == most else []
            both.measure(case, threads, names)
    both.close()


def whole(bench: Bench, given: Input, clock: Clock) -> None:
    """Time whole jobs and load and save in turns, up to the number of rounds of now."""
    source, target = bench.file(given), bench.work / "out.npy"
    for case in cases.LAYERS:
        if clock.is_over:
            return
        words = (*case.command, source, "-q", "--overwrite", "-o", target)
        commands = {"poolnorm": bench.poolnorm(*words), "floor": bench.floor(source, target)}
        bench.turns(f"whole {given.name} {case.name}", commands, bench.whole)


def files(bench: Bench, count: int) -> None:
    """Time many files by one process, and by as many as the program chooses."""
    case, given = cases.LAYERS[0], Input(f"files{count}", cases.SMALL.shape, count=count)
    folder = _many(bench, given)
    with tempfile.TemporaryDirectory(dir=bench.work) as target:
        words = (*case.command, folder, "-q", "-O", target, "-j")
        commands = {
            "poolnorm": bench.poolnorm(*words, "auto"),
            "one": bench.poolnorm(*words, "1"),
            "floor": [sys.executable, str(HERE / "loop.py"), str(folder), target],
        }
        bench.turns(f"files {count} {case.name}", commands, bench.whole, target)


def _many(bench: Bench, given: Input) -> Path:
    """Return the directory of many files; all are one file's bytes, which makes them sooner."""
    folder = bench.work / given.name
    if not folder.exists():
        one = bench.file(Input("one", given.shape)).read_bytes()
        folder.mkdir()
        for index in range(given.count):
            (folder / f"{index:05}.npy").write_bytes(one)
    return folder


def limit_of(layer: str) -> float:
    """Return what a whole job may take of load and save, in memory on 16 processors."""
    return next((most for part, most in _ALLOWED.items() if part in layer), _REST)


def page(document: Mapping[str, Any], results: str) -> str:
    """Return the tables in Markdown.

    Args:
        document: Machine, input and times.
        results: Name of the file that has them.
    """
    times: Times = document["times"]
    shape, megabytes = document["input"]["shape"], document["input"]["megabytes"]
    machine = ", ".join(f"{name} {value}" for name, value in document["machine"].items())
    lines = [
        _HEAD.format(results=results, shape=shape, megabytes=megabytes),
        f"Machine: {machine}.",
    ]
    for head, table in (
        ("In process", _inside_table(times, shape)),
        ("Whole jobs", _whole_table(times)),
        ("Many files", _files_table(times, document["machine"]["processors"])),
    ):
        lines += ["", f"## {head}", "", *table] if len(table) > 2 else []
    return "\n".join(lines) + "\n"


def _table(heads: Sequence[str], rows: Iterator[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


def _inside_table(times: Times, shape: str) -> list[str]:
    found = [name.split(maxsplit=3) for name in times if name.startswith("threads ")]
    numbers = sorted({int(threads) for _, threads, _, _ in found})
    layers = dict.fromkeys(layer for *_, layer in found)

    def rows() -> Iterator[Sequence[str]]:
        for layer in layers:
            each = [times.get(f"threads {n} {shape} {layer}", {}) for n in numbers]
            cells = [_milliseconds(seen, "poolnorm", "torch") for seen in each]
            last = each[-1]
            ratio = _ratio(last, "torch")
            yield [layer, *cells, _milliseconds(last, "floor"), ratio]

    each = [f"{n} thread{'s' * (n > 1)}" for n in numbers]
    heads = ["layer: ours, torch's", *each, "a copy", "to torch"]
    return _table(heads, rows())


def _whole_table(times: Times) -> list[str]:
    def rows() -> Iterator[Sequence[str]]:
        for name, seen in times.items():
            kind, _, layer = name.split(maxsplit=2)
            if kind == "whole" and {"poolnorm", "floor"} <= seen.keys():
                cells = [_milliseconds(seen, label) for label in ("poolnorm", "floor")]
                yield [layer, *cells, _ratio(seen, "floor"), str(limit_of(layer))]

    return _table(["layer", "poolnorm", "load + save", "ratio", "limit on 16"], rows())


def _files_table(times: Times, processors: int) -> list[str]:
    def rows() -> Iterator[Sequence[str]]:
        for name, seen in times.items():
            kind, count, _ = name.split(maxsplit=2)
            if kind == "files" and {"poolnorm", "one", "floor"} <= seen.keys():
                most = median(seen["one"]) / processors + _START
                cells = [_milliseconds(seen, label) for label in ("one", "poolnorm")]
                yield [count, *cells, f"{most * 1e3:.0f}", _milliseconds(seen, "floor")]

    return _table(["files", "one process", "`-j auto`", "limit", "load + save, shared"], rows())


def _milliseconds(seen: Mapping[str, Sequence[float]], *labels: str) -> str:
    found = [median(seen[label]) * 1e3 for label in labels if seen.get(label)]
    return ", ".join(f"{one:.3g}" if one < 1000 else f"{one:.0f}" for one in found)


def _ratio(seen: Mapping[str, Sequence[float]], to: str) -> str:
    if not (seen.get("poolnorm") and seen.get(to)):
        return ""
    return f"{median(a / b for a, b in zip(seen['poolnorm'], seen[to], strict=False)):.2f}"


def measure(given: argparse.Namespace) -> None:
    """Measure what the flags ask for, into a file of results."""
    clock, began = Clock(given.seconds), time.monotonic()
    bench = Bench(given.work, (given.peer_python, ["torch"]), given.results, given.rounds)
    processors = len(os.sched_getaffinity(0))
    shape = tuple(map(int, given.shape.split(",")))
    tensor = Input(given.shape.replace(",", "x"), shape)
    parts = given.only.split(",")
    if "inside" in parts:
        inside(bench, tensor, [processors], clock, given.each)
    for bench.rounds in range(1, given.rounds + 1):
        if "whole" in parts:
            whole(bench, tensor, clock)
        if "files" in parts and not clock.is_over:
            files(bench, given.files)
        if "counts" in parts and bench.rounds == 1 and not clock.is_over:
            inside(bench, tensor, counts(processors)[-2::-1], clock, given.each)
    _clear(bench, tensor, given.files)
    document = json.loads(given.results.read_text())
    document["machine"] |= {"commit": _commit()}
    document["input"] = {"shape": tensor.name, "megabytes": tensor.megabytes}
    given.results.write_text(json.dumps(document, indent=1) + "\n")
    print(f"{time.monotonic() - began:.0f} s")


def _clear(bench: Bench, tensor: Input, count: int) -> None:
    """Remove the inputs and outputs, which take memory where they are in it."""
    shutil.rmtree(bench.work / f"files{count}", ignore_errors=True)
    for name in (tensor.name, "out", "one"):
        (bench.work / f"{name}.npy").unlink(missing_ok=True)


def _commit() -> str:
    command = ["git", "-C", str(HERE), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "of no clone"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.threads", description=__doc__)
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter that has torch")
    parser.add_argument("--shape", default="64,224,224,64", help="of the input, float32")
    parser.add_argument("--files", type=int, default=FILES, help="how many small files")
    parser.add_argument("--work", type=Path, default=Path("/dev/shm") / "poolnorm-bench")
    parser.add_argument("--results", type=Path, default=Path("benchmarks_threads.json"))
    parser.add_argument("--report", type=Path, help="a page with the tables, in Markdown")
    parser.add_argument("--only", default=",".join(PARTS[:-1]), help=f"some of {','.join(PARTS)}")
    parser.add_argument("--rounds", type=int, default=3, help="of whole jobs and of files")
    parser.add_argument("--each", type=float, default=0.3, help="seconds of each job in process")
    parser.add_argument("--seconds", type=float, default=3600, help="nothing is begun after them")
    given = parser.parse_args()
    if given.only != "report":
        measure(given)
    if given.report:
        given.report.write_text(page(json.loads(given.results.read_text()), given.results.name))


if __name__ == "__main__":
    main()
