"""`compare`: two files, or one layer over several backends; exit codes as those of `cmp`."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from poolnorm_cli.backends import BACKENDS, Notify, full_names, open_backend
from poolnorm_cli.cli.command import Argument, Command, Option, PrintingFlags, layer_family
from poolnorm_cli.cli.compare_pictures import ComparePictureFlags, ComparePictures
from poolnorm_cli.cli.fast_parser import execute
from poolnorm_cli.cli.standard_input import has_data
from poolnorm_cli.errors import UsageError, printable
from poolnorm_cli.layers import LAYERS
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.report.emit import emit, note, prints_pictures
from poolnorm_cli.report.rows import Row, print_message
from poolnorm_cli.report.text import json_number, keras_shape
from poolnorm_cli.shapes import Ints, format_shape
from poolnorm_cli.values import frozen, replace


if TYPE_CHECKING:
    from collections.abc import Iterator

    from poolnorm_cli.backends import Backend
    from poolnorm_cli.cli.checkpoint import Checkpoint
    from poolnorm_cli.cli.layer_flags import LayerFlags
    from poolnorm_cli.engine.compare import Difference, Extreme, OnPair
    from poolnorm_cli.kernels.differences import Tolerance


def parse_layer(words: Sequence[str]) -> "tuple[Layer, Checkpoint, LayerFlags]":
    """Read `pool max x.npy --pool-size 3` as the command would, without running it.

    Args:
        words: The command line, without the program.

    Returns:
        The layer, where its weights are, and what else was typed.

    Raises:
        UsageError: It does not begin with a layer, or a flag or value is not one of the layer's.
    """
    from poolnorm_cli.cli.checkpoint import layer_from_files
    from poolnorm_cli.cli.verb_layer import layer_command

    read: list[tuple[Layer, Checkpoint, LayerFlags]] = []

    def keep(kind: type[Layer], parameters: dict[str, Any], flags: "LayerFlags") -> int:
        read.append((*layer_from_files(kind, parameters, flags, flags.first_input()), flags))
        return 0

    def make(name: str) -> Command:
        return replace(layer_command(name), action=keep)

    layers = layer_family("", make)
    if not words or words[0] not in layers.members:
        from poolnorm_cli.cli.mistakes import meant_word

        name = words[0] if words else ""
        meant = meant_word(name, layers, [])
        fix = f"did you mean {meant}?" if meant else f"give one of: {', '.join(LAYERS)}"
        raise UsageError(f"no layer {name!r}", fix)
    execute(words, layers)
    return read[0]


_TEXT = """Compare two tensors, or what a layer gives on several backends.

Exit code 0 if they are equal, 1 if they differ, 2 on an error, as cmp does.

