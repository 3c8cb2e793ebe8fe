"""What `pipe` prints: a row for each tensor, and below it what was there after each step."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from poolnorm_cli.cli.layer_report import LayerReport, OutcomeRow
from poolnorm_cli.errors import printable
from poolnorm_cli.report.text import keras_shape


if TYPE_CHECKING:
    from poolnorm_cli.engine.outcome import Outcome, StepOutcome
    from poolnorm_cli.layers.pipeline import Pipeline
    from poolnorm_cli.report.rows import Style


class _PipeRow(OutcomeRow):
    """What a pipeline did to one tensor."""

    def __init__(
        self, outcome: "Outcome", pipeline: "Pipeline", precision: int | None, *, steps: bool
    ) -> None:
        """Hold the outcome.

        Args:
            outcome: What came of the tensor.
            pipeline: What was done to it.
            precision: Digits of its values; None for NumPy's own.
            steps: Show what was there after each step.
        """
        super().__init__(outcome, pipeline, precision, None)
        self._has_steps = steps

    def details(self, width: int) -> Iterable[str]:
        """Yield a line for each step, then those of the explanation.

        Args:
            width: Columns that there are; a very large number where nothing is lined up.

        Yields:
            The lines.
        """
        if self._has_steps:
            yield from step_lines(self.outcome.steps, aligned=width < _NO_TERMINAL)
        yield from self.outcome.explanation

    def entry(self) -> Mapping[str, Any]:
        """Return the object in `results`."""
        return {**super().entry(), "steps": step_entries(self.outcome.steps)}


_NO_TERMINAL = 1_000_000
"""Columns that no terminal has."""


def step_lines(steps: "Sequence[StepOutcome]", *, aligned: bool) -> list[str]:
    """Write a line for each step: number, layer, shape and dtype after it, and the layer in Keras.

    Args:
        steps: The steps.
        aligned: Line up the columns, for a terminal; otherwise a tab stands between them.

    Returns:
        The lines.
    """
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
    if not aligned:
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


class PipeReport(LayerReport):
    """Prints the result of every input of a pipe as it is done."""

    def __init__(self, pipeline: "Pipeline", style: "Style", *, steps: bool) -> None:
        """Prepare to report on a pipeline.

        Args:
            pipeline: What is run.
            style: How to print.
            steps: Show what was there after each step of an input.

        Raises:
            OutputError: Standard output is closed.
        """
        super().__init__(pipeline, style)
        self._pipeline, self._has_steps = pipeline, steps

    def row(self, outcome: "Outcome") -> OutcomeRow:
        """Return the row for a tensor that went through."""
        precision = self.style.precision
        return _PipeRow(outcome, self._pipeline, precision, steps=self._has_steps)

    def projected_step(self, name: str, weights: Mapping[str, object]) -> None:
        """Report the weights of a step that their constraints have projected.

        Args:
            name: The name of the step.
            weights: By name.
        """
        layer = next(step.layer for step in self._pipeline.steps if step.name == name)
        lines = [
            f"projected: {name}/{key} by {getattr(layer, f'{key}_constraint')}" for key in weights
        ]
        self.report.add_fact(f"constrained {name}", list(weights), lines)
