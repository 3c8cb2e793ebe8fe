"""The one place that decides how things are printed: on a terminal, plain, as JSON, or quietly.

A verb makes rows and a document; neither knows who reads. `emit` prints what is there at once;
`open_report` is for rows that come one by one while a run goes on.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from poolnorm_cli.errors import PoolnormError
from poolnorm_cli.report.errors import document_of, print_error
from poolnorm_cli.report.rows import Document, Report, Row, Style, print_note
from poolnorm_cli.report.text import json_text


if TYPE_CHECKING:
    from poolnorm_cli.report.progress import Progress


def emit(
    rows: Iterable[Row],
    document: Document,
    style: Style,
    *,
    sections: Sequence[str] = (),
    below: Sequence[str] = (),
) -> None:
    """Print a report; plain lines are printed as the rows come.

    Args:
        rows: What there is to report.
        document: Makes the document of --json of the entries of all rows, by section.
        style: How to print.
        sections: Order of the tables on a terminal, where rows are of several sections.
        below: Lines that only a terminal gets, below its tables.

    Raises:
        OutputError: Standard output is closed.
    """
    report = open_report(style, sections=sections)
    for row in rows:
        report.add(row)
    report.close(document, below)


def open_report(
    style: Style,
    head: Callable[[], Mapping[str, Any]] | None = None,
    sections: Sequence[str] = (),
) -> Report:
    """Return what prints rows in a style.

    Args:
        style: How to print.
        head: Makes the beginning of a document whose entries are written as they come, so that
            memory does not grow with their number; None for one that is made at the end.
        sections: Order of the tables on a terminal, where rows are of several sections.

    Returns:
        The report.

    Raises:
        OutputError: Standard output is closed.
    """
    if style.json:
        return _DocumentReport(style) if head is None else _StreamReport(style, head)
    if style.quiet:
        return _QuietReport(style)
    if style.stream.isatty():
        from poolnorm_cli.report.table import TableReport

        return TableReport(style, sections, is_bounded=head is not None)
    return _PlainReport(style)


def emit_error(error: PoolnormError, style: Style) -> None:
    """Print one line on standard error, and with --json the same as a document on output.

    Args:
        error: The error.
        style: How to print.
    """
    print_error(error, style.color)
    if style.json:
        print(json_text(document_of(error)))


def note(text: str, style: Style) -> None:
    """Print a note on standard error, unless only the essential is wanted.

    Args:
        text: The note.
        style: How to print.
    """
    if prints_notes(style):
        print_note(text, style.color)


def prints_notes(style: Style) -> bool:
    """Whether what is not essential is said on standard error."""
    return not style.quiet


def prints_values(style: Style) -> bool:
    """Whether values can be printed: a document has them even where it is to be quiet."""
    return style.json or not style.quiet


def prints_pictures(style: Style) -> bool:
    """Whether pictures are printed beside what is reported."""
    return not (style.json or style.quiet)


def lists_all(style: Style) -> bool:
    """Whether there is room for however many rows: in a document there is."""
    return style.json


def open_progress(kind: Literal["auto", "json", "never"], style: Style) -> "Progress":
    """Return what shows progress to whoever reads standard error.

    Args:
        kind: What --progress asks for.
        style: How to print.

    Returns:
        The progress.
    """
    from poolnorm_cli.report.progress import Bar, Lines, Progress

    summarizes = not style.quiet
    if kind == "json":
        return Lines(summarizes=summarizes)
    if kind == "never" or style.quiet or not sys.stderr.isatty():
        return Progress(summarizes=summarizes)
    # Lines for a terminal go above the bar; those for a file or a pipe must not be caught.
    catches = sys.stdout is not None and sys.stdout.isatty()
    return Bar(summarizes=summarizes, redirects_stdout=catches)


class _PlainReport(Report):
    """A line of fields with tabs between for each row: nothing wrapped, nothing cut."""

    def add(self, row: Row) -> None:
        """Print a row, and what is below it."""
        print(*row.fields(), sep="\t", file=self.style.stream)
        for text in (*row.details(sys.maxsize), *row.values(sys.maxsize)):
            print(text, file=self.style.stream)


class _QuietReport(Report):
    """The essential, and nothing of what went well."""

    only_essential = True

    def add(self, row: Row) -> None:
        """Print what is essential of a row."""
        essential, warning = row.essential(), row.warning()
        if essential is not None:
            print(essential, file=self.style.stream)
        elif warning is not None:
            print_note(warning, self.style.color)

    def note(self, text: str) -> None:
        """Say nothing."""

    def add_entry(self, entry: Mapping[str, Any], text: str | None = None) -> None:
        """Say nothing."""

    def add_fact(
        self, name: str, value: Any, lines: Sequence[str], *, essential: bool = False
    ) -> None:
        """Say only what is essential."""
        super().add_fact(name, value, lines if essential else ())


class _DocumentReport(Report):
    """One JSON document, made at the end."""

    def __init__(self, style: Style) -> None:
        """Begin without entries."""
        super().__init__(style)
        self._entries: dict[str, list[Any]] = {}

    def add(self, row: Row) -> None:
        """Keep the entry of a row."""
        self._entries.setdefault(row.section, []).append(row.entry())

    def add_entry(self, entry: Mapping[str, Any], text: str | None = None) -> None:
        """Keep an entry."""
        del text
        self._entries.setdefault(Row.section, []).append(entry)

    def close(
        self,
        document: Document | None = None,
        below: Sequence[str] = (),
        summary: Sequence[str] = (),
    ) -> None:
        """Print the document."""
        del below, summary
        if document is not None:
            print(json_text(document(self._entries)), file=self.style.stream)


class _StreamReport(Report):
    """One JSON document, written as the run goes on: it never holds more than one entry."""

    def __init__(self, style: Style, head: Callable[[], Mapping[str, Any]]) -> None:
        """Write nothing yet: a run that fails at its only input leaves the document to the error.

        Args:
            style: How to print.
            head: Makes the beginning of the document.
        """
        super().__init__(style)
        self._head, self._count, self._end = head, -1, "]"

    def add(self, row: Row) -> None:
        """Write the entry of a row."""
        self.add_entry(row.entry())

    def add_entry(self, entry: Mapping[str, Any], text: str | None = None) -> None:
        """Write an entry."""
        del text
        self._begin()
        self.style.stream.write((", " if self._count else "") + json_text(entry))
        self._count += 1

    def add_fact(
        self, name: str, value: Any, lines: Sequence[str], *, essential: bool = False
    ) -> None:
        """Keep a fact for the end."""
        del lines, essential
        self._end += f", {json_text(name)}: {json_text(value)}"

    def close(
        self,
        document: Document | None = None,
        below: Sequence[str] = (),
        summary: Sequence[str] = (),
    ) -> None:
        """End the document."""
        del document, below, summary
        self._begin()
        self.style.stream.write(self._end + "}\n")

    def _begin(self) -> None:
        """Write the head, once."""
        if self._count < 0:
            self._count = 0
            self.style.stream.write(json_text(self._head())[:-1] + f', "{Row.section}": [')
