"""What a person at a terminal sees: a table of all rows, and the details of each."""

import os
import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from poolnorm_cli.report.rows import Document, Report, Row, Style
from poolnorm_cli.report.text import encodable


FEW, FEW_WIDE = 4, 20
"""Rows up to which a table may stand upright, and one with many columns."""
_MANY_COLUMNS = 6
_MOST = 1000
"""Rows of a table, so that memory does not grow with the number of inputs."""
_UNBOUNDED = 10_000
_STYLES = {"input": "cyan", "array": "cyan", "layer": "cyan", "output shape": "bold green"}


def console(style: Style) -> Console:
    """Return a console that prints names as they are, and no escape where colour is unwanted."""
    plain = style.color == "never" or (style.color == "auto" and bool(os.environ.get("NO_COLOR")))
    return Console(
        file=style.stream,
        markup=False,
        emoji=False,
        highlight=False,
        force_terminal=True if style.color == "always" else None,
        # Without a colour system rich leaves out bold type too, which `no_color` does not.
        color_system=None if plain else "auto",
    )


def show(title: str, rows: Sequence[Mapping[str, str]], style: Style) -> None:
    """Print a table of rows with the same columns, which are named by the keys.

    Where a few rows do not fit side by side, each is printed as a table of names and values, so
    that no shape is broken over lines.

    Args:
        title: What stands above the table; empty for nothing.
        rows: Texts by column.
        style: How to print.
    """
    target = console(style)
    title = encodable(title, style.stream)
    rows = [{key: encodable(cell, style.stream) for key, cell in row.items()} for row in rows]
    grid = _grid(title, rows)
    wanted = target.measure(grid, options=target.options.update(max_width=_UNBOUNDED)).maximum
    few = FEW_WIDE if len(rows[0]) > _MANY_COLUMNS else FEW
    if len(rows) > few or wanted <= target.width:
        target.print(grid)
        return
    for place, row in enumerate(rows):
        target.print(_upright("" if place else title, row))


def _grid(title: str, rows: Sequence[Mapping[str, str]]) -> Grid:
    grid = Grid(title=Text(title, style="bold") if title else None, title_justify="left")
    for header in rows[0]:
        grid.add_column(header, overflow="fold", style=_STYLES.get(header))
    for row in rows:
        grid.add_row(*(Text(row.get(header, "")) for header in rows[0]))
    return grid


def _upright(title: str, row: Mapping[str, str]) -> Grid:
    grid = Grid(
        title=Text(title, style="bold") if title else None, title_justify="left", show_header=False
    )
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for header, cell in row.items():
        grid.add_row(header, Text(cell, style=_STYLES.get(header, "")))
    return grid


class TableReport(Report):
    """Keeps rows, and prints them in one table a section at the end, with their details below."""

    def __init__(self, style: Style, sections: Sequence[str], *, is_bounded: bool) -> None:
        """Prepare empty tables.

        Args:
            style: How to print.
            sections: Order of the tables; others come after them, as their first rows do.
            is_bounded: Rows beyond what anybody reads are counted, not kept.
        """
        super().__init__(style)
        self._sections: dict[str, list[Row]] = {section: [] for section in sections}
        self._most = _MOST if is_bounded else sys.maxsize
        self._more = 0

    def add(self, row: Row) -> None:
        """Keep a row for its table; print at once one that is in none."""
        rows = self._sections.setdefault(row.section, [])
        if row.cells() is None:
            print(*row.fields(), sep="\t", file=self.style.stream)
        elif len(rows) < self._most:
            rows.append(row)
        else:
            self._more += 1

    def close(self, document: Document | None = None, below: Sequence[str] = ()) -> None:
        """Print the tables, and below each the details of its rows.

        Args:
            document: Not printed on a terminal.
            below: Lines below the last table.
        """
        del document
        for rows in self._sections.values():
            if rows:
                self._show(rows)
        for text in below:
            print(text, file=self.style.stream)

    def _show(self, rows: Sequence[Row]) -> None:
        cells = [dict(row.cells() or {}) for row in rows]
        headings = [row.heading for row in rows]
        if len(set(headings)) > 1:  # tensors of several ranks
            cells = [c | {"layer": heading} for c, heading in zip(cells, headings, strict=True)]
        show(headings[0] if len(set(headings)) == 1 else "", cells, self.style)
        if self._more:
            text = f"and {self._more} more; `| cat` or --json lists all of them"
            console(self.style).print(Text(text), soft_wrap=True)
        target = console(self.style)
        for row, its_cells in zip(rows, cells, strict=True):
            lines = list(row.details(target.width))
            if lines and len(rows) > 1:
                name = next(iter(its_cells.values()))
                target.print(Text(name, style="cyan"))
            for text in lines:
                target.print(Text(text), soft_wrap=True)
