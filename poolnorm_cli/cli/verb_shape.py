"""`shape`: the output shape of a layer, without data and without NumPy."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from poolnorm_cli.cli.command import Argument, Command, PrintingFlags, layer_family
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers import find
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.make_layer import make_layer
from poolnorm_cli.report.emit import emit
from poolnorm_cli.report.rows import Row
from poolnorm_cli.report.text import keras_shape
from poolnorm_cli.shapes import Shape, format_shape, parse_shape
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
    layer = make_layer(kind, parameters, {}, "")
    shape = read_shape(flags.shape.shape)
    row = _ShapeRow(layer, shape)

    def document(entries: dict[str, list[Any]]) -> Mapping[str, Any]:
        head = {"schema": 1, "command": f"shape {layer.words}", "layer": layer.config(shape)}
        (entry,) = entries[row.section]
        return {**head, **entry}

    emit([row], document, flags.printing.style())
    return 0


class _ShapeRow(Row):
    """What becomes of a shape."""

    def __init__(self, layer: Layer, shape: Shape) -> None:
        """Find the output shape.

        Args:
            layer: The layer.
            shape: Shape of the input.

        Raises:
            UsageError: The layer cannot take it.
        """
        self._layer, self._before, self._after = layer, shape, layer.output_shape(shape)

    @property
    def heading(self) -> str:
        """The layer as one would type it in Keras."""
        return self._layer.call_text(self._before)

    def cells(self) -> Mapping[str, str]:
        """Return both shapes."""
        return {"shape": keras_shape(self._before), "output shape": keras_shape(self._after)}

    def fields(self) -> Sequence[str]:
        """Return both shapes, and the layer as Keras prints it."""
        return (*self.cells().values(), self.heading)

    def essential(self) -> str:
        """Return the output shape alone."""
        return format_shape(self._after)

    def entry(self) -> Mapping[str, Any]:
        """Return both shapes and the layer."""
        return {"input_shape": self._before, "output_shape": self._after, "keras": self.heading}


def read_shape(text: str) -> Shape:
    """Return the shape that a text spells, or that the header of the file it names gives.

    Raises:
        UsageError: It is neither, or the file holds several arrays.
        InputError: The file cannot be read.
    """
    if text != "-" and not any(mark in text for mark in "./"):  # neither a suffix nor a path
        return parse_shape(text)
    from poolnorm_cli.tensors.names import names_tensor
    from poolnorm_cli.tensors.sources import open_input

    if not names_tensor(text):
        return parse_shape(text)
    first, *others = open_input(text, None, True)  # noqa: FBT003 - any dtype has a shape
    if others:
        names = ", ".join(str(tensor.key) for tensor in (first, *others))
        raise UsageError.at(text, f"holds {names}", f"name one of them, as {text}::{first.key}")
    return first.shape


NODE = layer_family("Print a layer's output shape, without any data.", _shape_command)
