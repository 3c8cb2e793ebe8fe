"""Pictures as text: in the colours that a terminal has, or in none."""

import os
import shutil
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import groupby
from typing import Literal, TextIO

from poolnorm_cli.pictures.canvas import Canvas, Cell
from poolnorm_cli.pictures.glyphs import writable
from poolnorm_cli.pictures.styles import LOOKS, RGB, Paint, Style, mean
from poolnorm_cli.values import frozen


Depth = Literal["none", "16", "256", "truecolor"]


@frozen(kw_only=True)
class Terminal:
    """What a picture is written to.

    Attributes:
        depth: The colours that it has.
        encoding: The characters that it has.
        width: Its columns.
        height: Its rows.
    """

    depth: Depth = "none"
    encoding: str = "utf-8"
    width: int = 80
    height: int = 24


def terminal_of(stream: TextIO, *, colored: bool) -> Terminal:
    """Find out what a stream can show; nothing is asked of the terminal itself.

    Args:
        stream: Where the picture goes. What is no terminal gets 80 columns, or `COLUMNS`.
        colored: It gets colour.

    Returns:
        What it can show.
    """
    size = shutil.get_terminal_size()
    encoding = getattr(stream, "encoding", None) or "utf-8"
    depth = color_depth(os.environ) if colored else "none"
    return Terminal(depth=depth, encoding=encoding, width=size.columns, height=size.lines)


def color_depth(environment: Mapping[str, str]) -> Depth:
    """Return the colours of a terminal that gets any, of which COLORTERM and TERM tell."""
    term = environment.get("TERM", "").lower()
    if environment.get("COLORTERM", "").lower() in {"truecolor", "24bit"} or "direct" in term:
        return "truecolor"
    return "256" if "256" in term or term in _KNOWN_256 else "16"


_KNOWN_256 = {"xterm-kitty", "alacritty", "wezterm", "foot", "xterm-ghostty"}


def text(canvas: Canvas, terminal: Terminal) -> Iterator[str]:
    """Write a picture for a terminal, or without colours for a pipe.

    Args:
        canvas: The picture; it is not cut to the width of the terminal.
        terminal: What can be shown.

    Yields:
        A line for each row; each leaves the colours as they were.
    """
    for cells in canvas.rows:
        shown = list(cells)
        while shown and (shown[-1].plain or shown[-1].glyph) == " " and not _ground(shown[-1]):
            shown.pop()
        if terminal.depth == "none":
            line = "".join(writable(cell.plain or cell.glyph, terminal.encoding) for cell in shown)
            yield line.rstrip()
            continue
        runs = groupby((_shown(cell, terminal) for cell in shown), key=lambda pair: pair[0])
        pieces = ((codes, "".join(glyph for _, glyph in run)) for codes, run in runs)
        yield "".join(f"\033[{codes}m{run}\033[0m" if codes else run for codes, run in pieces)


def _ground(cell: Cell) -> RGB | None:
    return cell.style.ground if isinstance(cell.style, Paint) else LOOKS[cell.style].paint.ground


def _shown(cell: Cell, terminal: Terminal) -> tuple[str, str]:
    """Return the numbers of the colours of a cell, and its glyph."""
    if terminal.depth == "16" and cell.plain and isinstance(cell.style, Paint):
        return "", writable(cell.plain, terminal.encoding)  # 16 colours are no scale
    style, glyph = cell.style, writable(cell.glyph, terminal.encoding)
    if glyph != cell.glyph and isinstance(style, Paint) and cell.glyph in "▀▄":
        seen = [color for color in style if color is not None]
        return _codes(Paint(None, mean(*seen)), terminal.depth), " "
    return _codes(style, terminal.depth), glyph


@cache
def _codes(style: Style, depth: Depth) -> str:
    """Return the numbers (SGR) of a style, separated by semicolons; empty for none."""
    if isinstance(style, Paint):
        paint, bold = style, False
    else:
        look = LOOKS[style]
        if depth == "16":
            return look.codes
        paint, bold = look.paint, look.bold
    parts = [
        *(["1"] if bold else []),
        *(["38;" + _color(paint.ink, depth)] if paint.ink and depth != "16" else []),
        *(["48;" + _color(paint.ground, depth)] if paint.ground and depth != "16" else []),
    ]
    if depth == "16":
        parts += [str(_one_of_16(paint.ink, 30))] if paint.ink else []
        parts += [str(_one_of_16(paint.ground, 40))] if paint.ground else []
    return ";".join(parts)


def _color(color: RGB, depth: Depth) -> str:
    if depth == "truecolor":
        return "2;" + ";".join(map(str, color))
    return f"5;{one_of_256(color)}"


_STEPS = (0, 95, 135, 175, 215, 255)
"""What the 256 colours have of red, green and blue each."""
_16 = [
    *((0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0)),
    *((0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229)),
    *((127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0)),
    *((92, 92, 255), (255, 0, 255), (0, 255, 255), (255, 255, 255)),
]
"""The 16 colours as xterm has them."""


def _distance(one: RGB, other: RGB) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def _step(part: int) -> int:
    return min(range(6), key=lambda n: abs(_STEPS[n] - part))


@cache
def one_of_256(color: RGB) -> int:
    """Return the number of the nearest of the 256 colours that do not depend on a theme."""
    red, green, blue = map(_step, color)
    cube = 16 + 36 * red + 6 * green + blue
    grey = min(max(round((sum(color) / 3 - 8) / 10), 0), 23)
    level = 8 + 10 * grey
    in_cube: RGB = (_STEPS[red], _STEPS[green], _STEPS[blue])
    if _distance(color, (level, level, level)) < _distance(color, in_cube):
        return 232 + grey
    return cube


def _one_of_16(color: RGB, base: int) -> int:
    nearest = min(range(16), key=lambda n: _distance(color, _16[n]))
    return base + nearest if nearest < 8 else base + 52 + nearest
