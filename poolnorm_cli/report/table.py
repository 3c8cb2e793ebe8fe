"""What a person at a terminal sees: a table of all rows, and the details of each."""

import sys
from collections.abc import Mapping, Sequence

from rich.console import Console, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from poolnorm_cli.report.colors import is_colored, verdict_style
from poolnorm_cli.report.rows import Document, Report, Row, Style
from poolnorm_cli.report.text import encodable


FEW, FEW_WIDE = 4, 20
"""Rows up to which a table may stand upright, and one with many columns."""
_MANY_COLUMNS = 6
_MOST = 1000
"""Rows of a table, so that memory does not grow with the number of inputs."""
_READ = 40
"""Rows up to which a table is read, though the screen is lower."""
_MARGIN = 2
"""Lines of a screen that are left: for the command that was typed, and the next one."""
_FEWEST = 3
"""Lines of values that there is always room for."""
_UNBOUNDED = 10_000
_STYLES = {"input": "cyan", "array": "cyan", "layer": "cyan", "output shape": "bold green"}


def console(style: Style) -> Console:
    """Return a console that prints names as they are, and no escape where colour is unwanted."""
    return Console(
        file=style.stream,
        markup=False,
        emoji=False,
        highlight=False,
        force_terminal=True if style.color == "always" else None,
        # Without a colour system rich leaves out bold type too, which `no_color` does not.
        color_system="auto" if is_colored(style.stream, style.color) else None,
    )


def tables(title: str, rows: Sequence[Mapping[str, str]], style: Style) -> "list[RenderableType]":
    """Make a table of rows with the same columns, which are named by the keys.

    Where a few rows do not fit side by side, each becomes a table of names and values, so that no
    shape is broken over lines.

    Args:
        title: What stands above the table; empty for nothing.
        rows: Texts by column.
        style: How to print.

    Returns:
        The title, and the table or the tables below it.
    """
    target = console(style)
    title = encodable(title, style.stream)
    rows = [{key: encodable(cell, style.stream) for key, cell in row.items()} for row in rows]
    # A title in the table would be broken at the table's width, not at the screen's.
    above: list[RenderableType] = [Text(title, style="bold")] if title else []
    grid = _grid(rows)
    wanted = target.measure(grid, options=target.options.update(max_width=_UNBOUNDED)).maximum
    few = FEW_WIDE if len(rows[0]) > _MANY_COLUMNS else FEW
    if len(rows) > few or wanted <= target.width:
        return [*above, grid]
    return [*above, *map(_upright, rows)]


def _grid(rows: Sequence[Mapping[str, str]]) -> Grid:
    grid = Grid()
    for header in rows[0]:
        grid.add_column(header, overflow="fold", style=_STYLES.get(header))
    for row in rows:
        cells = ((header, row.get(header, "")) for header in rows[0])
        grid.add_row(*(Text(cell, style=verdict_style(header, cell)) for header, cell in cells))
    return grid


def _upright(row: Mapping[str, str]) -> Grid:
    grid = Grid(show_header=False)
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for header, cell in row.items():
        style = _STYLES.get(header) or verdict_style(header, cell)
        grid.add_row(header, Text(cell, style=style))
    return grid


class TableReport(Report):
    """Keeps rows, and prints them in one table a section at the end, below their details."""

    most_lines = 10

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

    def close(
        self,
        document: Document | None = None,
        below: Sequence[str] = (),
        summary: Sequence[str] = (),
    ) -> None:
        """Print the tables, above each the details of its rows: the last line is what is read.

        Args:
            document: Not printed on a terminal.
            below: Lines below the last table.
            summary: Lines in place of a table that would have more rows than anybody reads.
        """
        del document
        for rows in self._sections.values():
            if not rows:
                continue
            if summary and len(rows) + self._more > max(console(self.style).height, _READ):
                headings = {row.heading: Text(row.heading, style="bold") for row in rows}
                console(self.style).print(*headings.values(), sep="\n", soft_wrap=True)
                below = (*summary, *below)
            else:
                self._show(rows)
        for text in below:
            console(self.style).print(Text(text))

    def _show(self, rows: Sequence[Row]) -> None:
        cells = [dict(row.cells() or {}) for row in rows]
        headings = [row.heading for row in rows]
        if len(set(headings)) > 1:  # tensors of several ranks
            cells = [c | {"layer": heading} for c, heading in zip(cells, headings, strict=True)]
        title = headings[0] if len(set(headings)) == 1 else ""
        grids = tables(title, cells, self.style)
        target = console(self.style)
        used = sum(len(target.render_lines(grid, pad=False)) for grid in grids)
        self._show_details(rows, cells, target.height - used - _MARGIN)
        for grid in grids:
            target.print(grid)
        if self._more:
            text = f"and {self._more} more; `| cat` or --json lists all of them"
            target.print(Text(text), soft_wrap=True)

    def _show_details(
        self, rows: Sequence[Row], cells: Sequence[Mapping[str, str]], room: int
    ) -> None:
        """Print the details of rows, and of their values as many as the screen has room for."""
        target = console(self.style)
        details = [list(row.details(target.width)) for row in rows]
        named = len(rows) > 1
        room -= sum(text.count("\n") + 1 for lines in details for text in lines)
        height = None if self.style.values else max(room // len(rows) - named, _FEWEST)
        for row, above, its_cells in zip(rows, details, cells, strict=True):
            lines = [*above, *row.values(target.width, height)]
            if lines and named:
                target.print(Text(next(iter(its_cells.values())), style="cyan"))
            for text in lines:
                target.print(Text(text), soft_wrap=True)
