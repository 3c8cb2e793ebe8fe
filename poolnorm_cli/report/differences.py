"""How `compare` tells what it found."""

from typing import TYPE_CHECKING, Any

from poolnorm_cli.report.reporter import Style
from poolnorm_cli.report.text import json_number, keras_shape, printable
from poolnorm_cli.shapes import Ints, format_shape


if TYPE_CHECKING:
    from collections.abc import Iterable

    from poolnorm_cli.engine.compare import Difference, Extreme


def print_differences(differences: "Iterable[Difference]", style: Style) -> bool:
    """Print what was found: a table, lines with tabs, JSON, or nothing where it is to be quiet.

    Returns:
        Whether all are equal.
    """
    found = list(differences)
    equal = all(difference.equal for difference in found)
    if style.json:
        import json

        head = {"schema": 1, "command": "compare", "equal": equal}
        rows = [_document(difference) for difference in found]
        print(json.dumps(head | {"comparisons": rows}, allow_nan=False))
    elif style.quiet:
        pass
    elif style.stream.isatty():
        from poolnorm_cli.report.table import show

        show("", [_cells(difference) for difference in found], style)
    else:
        for difference in found:
            print(*_cells(difference).values(), sep="\t")
    return equal


def _cells(difference: "Difference") -> dict[str, str]:
    return {
        "a": printable(difference.a),
        "b": printable(difference.b),
        "result": "equal" if difference.equal else "differ",
        "shape": _both(*(_shape(shape) for shape in difference.shapes)),
        "dtype": _both(*(dtype or "-" for dtype in difference.dtypes)),
        "unequal": _unequal(difference),
        "max abs": _extreme(difference.absolute, difference.comparable),
        "max rel": _extreme(difference.relative, difference.comparable),
        "max ULP": _extreme(
            difference.ulp, difference.comparable and difference.dtypes[0] == difference.dtypes[1]
        ),
    }


def _unequal(difference: "Difference") -> str:
    told = f"{difference.unequal} of {difference.total}"
    first = difference.first
    return told if first is None else f"{told}, first @ {format_shape(first)}"


def _shape(shape: Ints | None) -> str:
    return "-" if shape is None else keras_shape(shape)


def _both(first: str, second: str) -> str:
    return first if first == second else f"{first} != {second}"


def _extreme(extreme: "Extreme | None", compared: bool) -> str:  # noqa: FBT001 - one cell
    if extreme is None:
        return "0" if compared else "-"
    value, index = extreme
    return f"{value:.6g} @ {format_shape(index)}"


def _document(difference: "Difference") -> dict[str, Any]:
    compared = difference.comparable
    alike = compared and difference.dtypes[0] == difference.dtypes[1]
    return {
        "a": difference.a,
        "b": difference.b,
        "equal": difference.equal,
        "shapes": difference.shapes,
        "dtypes": difference.dtypes,
        "unequal": difference.unequal,
        "first": None if difference.first is None else list(difference.first),
        "total": difference.total,
        "max_abs": _placed(difference.absolute, difference, compared=compared),
        "max_rel": _placed(difference.relative, difference, compared=compared),
        "max_ulp": _placed(difference.ulp, difference, compared=alike),
    }


def _placed(
    extreme: "Extreme | None", difference: "Difference", *, compared: bool
) -> dict[str, Any] | None:
    """Write the largest difference and where; 0 at the first item where there is none."""
    if extreme is None:
        shape = difference.shapes[0] if compared else None
        if shape is None:
            return None
        return {"value": 0, "index": [0] * len(shape) if difference.total else None}
    value, index = extreme
    return {"value": json_number(value), "index": list(index)}
