"""A picture as cells: glyphs in colours, on rows of a fixed width, with lines of text around.

canvas = Canvas(40, title="A window of 2")
canvas.write("A window of 2", "heading")
canvas.put(2, 4, "ab", "window")
both = beside(canvas, other)
"""

import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from poolnorm_cli.pictures.styles import Style


class Cell(NamedTuple):
    """One character of a picture.

    Attributes:
        glyph: The character; empty for the right half of a wide one.
        style: Its colours, or their name.
        plain: The character that stands here where there are no colours; empty for `glyph`.
    """

    glyph: str = " "
    style: Style = "text"
    plain: str = ""


BLANK = Cell()


class Canvas:
    """Rows of cells. It has a width from the start; rows are added as they are drawn on.

    What is drawn beyond the width is cut, so that no picture is wider than it was to be.

    Attributes:
        width: Columns.
        title: A short name for it, for people who hear a file instead of seeing it.
        description: What it shows, in a sentence or two, for the same.
    """

    def __init__(self, width: int, height: int = 0, *, title: str = "") -> None:
        """Make an empty picture.

        Args:
            width: Columns, 1 or more.
            height: Rows to begin with.
            title: A short name for it.
        """
        self.width, self.title, self.description = width, title, ""
        self._rows: list[list[Cell]] = []
        self._grow(height)

    @property
    def height(self) -> int:
        """Rows that there are."""
        return len(self._rows)

    @property
    def rows(self) -> Sequence[Sequence[Cell]]:
        """The cells, by row."""
        return self._rows

    def put(self, row: int, column: int, text: str, style: Style = "text", plain: str = "") -> int:
        """Write a text into a row.

        Args:
            row: The row, from 0; rows up to it are added.
            column: Where it begins, from 0; what is left of the picture is cut.
            text: Printable characters.
            style: Their colours, or the name of these.
            plain: What stands instead of each of them where there are no colours; empty for
                themselves.

        Returns:
            The column after it.
        """
        self._grow(row + 1)
        cells = self._rows[row]
        for glyph in text:
            wide = _columns(glyph)
            if column >= 0 and column + max(wide, 1) <= self.width:
                if not wide:  # an accent, on what stands before it
                    if column:
                        before = cells[column - 1]
                        cells[column - 1] = before._replace(glyph=before.glyph + glyph)
                    continue
                cells[column] = Cell(glyph, style, plain)
                if wide == 2:
                    cells[column + 1] = Cell("", style, plain)
            column += wide
        return column

    def write(self, text: str = "", style: Style = "text") -> None:
        """Add lines of text below everything: words are wrapped at the width.

        Args:
            text: The text; empty for an empty line.
            style: Its colours, or the name of these.
        """
        from textwrap import wrap

        for line in wrap(text, self.width) or [""]:
            self.put(self.height, 0, line, style)

    def paste(self, other: "Canvas", row: int, column: int) -> None:
        """Draw another picture on this one.

        Args:
            other: The other one; it stays as it is.
            row: Where its first row goes.
            column: Where its first column goes, 0 or more.
        """
        self._grow(row + other.height)
        fits = max(min(other.width, self.width - column), 0)
        for place, cells in enumerate(other.rows, row):
            self._rows[place][column : column + fits] = cells[:fits]

    def lines(self) -> Iterator[str]:
        """Yield the rows as text without colours, blanks at their ends cut."""
        for cells in self._rows:
            yield "".join(cell.plain or cell.glyph for cell in cells).rstrip()

    def trimmed(self) -> "Canvas":
        """Return the picture without the columns on its right in which nothing is."""
        used = (
            column + 1 for cells in self._rows for column, cell in enumerate(cells) if cell != BLANK
        )
        other = Canvas(max(used, default=1), self.height, title=self.title)
        other.description = self.description
        other.paste(self, 0, 0)
        return other

    def _grow(self, height: int) -> None:
        while len(self._rows) < height:
            self._rows.append([BLANK] * self.width)


def _columns(glyph: str) -> int:
    """Return the columns that a character takes: 0 for an accent, 2 for a wide one."""
    if glyph < "\u0300":
        return 1
    if unicodedata.combining(glyph):
        return 0
    return 2 if unicodedata.east_asian_width(glyph) in "WF" else 1


def text_width(text: str) -> int:
    """Return the columns that a text takes."""
    return sum(map(_columns, text))


def beside(*canvases: Canvas, gap: int = 3) -> Canvas:
    """Put pictures side by side, their tops level.

    Args:
        canvases: The pictures, 1 or more.
        gap: Columns between two.

    Returns:
        A picture as wide as all of them, with the title of the first.
    """
    width = sum(each.width for each in canvases) + gap * (len(canvases) - 1)
    joined = Canvas(width, title=canvases[0].title)
    column = 0
    for each in canvases:
        joined.paste(each, 0, column)
        column += each.width + gap
    return joined


def stacked(*canvases: Canvas, gap: int = 1) -> Canvas:
    """Put pictures below each other, their left sides level.

    Args:
        canvases: The pictures, 1 or more.
        gap: Empty rows between two.

    Returns:
        A picture as wide as the widest, with the title of the first.
    """
    joined = Canvas(max(each.width for each in canvases), title=canvases[0].title)
    for place, each in enumerate(canvases):
        joined.paste(each, joined.height + gap * bool(place), 0)
    return joined


def titled(canvas: Canvas) -> Canvas:
    """Write the title of a picture above it, for those who see nothing else beside it.

    The title, or the description where there is one, is wrapped at the width of the picture.
    """
    words = Canvas(canvas.width, title=canvas.title)
    words.write(canvas.description or canvas.title)
    joined = stacked(words, canvas)
    joined.description = canvas.description
    return joined


def flowed(canvases: Sequence[Canvas], width: int, gap: int = 3) -> Canvas:
    """Put pictures side by side as far as a width reaches, and the others below.

    Args:
        canvases: The pictures, 1 or more.
        width: Columns that there are.
        gap: Columns between two; rows of pictures have an empty row between them.

    Returns:
        A picture of at most this width, unless a single one is wider, with the title of the first.
    """
    lines: list[list[Canvas]] = [[]]
    taken = 0
    for each in canvases:
        if lines[-1] and taken + gap + each.width > width:
            lines.append([])
            taken = 0
        taken += each.width + gap * bool(lines[-1])
        lines[-1].append(each)
    return stacked(*(beside(*line, gap=gap) for line in lines))
