"""How `info` lists arrays, and the layers of checkpoints."""

import sys
from typing import TYPE_CHECKING, Any

from poolnorm_cli.report.checkpoints import layer_cells, layer_facts, layer_fields
from poolnorm_cli.report.reporter import Style
from poolnorm_cli.report.text import keras_shape, printable
from poolnorm_cli.shapes import format_shape


if TYPE_CHECKING:
    from poolnorm_cli.engine.statistics import Extreme, Statistics
    from poolnorm_cli.tensors.tensor import Tensor
    from poolnorm_cli.weights.entry import Entry


class ArrayList:
    """Collects what is known of each array, and prints it in the way asked for."""

    def __init__(self, style: Style, *, stats: bool) -> None:
        """Prepare an empty list; with `stats` the data of each array are read."""
        self._style = style
        self._stats = stats
        self._table = not (style.json or style.quiet) and style.stream.isatty()
        self._facts: list[dict[str, Any]] = []
        self._layers: list[Entry] = []
        self._empty: list[dict[str, str]] = []

    def add(self, tensor: "Tensor") -> None:
        """Take an array, and print its line at once where lines are printed."""
        for note in () if self._style.quiet else tensor.notes:
            print(f"note: {printable(note)}", file=sys.stderr)
        facts: dict[str, Any] = {
            "name": tensor.name,
            "shape": tensor.shape,
            "dtype": tensor.dtype.name,
            "order": "F" if tensor.fortran_order else "C",
            "byteorder": "big" if tensor.swapped else "little",
            "bytes": tensor.nbytes,
        }
        if self._stats:
            from poolnorm_cli.engine.statistics import statistics

            facts["stats"] = statistics(tensor)
        if self._table or self._style.json:
            self._facts.append(facts)
        else:
            print(*self._fields(facts), sep="\t")

    def add_layer(self, entry: "Entry") -> None:
        """Take a layer of a checkpoint, and print its line at once where lines are printed."""
        if self._table or self._style.json:
            self._layers.append(entry)
        else:
            print(*layer_fields(entry, quiet=self._style.quiet), sep="\t")

    def add_nothing(self, word: str, told: str) -> None:
        """Take a checkpoint without a layer, and say at once what it has instead."""
        if self._style.json:
            self._empty.append({"file": word, "reason": told})
        elif self._style.quiet:
            print(f"note: {printable(word)}: {printable(told)}", file=sys.stderr)
        else:
            print(printable(word), "-", printable(told), "-", sep="\t")

    def close(self) -> None:
        """Print what is printed at the end."""
        if self._style.json:
            import json

            arrays = [facts | _json_stats(facts.get("stats")) for facts in self._facts]
            document = {"schema": 1, "command": "info", "arrays": arrays}
            document["layers"] = [layer_facts(entry) for entry in self._layers]
            if self._empty:
                document["empty"] = self._empty
            print(json.dumps(document, allow_nan=False))
            return
        if self._layers:
            from poolnorm_cli.report.table import show

            show("", [layer_cells(entry) for entry in self._layers], self._style)
        if self._facts:
            from poolnorm_cli.report.table import show

            show("", [self._cells(facts) for facts in self._facts], self._style)

    def _fields(self, facts: dict[str, Any]) -> list[str]:
        if self._style.quiet:
            return [format_shape(facts["shape"])]
        order = facts["order"] + (" big-endian" if facts["byteorder"] == "big" else "")
        fields = [printable(facts["name"]), keras_shape(facts["shape"]), facts["dtype"], order]
        return [*fields, str(facts["bytes"]), *_words(facts.get("stats")).values()]

    def _cells(self, facts: dict[str, Any]) -> dict[str, str]:
        name, shape, dtype, order, size, *_ = self._fields(facts)
        cells = {"array": name, "shape": shape, "dtype": dtype, "order": order, "bytes": size}
        return cells | _words(facts.get("stats"))


def _words(stats: "Statistics | None") -> dict[str, str]:
    if stats is None:
        return {}
    return {
        "NaN": str(stats.nan),
        "inf": str(stats.inf),
        "min": _extreme(stats.minimum),
        "max": _extreme(stats.maximum),
        "mean": "-" if stats.mean is None else f"{stats.mean:.7g}",
        "std": "-" if stats.std is None else f"{stats.std:.7g}",
    }


def _extreme(extreme: "Extreme | None") -> str:
    if extreme is None:
        return "-"
    value, index = extreme
    shown = f"{value:.7g}" if isinstance(value, float) else str(value)
    return f"{shown} @ {format_shape(index)}"


def _json_stats(stats: "Statistics | None") -> dict[str, Any]:
    if stats is None:
        return {}
    from dataclasses import asdict

    from poolnorm_cli.report.text import json_number

    numbers = asdict(stats)
    for key in ("minimum", "maximum"):
        if numbers[key] is not None:
            value, index = numbers[key]
            numbers[key] = {"value": json_number(value), "index": list(index)}
    return {"stats": numbers}
