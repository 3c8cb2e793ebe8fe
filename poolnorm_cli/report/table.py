"""What a person at a terminal sees: a table of all inputs, and the values of each."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from poolnorm_cli.layers.base import Layer
from poolnorm_cli.report.reporter import Reporter, Style
from poolnorm_cli.report.text import (
    encodable,
    keras_shape,
    penalties_text,
    printable,
    values_text,
)


if TYPE_CHECKING:
    from poolnorm_cli.engine.outcome import Outcome


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


class Table(Reporter):
    """Collects rows, and prints them in one table at the end, with the values below."""

    def __init__(self, layer: Layer, style: Style) -> None:
        """Prepare an empty table."""
        super().__init__(layer, style)
        self._outcomes: list[Outcome] = []
        self._more = 0

    def done(self, outcome: "Outcome") -> None:
        """Keep the outcome for the table, unless that is longer than anybody reads."""
        if len(self._outcomes) < _MOST:
            self._outcomes.append(outcome)
        else:
            self._more += 1

    def close(self) -> None:
        """Print the table, titled with the layer, and the values."""
        if not self._outcomes:
            return
        layers = [self.layer.call_text(outcome.input_shape) for outcome in self._outcomes]
        rows = [_cells(outcome) for outcome in self._outcomes]
        if len(set(layers)) > 1:  # tensors of several ranks
            rows = [row | {"layer": layer} for row, layer in zip(rows, layers, strict=True)]
        title = layers[0] if len(set(layers)) == 1 else ""
        show(title, rows, self.style)
        if self._more:
            told = f"and {self._more} more; `| cat` or --json lists all of them"
            console(self.style).print(Text(told), soft_wrap=True)
        for outcome in self._outcomes:
            if outcome.edges is not None or outcome.explanation:
                self._details(outcome)

    def _details(self, outcome: "Outcome") -> None:
        target = console(self.style)
        if len(self._outcomes) > 1:
            target.print(Text(printable(outcome.input), style="cyan"))
        for told in outcome.explanation:
            target.print(Text(told), soft_wrap=True)
        if outcome.edges is None:
            return
        text = values_text(outcome.edges, self.style.precision, target.width)
        target.print(Text(text), soft_wrap=True)


def _cells(outcome: "Outcome") -> dict[str, str]:
    cells = {
        "input": printable(outcome.input),
        "shape": keras_shape(outcome.input_shape),
        "output shape": keras_shape(outcome.output_shape),
        "dtype": outcome.dtype,
        "seconds": f"{outcome.seconds:.3f}",
    }
    if outcome.penalties:
        cells["penalties"] = penalties_text(outcome)
    return cells | ({"written to": printable(outcome.output)} if outcome.output else {})
