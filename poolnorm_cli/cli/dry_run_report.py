"""What is printed of a run that is not made: what would be done to every tensor, and to all."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from poolnorm_cli.cli.layer_report import LISTS_ALL, add_failure, document_head
from poolnorm_cli.cli.step_rows import step_entries, step_lines
from poolnorm_cli.errors import PoolnormError, printable
from poolnorm_cli.report.emit import open_report
from poolnorm_cli.report.rows import Row, Style
from poolnorm_cli.report.text import keras_shape, size_text
from poolnorm_cli.shapes import counted


if TYPE_CHECKING:
    from poolnorm_cli.engine.outcome import Estimate
    from poolnorm_cli.layers.described import Described


class _EstimateRow(Row):
    """What would be done to one tensor."""

    def __init__(self, estimate: "Estimate", layer: "Described") -> None:
        """Hold the estimate.

        Args:
            estimate: What would be done.
            layer: By what.
        """
        self._estimate, self._layer = estimate, layer

    @property
    def heading(self) -> str:
        """What was asked for."""
        return f"dry run: {self._layer.call_text(self._estimate.input_shape)}"

    def cells(self) -> Mapping[str, str]:
        """Return shapes, dtype, bytes and memory, for people."""
        estimate = self._estimate
        return {
            "input": printable(estimate.input),
            "shape": keras_shape(estimate.file_shapes[0]),
            "output shape": keras_shape(estimate.file_shapes[1]),
            "dtype": estimate.dtype,
            "in": size_text(estimate.input_nbytes),
            "out": size_text(estimate.nbytes),
            "memory": size_text(estimate.memory),
            "output": printable(estimate.output or "-"),
        }

    def fields(self) -> Sequence[str]:
        """Return input, shapes, dtype, bytes of the output, memory and output, for programs."""
        estimate = self._estimate
        return (
            printable(estimate.input),
            *map(keras_shape, estimate.file_shapes),
            estimate.dtype,
            str(estimate.nbytes),
            str(estimate.memory),
            printable(estimate.output or "-"),
        )

    def entry(self) -> Mapping[str, Any]:
        """Return the object in `results`."""
        estimate = self._estimate
        left_out = ("unbatched", "steps")
        from dataclasses import asdict

        entry = {key: value for key, value in asdict(estimate).items() if key not in left_out}
        if estimate.steps:
            entry["steps"] = step_entries(estimate.steps)
        entry["input_shape"], entry["output_shape"] = estimate.file_shapes
        return entry | {"keras": self._layer.call_text(estimate.input_shape)}

    def details(self, width: int) -> Iterable[str]:
        """Return a line for each step of a pipe."""
        return step_lines(self._estimate.steps, width)


class DryRunReport:
    """Prints what a run would do to every tensor."""

    def __init__(self, layer: "Described", style: Style, processes: int = 1) -> None:
        """Prepare to report on a layer.

        Args:
            layer: What would be run.
            style: How to print.
            processes: How many would work at once.

        Raises:
            OutputError: Standard output is closed.
        """
        self._layer, self._report = layer, open_report(style)
        self._total = {"tensors": 0, "input_nbytes": 0, "nbytes": 0, "memory": 0}
        self._processes, self._failed = processes, 0

    def add(self, estimate: "Estimate") -> None:
        """Report a tensor."""
        total = self._total
        total["tensors"] += 1
        total["input_nbytes"] += estimate.input_nbytes
        total["nbytes"] += estimate.nbytes
        total["memory"] = max(total["memory"], estimate.memory)
        self._report.add(_EstimateRow(estimate, self._layer))

    def failed(self, name: str, error: PoolnormError) -> None:
        """Report an input that would fail.

        Args:
            name: The input.
            error: Why.
        """
        self._failed += 1
        add_failure(self._report, name, error, self._failed)

    def close(self) -> None:
        """Print what is printed at the end."""
        total = self._total | {"memory": self._total["memory"] * self._processes}
        head = document_head(self._layer) | {"dry_run": True, "total": total, "results": []}
        lines = [self._total_line(total)]
        self._report.close(lambda found: head | found, lines, [LISTS_ALL])

    def _total_line(self, total: Mapping[str, int]) -> str:
        shared = self._processes
        of_all = f" for {shared} processes" if shared > 1 else ""
        counts = counted(total["tensors"], "tensor")
        counts += f", {self._failed} that would fail" if self._failed else ""
        read, written = size_text(total["input_nbytes"]), size_text(total["nbytes"])
        memory = f"about {size_text(total['memory'])} of memory at most{of_all}"
        return f"total: {counts}: {read} to read, {written} to write, {memory}"
