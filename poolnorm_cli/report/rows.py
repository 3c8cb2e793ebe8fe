"""What is printed, apart from how: a row says itself in each style, a report prints rows in one."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TextIO, TypeAlias

from poolnorm_cli.errors import OutputError, printable
from poolnorm_cli.report.text import Color, brief
from poolnorm_cli.values import frozen


Document: TypeAlias = Callable[[dict[str, list[Any]]], Mapping[str, Any]]
"""Makes the document of --json of the entries of all rows, by section."""


@frozen
class Style:
    """How to print; `report.emit` alone decides by it.

    Attributes:
        json: One JSON document.
        quiet: Only the essential.
        color: Colour on a terminal, always, or never.
        precision: Digits of floating-point values; None for NumPy's own.
        to_stderr: Standard output carries data, so people read standard error.
        values: Print all values that there are, however high the screen is.
    """

    json: bool = False
    quiet: bool = False
    color: Color = "auto"
    precision: int | None = None
    to_stderr: bool = False
    values: bool = False

    @property
    def stream(self) -> TextIO:
        """The stream that people, or the program that asked for JSON, read.

        Raises:
            OutputError: It is closed.
        """
        stream = sys.stderr if self.to_stderr else sys.stdout
        if stream is None:
            raise OutputError("standard output is closed", "redirect it, as > /dev/null")
        return stream


class Row:
    """One thing that a verb reports, in every style; only what a style prints is made.

    Attributes:
        section: The list of the document, and the table, in which it is.
    """

    section = "results"

    @property
    def heading(self) -> str:
        """What a table of such rows is titled with; where they differ, it is a column."""
        return ""

    def cells(self) -> Mapping[str, str] | None:
        """Return what a table has of it, by column; None where it is a line on a terminal, too."""
        return None

    def fields(self) -> Sequence[str]:
        """Return the fields of a plain line, between which tabs are printed."""
        return list((self.cells() or {}).values())

    def essential(self) -> str | None:
        """Return what --quiet prints; None for nothing."""
        return None

    def warning(self) -> str | None:
        """Return what --quiet says on standard error where it prints nothing; None for nothing."""
        return None

    def details(self, width: int) -> Iterable[str]:
        """Return the lines below it, which are above the table on a terminal.

        Args:
            width: Columns that there are.

        Returns:
            The lines.
        """
        del width
        return ()

    def values(self, width: int, height: int | None = None) -> Iterable[str]:
        """Return the lines of values below its details.

        Args:
            width: Columns up to which values are written side by side.
            height: Lines that there is room for; None for any number.

        Returns:
            The lines.
        """
        del width, height
        return ()

    def entry(self) -> Any:
        """Return what a document has of it."""
        return dict(self.cells() or {})


class Report(ABC):
    """Prints rows in one style: as they come, where the style allows it.

    Attributes:
        most_lines: Of the errors of a run, and of outputs that exist, so many are printed one by
            one; None for all.
        only_essential: Of rows it prints what is essential alone.
    """

    most_lines: int | None = None
    only_essential = False

    def __init__(self, style: Style) -> None:
        """Prepare to print in a style."""
        self.style = style

    @abstractmethod
    def add(self, row: Row) -> None:
        """Print a row, or keep it for the end."""

    def note(self, text: str) -> None:
        """Print a note on standard error."""
        print_note(text, self.style.color)

    def add_entry(self, entry: Mapping[str, Any], text: str | None = None) -> None:
        """Add what a document has an entry for, and people at most a line on standard error.

        Args:
            entry: The entry.
            text: The line.
        """
        del entry
        if text is not None:
            print(text, file=sys.stderr)

    def add_fact(
        self, name: str, value: Any, lines: Sequence[str], *, essential: bool = False
    ) -> None:
        """Add a fact about the whole: to the end of a document, or to standard error.

        Args:
            name: Its name in the document.
            value: Its value there.
            lines: What is printed for people.
            essential: They are printed with --quiet, too.
        """
        del name, value, essential
        for text in lines:
            print(text, file=sys.stderr)

    def close(
        self,
        document: Document | None = None,
        below: Sequence[str] = (),
        summary: Sequence[str] = (),
    ) -> None:
        """Print what is printed at the end.

        Args:
            document: Makes the document of --json; None where its entries are written as they come.
            below: Lines that only a terminal gets, below its tables.
            summary: Lines that a terminal gets in place of a table of very many rows.
        """
        del document, below, summary


def print_note(text: str, color: Color = "auto") -> None:
    """Print a note on standard error.

    Args:
        text: The note.
        color: What --color asks for.
    """
    from poolnorm_cli.report.colors import labelled

    print(labelled("note", printable(text), sys.stderr, color), file=sys.stderr)


def print_message(text: str) -> None:
    """Print a line on standard error that is cut where it is too long for one."""
    print(brief(printable(text)), file=sys.stderr)
