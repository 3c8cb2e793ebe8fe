"""`shape`: the output shape of a layer, without data and without NumPy."""

from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from poolnorm_cli.cli.flags import command
from poolnorm_cli.cli.groups import Given, Printing
from poolnorm_cli.cli.verb_layer import add_layers
from poolnorm_cli.layers import LAYERS, find
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.shapes import Shape, parse_shape
from poolnorm_cli.values import frozen


@frozen(kw_only=True)
class ShapeWord:
    """The shape that goes in."""

    shape: Annotated[
        str,
        typer.Argument(
            metavar="SHAPE",
            help="As 4,28,28,3 or None,28,28,3 or N,H,W,3; or a file whose header is read.",
            show_default=False,
        ),
    ]


def add(app: typer.Typer, verb: str, words: Sequence[str]) -> None:
    """Add `shape` to the application, with the layer that `words` name or with all."""
    shape = typer.Typer()
    families = list(dict.fromkeys(name.split()[0] for name in LAYERS))
    for family in [word for word in words[:1] if word in families] or families:
        add_layers(shape, family, words[1:], _shape_command)
    app.add_typer(shape, name=verb, help="Print a layer's output shape, without any data.")


def _shape_command(name: str) -> Callable[..., None]:
    layer = find(*name.split())
    example = " ".join(["poolnorm shape", name, "None,28,28,3", *layer.example.split(), "-q"])
    text = f"Print the output shape of {layer.keras_name}.\n\nExample: {example}"
    return command(_run, layer, [ShapeWord, Printing], text)


def _run(layer: Layer, given: Given) -> None:
    from poolnorm_cli.report.shapes import print_shape

    shape = read_shape(given[ShapeWord].shape)
    print_shape(layer, shape, layer.output_shape(shape), given[Printing].style())


def read_shape(word: str) -> Shape:
    """Return the shape that a word spells, or that the header of the file it names gives.

    Raises:
        UsageError: It is neither, or the file holds several arrays.
        InputError: The file cannot be read.
    """
    if word != "-" and not word.lower().endswith((".npy", ".npz")) and ".npz::" not in word:
        return parse_shape(word)
    from poolnorm_cli.errors import UsageError
    from poolnorm_cli.tensors.sources import open_tensors

    first, *others = open_tensors(word, None, True)  # noqa: FBT003 - any dtype has a shape
    if others:
        names = ", ".join(str(tensor.key) for tensor in (first, *others))
        raise UsageError(f"{word}: holds {names}", f"name one of them, as {word}::{first.key}")
    return first.shape
