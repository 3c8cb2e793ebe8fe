"""What a layer verb prints: a row for each tensor, the document, and what is said beside them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import PoolnormError, printable
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.report.emit import emit, open_report
from poolnorm_cli.report.errors import document_of, print_error
from poolnorm_cli.report.rows import Report, Row, Style
from poolnorm_cli.report.text import (
    json_number,
    json_values,
    keras_shape,
    penalties_text,
    values_text,
)


if TYPE_CHECKING:
    from poolnorm_cli.engine.batch_norm_folding import Folded
    from poolnorm_cli.engine.outcome import Estimate, Outcome
    from poolnorm_cli.engine.profile import Profile


class _OutcomeRow(Row):
    """What a layer did to one tensor."""

    def __init__(self, outcome: "Outcome", layer: Layer, precision: int | None) -> None:
        """Hold the outcome.

        Args:
            outcome: What came of the tensor.
            layer: What was done to it.
            precision: Digits of its values; None for NumPy's own.
        """
        self._outcome, self._layer, self._precision = outcome, layer, precision

    @property
    def heading(self) -> str:
        """The layer as one would type it in Keras, which only some styles print."""
        return self._layer.call_text(self._outcome.input_shape)

    def cells(self) -> Mapping[str, str]:
        """Return input, shapes, dtype and seconds; penalties and output where there are any."""
        outcome = self._outcome
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

    def fields(self) -> Sequence[str]:
        """Return input, its shape, output shape, dtype, layer, seconds, output.

        With regularizers there is one field more: `penalties gamma=0.5 beta=0.1`.
        """
        outcome = self._outcome
        return (
            printable(outcome.input),
            keras_shape(outcome.input_shape),
            keras_shape(outcome.output_shape),
            outcome.dtype,
            self.heading,
            f"{outcome.seconds:.6f}",
            printable(outcome.output or "-"),
            *([f"penalties {penalties_text(outcome)}"] if outcome.penalties else []),
        )

    def details(self, width: int) -> Iterable[str]:
        """Yield the lines of the explanation, then the values."""
        yield from self._outcome.explanation
        if self._outcome.edges is not None:
            yield values_text(self._outcome.edges, self._precision, width)

    def entry(self) -> Mapping[str, Any]:
        """Return the object in `results`."""
        outcome = self._outcome
        entry: dict[str, Any] = {
            "input": outcome.input,
            "output": outcome.output,
            "input_shape": outcome.input_shape,
            "output_shape": outcome.output_shape,
            "input_dtype": outcome.input_dtype,
            "dtype": outcome.dtype,
            "keras": self.heading,
            "seconds": round(outcome.seconds, 6),
        }
        if outcome.explanation:
            entry["explanation"] = outcome.explanation
        if outcome.penalties:
            entry["penalties"] = {k: json_number(v) for k, v in outcome.penalties.items()}
        if outcome.edges is not None and outcome.edges.whole:
            entry["values"] = json_values(outcome.edges.array)
        return entry


class LayerReport:
    """Prints the result of every input of a run as it is done: the `Listener` of a batch."""

    def __init__(self, layer: Layer, style: Style) -> None:
        """Prepare to report on a layer.

        Args:
            layer: What is run.
            style: How to print.

        Raises:
            OutputError: Standard output is closed.
        """
        self._layer, self._style = layer, style
        self._report = open_report(style, lambda: _head(layer))

    def done(self, outcome: "Outcome") -> None:
        """Report a tensor that went through."""
        self._report.add(_OutcomeRow(outcome, self._layer, self._style.precision))

    def noted(self, note: str) -> None:
        """Report something about the file of an input."""
        self._report.note(note)

    def failed(self, name: str, error: PoolnormError) -> None:
        """Report an input that did not go through.

        Args:
            name: The input.
            error: Why.
        """
        _add_failure(self._report, name, error)

    def skipped(self, name: str, output: str) -> None:
        """Report an input whose output was there already.

        Args:
            name: The input.
            output: The output.
        """
        entry = {"input": name, "output": output, "skipped": True}
        text = f"skipped: {printable(name)}: {printable(output)} exists"
        self._report.add_entry(entry, text)

    def resumed(self, name: str, output: str | None) -> None:
        """Report an input that an earlier part of the run has done.

        Args:
            name: The input.
            output: The output; None where there is none.
        """
        self._report.add_entry({"input": name, "output": output, "skipped": True})

    def left(self, name: str, output: str | None) -> None:
        """Report an input that was not begun because another one ended the run.

        Args:
            name: The input.
            output: Where the output would be; None where nowhere.
        """
        self._report.add_entry({"input": name, "output": output, "not_begun": True})

    def projected(self, weights: Mapping[str, object]) -> None:
        """Report the weights that their constraints have projected before they were saved."""
        rules = {name: getattr(self._layer, f"{name}_constraint") for name in weights}
        lines = [f"projected: {name} by {rule}" for name, rule in rules.items()]
        self._report.add_fact("constrained", list(weights), lines)

    def profiled(self, profile: "Profile") -> None:
        """Report where the time of the run went."""
        lines = _profile_lines(profile)
        self._report.add_fact("profile", asdict(profile), lines, essential=True)

    def close(self) -> None:
        """Print what could only be printed at the end."""
        self._report.close()


def _head(layer: Layer) -> dict[str, Any]:
    return {"schema": 1, "command": layer.words, "layer": layer.config()}


def _add_failure(report: Report, name: str, error: PoolnormError) -> None:
    """Print the error of an input, and add its entry."""
    print_error(error)
    facts = {key: value for key, value in document_of(error).items() if key != "schema"}
    report.add_entry({"input": name} | facts)


def _profile_lines(profile: "Profile") -> list[str]:
    """Say what the seconds went to, and how far the run is from a mere copy in memory."""
    spans = ", ".join(f"{name} {seconds:.3f}" for name, seconds in profile.spans.items())
    moved = f"{_megabytes(profile.read_bytes)} read, {_megabytes(profile.written_bytes)} written"
    share = f"{profile.rate / profile.copy_rate:.2f} of the {_rate(profile.copy_rate)}"
    return [
        f"profile: {profile.seconds:.3f} s: {spans}",
        f"profile: {moved}: {_rate(profile.rate)}, {share} at which memory is copied here",
    ]


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _rate(rate: float) -> str:
    return f"{rate / 1e9:.2f} GB/s"


class _EstimateRow(Row):
    """What would be done to one tensor."""

    def __init__(self, estimate: "Estimate", layer: Layer) -> None:
        """Hold the estimate.

        Args:
            estimate: What would be done.
            layer: By what.
        """
        self._estimate, self._layer = estimate, layer

    @property
    def heading(self) -> str:
        """What was asked for."""
        return "dry run"

    def cells(self) -> Mapping[str, str]:
        """Return shapes, dtype, bytes and memory."""
        estimate = self._estimate
        return {
            "input": printable(estimate.input),
            "shape": keras_shape(estimate.input_shape),
            "output shape": keras_shape(estimate.output_shape),
            "dtype": estimate.dtype,
            "bytes": str(estimate.nbytes),
            "memory": str(estimate.memory),
            "output": printable(estimate.output or "-"),
        }

    def entry(self) -> Mapping[str, Any]:
        """Return the object in `results`."""
        return asdict(self._estimate) | {"keras": self._layer.call_text(self._estimate.input_shape)}


class DryRunReport:
    """Prints what a run would do to every tensor."""

    def __init__(self, layer: Layer, style: Style) -> None:
        """Prepare to report on a layer.

        Args:
            layer: What would be run.
            style: How to print.

        Raises:
            OutputError: Standard output is closed.
        """
        self._layer, self._report = layer, open_report(style)

    def add(self, estimate: "Estimate") -> None:
        """Report a tensor."""
        self._report.add(_EstimateRow(estimate, self._layer))

    def failed(self, name: str, error: PoolnormError) -> None:
        """Report an input that would fail.

        Args:
            name: The input.
            error: Why.
        """
        _add_failure(self._report, name, error)

    def close(self) -> None:
        """Print what is printed at the end."""
        head = _head(self._layer) | {"dry_run": True, "results": []}
        self._report.close(lambda found: head | found)


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
        return _head(layer) | arrays | {"largest_error": errors}

    rows = [
        _FoldedRow("y = x * scale + shift"),
        _FoldedRow("scale", folded.scale, precision=style.precision),
        _FoldedRow("shift", folded.shift, precision=style.precision),
    ]
    for name, error in folded.errors.items():
        rows.append(_FoldedRow("largest error", f"{error:.3g}", printable(name)))
    emit(rows, document, style)


class _ProgramRow(Row):
    """The programs that give the same output in other frameworks."""

    def __init__(self, programs: Mapping[str, str]) -> None:
        """Hold them, by the name of the framework."""
        self._programs = programs

    def fields(self) -> Sequence[str]:
        """Return all of them, with an empty line between."""
        return ["\n\n".join(self._programs.values())]

    def essential(self) -> str:
        """Return the same: a program is all that is wanted."""
        return self.fields()[0]


def emit_programs(programs: Mapping[str, str], style: Style) -> None:
    """Print programs.

    Args:
        programs: By the name of the framework.
        style: How to print.

    Raises:
        OutputError: Standard output is closed.
    """
    emit([_ProgramRow(programs)], lambda _: {"schema": 1, **programs}, style)
