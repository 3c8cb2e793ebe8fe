"""What is printed of a layer that was folded into a scale and a shift."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from poolnorm_cli.cli.layer_report import document_head
from poolnorm_cli.errors import printable
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.report.emit import emit
from poolnorm_cli.report.rows import Row, Style
from poolnorm_cli.report.text import json_number, json_values


if TYPE_CHECKING:
    from poolnorm_cli.engine.batch_norm_folding import Folded


class _FoldedRow(Row):
    """One line about a folded layer."""

    def __init__(self, *fields: Any, precision: int | None = None) -> None:
        """Hold its fields: texts, and arrays of which values are printed with so many digits."""
        self._fields, self._precision = fields, precision

    def fields(self) -> Sequence[str]:
        """Return them as text."""
        import numpy as np

        return [
            field
            if isinstance(field, str)
            else np.array2string(field, precision=self._precision, max_line_width=10**9)
            for field in self._fields
        ]


def emit_folded(layer: Layer, folded: "Folded", style: Style) -> None:
    """Print scale and shift, and the largest error on each input.

    Args:
        layer: The layer that was folded.
        folded: What came of it.
        style: How to print.

    Raises:
        OutputError: Standard output is closed.
    """

    def document(_: Mapping[str, Any]) -> Mapping[str, Any]:
        errors = {name: json_number(error) for name, error in folded.errors.items()}
        arrays = {"scale": json_values(folded.scale), "shift": json_values(folded.shift)}
        return document_head(layer) | arrays | {"largest_error": errors}

    rows = [
        _FoldedRow("y = x * scale + shift"),
        _FoldedRow("scale", folded.scale, precision=style.precision),
        _FoldedRow("shift", folded.shift, precision=style.precision),
    ]
    for name, error in folded.errors.items():
        rows.append(_FoldedRow("largest error", f"{error:.3g}", printable(name)))
    emit(rows, document, style)
