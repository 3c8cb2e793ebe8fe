"""`info`: what tensors or layers there are, from headers alone."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from poolnorm_cli.cli.command import Command, InputFlags, Option, PrintingFlags
from poolnorm_cli.errors import PoolnormError, UsageError, printable, shown
from poolnorm_cli.report.emit import emit, note
from poolnorm_cli.report.errors import print_error
from poolnorm_cli.report.rows import Row
from poolnorm_cli.report.text import json_number, keras_shape
from poolnorm_cli.shapes import format_shape
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.engine.statistics import Extreme, Statistics
    from poolnorm_cli.tensors.tensor import Tensor
    from poolnorm_cli.weights.entry import Entry

_TEXT = (
    "Print names, shapes, dtypes, order and bytes; for a checkpoint, the layers that "
    "--weights can name.\n\nExample: poolnorm info x.npy --stats"
)


@frozen(kw_only=True)
class StatsFlag:
    """What is read besides the headers."""

    stats: Annotated[
        bool,
        Option("--stats", help="Read the data too: NaN, infinities, range, mean, deviation."),
    ] = False


@frozen(kw_only=True)
class InfoFlags:
    """What was typed after `info`."""

    inputs: InputFlags
    stats: StatsFlag
    printing: PrintingFlags


def _run(flags: InfoFlags) -> int:
    failed: list[str] = []

    def document(entries: dict[str, list[Any]]) -> Mapping[str, Any]:
        return {"schema": 1, "command": "info", "arrays": [], "layers": [], **entries}

    rows = _rows(flags, failed)
    emit(rows, document, flags.printing.style(), sections=("layers", "arrays"))
    return 1 if failed else 0


def _rows(flags: InfoFlags, failed: list[str]) -> Iterator[Row]:
    """Yield what there is in all files, and add the names of those that cannot be read."""
    for file in flags.inputs.inputs:
        try:
            yield from _rows_of_file(file, flags)
        except PoolnormError as error:
            if len(flags.inputs.inputs) == 1:
                raise
            print_error(error, flags.printing.color)
            failed.append(file)


def _rows_of_file(file: str, flags: InfoFlags) -> Iterator[Row]:
    """Yield the arrays of a file of tensors, or the layers of a checkpoint."""
    from poolnorm_cli.weights.formats import describe_no_layer, entries_of, is_checkpoint

    if not is_checkpoint(file) or _names_array(file, flags):
        yield from _array_rows(file, flags)
        return
    if flags.inputs.key is not None or flags.stats.stats:
        flag = "--stats" if flags.stats.stats else "--key"
        raise UsageError.at(file, f"{flag} is for arrays", f"leave out {flag}")
    found = entries_of(file)
    yield from map(LayerRow, found)
    if found and _holds_tensors(file):
        text = f"{shown(file)}: only its layers are listed; --stats lists its arrays"
        note(text, flags.printing.style())
    elif not found and _holds_tensors(file):
        yield from _array_rows(file, flags)
    elif not found:
        yield EmptyRow(file, describe_no_layer(file))


def _array_rows(file: str, flags: InfoFlags) -> Iterator[Row]:
    from poolnorm_cli.tensors.sources import open_input

    for tensor in open_input(file, flags.inputs.key, True):  # noqa: FBT003
        for text in tensor.notes:
            note(text, flags.printing.style())
        yield ArrayRow(tensor, stats=flags.stats.stats)


def _holds_tensors(file: str) -> bool:
    """Whether a checkpoint is a file of tensors, too, of which all arrays can be read."""
    from poolnorm_cli.tensors.formats import format_of
    from poolnorm_cli.tensors.names import split_word

    return format_of(split_word(file)[0]) is not None


def _names_array(file: str, flags: InfoFlags) -> bool:
    """Whether an array of a checkpoint is asked for: by its name, or by what only arrays have."""
    from poolnorm_cli.tensors.names import split_word
    from poolnorm_cli.weights.formats import array_names, entries_of

    path, key = split_word(file)
    if not _holds_tensors(file):
        return False
    if flags.stats.stats or flags.inputs.key is not None:
        return True
    return key is not None and (key in array_names(path) or not entries_of(path))


class ArrayRow(Row):
    """What is known of an array."""

    section = "arrays"

    def __init__(self, tensor: "Tensor", *, stats: bool) -> None:
        """Take down what its header says.

        Args:
            tensor: The array.
            stats: Read its data too.

        Raises:
            InputError: They cannot be read.
        """
        self._facts: dict[str, Any] = {
            "name": tensor.name,
            "shape": tensor.shape,
            "dtype": tensor.dtype.name,
            "order": "F" if tensor.fortran_order else "C",
            "byteorder": "big" if tensor.swapped else "little",
            "bytes": tensor.nbytes,
        }
        self._stats: Statistics | None = None
        if stats:
            from poolnorm_cli.engine.statistics import statistics

            self._stats = statistics(tensor)

    def cells(self) -> Mapping[str, str]:
        """Return what the header says, and the statistics."""
        facts = self._facts
        return {
            "array": printable(facts["name"]),
            "shape": keras_shape(facts["shape"]),
            "dtype": facts["dtype"],
            "order": facts["order"] + (" big-endian" if facts["byteorder"] == "big" else ""),
            "bytes": str(facts["bytes"]),
            **_stats_cells(self._stats),
        }

    def essential(self) -> str:
        """Return the shape."""
        return format_shape(self._facts["shape"])

    def entry(self) -> Mapping[str, Any]:
        """Return the object in `arrays`."""
        return self._facts | stats_entry(self._stats)


def _stats_cells(stats: "Statistics | None") -> dict[str, str]:
    if stats is None:
        return {}
    return {
        "NaN": str(stats.nan),
        "inf": str(stats.inf),
        "min": _extreme(stats.minimum),
        "max": _extreme(stats.maximum),
        "mean": "-" if stats.mean is None else f"{stats.mean:.7g}",
        "std": "-" if stats.std is None else f"{stats.std:.7g}",
    }


def _extreme(extreme: "Extreme | None") -> str:
    if extreme is None:
        return "-"
    value, index = extreme
    text = f"{value:.7g}" if isinstance(value, float) else str(value)
    return f"{text} @ {format_shape(index)}"


def stats_entry(stats: "Statistics | None") -> dict[str, Any]:
    """Return what a document says of statistics: `stats`, or nothing without any."""
    if stats is None:
        return {}
    from dataclasses import asdict

    numbers = asdict(stats)
    for key in ("minimum", "maximum"):
        if numbers[key] is not None:
            value, index = numbers[key]
            numbers[key] = {"value": json_number(value), "index": list(index)}
    return {"stats": numbers}


_SHOWN_PARAMETERS = ("epsilon", "momentum", "axis", "groups", "center", "scale", "renorm")


class LayerRow(Row):
    """What is known of a layer in a checkpoint."""

    section = "layers"

    def __init__(self, entry: "Entry") -> None:
        """Hold the layer."""
        self._entry = entry

    def cells(self) -> Mapping[str, str]:
        """Return what --weights takes, the class, the weights and the parameters."""
        own = f" ({printable(self._entry.class_name)})" if self._entry.of_subclass else ""
        return {
            "layer": self.essential(),
            "class": f"{self._entry.kind or '-'}{own}",
            "weights": self._weights(),
            "parameters": self._parameters_text(),
        }

    def essential(self) -> str:
        """Return what --weights takes."""
        entry = self._entry
        return printable(f"{entry.file}::{entry.name}" if entry.name else entry.file)

    def entry(self) -> Mapping[str, Any]:
        """Return the object in `layers`."""
        entry = self._entry
        return {
            "file": entry.file,
            "name": entry.name,
            "path": entry.path,
            "class": entry.kind,
            "weights": {name: list(array.shape) for name, array in entry.arrays.items()},
            "parameters": self._parameters(),
            **({"own_class": entry.class_name} if entry.of_subclass else {}),
            **({"reason": entry.reason} if entry.reason else {}),
            **({"unsure": entry.unsure} if entry.unsure else {}),
        }

    def _weights(self) -> str:
        if self._entry.reason:
            return printable(f"cannot be run: {self._entry.reason}")
        shapes = self._entry.arrays.items()
        return ", ".join(f"{printable(name)} {keras_shape(array.shape)}" for name, array in shapes)

    def _parameters(self) -> dict[str, Any]:
        known = {**self._entry.layout, **self._entry.config}
        return {name: known[name] for name in _SHOWN_PARAMETERS if known.get(name) is not None}

    def _parameters_text(self) -> str:
        words = [f"{name}={str(value)[:40]}" for name, value in self._parameters().items()]
        words += [f"not certain: {self._entry.unsure}"] if self._entry.unsure else []
        return printable(", ".join(words)) or "-"


class EmptyRow(Row):
    """A checkpoint in which there is no layer."""

    section = "empty"

    def __init__(self, file: str, reason: str) -> None:
        """Hold what is known of it.

        Args:
            file: The checkpoint.
            reason: What it has instead.
        """
        self._file, self._reason = file, reason

    def fields(self) -> Sequence[str]:
        """Return the reason where the weights of a layer would be."""
        return (printable(self._file), "-", printable(self._reason), "-")

    def warning(self) -> str:
        """Return the same: there is nothing to print."""
        return f"{self._file}: {self._reason}"

    def entry(self) -> Mapping[str, Any]:
        """Return the object in `empty`."""
        return {"file": self._file, "reason": self._reason}


NODE = Command(groups=InfoFlags, text=_TEXT, action=_run)
