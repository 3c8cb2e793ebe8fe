"""Pictures as SVG: self-contained, legible on light and on dark pages, with text that is text."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TypeVar
from zlib import crc32

from poolnorm_cli.pictures.canvas import Canvas, Cell
from poolnorm_cli.pictures.glyphs import BLOCKS
from poolnorm_cli.pictures.styles import DARK, LIGHT, LOOKS, RGB, Paint, Style


T = TypeVar("T")
CELL_WIDTH, CELL_HEIGHT = 9, 18
"""Size of a cell, in user units; half a cell is a square."""
_MARGIN = 12
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})
_BASELINE = 0.74
"""Where letters stand in their cell, in parts of its height."""


def svg(canvas: Canvas) -> str:
    """Write a picture as an SVG document.

    The paper is drawn too, light or dark as the reader has set it, so that letters are legible
    whatever page the picture is put on. Blocks are rectangles, which meet in every font; letters
    are held to their columns. The picture may stand in a page itself: its rules are for nothing
    else there.

    Args:
        canvas: The picture; its title and description are read out by screen readers.

    Returns:
        The document.
    """
    width = canvas.width * CELL_WIDTH + 2 * _MARGIN
    height = canvas.height * CELL_HEIGHT + 2 * _MARGIN
    named = {c.style for row in canvas.rows for c in row if isinstance(c.style, str)}
    title, told = _escaped(canvas.title or "poolnorm"), _escaped(canvas.description)
    name = f"poolnorm-{crc32(f'{title} {told}'.encode()):08x}"
    label = f"{name}-title {name}-desc" if told else f"{name}-title"
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    said = f'role="img" aria-labelledby="{label}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="poolnorm" {size} {said}>',
        f'<title id="{name}-title">{title}</title>',
        *([f'<desc id="{name}-desc">{told}</desc>'] if told else []),
        f"<style>{_sheet(sorted(named | {'text'}))}</style>",
        f'<rect class="paper" width="{width}" height="{height}" rx="6"/>',
        f'<g transform="translate({_MARGIN} {_MARGIN})">',
    ]
    for place, cells in enumerate(canvas.rows):
        parts += _row(cells, place * CELL_HEIGHT)
    return "\n".join([*parts, "</g>", "</svg>", ""])


def _escaped(text: str) -> str:
    """Escape what has a meaning in XML, and what no document of it may hold."""
    allowed = "".join(c if c.isprintable() or c == " " else "\ufffd" for c in text)
    return allowed.translate(_ENTITIES)


def _hex(color: RGB) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _sheet(names: list[str]) -> str:
    """Write the colours of names, and again for people who have set their screens to dark."""
    letters = (
        ".poolnorm text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',"
        "'Liberation Mono',monospace;white-space:pre}.poolnorm rect{shape-rendering:crispEdges}"
    )
    rules, dark = ([f".poolnorm .paper{{fill:{_hex(paper)}}}"] for paper in (LIGHT, DARK))
    for name in names:
        look = LOOKS[name]
        weight = ";font-weight:bold" if look.bold else ""
        if ink := look.light or look.paint.ink:
            rules.append(f".poolnorm .{name}{{fill:{_hex(ink)}{weight}}}")
        if look.dark:
            dark.append(f".poolnorm .{name}{{fill:{_hex(look.dark)}}}")
        if ground := look.paint.ground:
            rules.append(f".poolnorm .{name}-ground{{fill:{_hex(ground)}}}")
    return f"{letters}{''.join(rules)}@media(prefers-color-scheme:dark){{{''.join(dark)}}}"


def _fill(style: Style, *, ground: bool = False) -> str | None:
    """Return the attribute that gives the colour of a style; None where it has none."""
    if isinstance(style, Paint):
        color = style.ground if ground else style.ink
        if color is None:
            return None if ground else 'class="text"'
        return f'fill="{_hex(color)}"'
    if ground:
        return f'class="{style}-ground"' if LOOKS[style].paint.ground else None
    return f'class="{style}"'


def _row(cells: Sequence[Cell], top: int) -> Iterator[str]:
    """Yield the grounds of a row, its blocks and its letters, what is alike drawn at once."""
    grounds = [_fill(cell.style, ground=True) for cell in cells]
    for fill, first, end in _runs(grounds):
        if fill:
            yield _rect(fill, (first, 0, end, 1, 1), top)
    for (glyph, fill), first, end in _runs([(c.glyph, _fill(c.style)) for c in cells]):
        for block in BLOCKS.get(glyph, ()):
            whole = block.left == 0 and block.right == 1
            for place in (first,) if whole else range(first, end):
                right = end if whole else place + block.right
                yield _rect(fill, (place + block.left, block.top, right, *block[3:]), top)
    letters = [None if c.glyph in BLOCKS or c.glyph == " " else _fill(c.style) for c in cells]
    for fill, first, end in _runs(letters):
        if fill:
            yield from _words(fill, cells[first:end], first, top)


def _words(fill: str, cells: Sequence[Cell], first: int, top: int) -> Iterator[str]:
    text = _escaped("".join(cell.glyph for cell in cells))
    left, width = first * CELL_WIDTH, len(cells) * CELL_WIDTH
    place = f'x="{left}" y="{_number(top + _BASELINE * CELL_HEIGHT)}"'
    yield f'<text {fill} {place} textLength="{width}" lengthAdjust="spacingAndGlyphs">{text}</text>'


def _runs(values: Sequence[T]) -> Iterator[tuple[T, int, int]]:
    """Yield each value with the first of its places that follow each other, and their end."""
    for value, places in groupby(range(len(values)), key=values.__getitem__):
        first, *others = places
        yield value, first, (others or [first])[-1] + 1


def _rect(fill: str | None, block: tuple[float, ...], top: int) -> str:
    left, upper, right, lower, share = block
    size = f'width="{_number((right - left) * CELL_WIDTH)}"'
    size += f' height="{_number((lower - upper) * CELL_HEIGHT)}"'
    place = f'x="{_number(left * CELL_WIDTH)}" y="{_number(top + upper * CELL_HEIGHT)}"'
    opacity = f' fill-opacity="{share:g}"' if share < 1 else ""
    return f"<rect {fill} {place} {size}{opacity}/>"


def _number(value: float) -> str:
    return f"{round(value, 2):g}"
