"""Pictures of tensors as they are to look: `python -m tests.pictures.tensor_snapshots` writes them.

Look at each that changes, on a light and on a dark terminal, before it is committed.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolnorm_cli.engine.thumbnail import Painter
from poolnorm_cli.engine.view import Wanted, view_of
from poolnorm_cli.pictures.canvas import Canvas
from poolnorm_cli.pictures.svg import svg
from poolnorm_cli.pictures.tensor_page import tensor_page
from poolnorm_cli.pictures.tensor_room import Page
from poolnorm_cli.pictures.terminal import Terminal, text


PLACE = Path(__file__).parent / "tensor_snapshots"


def _waves(*shape: int) -> NDArray[np.float32]:
    """Return smooth values that are different along every axis."""
    x = np.zeros(shape)
    for axis, part in enumerate(np.indices(shape)):
        x += np.sin((axis + 2) * part / shape[axis])
    return np.round(x, 3).astype(np.float32)


def _holed(x: NDArray[np.float32]) -> NDArray[np.float32]:
    x[0, 1, 2], x[0, 4, 4], x[0, 6, 1] = np.nan, np.inf, -np.inf
    return x


CASES: dict[str, tuple[NDArray[Any], dict[str, Any]]] = {
    "image": ((100 + 50 * _waves(2, 60, 80, 3)).clip(0, 255).astype(np.uint8), {"sample": 1}),
    "channel": (_holed(_waves(1, 8, 9, 1)), {}),
    "sheet": (_waves(1, 20, 20, 40), {}),
    "line": (_waves(2, 200, 2), {}),
    "bars": (np.array([3, -1, 0, 2], np.int8), {}),
    "slices": (_waves(1, 6, 8, 8, 2), {"channel": 1}),
    "rows": (_waves(300, 64), {}),
    "few": (np.arange(10, dtype=np.float32).reshape(5, 2), {}),
}


def drawn(name: str, width: int) -> Canvas:
    x, wanted = CASES[name]
    page = Page(width, 30)
    painter = Painter(view_of(x.shape, Wanted(page.room(), **wanted)))
    painter.add(x)
    return tensor_page(painter.thumbnail(f"{name}.npy", x.shape, x.dtype.name), page)


def snapshots() -> Iterator[tuple[str, str]]:
    """Yield the name and the content of each file."""
    for name in CASES:
        for width in (40, 80, 200):
            yield f"{name}-{width}.txt", _lines(drawn(name, width), Terminal())
    for name in ("channel", "image"):
        for depth in ("16", "256", "truecolor"):
            told = _lines(drawn(name, 40), Terminal(depth=depth))
            yield f"{name}-{depth}.txt", told
    for name in ("channel", "line", "few"):
        yield f"{name}.svg", svg(drawn(name, 80))
    yield "line-ascii.txt", _lines(drawn("line", 80), Terminal(encoding="ascii"))


def _lines(canvas: Canvas, terminal: Terminal) -> str:
    return "\n".join(text(canvas, terminal)) + "\n"


if __name__ == "__main__":
    PLACE.mkdir(exist_ok=True)
    for name, content in snapshots():
        (PLACE / name).write_text(content)
