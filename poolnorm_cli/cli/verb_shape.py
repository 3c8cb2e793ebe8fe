"""`shape`: the output shape of a layer, without data and without NumPy."""

from functools import partial
from typing import Annotated, Any

from poolnorm_cli.cli.command import Argument, Command, Family
from poolnorm_cli.cli.flag_groups import PrintingFlags
from poolnorm_cli.cli.verb_layer import layer_node
from poolnorm_cli.layers import LAYERS, find
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.keras.config import make_layer
from poolnorm_cli.shapes import Shape, parse_shape
from poolnorm_cli.values import frozen


@frozen(kw_only=True)
class ShapeArgument:
    """The shape that goes in."""

    shape: Annotated[
        str,
        Argument(
            metavar="SHAPE",
            help="As 4,28,28,3 or None,28,28,3 or N,H,W,3; or a file whose header is read.",
            show_default=False,
        ),
    ]


@frozen(kw_only=True)
class ShapeFlags:
    """What was typed after `shape LAYER`, apart from the layer's own parameters."""

    shape: ShapeArgument
    printing: PrintingFlags


def _shape_command(name: str) -> Command:
    layer = find(*name.split())
    example = " ".join(["poolnorm shape", name, "None,28,28,3", *layer.example.split(), "-q"])
    text = f"Print the output shape of {layer.keras_name}.\n\nExample: {example}"
    return Command(groups=ShapeFlags, text=text, action=_run, layer=layer)


def _run(kind: type[Layer], parameters: dict[str, Any], flags: ShapeFlags) -> int:
    from poolnorm_cli.report.shapes import print_shape

    layer = make_layer(kind, parameters, {}, "")
    shape = read_shape(flags.shape.shape)
    print_shape(layer, shape, layer.output_shape(shape), flags.printing.style())
    return 0


def read_shape(word: str) -> Shape:
    """Return the shape that a word spells, or that the header of the file it names gives.

    Raises:
        UsageError: It is neither, or the file holds several arrays.
        InputError: The file cannot be read.
    """
    if word != "-" and not any(mark in word for mark in "./"):  # neither a suffix nor a path
        return parse_shape(word)
    from poolnorm_cli.errors import UsageError
    from poolnorm_cli.tensors.names import names_tensor
    from poolnorm_cli.tensors.sources import open_input

    if not names_tensor(word):
        return parse_shape(word)
    first, *others = open_input(word, None, True)  # noqa: FBT003 - any dtype has a shape
    if others:
        names = ", ".join(str(tensor.key) for tensor in (first, *others))
        raise UsageError.at(word, f"holds {names}", f"name one of them, as {word}::{first.key}")
    return first.shape


NODE = Family(
    "Print a layer's output shape, without any data.",
    {
        family: partial(layer_node, family, _shape_command)
        for family in dict.fromkeys(name.split()[0] for name in LAYERS)
    },
)
