"""The picture of the results: bars against the floor, curves of growth."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
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


def draw(times: Times, target: Path) -> None:
    """Write an SVG; without matplotlib, say so."""
    try:
        from matplotlib import pyplot as plt
    except ImportError:
        print(
            "note: no picture without matplotlib (pip install poolnorm-cli[bench])", file=sys.stderr
        )
        return
    groups: dict[str, list[str]] = {}
    for name in times:
        groups.setdefault(" ".join(name.split()[:2]), []).append(name)
    groups = {key: names for key, names in groups.items() if len(names) > 2}
    figure, axes = plt.subplots(len(groups), 1, figsize=(9, 3.2 * len(groups)), squeeze=False)
    for axis, (title, names) in zip(axes[:, 0], groups.items(), strict=True):
        _bars(axis, title, {name: times[name] for name in names})
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})


def _bars(axis: Any, title: str, times: Times) -> None:
    labels = list(dict.fromkeys(label for seen in times.values() for label in seen))
    for index, label in enumerate(labels):
        places = [i + (index - len(labels) / 2) * 0.8 / len(labels) for i in range(len(times))]
        heights = [median(seen[label]) if seen.get(label) else 0 for seen in times.values()]
        axis.bar(places, heights, 0.8 / len(labels), label=label, color=_COLOURS.get(label))
    axis.set_yscale("log")
    axis.set_ylabel("seconds")
    axis.set_title(title + (" (floor: load and save)" if title.startswith("whole") else ""))
    axis.set_xticks(range(len(times)), [" ".join(name.split()[2:]) for name in times], fontsize=7)
    axis.legend(fontsize=7, ncols=6)
