"""What a run would do, as it is printed."""

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import PoolnormError
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.report.errors import document, line
from poolnorm_cli.report.reporter import Style
from poolnorm_cli.report.text import keras_shape, printable


if TYPE_CHECKING:
    from poolnorm_cli.engine.outcome import Estimate


class Estimates:
    """Prints a line with tabs, a row of a table, or an object of JSON for each tensor."""

    def __init__(self, layer: Layer, style: Style) -> None:
        """Prepare to tell of `layer`."""
        self._layer, self._style = layer, style
        self._rows: list[dict[str, str]] = []
        self._results: list[dict[str, Any]] = []

    def add(self, estimate: "Estimate") -> None:
        """Tell of a tensor."""
        if self._style.json:
            keras = self._layer.call_text(estimate.input_shape)
            self._results.append(asdict(estimate) | {"keras": keras})
        elif not self._style.quiet:
            cells = _cells(estimate)
            if self._style.stream.isatty():
                self._rows.append(cells)
            else:
                print(*cells.values(), sep="\t", file=self._style.stream)

    def failed(self, name: str, error: PoolnormError) -> None:
        """Tell of an input that would fail."""
        print(line(error), file=sys.stderr)
        if self._style.json:
            told = {key: value for key, value in document(error).items() if key != "schema"}
            self._results.append({"input": name} | told)

    def close(self) -> None:
        """Print what is printed at the end."""
        if self._style.json:
            head = {"schema": 1, "command": self._layer.words, "layer": self._layer.config()}
            print(json.dumps(head | {"dry_run": True, "results": self._results}))
        elif self._rows:
            from poolnorm_cli.report.table import show

            show("dry run", self._rows, self._style)


def _cells(estimate: "Estimate") -> dict[str, str]:
    return {
        "input": printable(estimate.input),
        "shape": keras_shape(estimate.input_shape),
        "output shape": keras_shape(estimate.output_shape),
        "dtype": estimate.dtype,
        "bytes": str(estimate.nbytes),
        "memory": str(estimate.memory),
        "output": printable(estimate.output or "-"),
    }
