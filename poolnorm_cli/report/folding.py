"""How a folded layer is printed."""

from typing import TYPE_CHECKING, Any

from poolnorm_cli.layers.base import Layer
from poolnorm_cli.report.reporter import Style
from poolnorm_cli.report.text import json_number, json_values, printable


if TYPE_CHECKING:
    from poolnorm_cli.engine.batch_norm_folding import Folded


def print_folded(layer: Layer, folded: "Folded", style: Style) -> None:
    """Print scale and shift, and the largest error on each input; nothing where quiet."""
    if style.json:
        import json

        head = {"schema": 1, "command": layer.words, "layer": layer.config()}
        arrays = {"scale": json_values(folded.scale), "shift": json_values(folded.shift)}
        errors = {name: json_number(error) for name, error in folded.errors.items()}
        print(json.dumps(head | arrays | {"largest_error": errors}, allow_nan=False))
    elif not style.quiet:
        for row in _rows(folded, style):
            print(*row, sep="\t", file=style.stream)


def _rows(folded: "Folded", style: Style) -> "list[tuple[Any, ...]]":
    import numpy as np

    def text(array: Any) -> str:
        return np.array2string(array, precision=style.precision, max_line_width=10**9)

    vectors = [("scale", text(folded.scale)), ("shift", text(folded.shift))]
    errors = [
        ("largest error", f"{error:.3g}", printable(name)) for name, error in folded.errors.items()
    ]
    return [("y = x * scale + shift",), *vectors, *errors]
