"""The pictures of the results: ratios row by row, and what grows. 400 wide, for a phone too."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple
from xml.sax.saxutils import escape

from benchmarks.measure import PEERS, best_peer, ratio


Times = Mapping[str, Mapping[str, Sequence[float]]]

_WIDTH = 400
_ROW = 19  # of one layer
_LEFT, _RIGHT = 110, 306  # where the ratios 0 and 2 are
_MOST = 2.0  # the largest ratio that has a place; larger ones are an arrow at the border
_STYLE = """
.b{font:12px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}
.b text{fill:#1f2328}.b .paper{fill:#fff}.b .muted{fill:#59636e}.b .head{font-weight:bold}
.b .title{font-size:14px;font-weight:bold}
.b .grid{stroke:#d1d9e0}.b .one{stroke:#59636e;stroke-dasharray:3 3}
.b .bar{fill:#0969da}.b .over{fill:#cf5a00}.b .limit{fill:#fff;stroke:#1f2328;stroke-width:1.5}
.b .line{fill:none;stroke-width:1.6}.b .ours{stroke:#0969da;stroke-width:3}.b .of-ours{fill:#0969da}
.b .floor{stroke:#1f2328;stroke-dasharray:4 3}.b .peer{stroke:#8c959f}
@media(prefers-color-scheme:dark){
.b text{fill:#f0f6fc}.b .paper{fill:#0d1117}.b .muted{fill:#9198a1}
.b .grid{stroke:#3d444d}.b .one{stroke:#9198a1}
.b .bar{fill:#4493f8}.b .over{fill:#f0883e}.b .limit{fill:#0d1117;stroke:#f0f6fc}
.b .ours{stroke:#4493f8}.b .of-ours{fill:#4493f8}.b .floor{stroke:#f0f6fc}.b .peer{stroke:#6e7681}}
"""
_GROUPS = {
    "whole 64x224x224x64": "A command, 822 MB",
    "whole 64x224x224x3": "A command, 39 MB",
    "whole 4x28x28x3": "A command, 38 KB",
    "inside 32x112x112x64": "In process, 103 MB",
    "inside 64x224x224x3": "In process, 39 MB",
}
_SIZE = re.compile(r"whole grow(\d+) (.*)")
_FILES = re.compile(r"files (\d+) (.*)")
_MEGABYTES = 1.048576  # of one sample of the inputs that grow
_MOST_POINTS = 1000  # samples, or files: peers are not asked for more
_FLOOR = "load + save"


def draw(times: Times, target: Path, processors: int) -> None:
    """Write both pictures: `target`, and beside it one whose name ends in `_growth`."""
    target.write_text(ratios(times, processors))
    target.with_stem(f"{target.stem}_growth").write_text(growth(times))


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    more = f' class="{kind}"' if kind else ""
    more += f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x:g}" y="{y:g}"{more}>{escape(words)}</text>'


def _line(x: float, y: float, to_x: float, to_y: float, kind: str) -> str:
    return f'<line x1="{x:g}" y1="{y:g}" x2="{to_x:g}" y2="{to_y:g}" class="{kind}"/>'


def _picture(height: float, title: str, parts: Sequence[str]) -> str:
    box = f'viewBox="0 0 {_WIDTH} {height:g}"'
    first = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="b" width="{_WIDTH}" height="{height:g}" '
        f'{box} role="img" aria-label="{escape(title)}">'
    )
    paper = f'<rect class="paper" width="{_WIDTH}" height="{height:g}" rx="6"/>'
    return "\n".join([first, f"<style>{_STYLE}</style>", paper, *parts, "</svg>\n"])


def layer_name(words: str) -> str:
    """Shorten the name of a layer: `pool max 2/2 valid` is `max 2/2`."""
    words = words.removeprefix("pool ").removesuffix(" valid").removesuffix(" same")
    return words.replace("gpool", "global")


def ratios(times: Times, processors: int) -> str:
    """Draw the ratios of each row: a bar to the best peer, a dot to the limit.

    Args:
        times: Name of a row -> label -> seconds of each round.
        processors: Of the machine.

    Returns:
        An SVG, 400 wide.
    """
    title = f"How long poolnorm takes, {processors} processors"
    parts = [_text(12, 24, title, "title"), *_legend(44)]
    y = 100.0
    for start, head in _GROUPS.items():
        rows = [(name, seen) for name, seen in times.items() if _is_row(name, start)]
        if not rows:
            continue
        parts += [_text(12, y, head, "head"), *_scale(y, len(rows))]
        y += 6
        for name, seen in rows:
            y += _ROW
            parts += _ratio_row(y, layer_name(name.removeprefix(f"{start} ")), seen)
        y += 32
    return _picture(y - 10, title, parts)


def _is_row(name: str, start: str) -> bool:
    """Whether a row is one of a group, and not one of the many windows."""
    stride_1 = re.search(r"pool (max|average) (\d+)/1 same", name)
    return name.startswith(f"{start} ") and not (stride_1 and stride_1[0] != "pool max 3/1 same")


def _legend(y: float) -> list[str]:
    return [
        f'<rect class="bar" x="12" y="{y - 9:g}" width="22" height="9" rx="2"/>',
        _text(40, y, "its time / that of the best of torch, Keras,"),
        _text(40, y + 15, "onnxruntime and scikit-image: 0.5 is half", "muted"),
        f'<circle class="limit" cx="23" cy="{y + 26:g}" r="4"/>',
        _text(40, y + 30, "its time / the limit: load + save, or a copy"),
    ]


def _scale(y: float, rows: int) -> Iterator[str]:
    bottom = y + 10 + rows * _ROW
    for mark in (0.0, 0.5, 1.0, 1.5, 2.0):
        x = _place(mark)
        yield _line(x, y + 6, x, bottom, "one" if mark == 1 else "grid")
        if mark == int(mark):
            yield _text(x, bottom + 12, f"{mark:g}", "muted", "middle")
    yield _text(352, y, "peer", "muted", "end")
    yield _text(390, y, "limit", "muted", "end")


def _place(value: float) -> float:
    return _LEFT + (_RIGHT - _LEFT) * min(value, _MOST) / _MOST


def _ratio_row(y: float, name: str, seen: Mapping[str, Sequence[float]]) -> Iterator[str]:
    yield _text(12, y, name)
    best = best_peer(seen)
    if best:
        found = ratio(seen, "poolnorm", best)
        kind = "bar" if found <= 1 else "over"
        width = _place(found) - _LEFT
        bar = f'x="{_LEFT}" y="{y - 9:g}" width="{width:.1f}" height="9" rx="2"'
        yield f'<rect class="{kind}" {bar}/>'
        yield _text(352, y, f"{found:.2f}", "", "end")
    if "floor" in seen:
        found = ratio(seen, "poolnorm", "floor")
        yield _dot(found, y - 4.5)
        yield _text(390, y, f"{found:.2f}", "muted", "end")


def _dot(value: float, y: float) -> str:
    x = _place(value)
    if value <= _MOST:
        return f'<circle class="limit" cx="{x:.1f}" cy="{y:g}" r="4"/>'
    return f'<path class="limit" d="M{x - 3:g} {y - 4.5:g}l8 4.5l-8 4.5z"/>'


class _Panel(NamedTuple):
    """A panel of what grows: its title, what is along it, and label -> place -> seconds."""

    title: str
    unit: str
    lines: dict[str, dict[float, float]]


def growth(times: Times) -> str:
    """Draw seconds by the size of one input, and by the number of files.

    Args:
        times: Name of a row -> label -> seconds of each round.

    Returns:
        An SVG, 400 wide.
    """
    title = "Seconds of a command: pool max 2/2"
    sizes = _Panel("One file, by its megabytes", "MB", _collected(times, _SIZE, _MEGABYTES))
    files = _Panel("Files of 38 KB, by their number", "files", _collected(times, _FILES, 1))
    parts, y = [_text(12, 24, title, "title")], 52.0
    for panel in (sizes, files):
        if panel.lines:
            parts += _panel(y, panel)
            y += 270
    return _picture(y - 28, title, parts)


def _collected(
    times: Times, pattern: "re.Pattern[str]", unit: float
) -> dict[str, dict[float, float]]:
    """Collect label -> place -> median of the seconds."""
    lines: dict[str, dict[float, float]] = {}
    for name, seen in times.items():
        found = pattern.match(name)
        if found and int(found[1]) <= _MOST_POINTS:
            for label, seconds in seen.items():
                lines.setdefault(label, {})[float(found[1]) * unit] = median(seconds)
    return lines


_TOP, _HEIGHT, _END = 12, 200, 284


def _panel(y: float, panel: _Panel) -> Iterator[str]:
    last = max(place for line in panel.lines.values() for place in line)
    most = max(seconds for line in panel.lines.values() for seconds in line.values())
    step = next(s for s in (0.5, 1, 2, 5, 10, 20, 50, 100) if most / s <= 6)
    top = step * -(-most // step)
    bottom = y + _TOP + _HEIGHT
    yield _text(12, y, panel.title, "head")
    for index in range(round(top / step) + 1):
        height = bottom - _HEIGHT * index * step / top
        yield _line(36, height, _END, height, "grid")
        yield _text(30, height + 4, f"{index * step:g}", "muted", "end")
    for mark in (0, 500, 1000):
        x = 36 + (_END - 36) * mark / last
        yield _text(x, bottom + 16, f"{mark:,}", "muted", "middle")
    yield _text(_END + 22, bottom + 16, panel.unit, "muted")
    ends = []
    for label in ("floor", *PEERS, "poolnorm"):
        points = sorted(panel.lines.get(label, {}).items())
        if len(points) < 2:
            continue
        kind = {"poolnorm": "ours", "floor": "floor"}.get(label, "peer")
        placed = [
            (36 + (_END - 36) * place / last, bottom - _HEIGHT * seconds / top)
            for place, seconds in points
        ]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in placed)
        yield f'<polyline class="line {kind}" points="{path}"/>'
        ends.append((placed[-1][1], label, points[-1][1]))
    yield from _labels(ends, bottom)


def _labels(ends: list[tuple[float, str, float]], bottom: float) -> Iterator[str]:
    """Write the names of lines beside their ends, apart from each other."""
    y = bottom + 18
    for height, label, seconds in sorted(ends, reverse=True):
        y = min(height + 4, y - 14)
        name = _FLOOR if label == "floor" else label
        kind = "of-ours head" if label == "poolnorm" else ""
        yield _text(_END + 5, y, f"{name} {seconds:.1f}", kind)
