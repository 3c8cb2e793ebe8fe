"""One sink for what a run has to say; how it says it depends on who reads."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TextIO

from poolnorm_cli.errors import OutputError, PoolnormError
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.report.errors import document, line
from poolnorm_cli.report.text import (
    json_number,
    json_values,
    keras_shape,
    penalties_text,
    printable,
    values_text,
)
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.engine.outcome import Outcome
    from poolnorm_cli.engine.profile import Profile

Color = Literal["auto", "always", "never"]


@frozen
class Style:
    """How to print.

    Attributes:
        json: One JSON document.
        quiet: Nothing but what was asked for.
        color: Colour on a terminal, always, or never.
        precision: Digits of floating-point values; None for NumPy's own.
        to_stderr: Standard output carries data, so people read standard error.
    """

    json: bool = False
    quiet: bool = False
    color: Color = "auto"
    precision: int | None = None
    to_stderr: bool = False

    @property
    def stream(self) -> TextIO:
        """The stream that people, or the program that asked for JSON, read.

        Raises:
            OutputError: It is closed.
        """
        stream = sys.stderr if self.to_stderr else sys.stdout
        if stream is None:
            raise OutputError("standard output is closed", "redirect it, as > /dev/null")
        return stream


class Reporter(ABC):
    """Told of every input as it is done."""

    def __init__(self, layer: Layer, style: Style) -> None:
        """Prepare to report on `layer`."""
        self.layer = layer
        self.style = style

    @abstractmethod
    def done(self, outcome: "Outcome") -> None:
        """Report an input that went through."""

    def noted(self, note: str) -> None:
        """Report something about the file of an input."""
        print(f"note: {printable(note)}", file=sys.stderr)

    def failed(self, name: str, error: PoolnormError) -> None:
        """Report an input that did not."""
        del name
        print(line(error), file=sys.stderr)

    def skipped(self, name: str, output: str) -> None:
        """Report an input whose output was there already."""
        print(f"skipped: {printable(name)}: {printable(output)} exists", file=sys.stderr)

    def left(self, name: str, output: str | None) -> None:  # noqa: B027 - counted, not listed
        """Report an input that was not begun because another one ended the run."""

    def apply_constraints(self, weights: Mapping[str, object]) -> None:
        """Report the weights that their constraints have projected before they were saved."""
        for name in weights:
            told = f"projected: {name} by {getattr(self.layer, f'{name}_constraint')}"
            print(told, file=sys.stderr)

    def profiled(self, profile: "Profile") -> None:
        """Report where the time of the run went."""
        from poolnorm_cli.report.profile import profile_lines

        for told in profile_lines(profile):
            print(told, file=sys.stderr)

    def resumed(self, name: str, output: str | None) -> None:  # noqa: B027 - counted, not listed
        """Report an input that an earlier part of the run has done."""

    def close(self) -> None:
        """Print what could only be printed at the end."""
        return


class Quiet(Reporter):
    """Says nothing of what went well."""

    def done(self, outcome: "Outcome") -> None:
        """Say nothing."""

    def noted(self, note: str) -> None:
        """Say nothing."""

    def skipped(self, name: str, output: str) -> None:
        """Say nothing."""

    def apply_constraints(self, weights: Mapping[str, object]) -> None:
        """Say nothing."""


class Plain(Reporter):
    """One line of fields with tabs between for each input: nothing wrapped, nothing cut."""

    def done(self, outcome: "Outcome") -> None:
        """Print input, its shape, output shape, dtype, layer, seconds, output; then values.

        With regularizers there is one field more: `penalties gamma=0.5 beta=0.1`.
        """
        fields = (
            printable(outcome.input),
            keras_shape(outcome.input_shape),
            keras_shape(outcome.output_shape),
            outcome.dtype,
            self.layer.call_text(outcome.input_shape),
            f"{outcome.seconds:.6f}",
            printable(outcome.output or "-"),
            *([f"penalties {penalties_text(outcome)}"] if outcome.penalties else []),
        )
        print(*fields, sep="\t", file=self.style.stream)
        for told in outcome.explanation:
            print(told, file=self.style.stream)
        if outcome.edges is not None:
            text = values_text(outcome.edges, self.style.precision, sys.maxsize)
            print(text, file=self.style.stream)


class Json(Reporter):
    """One document, written as the run goes on: it never holds more than one input's part."""

    _begun = False
    _count = 0
    _tail = "]"

    def done(self, outcome: "Outcome") -> None:
        """Add a result."""
        result: dict[str, Any] = {
            "input": outcome.input,
            "output": outcome.output,
            "input_shape": outcome.input_shape,
            "output_shape": outcome.output_shape,
            "input_dtype": outcome.input_dtype,
            "dtype": outcome.dtype,
            "keras": self.layer.call_text(outcome.input_shape),
            "seconds": round(outcome.seconds, 6),
        }
        if outcome.explanation:
            result["explanation"] = outcome.explanation
        if outcome.penalties:
            result["penalties"] = {k: json_number(v) for k, v in outcome.penalties.items()}
        if outcome.edges is not None and outcome.edges.whole:
            result["values"] = json_values(outcome.edges.array)
        self._add(result)

    def failed(self, name: str, error: PoolnormError) -> None:
        """Add a result that is an error, and say so on standard error too."""
        super().failed(name, error)
        self._add({"input": name} | {k: v for k, v in document(error).items() if k != "schema"})

    def resumed(self, name: str, output: str | None) -> None:
        """Add a result that was there already."""
        self._add({"input": name, "output": output, "skipped": True})

    def skipped(self, name: str, output: str) -> None:
        """Add a result that was skipped."""
        self._add({"input": name, "output": output, "skipped": True})

    def left(self, name: str, output: str | None) -> None:
        """Add an input that has no result."""
        self._add({"input": name, "output": output, "not_begun": True})

    def apply_constraints(self, weights: Mapping[str, object]) -> None:
        """Name the projected weights, after the results."""
        self._tail += f', "constrained": {_json(list(weights))}'

    def profiled(self, profile: "Profile") -> None:
        """Add where the time went, after the results."""
        from dataclasses import asdict

        self._tail += f', "profile": {_json(asdict(profile))}'

    def close(self) -> None:
        """End the document."""
        self._begin()
        self._write(self._tail + "}\n")

    def _add(self, result: dict[str, Any]) -> None:
        self._begin()
        self._write((", " if self._count else "") + _json(result))
        self._count += 1

    def _begin(self) -> None:
        """Write the head, once, and not before there is something to say.

        A run that fails at its only input leaves the document to the error.
        """
        if not self._begun:
            head = {"schema": 1, "command": self.layer.words, "layer": self.layer.config()}
            self._write(_json(head)[:-1] + ', "results": [')
        self._begun = True

    def _write(self, text: str) -> None:
        self.style.stream.write(text)


def _json(value: Any) -> str:
    import json

    return json.dumps(value, allow_nan=False)


def open_reporter(layer: Layer, style: Style) -> Reporter:
    """Return the reporter for whoever reads."""
    if style.json:
        return Json(layer, style)
    if style.quiet:
        return Quiet(layer, style)
    if style.stream.isatty():
        from poolnorm_cli.report.table import Table

        return Table(layer, style)
    return Plain(layer, style)
