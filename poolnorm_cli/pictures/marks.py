"""The kinds of cells that pictures of windows have, and the legend that says what they mean.

Colour and glyph say the same, so that a picture reads as well without colour.
"""

from collections.abc import Iterable
from typing import NamedTuple

from poolnorm_cli.pictures.canvas import Canvas
from poolnorm_cli.pictures.places import Places
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
BEYOND = Mark("padding", "–", "beyond the padding")
HOLE = Mark("muted", "○", "jumped over by this window")
UNREAD = Mark("unread", "×", "read by no window")
OTHER = Mark("muted", "·", "not under this window")
OUTPUT = Mark("other", "▓", "an output")
FIELD = Mark("window", "█", "what it depends on")
AWAY = Mark("muted", "·", "what it does not depend on")
_ORDER = (OWN, SHARED, OUTPUT, FIELD, PADDING, BEYOND, UNREAD, HOLE, OTHER, AWAY)


_WIDE = (PADDING, BEYOND)
"""Marks that fill a cell, whatever its width."""


def outside(cell: int, places: Places) -> Mark | None:
    """Return how a cell that is not of an axis is drawn.

    Args:
        cell: The cell.
        places: The windows on the axis.

    Returns:
        The mark; None for a cell of the axis.
    """
    if 0 <= cell < places.length:
        return None
    return PADDING if cell < places.length + places.high else BEYOND


def mark_of(cell: int, place: int, places: Places) -> Mark | None:
    """Return how a cell is drawn where one window is shown.

    Args:
        cell: The cell, of the padded axis.
        place: The place of the window.
        places: All places of the window.

    Returns:
        The mark; None for padding that is not under this window.
    """
    away, (first, end) = outside(cell, places), places.span(place)
    inside = cell in places.taps(place)
    jumped = HOLE if first <= cell < end else None
    if away is not None:
        return away if inside else jumped
    readers = len(places.readers(cell))
    if inside:
        return OWN if readers == 1 else SHARED
    return jumped or OTHER if readers else UNREAD


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
    elif mark in _WIDE:
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
        tile = 2 if mark.is_tile or mark in _WIDE else 1
        put_mark(canvas, row, column, tile, mark)
        column = canvas.put(row, column + tile + 1, mark.meaning, "muted") + 3
    return canvas