Example: poolnorm compare y.npy z.npy --rtol 1e-5
"""


_ROUNDING = (1e-5, 1e-6)
"""Relative and absolute tolerance within which a layer is the same on two backends."""


@frozen(kw_only=True)
class ComparisonFlags:
    """What is compared, and what counts as equal."""

    words: Annotated[
        list[str],
        Argument(
            metavar="A B",
            help="Two .npy or .npz files; or with --backends, after --, the command of a layer.",
            show_default=False,
        ),
    ]
    key: Annotated[
        str | None, Option(metavar="NAME", help="The one array of each .npz to use.")
    ] = None
    backends: Annotated[
        str | None,
        Option(
            metavar="LIST",
            help=f"Run a layer on these: {', '.join(full_names())}; as --backends numpy,onnx:cpu "
            "-- pool max x.npy.",
        ),
    ] = None
    rtol: Annotated[
        float | None,
        Option(
            help="Tolerance relative to the second.  [default: 0; with --backends 1e-5]",
            show_default=False,
        ),
    ] = None
    atol: Annotated[
        float | None,
        Option(help="Absolute tolerance.  [default: 0; with --backends 1e-6]", show_default=False),
    ] = None
    max_ulp: Annotated[
        int | None,
        Option(
            metavar="N",
            min=0,
            help="Also equal if at most N ULP (steps between neighbouring floats) apart.",
        ),
    ] = None
    equal_nan: Annotated[
        bool,
        Option(
            "--equal-nan",
            help="NaN is equal to NaN; with --backends it always is.",
            show_default=False,
        ),
    ] = False
    ignore_dtype: Annotated[
        bool, Option("--ignore-dtype", help="Compare values only.", show_default=False)
    ] = False

    def __post_init__(self) -> None:
        """Refuse tolerances that are none."""
        for flag, value in (("--rtol", self.rtol), ("--atol", self.atol)):
            if value is not None and not 0 <= value < math.inf:
                raise UsageError(f"{flag} is {value}", f"give 0 or more, as {flag} 1e-6")

    @property
    def tolerance(self) -> "Tolerance":
        """What counts as equal: for files exactly, for backends what their rounding comes to."""
        from poolnorm_cli.kernels.differences import Tolerance

        computed = self.backends is not None
        tolerances = (self.rtol, self.atol, self.max_ulp)
        rtol, atol = _ROUNDING if computed and tolerances == (None,) * 3 else (0.0, 0.0)
        nan = self.equal_nan or computed
        return Tolerance(self.rtol or rtol, self.atol or atol, self.max_ulp, nan)


@frozen(kw_only=True)
class CompareFlags:
    """What was typed after `compare`."""

    comparison: ComparisonFlags
    pictures: ComparePictureFlags
    printing: PrintingFlags


def _run(flags: CompareFlags) -> int:
    comparison, style = flags.comparison, flags.printing.style()
    pictures = None
    if flags.pictures.is_kept or (flags.pictures.show and prints_pictures(style)):
        words = comparison.words if comparison.backends is None else ()
        pictures = ComparePictures(flags.pictures, words, style)
    on_pair = None if pictures is None else pictures.add
    compare = _files if comparison.backends is None else _backends
    found = list(compare(comparison, flags, on_pair))
    if pictures is not None:
        pictures.show(found)
    equal = all(difference.equal for difference in found)
    from poolnorm_cli.engine.compare import passing_flags

    passing = passing_flags(found, comparison.tolerance)
    head = {
        "schema": 1,
        "command": "compare",
        "equal": equal,
        "would_pass": passing,
        "comparisons": [],
    }
    emit(map(_DifferenceRow, found), lambda entries: head | entries, style)
    if passing:
        note(f"{' or '.join(passing)} would pass", style)
    return 0 if equal else 1


def _files(
    comparison: ComparisonFlags, flags: CompareFlags, on_pair: "OnPair | None"
) -> "Iterator[Difference]":
    from poolnorm_cli.engine.compare import compare_files

    on_note = partial(note, style=flags.printing.style())
    if len(comparison.words) != 2:
        what = f"compare takes two files, not {len(comparison.words)}"
        fix = "give A B, or --backends LIST -- and a layer"
        if len(comparison.words) == 1 and has_data():
            fix = f"standard input is read as -: type poolnorm compare {comparison.words[0]} -"
        raise UsageError(what, fix)
    a, b = comparison.words
    return compare_files(
        a,
        b,
        comparison.key,
        comparison.tolerance,
        ignore_dtype=comparison.ignore_dtype,
        on_note=on_note,
        on_pair=on_pair,
    )


def _backends(
    comparison: ComparisonFlags, flags: CompareFlags, on_pair: "OnPair | None"
) -> "Iterator[Difference]":
    from poolnorm_cli.cli.checkpoint import read_weights
    from poolnorm_cli.engine.compare import compare_backends
    from poolnorm_cli.engine.job import Job
    from poolnorm_cli.engine.masks import MaskFile
    from poolnorm_cli.engine.training import TrainingState, with_constants
    from poolnorm_cli.tensors.sources import open_input
    from poolnorm_cli.tensors.tensor import with_batch_axis

    backends = _open(str(comparison.backends), flags.printing.notify_details)
    layer, checkpoint, typed = parse_layer(comparison.words)
    dtype, mask = typed.outputs.dtype, typed.mask.mask
    job = Job(
        with_constants(layer),
        TrainingState(read_weights(layer, checkpoint, typed, typed.first_input())),
        typed.training.training,
        dtype,
        mask=None if mask is None else MaskFile(mask, typed.inputs.unbatched),
        unbatched=typed.inputs.unbatched,
    )
    for name in typed.inputs.inputs or ():
        opened = open_input(name, typed.inputs.key, dtype == "bfloat16")
        for tensor in with_batch_axis(opened) if typed.inputs.unbatched else opened:
            yield from compare_backends(job, tensor, backends, comparison.tolerance, on_pair)


def _open(text: str, notify_details: Notify) -> "dict[str, Backend]":
    """Open the backends of a list such as `numpy,onnx:cpu`."""
    known = list(dict.fromkeys([*BACKENDS, *full_names()]))
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"--backends has {unknown[0]!r}", f"give some of {', '.join(known)}")
    if len(set(names)) < max(len(names), 2):
        raise UsageError(
            f"--backends {text} names fewer than two", f"give {','.join(full_names()[:2])}"
        )
    parts = {name: name.partition(":")[::2] for name in names}
    return {
        name: open_backend(backend, provider or None, notify=print_message, detail=notify_details)
        for name, (backend, provider) in parts.items()
    }


class _DifferenceRow(Row):
    """What was found of two tensors."""

    section = "comparisons"

    def __init__(self, difference: "Difference") -> None:
        """Hold what was found."""
        self._found = difference
        self._same_dtype = difference.comparable and len(set(difference.dtypes)) == 1

    def cells(self) -> Mapping[str, str]:
        """Return names, result, shapes and dtypes, and the largest differences with their place."""
        found = self._found
        return {
            "a": printable(found.a),
            "b": printable(found.b),
            "result": "equal" if found.equal else "differ",
            "shape": _both(*(_shape(shape) for shape in found.shapes)),
            "dtype": _both(*(dtype or "-" for dtype in found.dtypes)),
            "unequal": _unequal(found),
            "max abs": _extreme(found.absolute, found.comparable),
            "max rel": _extreme(found.relative, found.comparable),
            "max ULP": _extreme(found.ulp, self._same_dtype),
        }

    def entry(self) -> Mapping[str, Any]:
        """Return the object in `comparisons`."""
        found = self._found
        return {
            "a": found.a,
            "b": found.b,
            "equal": found.equal,
            "shapes": found.shapes,
            "dtypes": found.dtypes,
            "unequal": found.unequal,
            "first": None if found.first is None else list(found.first),
            "total": found.total,
            "max_abs": _placed(found.absolute, found, compared=found.comparable),
            "max_rel": _placed(found.relative, found, compared=found.comparable),
            "max_ulp": _placed(found.ulp, found, compared=self._same_dtype),
        }


def _unequal(difference: "Difference") -> str:
    text = f"{difference.unequal} of {difference.total}"
    first = difference.first
    return text if first is None else f"{text}, first @ {format_shape(first)}"


def _shape(shape: Ints | None) -> str:
    return "-" if shape is None else keras_shape(shape)


def _both(first: str, second: str) -> str:
    return first if first == second else f"{first} != {second}"


def _extreme(extreme: "Extreme | None", compared: bool) -> str:  # noqa: FBT001 - one cell
    if extreme is None:
        return "0" if compared else "-"
    value, index = extreme
    return f"{value:.6g} @ {format_shape(index)}"


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


NODE = Command(groups=CompareFlags, text=_TEXT, action=_run)
