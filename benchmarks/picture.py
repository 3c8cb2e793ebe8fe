"""The picture of the results: bars against the floor, curves of growth."""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from textwrap import fill
from typing import Any


Times = Mapping[str, Mapping[str, Sequence[float]]]

_COLOURS = {
    "poolnorm": "#d6401f",
    "torch": "#7a7a7a",
    "keras": "#a9a9a9",
    "onnxruntime": "#4d4d4d",
    "skimage": "#c9c9c9",
    "floor": "#1f77b4",
}
_FLOORS = {
    "whole": "floor: np.load and np.save",
    "inside": "floor: a copy in memory",
    "start": "floor: a script that runs one operator",
}
_WINDOW = re.compile(r"inside 64x224x224x3 pool (max|average) (\d+)/1 same")
_SIZE = re.compile(r"whole grow(\d+) (.*)")
_FILES = re.compile(r"files (\d+) (.*)")
_FAR = 4  # between bars, from where on a linear axis does not show the short ones
_MEGABYTES = 1.048576  # of one sample of the inputs that grow


def draw(times: Times, target: Path) -> None:
    """Write an SVG; without matplotlib, say so."""
    try:
        from matplotlib import pyplot as plt
    except ImportError:
        print(
            "note: no picture without matplotlib (pip install poolnorm-cli[bench])", file=sys.stderr
        )
        return
    bars, curves = _groups(times), _curves(times)
    rows = len(bars) + len(curves)
    plt.rcParams["svg.hashsalt"] = "poolnorm"
    figure, axes = plt.subplots(rows, 1, figsize=(9, 3.2 * rows), squeeze=False)
    for axis, (title, found) in zip(axes[: len(bars), 0], bars.items(), strict=True):
        _bars(axis, title, found)
    for axis, (title, lines) in zip(axes[len(bars) :, 0], curves.items(), strict=True):
        _lines(axis, title, lines)
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})


def _groups(times: Times) -> dict[str, dict[str, Any]]:
    """Group the layers by what was measured, and on which input."""
    groups: dict[str, dict[str, Any]] = {}
    for name, seen in times.items():
        words = name.split()
        if len(seen) > 2 or not (_WINDOW.match(name) and len(_windows(times)) > 2):
            groups.setdefault(" ".join(words[:2]), {})[" ".join(words[2:])] = seen
    return {key: found for key, found in groups.items() if len(found) > 2}


def _windows(times: Times) -> list[str]:
    return [name for name in times if _WINDOW.match(name)]


def _curves(times: Times) -> dict[str, dict[str, dict[float, float]]]:
    """Collect what grows: title -> line -> size -> seconds."""
    curves: dict[str, dict[str, dict[float, float]]] = {}
    kinds = (
        (_WINDOW, lambda m: (f"inside: pool {m[1]}, stride 1, by window", float(m[2]))),
        (_SIZE, lambda m: (f"whole: {m[2]}, by megabytes", float(m[1]) * _MEGABYTES)),
        (_FILES, lambda m: (f"whole: {m[2]}, by number of files", float(m[1]))),
    )
    for name, seen in times.items():
        for pattern, place in kinds:
            found = pattern.match(name)
            if found:
                title, size = place(found)
                for label, seconds in seen.items():
                    line = curves.setdefault(title, {}).setdefault(label, {})
                    line[size] = median(seconds)
    drawn = {title: _longer(lines, 1) for title, lines in curves.items()}
    return {title: lines for title, lines in drawn.items() if _longer(lines, 2)}


def _longer(lines: dict[str, dict[float, float]], points: int) -> dict[str, dict[float, float]]:
    """Leave out lines of so few points."""
    return {label: line for label, line in lines.items() if len(line) > points}


def _bars(axis: Any, title: str, times: Times) -> None:
    labels = list(dict.fromkeys(label for seen in times.values() for label in seen))
    for index, label in enumerate(labels):
        places = [i + (index - len(labels) / 2) * 0.8 / len(labels) for i in range(len(times))]
        heights = [median(seen[label]) if seen.get(label) else 0 for seen in times.values()]
        axis.bar(places, heights, 0.8 / len(labels), label=label, color=_COLOURS.get(label))
    heights = [median(seconds) for seen in times.values() for seconds in seen.values()]
    if max(heights) > _FAR * min(heights):
        axis.set_yscale("log")
    axis.set_ylabel("seconds")
    axis.set_title(f"{title} ({_FLOORS[title.split(maxsplit=1)[0]]})", fontsize=9)
    labels = [fill(name, 12) for name in times]
    axis.set_xticks(range(len(times)), labels, fontsize=7)
    axis.legend(fontsize=7, ncols=6)


def _lines(axis: Any, title: str, lines: Mapping[str, Mapping[float, float]]) -> None:
    for label, points in lines.items():
        places = sorted(points)
        heights = [points[place] for place in places]
        axis.plot(places, heights, "o-", label=label, color=_COLOURS.get(label), markersize=3)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_ylabel("seconds")
    axis.set_title(title, fontsize=9)
    axis.legend(fontsize=7, ncols=6)
