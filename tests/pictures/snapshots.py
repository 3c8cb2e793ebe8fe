"""Pictures as they are to look: `python -m tests.pictures.snapshots` writes them anew.

Look at each that changes, on a light and on a dark terminal, before it is committed.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from poolnorm_cli.calculator.steps import follow
from poolnorm_cli.layers import find
from poolnorm_cli.layers.make_layer import make_layer
from poolnorm_cli.layers.pipeline import Pipeline, Step
from poolnorm_cli.pictures.canvas import Canvas
from poolnorm_cli.pictures.layer import layer_picture
from poolnorm_cli.pictures.pipeline import pipeline_picture
from poolnorm_cli.pictures.svg import svg
from poolnorm_cli.pictures.terminal import Depth, Terminal, text
from poolnorm_cli.shapes import parse_shape


PLACE = Path(__file__).parent / "snapshots"
DEPTHS: tuple[Depth, ...] = ("16", "256", "truecolor")
_POOLS: list[tuple[str, dict[str, Any]]] = [
    ("pool max", {"pool_size": 3, "strides": 2, "padding": "same"}),
    ("pool average", {"pool_size": 2, "strides": 3}),
]
WIDTHS = (40, 80, 200)
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "same": ("pool max", "1,10,1", {"pool_size": 3, "strides": 2, "padding": "same"}),
    "gaps": ("pool average", "1,9,1", {"pool_size": 2, "strides": 3}),
    "long": ("pool max", "1,224,1", {"pool_size": 3, "strides": 2, "padding": "same"}),
    "tiles": ("pool max", "1,5,5,1", {"pool_size": 2}),
    "grid": ("pool average", "1,5,5,1", {"pool_size": 3, "strides": 2, "padding": "same"}),
    "first": ("pool max", "1,2,4,6", {"pool_size": (2, 3), "data_format": "channels_first"}),
    "space": ("pool max", "1,4,5,6,1", {"pool_size": 3, "strides": 2, "padding": "same"}),
    "images": ("pool max", "1,224,112,3", {"pool_size": 3, "strides": 2, "padding": "same"}),
    "global": ("gpool average", "1,6,4,3", {}),
    "dilated": ("pool max", "1,11,1", {"pool_size": 3, "strides": 1, "dilation_rate": 2}),
    "holes": ("pool max", "1,6,7,1", {"pool_size": 2, "dilation_rate": (3, 2), "pads": "1:2,0"}),
    "pads": ("pool average", "1,9,1", {"pool_size": 4, "strides": 2, "pads": "3:1"}),
    "cut": (
        "pool average",
        "1,9,1",
        {"pool_size": 4, "strides": 3, "pads": "1", "ceil_mode": True},
    ),
    "overhang": ("pool max", "1,5,6,1", {"pool_size": 2, "ceil_mode": True}),
    "lower": ("pool max", "1,8,1", {"pool_size": 3, "strides": 3, "padding": "same_lower"}),
    "adaptive": ("apool average", "1,10,1", {"output_size": 4}),
    "bn": ("bn", "None,4,4,3", {}),
    "ln": ("ln", "2,4,3", {}),
    "gn": ("gn", "2,4,4,6", {"groups": 3}),
    "groups": ("gn", "2,5,64", {"groups": 4}),
    "in": ("in", "2,3,4,4", {"axis": 1}),
    "unit": ("unit", "4,6", {}),
}


def drawn(name: str, width: int, height: int = 24) -> Canvas:
    words, shape, parameters = CASES[name]
    layer = make_layer(find(*words.split()), parameters, {}, "")
    return layer_picture(layer, parse_shape(shape), width, height)


PIPES: dict[str, tuple[str, list[tuple[str, dict[str, Any]]]]] = {
    "field": ("1,28,20,3", [*_POOLS, ("gpool max", {})]),
    "wide": ("1,224,224,3", [("pool max", {}), ("apool max", {"output_size": 5})]),
    "apart": (
        "1,30,3",
        [
            ("pool max", {"pool_size": 2, "strides": 1, "dilation_rate": 4}),
            ("pool average", {"pool_size": 3, "strides": 2, "pads": "1", "ceil_mode": True}),
        ],
    ),
    "norms": ("2,3,4", [("ln", {}), ("gn", {"groups": 2})]),
}


def drawn_pipe(name: str, width: int) -> Canvas:
    shape, layers = PIPES[name]
    made = [make_layer(find(*words.split()), given, {}, "") for words, given in layers]
    steps = tuple(Step(layer, f"step{n}", n) for n, layer in enumerate(made, 1))
    return pipeline_picture(follow(Pipeline(steps), parse_shape(shape)), width)


def snapshots() -> Iterator[tuple[str, str]]:
    """Yield the name of each file and what is to be in it."""
    for name in CASES:
        for width in WIDTHS:
            yield f"{name}-{width}.txt", _joined(drawn(name, width), Terminal())
    for name in PIPES:
        for width in WIDTHS:
            yield f"{name}-{width}.txt", _joined(drawn_pipe(name, width), Terminal())
    for name in ("same", "grid", "gaps", "gn", "holes", "cut"):
        for depth in DEPTHS:
            yield f"{name}-{depth}.txt", _joined(drawn(name, 80), Terminal(depth=depth))
        yield f"{name}-ascii.txt", _joined(drawn(name, 80), Terminal(encoding="ascii"))
        yield f"{name}.svg", svg(drawn(name, 80).trimmed())


def _joined(canvas: Canvas, terminal: Terminal) -> str:
    return "".join(f"{line}\n" for line in text(canvas, terminal))


def main() -> None:
    PLACE.mkdir(exist_ok=True)
    wanted = dict(snapshots())
    for path in PLACE.iterdir():
        if path.name not in wanted:
            path.unlink()
    for name, content in wanted.items():
        (PLACE / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
