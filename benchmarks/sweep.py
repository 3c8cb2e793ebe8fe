"""Layers by shapes, types and layouts, beside torch: `python -m benchmarks.sweep`.

One process has our layers and one has those of torch; they take turns on the same numbers, each
with the threads that it has by default.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.measure import HERE, machine_facts
from benchmarks.rows import Row, rows


Times = Mapping[str, Sequence[float]]

NEAR = 1.5
"""Copies of the input: where torch takes no longer, we may take a fifth more than torch."""
_HEAD = """# Every type and shape

`python -m benchmarks.sweep --peer-python PYTHON --results docs/sweep.json --report docs/sweep.md`
wrote this from [sweep.json](sweep.json). Milliseconds of one pass in process over an array in
memory, with {threads}: the best of some short rounds, {least} to {most}, in which ours, torch's
and a copy take turns. On average {load} processes wanted to run on the {processors} processors
meanwhile: where that is more than there are, read a ratio as one digit, and a row near its limit as
on it.

A row is over its limit where it takes longer than torch, or 1.2 of torch where torch takes no more
than 1.5 copies of the input.
"""


class Worker:
    """A process that makes jobs and times them."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE.parent
        )

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Send a question and return its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline() or "{}")
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Time the rows that have not been, and write them after each."""
    document: dict[str, Any] = {"machine": machine_facts(given.peer_python), "times": {}}
    document |= {"threads": given.threads}
    if given.results.exists():
        document["times"] = json.loads(given.results.read_text())["times"]
    workers = {
        "poolnorm": Worker([sys.executable, "-m", "benchmarks.sweep_ours"]),
        "torch": Worker([given.peer_python, str(HERE / "sweep_peer.py")]),
    }
    wanted: list[Row] = [row for row in rows() if re.search(given.rows, row.name)][: given.most]
    for row in wanted:
        seen = document["times"].get(row.name, {})
        if not seen or (given.again and is_over(seen)):
            more = _timed(row, workers, given)
            seen = {job: seen.get(job, []) + times for job, times in more.items()}
            document["times"][row.name] = seen
            given.results.write_text(json.dumps(document, indent=1) + "\n")
        print(line(row.name, seen), flush=True)
    for worker in workers.values():
        worker.close()
    document["load"] = round(os.getloadavg()[2])
    given.results.write_text(json.dumps(document, indent=1) + "\n")
    return document


def _timed(row: Row, workers: Mapping[str, Worker], given: argparse.Namespace) -> dict[str, Any]:
    asked = {"row": asdict(row) | {"sizes": row.sizes, "threads": given.threads}}
    errors = {name: worker.ask(asked).get("error") for name, worker in workers.items()}
    for name, error in errors.items():
        if error:
            print(f"note: {row.name}: {name}: {error}", file=sys.stderr)
    jobs = {"poolnorm": "poolnorm", "torch": "torch", "copy": "poolnorm"}
    jobs = {job: worker for job, worker in jobs.items() if not errors[worker]}
    times: dict[str, list[float]] = {job: [] for job in jobs}
    for _ in range(given.rounds):
        for job, worker in jobs.items():
            answer = workers[worker].ask({"time": job, "seconds": given.seconds})
            times[job].append(float(f"{answer['seconds']:.4g}"))
    return times


def ratio(seen: Times, to: str) -> float | None:
    """Return the ratio of our best time to the best of another."""
    if "poolnorm" not in seen or to not in seen:
        return None
    return min(seen["poolnorm"]) / min(seen[to])


def allowed(seen: Times) -> float:
    """Return the ratio to torch that a row may have."""
    return 1.2 if min(seen["torch"]) <= NEAR * min(seen["copy"]) else 1.0


def is_over(seen: Times) -> bool:
    """Whether a row takes longer than it may."""
    found = ratio(seen, "torch")
    return found is not None and round(found, 1) > allowed(seen)


def line(name: str, seen: Times) -> str:
    """Write a row for the screen."""
    told = [f"{label} {min(times) * 1e3:.3g}" for label, times in seen.items()]
    ratios = [f"to {to} {found:.2f}" for to in ("torch", "copy") if (found := ratio(seen, to))]
    over = ["OVER"] if is_over(seen) else []
    return f"{name:64} {'  '.join([*told, '|', *ratios, *over])}"


def page(document: dict[str, Any]) -> str:
    """Return the table in Markdown: rows over their limit first."""
    times: dict[str, Times] = document["times"]
    rounds = [len(each["copy"]) for each in times.values() if "copy" in each] or [0]
    compared = [name for name, seen in times.items() if ratio(seen, "torch") is not None]
    over = [name for name in compared if is_over(times[name])]
    machine = ", ".join(f"{name} {value}" for name, value in document["machine"].items())
    said = f"{len(compared)} rows beside torch, {len(compared) - len(over)} within their limit."
    given = document["threads"]
    threads = {None: "the threads that each has by default", 1: "one thread each"}.get(
        given, f"{given} threads each"
    )
    facts = {
        "threads": threads,
        "load": document["load"],
        "processors": document["machine"]["processors"],
    }
    head = _HEAD.format(least=min(rounds), most=max(rounds), **facts)
    lines = [head, f"Machine: {machine}.", "", said]
    over.sort(key=lambda name: -(ratio(times[name], "torch") or 0))
    parts = {"Over their limit": over, "All": list(times)}
    for head, names in parts.items():
        table = [f"| {' | '.join(_LABELS)} |", "|" + "---|" * len(_LABELS)]
        table += [_row(name, times[name]) for name in names]
        lines += ["", f"## {head}", "", *(table if names else ["None."])]
    return "\n".join(lines) + "\n"


_LABELS = ("layer", "input", "type", "poolnorm", "torch", "copy", "to torch", "to a copy")


def _row(name: str, seen: Times) -> str:
    figures = [f"{min(seen[n]) * 1e3:.3g}" if n in seen else "" for n in _LABELS[3:6]]
    ratios = [ratio(seen, to) for to in ("torch", "copy")]
    told = [f"{found:.2f}" if found is not None else "" for found in ratios]
    return f"| {' | '.join([name, *figures, *told])} |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweep", description=__doc__)
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter that has torch")
    parser.add_argument("--rows", default="", help="only those in whose name this is found")
    parser.add_argument("--threads", type=int, help="of ours and of torch; as many as by default")
    parser.add_argument("--most", type=int, help="only the first so many")
    parser.add_argument("--again", action="store_true", help="more rounds of those that are over")
    parser.add_argument("--results", type=Path, default=Path("sweep.json"))
    parser.add_argument("--report", type=Path, help="a page with the table, in Markdown")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.03, help="of each round")
    given = parser.parse_args()
    document = measure(given)
    if given.report:
        given.report.write_text(page(document))


if __name__ == "__main__":
    main()
