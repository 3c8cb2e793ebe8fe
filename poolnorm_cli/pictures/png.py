"""Pictures as PNG, on light paper, in a font of the system or the one that Pillow brings along."""

import io
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import UnavailableError
from poolnorm_cli.packages import pip_install
from poolnorm_cli.pictures.canvas import Canvas, Cell, text_width
from poolnorm_cli.pictures.glyphs import BLOCKS, writable
from poolnorm_cli.pictures.styles import LIGHT, LOOKS, RGB, Paint, Style


if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

_WIDTH, _HEIGHT = 16, 32
"""Size of a cell in pixels: half a cell is a square."""
_MARGIN = 20
_LETTER = 25
"""Size of letters in pixels."""
_BASELINE = 24
"""Where letters stand in their cell, in pixels from its top."""
_MONOSPACED = ("DejaVuSansMono.ttf", "LiberationMono-Regular.ttf", "Menlo.ttc", "consola.ttf")
"""Fonts of Linux, macOS and Windows, the first of which that is there is taken."""
_INK: RGB = (31, 35, 40)


def require_pillow() -> None:
    """Refuse to draw without Pillow.

    Raises:
        UnavailableError: It is not installed.
    """
    try:
        import PIL  # noqa: F401 - whether it is there
    except ImportError as error:
        fix = f"{pip_install('picture')}, or give --save-svg, which needs nothing"
        raise UnavailableError("a PNG needs Pillow, which is not installed", fix) from error


def png(canvas: Canvas) -> bytes:
    """Write a picture as a PNG file.

    Args:
        canvas: The picture.

    Returns:
        The file.

    Raises:
        UnavailableError: Pillow is not installed.
    """
    require_pillow()
    from PIL import Image, ImageDraw, PngImagePlugin

    size = canvas.width * _WIDTH + 2 * _MARGIN, canvas.height * _HEIGHT + 2 * _MARGIN
    image = Image.new("RGB", size, LIGHT)
    pen = ImageDraw.Draw(image)
    for place, cells in enumerate(canvas.rows):
        top = _MARGIN + place * _HEIGHT
        for column, cell in enumerate(cells):
            _draw_cell(pen, _MARGIN + column * _WIDTH, top, cell)
            if cell.glyph not in BLOCKS and cell.glyph not in {"", " "}:
                _draw_letter(pen, _MARGIN + column * _WIDTH, top, cell)
    told = PngImagePlugin.PngInfo()
    for key, value in (("Title", canvas.title), ("Description", canvas.description)):
        if value:
            told.add_itxt(key, value)
    file = io.BytesIO()
    image.save(file, "PNG", pnginfo=told)
    return file.getvalue()


def _colors(style: Style) -> tuple[RGB, RGB]:
    """Return the ink and the ground of a style on light paper."""
    if isinstance(style, Paint):
        return style.ink or _INK, style.ground or LIGHT
    look = LOOKS[style]
    return look.light or look.paint.ink or _INK, look.paint.ground or LIGHT


def _draw_cell(pen: "ImageDraw", left: int, top: int, cell: Cell) -> None:
    """Draw the ground of a cell, and its glyph if that is a block."""
    ink, ground = _colors(cell.style)
    if ground != LIGHT:
        pen.rectangle((left, top, left + _WIDTH - 1, top + _HEIGHT - 1), fill=ground)
    for block in BLOCKS.get(cell.glyph, ()):
        edges = (
            left + round(block.left * _WIDTH),
            top + round(block.top * _HEIGHT),
            left + round(block.right * _WIDTH) - 1,
            top + round(block.bottom * _HEIGHT) - 1,
        )
        pen.rectangle(edges, fill=_blend(ink, ground, block.share))


def _blend(ink: RGB, ground: RGB, share: float) -> RGB:
    red, green, blue = (
        round(a * share + b * (1 - share)) for a, b in zip(ink, ground, strict=True)
    )
    return red, green, blue


def _draw_letter(pen: "ImageDraw", left: int, top: int, cell: Cell) -> None:
    """Draw a letter in the middle of its cell, or of the two of a wide one."""
    ink, _ = _colors(cell.style)
    if cell.glyph == "×":  # which the font of Pillow lacks
        middle, upper, half = left + _WIDTH // 2, top + _HEIGHT // 2, 5
        for way in (half, -half):
            ends = (middle - half, upper - way, middle + half, upper + way)
            pen.line(ends, fill=ink, width=3)
        return
    font, letter = _font_for(cell.glyph)
    middle = left + text_width(cell.glyph) * _WIDTH // 2
    bold = isinstance(cell.style, str) and LOOKS[cell.style].bold
    for place in (middle, middle + 1) if bold else (middle,):
        pen.text((place, top + _BASELINE), letter, fill=ink, font=font, anchor="ms")


@cache
def _font_for(glyph: str) -> tuple[Any, str]:
    """Return a font in which a letter is no wider than a cell, and the letter as it has it."""
    names: tuple[str, ...] = _MONOSPACED
    letter = glyph
    size = _LETTER
    font = _font(names, size)
    if font is None:  # Pillow's own has the letters of western Europe
        names, letter = (), writable(glyph, "ascii" if glyph in "µ²±" else "latin-1")
        font = _font(names, size)
    while font.getlength(letter) > text_width(glyph) * _WIDTH and size > _LETTER // 2:
        size -= 1
        font = _font(names, size)
    return font, letter


@cache
def _font(names: tuple[str, ...], size: int) -> Any:
    """Return the first font of these that is installed; None without one, Pillow's for no names."""
    from PIL import ImageFont

    if not names:
        return ImageFont.load_default(size)
    for name in names:
        with suppress(OSError):
            return ImageFont.truetype(name, size)
    return None
