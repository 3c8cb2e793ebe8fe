"""The kinds of cells that pictures of windows have, and the legend that says what they mean.

Colour and glyph say the same, so that a picture reads as well without colour.
"""

from collections.abc import Iterable
from typing import NamedTuple

from poolnorm_cli.pictures.canvas import Canvas
from poolnorm_cli.pictures.places import Places, Span
from poolnorm_cli.pictures.styles import LOOKS


class Mark(NamedTuple):
    """How a kind of cell is drawn.

    Attributes:
        style: Its colours.
        glyph: What it is drawn with where it has no number, and without colours.
        meaning: What the legend says.
    """

    style: str
    glyph: str
    meaning: str

    @property
    def is_tile(self) -> bool:
        """Whether its ground tells, so that there is room for a number on it."""
        return LOOKS[self.style].paint.ground is not None


OWN = Mark("window", "█", "under the window")
SHARED = Mark("overlap", "▓", "under several windows")
PADDING = Mark("padding", "░", "padding")
UNREAD = Mark("unread", "×", "read by no window")
OTHER = Mark("muted", "·", "not under this window")
OUTPUT = Mark("other", "▓", "an output")
FIELD = Mark("window", "█", "what it depends on")
AWAY = Mark("muted", "·", "what it does not depend on")
_ORDER = (OWN, SHARED, OUTPUT, FIELD, PADDING, UNREAD, OTHER, AWAY)


def mark_of(cell: int, span: Span, places: Places) -> Mark | None:
    """Return how a cell is drawn where one window is shown.

    Args:
        cell: The cell, of the padded axis.
        span: What is under the window.
        places: All places of the window.

    Returns:
        The mark; None for padding that is not under this window.
    """
    inside = span[0] <= cell < span[1]
    if not 0 <= cell < places.length:
        return PADDING if inside else None
    readers = len(places.readers(cell))
    if inside:
        return OWN if readers == 1 else SHARED
    return OTHER if readers else UNREAD


def put_mark(canvas: Canvas, row: int, column: int, tile: int, mark: Mark, text: str = "") -> None:
    """Draw a cell.

    Args:
        canvas: What it is drawn on.
        row: Its row.
        column: Its first column.
        tile: Its columns.
        mark: What it is.
        text: A number for it, which is shown where there are colours; as wide as `tile` at most.
    """
    if mark.is_tile:
        canvas.put(row, column, text.rjust(tile), mark.style, mark.glyph)
    elif mark is PADDING:
        canvas.put(row, column, mark.glyph * tile, mark.style)
    else:
        canvas.put(row, column, mark.glyph.rjust(tile), mark.style)


def legend(marks: Iterable[Mark], width: int) -> Canvas:
    """Write what the marks of a picture mean.

    Args:
        marks: The kinds of cells in it.
        width: Columns that there are.

    Returns:
        A picture of this width, with as many lines as are needed.
    """
    canvas = Canvas(width)
    found = set(marks)
    column = row = 0
    for mark in (each for each in _ORDER if each in found):
        if column and column + 3 + len(mark.meaning) > width:
            row, column = row + 1, 0
        put_mark(canvas, row, column, 2 if mark.is_tile or mark is PADDING else 1, mark)
        column += 2 if mark.is_tile or mark is PADDING else 1
        column = canvas.put(row, column + 1, mark.meaning, "muted") + 3
    return canvas
