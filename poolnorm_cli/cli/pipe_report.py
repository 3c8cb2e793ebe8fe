"""What `pipe` prints: a row for each tensor, and below it what was there after each step."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from poolnorm_cli.cli.layer_report import LayerReport, OutcomeRow
from poolnorm_cli.cli.step_rows import step_entries, step_lines


if TYPE_CHECKING:
    from poolnorm_cli.cli.layer_pictures import LayerPictures
    from poolnorm_cli.engine.outcome import Outcome
    from poolnorm_cli.layers.pipeline import Pipeline
    from poolnorm_cli.report.rows import Style


class _PipeRow(OutcomeRow):
    """What a pipeline did to one tensor."""

    def __init__(
        self,
        outcome: "Outcome",
        pipeline: "Pipeline",
        precision: int | None,
        pictures: "LayerPictures | None",
        *,
        steps: bool,
    ) -> None:
        """Hold the outcome.

        Args:
            outcome: What came of the tensor.
            pipeline: What was done to it.
            precision: Digits of its values; None for NumPy's own.
            pictures: Draws it; None where no picture is wanted.
            steps: Show what was there after each step.
        """
        super().__init__(outcome, pipeline, precision, pictures)
        self._has_steps = steps

    def details(self, width: int) -> Iterable[str]:
        """Yield a line for each step, then those of the explanation.

        Args:
            width: Columns that there are; a very large number where nothing is lined up.

        Yields:
            The lines.
        """
        if self._has_steps:
            yield from step_lines(self.outcome.steps, width)
        yield from self.outcome.explanation

    def entry(self) -> Mapping[str, Any]:
        """Return the object in `results`."""
        return {**super().entry(), "steps": step_entries(self.outcome.steps)}


class PipeReport(LayerReport):
    """Prints the result of every input of a pipe as it is done."""

    def __init__(
        self,
        pipeline: "Pipeline",
        style: "Style",
        pictures: "LayerPictures | None" = None,
        *,
        steps: bool,
    ) -> None:
        """Prepare to report on a pipeline.

        Args:
            pipeline: What is run.
            style: How to print.
            pictures: Draws input and output; None where no picture is wanted.
            steps: Show what was there after each step of an input.

        Raises:
            OutputError: Standard output is closed.
        """
        super().__init__(pipeline, style, pictures)
        self._pipeline, self._has_steps = pipeline, steps

    def row(self, outcome: "Outcome") -> OutcomeRow:
        """Return the row for a tensor that went through."""
        precision = self.style.precision
        steps = self._has_steps
        return _PipeRow(outcome, self._pipeline, precision, self.pictures, steps=steps)

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
