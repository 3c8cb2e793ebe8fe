"""The steps of a pipe as they are printed: a line each, and an object each in a document."""

from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import printable
from poolnorm_cli.report.text import keras_shape


if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from poolnorm_cli.engine.outcome import StepOutcome


_NO_TERMINAL = 1_000_000
"""Columns that no terminal has."""


def step_lines(steps: "Sequence[StepOutcome]", width: int) -> list[str]:
    """Write a line for each step: number, layer, shape and dtype after it, and the layer in Keras.

    Args:
        steps: The steps.
        width: Columns that there are; where that is no terminal's number, nothing is lined up and a
            tab stands between the fields.

    Returns:
        The lines.
    """
    if not steps:
        return []
    rows = [
        (
            f"step {each.number}",
            each.words,
            keras_shape(each.shape),
            each.dtype,
            printable(each.keras),
        )
        for each in steps
    ]
    if width >= _NO_TERMINAL:
        return ["\t".join(row) for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return [
        "  ".join((*(text.ljust(size) for text, size in zip(row, widths, strict=False)), row[4]))
        for row in rows
    ]


def step_entries(steps: "Iterable[StepOutcome]") -> list[dict[str, Any]]:
    """Return what a document has of steps.

    Args:
        steps: The steps.

    Returns:
        An object for each: `file` is that of a tee, `keras` the layer of all others.
    """
    return [
        {
            "step": each.number,
            "name": each.name,
            "command": each.words,
            "file" if each.words == "tee" else "keras": each.keras,
            "output_shape": each.shape,
            "dtype": each.dtype,
        }
        for each in steps
    ]
