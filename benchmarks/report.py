"""The results as a page: the machine, and a table of ratios."""

import json
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmarks.cases import LAYERS
from benchmarks.measure import PEERS, best_peer, ratio


_HEAD = """# What was measured

Written by `python -m benchmarks --report docs/benchmark_results.md` from
[benchmarks.json](benchmarks.json); how it is measured is said in [benchmarks.md](benchmarks.md).
Seconds are medians, ratios medians of the ratios of each round. Other work of the machine
disturbs all commands of a round alike: read ratios.
"""
_MACHINES = """The input is 64x224x224x64 of float32, 822 MB, in process on two processors
32x112x112x64, 103 MB. A cell is our time to that of the best peer, in brackets to the floor, where
one was measured; what was measured at another commit than the rest of this page says at which."""


class _Column(NamedTuple):
    """A column of the table of machines.

    Attributes:
        head: What is measured where.
        file: Results beside those of the page; None for these themselves.
        rows: Names of rows, where `{}` is the layer: the first that is there is taken.
        command: What measures it.
    """

    head: str
    file: str | None
    rows: tuple[str, ...]
    command: str


_HERE = "python -m benchmarks --peer-python PYTHON --results docs/benchmarks.json"
_MANY = "python -m benchmarks.threads --peer-python PYTHON --results docs/benchmarks_16.json"
_GPU = "python -m benchmarks.device --peer-python PYTHON --results docs/benchmarks_gpu.json"
_INSIDE = ("inside 64x224x224x64 {}", "inside 32x112x112x64 {}")
_ON_DEVICE = "GPU, on the device"
COLUMNS = (
    _Column("2 processors, a command", None, ("whole 64x224x224x64 {}",), _HERE),
    _Column("2 processors, in process", None, _INSIDE, _HERE),
    _Column("16 processors, a command", "benchmarks_16.json", ("whole 64x224x224x64 {}",), _MANY),
    _Column("16 processors, in process", "benchmarks_16.json", _INSIDE, _MANY),
    _Column("GPU, a command", "benchmarks_gpu.json", ("cuda 64x224x224x64 {} whole",), _GPU),
    _Column(
        "GPU, with copies", "benchmarks_gpu.json", ("cuda 64x224x224x64 {} with copies",), _GPU
    ),
    _Column(_ON_DEVICE, "benchmarks_gpu.json", ("cuda 64x224x224x64 {} without copies",), _GPU),
)
_TRAINING = (
    "On the device, `bn --training` is a graph that gathers the batch there, as torch does. No run"
    " uses it: a run gathers on the processor, which has the numbers first."
)
_LAYERS = tuple(case.name for case in LAYERS)


def write(results: Path, target: Path) -> None:
    """Write the page of the results in a file, with those of other machines that lie beside it."""
    names = {column.file for column in COLUMNS if column.file}
    found = {name: results.with_name(name) for name in sorted(names)}
    others = {name: json.loads(path.read_text()) for name, path in found.items() if path.exists()}
    target.write_text(page(json.loads(results.read_text()), others))


def page(document: dict[str, Any], others: dict[str, dict[str, Any]]) -> str:
    """Return the page of a document of results.

    Args:
        document: The results.
        others: Name of the file of another machine -> its results.

    Returns:
        Markdown.
    """
    rounds = max(
        (len(seen) for times in document["times"].values() for seen in times.values()), default=0
    )
    lines = [
        _HEAD,
        f"Rounds: {rounds}. Machine: {_facts(document)}.",
        "",
        "![Ratios to the best peer and to the limit](benchmarks.svg)",
        "",
        "![Seconds by size and by number of files](benchmarks_growth.svg)",
        *_machines(document, others),
    ]
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


def _facts(document: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in document["machine"].items())


def _machines(document: dict[str, Any], others: dict[str, dict[str, Any]]) -> list[str]:
    """Put the machines side by side, and say what measures those that are missing."""
    lines = [
        "",
        "## Machines side by side",
        "",
        "Input 64x224x224x64, 822 MB, or in process 103 MB:",
    ]
    lines[-1] += (
        " our time to that of the best peer, and in brackets to the floor, where there are such."
    )
    cells, missing = {}, []
    for column in COLUMNS:
        times = (others.get(column.file, {}) if column.file else document).get("times", {})
        found = [_cell(times, column, layer) for layer in _LAYERS]
        if any(found):
            cells[column.head] = found
        else:
            missing.append(column)
    lines += ["", f"| layer | {' | '.join(cells)} |", "|" + "---|" * (len(cells) + 1)]
    for index, layer in enumerate(_LAYERS):
        lines.append(f"| {layer} | {' | '.join(found[index] for found in cells.values())} |")
    told = [_TRAINING] if _ON_DEVICE in cells else []
    told += [f"[{name}]({name}): {_facts(other)}." for name, other in others.items()]
    told += [
        f"Not measured yet: {each.head}. This measures it: `{each.command}`." for each in missing
    ]
    for text in told:
        lines += ["", text]
    return lines


def _cell(times: dict[str, Any], column: _Column, layer: str) -> str:
    seen: dict[str, Any]
    seen = next((times[row.format(layer)] for row in column.rows if row.format(layer) in times), {})
    if not seen.get("poolnorm"):
        return ""
    best = best_peer(seen)
    parts = [f"{ratio(seen, 'poolnorm', best):.2f}"] if best else []
    parts += [f"({ratio(seen, 'poolnorm', 'floor'):.2f})"] if "floor" in seen else []
    return " ".join(parts)


def _row(layer: str, times: dict[str, list[float]]) -> str:
    seconds = [f"{median(times[n]):.4f}" if times.get(n) else "" for n in _LABELS]
    best = best_peer(times)
    ratios = [
        f"{ratio(times, 'poolnorm', best):.2f} ({best})" if best else "",
        f"{ratio(times, 'poolnorm', 'floor'):.2f}" if "floor" in times else "",
    ]
    return f"| {' | '.join([layer, *seconds, *ratios])} |"


_LABELS = ("poolnorm", *PEERS, "floor")
