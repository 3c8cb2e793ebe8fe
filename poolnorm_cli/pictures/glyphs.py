"""Glyphs that are shapes rather than letters: what they look like, and what stands for them.

Files draw them as rectangles, so that blocks meet whatever the font; encodings that lack them get
a letter of ASCII.
"""

from typing import NamedTuple


class Block(NamedTuple):
    """A rectangle of a glyph, in fractions of its cell, from the upper left corner.

    Attributes:
        left: Where it begins.
        top: Where it begins, downwards.
        right: Where it ends.
        bottom: Where it ends.
        share: How much of what is behind it it hides, from 0 to 1.
    """

    left: float
    top: float
    right: float
    bottom: float
    share: float = 1.0


_EIGHTHS = {"▁▂▃▄▅▆▇█"[n - 1]: (Block(0, 1 - n / 8, 1, 1),) for n in range(1, 9)}
_LEFT_EIGHTHS = {"▏▎▍▌▋▊▉"[n - 1]: (Block(0, 0, n / 8, 1),) for n in range(1, 8)}
_X0, _X1, _Y0, _Y1 = 0.44, 0.56, 0.47, 0.53  # a line in the middle of a cell
_W, _E, _N, _S = (
    Block(0, _Y0, _X1, _Y1),
    Block(_X0, _Y0, 1, _Y1),
    Block(_X0, 0, _X1, _Y1),
    Block(_X0, _Y0, _X1, 1),
)
_DOTS = [Block(x, y / 4 + 0.02, x + 0.42, y / 4 + 0.23) for y in range(4) for x in (0.04, 0.54)]
_DOT_BITS = (0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80)
"""Bits of the dots of a braille character, row by row."""
_BRAILLE = {chr(0x2800 + bits): [bool(bits & bit) for bit in _DOT_BITS] for bits in range(1, 256)}
"""Character -> whether it has each of its dots."""
BLOCKS: dict[str, tuple[Block, ...]] = {
    **_EIGHTHS,
    **_LEFT_EIGHTHS,
    "▀": (Block(0, 0, 1, 0.5),),
    "▐": (Block(0.5, 0, 1, 1),),
    "■": (Block(0.1, 0.22, 0.9, 0.78),),
    "░": (Block(0, 0, 1, 1, 0.25),),
    "▒": (Block(0, 0, 1, 1, 0.5),),
    "▓": (Block(0, 0, 1, 1, 0.75),),
    "─": (Block(0, _Y0, 1, _Y1),),
    "│": (Block(_X0, 0, _X1, 1),),
    "┌": (_E, _S),
    "┐": (_W, _S),
    "└": (_E, _N),
    "┘": (_W, _N),
    "├": (_E, _N, _S),
    "┤": (_W, _N, _S),
    "┬": (_W, _E, _S),
    "┴": (_W, _E, _N),
    "┼": (_W, _E, _N, _S),
    "·": (Block(0.38, 0.44, 0.62, 0.56),),
    "…": tuple(Block(x, 0.62, x + 0.2, 0.72) for x in (0.06, 0.4, 0.74)),
    "⋮": tuple(Block(0.38, y, 0.62, y + 0.1) for y in (0.2, 0.45, 0.7)),
    "–": (Block(0.1, _Y0, 0.9, _Y1),),
}
"""Glyph -> its rectangles."""
BLOCKS |= {
    glyph: tuple(dot for dot, there in zip(_DOTS, has, strict=True) if there)
    for glyph, has in _BRAILLE.items()
}

_ASCII = dict(
    zip(
        "▁▂▃▄▅▆▇█▏▎▍▌▋▊▉▐▀■░▒▓─│┌┐└┘├┤┬┴┼·×…⋮→←↓↑≥≤≠±–—µσ²∞▲▼●○",
        '__..--##||||||||"#:+%-|+++++++++.x~:><v^><!+--us2i^vOo',
        strict=True,
    )
)
"""Glyph -> the letter of ASCII that stands for it, in one column as well."""
_ASCII |= {
    glyph: ":" if any(has[:4]) and any(has[4:]) else "'" if any(has[:4]) else "."
    for glyph, has in _BRAILLE.items()
}


def writable(glyph: str, encoding: str) -> str:
    """Return a glyph as an encoding has it: itself, a letter of ASCII, or a question mark.

    Args:
        glyph: One character, with its accents.
        encoding: Name of the encoding.

    Returns:
        Text of the same width.
    """
    try:
        glyph.encode(encoding)
    except UnicodeEncodeError:
        return _ASCII.get(glyph, "?")
    return glyph
