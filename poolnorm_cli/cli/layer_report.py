"""What a layer verb prints: a row for each tensor, the document, and what is said beside them."""

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import PoolnormError, printable
from poolnorm_cli.report.emit import emit, open_report
from poolnorm_cli.report.errors import document_of, print_error
from poolnorm_cli.report.rows import Report, Row, Style
from poolnorm_cli.report.text import (
    json_number,
    json_values,
    keras_shape,
    penalties_text,
    size_text,
    values_text,
)
from poolnorm_cli.shapes import Ints, counted
from poolnorm_cli.tensors.dtypes import DTYPES


if TYPE_CHECKING:
    from poolnorm_cli.cli.layer_pictures import LayerPictures
    from poolnorm_cli.engine.outcome import Outcome
    from poolnorm_cli.engine.profile import Profile
    from poolnorm_cli.layers.described import Described


LISTS_ALL = "`| cat` or --json lists every tensor"
"""What is said where a table would have more rows than anybody reads."""


class OutcomeRow(Row):
    """What a layer did to one tensor."""

    def __init__(
        self,
        outcome: "Outcome",
        layer: "Described",
        precision: int | None,
        pictures: "LayerPictures | None",
    ) -> None:
        """Hold the outcome.

        Args:
            outcome: What came of the tensor.
            layer: What was done to it.
            precision: Digits of its values; None for NumPy's own.
            pictures: Draws it; None where no picture is wanted.
        """
        self.outcome, self.layer, self._precision = outcome, layer, precision
        self.pictures = pictures if outcome.pictures else None  # none of a graph without a run
        self._picture = None if self.pictures is None else self.pictures.drawn(outcome)

    @property
    def heading(self) -> str:
        """The layer as one would type it in Keras, which only some styles print."""
        return self.layer.call_text(self.outcome.input_shape)

    def cells(self) -> Mapping[str, str]:
        """Return input, shapes, dtype and seconds; penalties and output where there are any."""
        outcome = self.outcome
        cells = {
            "input": printable(outcome.input),
            "shape": keras_shape(outcome.file_shapes[0]),
            "output shape": keras_shape(outcome.file_shapes[1]),
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
        outcome = self.outcome
        return (
            printable(outcome.input),
            *map(keras_shape, outcome.file_shapes),
            outcome.dtype,
            self.heading,
            f"{outcome.seconds:.6f}",
            printable(outcome.output or "-"),
            *([f"penalties {penalties_text(outcome)}"] if outcome.penalties else []),
        )

    def details(self, width: int) -> Iterable[str]:
        """Return the lines of the explanation."""
        del width
        return self.outcome.explanation

    def values(self, width: int, height: int | None = None) -> Iterable[str]:
        """Yield the picture, and the values that are shown, as many as there is room for.

        Args:
            width: Columns up to which they are written side by side.
            height: Lines that there is room for; None for any number.

        Yields:
            Their lines, as one text.
        """
        if self._picture is not None:
            yield self._picture
        if self.outcome.edges is not None:
            yield values_text(self.outcome.edges, self._precision, width, height)

    def entry(self) -> Mapping[str, Any]:
        """Return the object in `results`."""
        outcome = self.outcome
        entry: dict[str, Any] = {
            "input": outcome.input,
            "output": outcome.output,
            "input_shape": outcome.file_shapes[0],
            "output_shape": outcome.file_shapes[1],
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
        if self.pictures is not None:
            entry["pictures"] = self.pictures.entry(outcome)
        return entry


@lru_cache(maxsize=64)
def _cells(shape: Ints) -> int:
    """Count the cells of a tensor: none where only a graph is made, of axes of any size."""
    return prod(shape) if all(isinstance(size, int) for size in shape) else 0


class _Totals:
    """What a run comes to, counted as it goes on, in memory that does not grow with it.

    Attributes:
        tensors: Those that went through.
        skipped: Inputs whose output was there.
        failed: Inputs that failed.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.tensors = self.skipped = self.failed = 0
        self._bytes_in = self._bytes_out = 0
        self._writes = False
        self._began = time.monotonic()

    def add(self, outcome: "Outcome") -> None:
        """Count a tensor that went through."""
        self.tensors += 1
        self._bytes_in += _cells(outcome.input_shape) * DTYPES[outcome.input_dtype].itemsize
        self._bytes_out += _cells(outcome.output_shape) * DTYPES[outcome.dtype].itemsize
        self._writes = self._writes or outcome.output is not None

    def lines(self) -> list[str]:
        """Return what stands on a terminal in place of a table of very many rows."""
        seconds = time.monotonic() - self._began
        counts = [f"{counted(self.tensors, 'tensor')} done"]
        counts += [f"{self.skipped} skipped"] if self.skipped else []
        counts += [f"{self.failed} failed"] if self.failed else []
        out = "written" if self._writes else "computed, nothing written (-O DIR writes)"
        moved = f"{size_text(self._bytes_in)} read, {size_text(self._bytes_out)} {out}"
        return [
            f"{', '.join(counts)}: {moved}, in {seconds:.1f} s",
            LISTS_ALL,
        ]


class LayerReport:
    """Prints the result of every input of a run as it is done: the `Listener` of a batch."""

    def __init__(
        self, layer: "Described", style: Style, pictures: "LayerPictures | None" = None
    ) -> None:
        """Prepare to report on a layer.

        Args:
            layer: What is run.
            style: How to print.
            pictures: Draws input and output; None where no picture is wanted.

        Raises:
            OutputError: Standard output is closed.
        """
        self.layer, self.style, self.pictures = layer, style, pictures
        self.report = open_report(style, lambda: document_head(layer))
        self._totals = _Totals()

    def done(self, outcome: "Outcome") -> None:
        """Report a tensor that went through; of the first, that it looks like something else."""
        if not self._totals.tensors and not outcome.unbatched:
            data_format = getattr(self.layer, "data_format", "channels_last")
            read_as = image_read_as(outcome.input_shape, data_format)
            if read_as is not None:
                what = f"{keras_shape(outcome.input_shape)} is read as {read_as}"
                self.report.note(f"{outcome.input}: {what}; if it is one image, give --unbatched")
        self._totals.add(outcome)
        if self.pictures is not None or not self.report.only_essential:  # of a row nothing is
            self.report.add(self.row(outcome))

    def row(self, outcome: "Outcome") -> "OutcomeRow":
        """Return the row for a tensor that went through."""
        return OutcomeRow(outcome, self.layer, self.style.precision, self.pictures)

    def noted(self, note: str) -> None:
        """Report something about the file of an input."""
        self.report.note(note)

    def failed(self, name: str, error: PoolnormError) -> None:
        """Report an input that did not go through.

        Args:
            name: The input.
            error: Why.
        """
        self._totals.failed += 1
        add_failure(self.report, name, error, self._totals.failed)

    def skipped(self, name: str, output: str) -> None:
        """Report an input whose output was there already.

        Args:
            name: The input.
            output: The output.
        """
        self._totals.skipped += 1
        entry = {"input": name, "output": output, "skipped": True}
        text: str | None = f"skipped: {printable(name)}: {printable(output)} exists"
        most = self.report.most_lines
        if most is not None and self._totals.skipped > most:
            is_first = self._totals.skipped == most + 1
            text = "more outputs exist; their inputs are skipped" if is_first else None
        self.report.add_entry(entry, text)

    def resumed(self, name: str, output: str | None) -> None:
        """Report an input that an earlier part of the run has done.

        Args:
            name: The input.
            output: The output; None where there is none.
        """
        self._totals.skipped += 1
        self.report.add_entry({"input": name, "output": output, "skipped": True})

    def left(self, name: str, output: str | None) -> None:
        """Report an input that was not begun because another one ended the run.

        Args:
            name: The input.
            output: Where the output would be; None where nowhere.
        """
        self.report.add_entry({"input": name, "output": output, "not_begun": True})

    def projected(self, weights: Mapping[str, object]) -> None:
        """Report the weights that their constraints have projected before they were saved."""
        rules = {name: getattr(self.layer, f"{name}_constraint") for name in weights}
        lines = [f"projected: {name} by {rule}" for name, rule in rules.items()]
        self.report.add_fact("constrained", list(weights), lines)

    def profiled(self, profile: "Profile") -> None:
        """Report where the time of the run went."""
        lines = _profile_lines(profile)
        from dataclasses import asdict

        self.report.add_fact("profile", asdict(profile), lines, essential=True)

    def close(self) -> None:
        """Print what could only be printed at the end, and write the files of pictures."""
        if self.pictures is not None and (told := self.pictures.keep()):
            self.report.note(told)
        self.report.close(summary=self._totals.lines())


def image_read_as(shape: Ints, data_format: str) -> str | None:
    """Return what the axes of a tensor are taken for that may be one image without a batch axis.

    Args:
        shape: Shape of the tensor.
        data_format: Where the layer has its channels.

    Returns:
        Names of the axes; None where the shape is not that of an image of 1, 3 or 4 channels.
    """
    if len(shape) != 3 or not all(isinstance(size, int) for size in shape):
        return None
    last = data_format == "channels_last"
    channels, sizes = (shape[2], shape[:2]) if last else (shape[0], shape[1:])
    if channels not in (1, 3, 4) or min(sizes) <= channels:
        return None
    return "(batch, steps, channels)" if last else "(batch, channels, steps)"


def document_head(layer: "Described") -> dict[str, Any]:
    """Return the beginning of every document about a layer."""
    return {"schema": 1, "command": layer.words, **layer.document()}


def add_failure(report: Report, name: str, error: PoolnormError, count: int = 1) -> None:
    """Print the error of an input, and add its entry.

    Args:
        report: What prints.
        name: The input.
        error: What is the matter with it.
        count: How many have failed so far: on a terminal, those after the first few are counted.
    """
    if report.most_lines is None or count <= report.most_lines:
        print_error(error, report.style.color)
    elif count == report.most_lines + 1:
        print("more inputs fail; a journal (--journal FILE) has the error of each", file=sys.stderr)
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
