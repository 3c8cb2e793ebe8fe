"""Processes, timed in turns: what disturbs the machine disturbs all of them alike."""

import compileall
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.cases import Input


HERE = Path(__file__).parent
PEERS = ("torch", "keras", "onnxruntime", "skimage")
_FLOOR = "import sys, numpy as np; np.save(sys.argv[2], np.load(sys.argv[1]))"


class Bench:
    """Where files lie, which peers there are, and what has been measured.

    Results are written after every round, and a run goes on where the last one stopped.
    """

    def __init__(
        self,
        work: Path,
        peers: tuple[str, Sequence[str]],
        results: Path,
        rounds: int,
        facts: Mapping[str, str] | None = None,
    ) -> None:
        self.work, self.results, self.rounds = work, results, rounds
        self.facts = facts or {}
        self.peer_python, wanted = peers
        work.mkdir(parents=True, exist_ok=True)
        # As an installed package is: without it, every start would compile a checkout anew.
        compileall.compile_dir(HERE.parent / "poolnorm_cli", quiet=1)
        self.environment = os.environ | {
            "PYTHONPATH": str(HERE.parent),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        self.times: dict[str, dict[str, list[float]]] = {}
        if results.exists():
            self.times = json.loads(results.read_text())["times"]
        self.peers = tuple(name for name in PEERS if name in wanted and self._has(name))

    def _has(self, peer: str) -> bool:
        command = [self.peer_python, "-c", f"import {peer}"]
        found = (
            subprocess.run(
                command, env=self.environment, capture_output=True, check=False
            ).returncode
            == 0
        )
        if not found:
            print(f"note: no {peer} in {self.peer_python}: left out", file=sys.stderr)
        return found

    def file(self, given: Input) -> Path:
        """Return the file of an input (a directory, where it is many), made if it is not there."""
        path = self.work / (f"{given.name}.npy" if given.count == 1 else given.name)
        if not path.exists():
            random = np.random.default_rng(0)
            if given.count > 1:
                path.mkdir()
            for index in range(given.count):
                file = path if given.count == 1 else path / f"{index:05}.npy"
                self._write(file, given, random)
        return path

    @staticmethod
    def _write(file: Path, given: Input, random: np.random.Generator) -> None:
        whole = np.lib.format.open_memmap(file, "w+", given.dtype, given.shape)
        for row in whole:
            row[...] = random.standard_normal(row.shape, np.float32)

    def peer(self, name: str, spec: Mapping[str, Any], source: Path, *more: object) -> list[str]:
        words = [self.peer_python, HERE / "peer.py", name, json.dumps(dict(spec)), source, *more]
        return list(map(str, words))

    def poolnorm(self, *words: object) -> list[str]:
        return [sys.executable, "-m", "poolnorm_cli", *map(str, words)]

    def floor(self, source: Path, target: Path) -> list[str]:
        return [sys.executable, "-c", _FLOOR, str(source), str(target)]

    def _run(self, command: Sequence[str]) -> str:
        run = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False
        )
        if run.returncode:
            raise RuntimeError(f"{' '.join(command)}\n{run.stderr[-2000:]}")
        return run.stdout

    def whole(self, command: Sequence[str]) -> float:
        """Run a process and return its seconds."""
        start = time.perf_counter()
        self._run(command)
        return time.perf_counter() - start

    def inside(self, command: Sequence[str]) -> float:
        """Run a process that times itself and prints seconds."""
        return self.numbers(command)[-1]

    def numbers(self, command: Sequence[str]) -> list[float]:
        """Run a process that prints numbers of seconds alone."""
        return [*map(float, self._run(command).split())]

    def turns(
        self,
        name: str,
        commands: Mapping[str, Sequence[str]],
        timed: Callable[[Sequence[str]], float],
        folder: str | None = None,
    ) -> None:
        """Time all commands in turns, until each has as many times as there are rounds.

        `folder` is of their outputs, and is emptied before each.
        """
        times = self.times.setdefault(name, {})
        for _ in range(self.rounds):
            for label, command in commands.items():
                seen = times.setdefault(label, [])
                if len(seen) < self.rounds:
                    for file in Path(folder).iterdir() if folder else ():
                        file.unlink()
                    try:
                        seen.append(timed(command))
                    except RuntimeError as error:
                        print(f"note: {name}, {label}: {error}", file=sys.stderr)
                        del times[label]
            commands = {label: command for label, command in commands.items() if label in times}
        self.save()
        print(line(name, times), flush=True)

    def save(self) -> None:
        """Write what has been measured."""
        machine = machine_facts(self.peer_python) | self.facts
        document = {"schema": 1, "machine": machine, "times": self.times}
        self.results.write_text(json.dumps(document, indent=1) + "\n")


def machine_facts(peer_python: str) -> dict[str, Any]:
    """Name the processor, the memory, and the versions of all that takes part."""
    model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    page = os.sysconf("SC_PAGE_SIZE")
    script = (
        "from importlib.metadata import distributions as d; print(*(f'{x.name} {x.version}' "
        "for x in d() if x.name in ('torch','keras','tensorflow_cpu','tensorflow-cpu',"
        "'onnxruntime','scikit-image')), sep=', ')"
    )
    peers = subprocess.run([peer_python, "-c", script], capture_output=True, text=True, check=False)
    return {
        "processor": model[1] if model else platform.machine(),
        "processors": len(os.sched_getaffinity(0)),
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * page / 2**30:.0f} GiB",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "peers": peers.stdout.strip(),
    }


def ratio(times: Mapping[str, Sequence[float]], label: str, to: str) -> float:
    """Return the median, over rounds, of the ratio of two times of one round."""
    return median(a / b for a, b in zip(times[label], times[to], strict=False))


def best_peer(times: Mapping[str, Sequence[float]]) -> str | None:
    """Return the peer that took least."""
    peers = [label for label in times if label in PEERS]
    return min(peers, key=lambda label: median(times[label]), default=None)


def line(name: str, times: Mapping[str, Sequence[float]]) -> str:
    """Write a row: milliseconds of each, and the ratios that count."""
    if not times.get("poolnorm"):
        return f"{name:48} not measured"
    told = [f"{label} {median(seen) * 1e3:.1f}" for label, seen in times.items() if seen]
    best = best_peer(times)
    if best:
        told.append(f"| to {best} {ratio(times, 'poolnorm', best):.2f}")
    if "floor" in times:
        told.append(f"| to floor {ratio(times, 'poolnorm', 'floor'):.2f}")
    return f"{name:48} {'  '.join(told)}"
