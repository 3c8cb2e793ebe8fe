"""`shape`: the output shape of a layer, without data and without NumPy."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from poolnorm_cli.cli.command import (
    PRINTING_PANEL,
    Command,
    Family,
    Option,
    PrintingFlags,
    layer_family,
)
from poolnorm_cli.cli.shape_flags import (
    AnswerFlags,
    DrawFlags,
    ShapeArgument,
    beside_field,
    print_field,
    read_shape,
)
from poolnorm_cli.layers import find
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.make_layer import make_layer
from poolnorm_cli.report.emit import emit
from poolnorm_cli.report.rows import Row
from poolnorm_cli.report.text import keras_shape, wrapped
from poolnorm_cli.shapes import Shape, format_shape
from poolnorm_cli.values import frozen


@frozen(kw_only=True)
class ConventionFlags:
    """Whether other frameworks are told of."""

    conventions: Annotated[
        bool,
        Option(
            "--conventions",
            help="Put Keras, PyTorch and ONNX side by side: what each makes of the same numbers, "
            "and its own call for Keras' answer.",
            rich_help_panel=PRINTING_PANEL,
        ),
    ] = False


@frozen(kw_only=True)
class ShapeFlags:
    """What was typed after `shape LAYER`, apart from the layer's own parameters."""

    shape: ShapeArgument
    answer: AnswerFlags
    conventions: ConventionFlags
    picture: DrawFlags
    printing: PrintingFlags


def _shape_command(name: str) -> Command:
    return _command_of(name, find(*name.split()))


def _command_of(name: str, layer: type[Layer]) -> Command:
    example = " ".join(["poolnorm shape", name, "None,28,28,3", *layer.example.split(), "-q"])
    text = f"Print the output shape of {layer.keras_name}.\n\nExample: {example}"
    return Command(groups=ShapeFlags, text=text, action=_run, layer=layer)


def _run(kind: type[Layer], parameters: dict[str, Any], flags: ShapeFlags) -> int:
    layer = make_layer(kind, parameters, {}, "")
    shape = read_shape(flags.shape.shape)
    if flags.answer.field is not None:
        from poolnorm_cli.calculator.steps import follow_one

        beside = beside_field(flags.answer, flags.picture)
        beside += [("--conventions", flags.conventions.conventions)]
        return print_field([follow_one(layer, shape)], flags.answer.field, beside)
    rows: list[Row] = [_ShapeRow(layer, shape, explained=flags.answer.explain)]
    style = flags.printing.style()
    drawing = None
    if flags.picture.is_wanted:
        from poolnorm_cli.cli.shape_pictures import draw_layer

        drawing = draw_layer(layer, shape, flags.shape.shape, flags.picture, style)
    if flags.conventions.conventions:
        from poolnorm_cli.cli.convention_rows import convention_rows

        rows += convention_rows(layer, shape)

    def document(entries: dict[str, list[Any]]) -> Mapping[str, Any]:
        (only,) = entries.pop(Row.section)
        return {**only, **entries, **(drawing.entry() if drawing else {})}

    emit(rows, document, style)
    if drawing is not None:
        drawing.print(style)
    return 0


class _ShapeRow(Row):
    """What becomes of a shape."""

    def __init__(self, layer: Layer, shape: Shape, *, explained: bool) -> None:
        """Find the output shape.

        Args:
            layer: The layer.
            shape: Shape of the input.
            explained: It is wanted how that comes.

        Raises:
            UsageError: The layer cannot take it.
        """
        self._layer, self._explained = layer, explained
        self._before, self._after = shape, layer.output_shape(shape)

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

    def details(self, width: int) -> Iterable[str]:
        """Return the lines of the explanation."""
        lines = self._layer.explain_shape(self._before) if self._explained else ()
        return wrapped(lines, width)

    def entry(self) -> Mapping[str, Any]:
        """Return the whole document: there is one shape in it."""
        from poolnorm_cli.calculator.answer import shape_document

        return shape_document(self._layer, self._before, explain=self._explained)


def _solve() -> Command:
    from poolnorm_cli.cli.verb_shape_solve import COMMAND

    return COMMAND


def _unpool() -> Command:
    from poolnorm_cli.layers.unpooling import MaxUnpooling

    return _command_of("unpool", MaxUnpooling)


def _pipe() -> Command:
    from poolnorm_cli.cli.verb_shape_pipe import COMMAND

    return COMMAND


_LAYERS = layer_family("Print a layer's output shape, without any data.", _shape_command)
NODE = Family(_LAYERS.text, {**_LAYERS.members, "unpool": _unpool, "pipe": _pipe, "solve": _solve})
