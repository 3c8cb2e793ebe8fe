"""The results as a page: the machine, and a table of ratios."""

import json
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import PEERS, best_peer, ratio


_HEAD = """# What was measured

Written by `python -m benchmarks --report docs/benchmark_results.md` from
[benchmarks.json](benchmarks.json); how it is measured is said in [benchmarks.md](benchmarks.md).
Seconds are medians, ratios medians of the ratios of each round. The machine was doing other work,
which disturbs all commands of a round alike: read ratios.
"""


def write(results: Path, target: Path) -> None:
    """Write the page of the results in a file."""
    target.write_text(page(json.loads(results.read_text())))


def page(document: dict[str, Any]) -> str:
    """Return the page of a document of results."""
    machine = ", ".join(f"{name} {value}" for name, value in document["machine"].items())
    lines = [_HEAD, f"Machine: {machine}.", "", "![The results](benchmarks.svg)"]
    heads: dict[str, list[str]] = {}
    for name, times in document["times"].items():
        kind, given, *layer = name.split()
        head, row = f"{kind} {given}", " ".join(layer)
        if kind == "files":
            head, row = "whole, many files of 4x28x28x3", f"{row}, {given} files"
        elif given.startswith("grow"):
            head = "whole, by size, samples of 128x128x16"
            row = f"{row}, {given.removeprefix('grow')} samples of 1.05 MB"
        heads.setdefault(head, []).append(_row(row, times))
    for head, rows in heads.items():
        labels = ["poolnorm", *PEERS, "floor", "to the best peer", "to the floor"]
        lines += ["", f"## {head}", "", f"| layer | {' | '.join(labels)} |"]
        lines += ["|" + "---|" * (len(labels) + 1), *rows]
    return "\n".join(lines) + "\n"


def _row(layer: str, times: dict[str, list[float]]) -> str:
    seconds = [f"{median(times[n]):.4f}" if times.get(n) else "" for n in _LABELS]
    best = best_peer(times)
    ratios = [
        f"{ratio(times, 'poolnorm', best):.2f} ({best})" if best else "",
        f"{ratio(times, 'poolnorm', 'floor'):.2f}" if "floor" in times else "",
    ]
    return f"| {' | '.join([layer, *seconds, *ratios])} |"


_LABELS = ("poolnorm", *PEERS, "floor")
