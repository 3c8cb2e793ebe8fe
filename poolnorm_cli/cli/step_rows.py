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
    if width >= _NO_TERMINAL:
        return [f"step {each.number}\t" + "\t".join(_fields(each)) for each in steps]
    rows = [(str(each.number), *_fields(each)) for each in steps]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = []
    for each, (*cells, text) in zip(steps, rows, strict=True):
        line = "  ".join(cell.ljust(size) for cell, size in zip(cells, widths, strict=True))
        if len(line) + 2 + len(text) <= width:
            lines.append(f"{line}  {text}")
        else:  # what is above the table says the layers, too
            lines += [line.rstrip(), f"   {text}"] if each.words == "tee" else [line.rstrip()]
    return lines


def _fields(step: "StepOutcome") -> tuple[str, str, str, str]:
    """Return layer, shape and dtype after it, and the layer in Keras or the file of a tee."""
    return step.words, keras_shape(step.shape), step.dtype, printable(step.keras)


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
