"""`generate`: tensors for examples."""

from collections.abc import Sequence
from typing import Annotated, Literal

import typer

from poolnorm_cli.errors import UsageError
from poolnorm_cli.report.text import keras_shape
from poolnorm_cli.shapes import Ints, parse_shape


Kind = Literal["normal", "uniform", "arange", "zeros", "ones"]
DtypeName = Literal[
    "float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8"
]


def add(app: typer.Typer, verb: str, words: Sequence[str]) -> None:
    """Add `generate` to the application."""
    del words
    app.command(verb)(generate)


def generate(
    kind: Annotated[
        Kind, typer.Argument(metavar="KIND", help="normal, uniform, arange, zeros or ones.")
    ],
    shape: Annotated[str, typer.Argument(metavar="SHAPE", help="As 4,28,28,3.")],
    *,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="A .npy or .npz file, or -.")
    ],
    seed: Annotated[int, typer.Option(help="Seed: the same numbers on every machine.")] = 0,
    dtype: Annotated[DtypeName, typer.Option(help="Dtype of the tensor.")] = "float32",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")] = False,
) -> None:
    """Write a tensor of random or regular values.

    Example: poolnorm generate normal 4,28,28,3 --seed 1 -o x.npy
    """
    sizes = _sizes(shape)
    from poolnorm_cli.runs.generate import write_tensor

    write_tensor(kind, sizes, dtype, seed, output, overwrite=overwrite)
    if not quiet and output != "-":
        print(output, keras_shape(sizes), dtype, sep="\t")


def _sizes(text: str) -> Ints:
    sizes = tuple(size for size in parse_shape(text) if isinstance(size, int))
    if len(sizes) != len(parse_shape(text)):
        raise UsageError(f"shape {text!r} has a size that is no number", "write 4,28,28,3")
    return sizes
