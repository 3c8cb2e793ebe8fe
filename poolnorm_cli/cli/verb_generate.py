"""`generate`: tensors for examples."""

from collections.abc import Sequence
from typing import Annotated, Literal

from poolnorm_cli.cli.command import Argument, Command, Option
from poolnorm_cli.errors import UsageError, printable
from poolnorm_cli.report.emit import emit, prints_pictures
from poolnorm_cli.report.rows import Row, Style
from poolnorm_cli.report.text import keras_shape
from poolnorm_cli.shapes import Ints, parse_shape
from poolnorm_cli.values import frozen


Kind = Literal["normal", "uniform", "arange", "zeros", "ones", "values"]
DtypeName = Literal[
    "float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8"
]
_TEXT = """Write a tensor of random or regular values, or of those that are typed.

`generate values '[[1,2],[3,4]]' -o x.npy` writes what is between the brackets.

Example: poolnorm generate normal 4,28,28,3 --seed 1 -o x.npy
"""


@frozen(kw_only=True)
class TensorFlags:
    """The tensor that is wanted."""

    kind: Annotated[
        Kind, Argument(metavar="KIND", help="normal, uniform, arange, zeros, ones; or values.")
    ]
    shape: Annotated[
        str, Argument(metavar="SHAPE", help="As 4,28,28,3; of values, these: [[1,2],[3,4]].")
    ]
    output: Annotated[
        str,
        Option("--output", "-o", metavar="FILE", help="A .npy, .npz or .safetensors file, or -."),
    ]
    seed: Annotated[
        int, Option(min=0, help="Seed, 0 or more: the same numbers on every machine.")
    ] = 0
    dtype: Annotated[DtypeName, Option(help="Dtype of the tensor.")] = "float32"
    overwrite: Annotated[bool, Option("--overwrite", help="Replace FILE.")] = False
    sync: Annotated[bool, Option(help="Flush FILE to disk before it gets its name.")] = False
    quiet: Annotated[bool, Option("--quiet", "-q", help="Print nothing.")] = False
    show: Annotated[
        bool, Option("--show", help="Draw the first sample, as `poolnorm show FILE` does.")
    ] = False


@frozen(kw_only=True)
class GenerateFlags:
    """What was typed after `generate`."""

    tensor: TensorFlags


def _run(flags: GenerateFlags) -> int:
    wanted = flags.tensor
    if wanted.show and wanted.output == "-":
        raise UsageError("--show with -o -", "give a file, as -o x.npy")
    sizes = _written_values(wanted) if wanted.kind == "values" else _made_up(wanted)
    style = Style(quiet=wanted.quiet)
    if wanted.output != "-":
        row = _WrittenRow(wanted.output, sizes, wanted.dtype)
        emit([row], lambda _: {}, style)
    return _shown(wanted.output) if wanted.show and prints_pictures(style) else 0


def _made_up(wanted: TensorFlags) -> Ints:
    """Write made-up values, and return their shape."""
    sizes = _sizes(wanted.shape)
    from poolnorm_cli.engine.generate import write_tensor

    write_tensor(
        wanted.kind,
        sizes,
        wanted.dtype,
        wanted.seed,
        wanted.output,
        overwrite=wanted.overwrite,
        sync=wanted.sync,
    )
    return sizes


def _written_values(wanted: TensorFlags) -> Ints:
    """Write the values that were typed, and return their shape."""
    from poolnorm_cli.engine.typed_values import write_values

    return write_values(
        wanted.shape,
        wanted.dtype,
        wanted.output,
        overwrite=wanted.overwrite,
        sync=wanted.sync,
    )


def _shown(file: str) -> int:
    """Draw the tensor that was written."""
    from poolnorm_cli.cli.command import InputFlags, PrintingFlags
    from poolnorm_cli.cli.picture_flags import PictureFileFlags
    from poolnorm_cli.cli.verb_show import ShowFlags, ViewFlags, show

    flags = ShowFlags(
        inputs=InputFlags(inputs=[file]),
        view=ViewFlags(),
        pictures=PictureFileFlags(),
        printing=PrintingFlags(),
    )
    return show(flags)


class _WrittenRow(Row):
    """The tensor that was written."""

    def __init__(self, output: str, sizes: Ints, dtype: str) -> None:
        """Hold what is known of it.

        Args:
            output: Where it is.
            sizes: Its shape.
            dtype: Its dtype.
        """
        self._fields = (printable(output), keras_shape(sizes), dtype)

    def fields(self) -> Sequence[str]:
        """Return output, shape and dtype."""
        return self._fields


def _sizes(text: str) -> Ints:
    sizes = tuple(size for size in parse_shape(text) if isinstance(size, int))
    if len(sizes) != len(parse_shape(text)):
        raise UsageError(f"shape {text!r} has a size that is not a number", "write 4,28,28,3")
    return sizes


NODE = Command(groups=GenerateFlags, text=_TEXT, action=_run)
