"""How a shape is printed."""

from poolnorm_cli.layers.base import Layer
from poolnorm_cli.report.reporter import Style
from poolnorm_cli.report.text import keras_shape
from poolnorm_cli.shapes import Shape, format_shape


def print_shape(layer: Layer, before: Shape, after: Shape, style: Style) -> None:
    """Print what becomes of a shape: a table, a line with tabs, JSON, or the shape alone."""
    if style.json:
        import json

        head = {"schema": 1, "command": f"shape {layer.words}", "layer": layer.config(before)}
        shapes = {"input_shape": before, "output_shape": after, "keras": layer.call_text(before)}
        print(json.dumps(head | shapes))
    elif style.quiet:
        print(format_shape(after))
    elif style.stream.isatty():
        from poolnorm_cli.report.table import show

        row = {"shape": keras_shape(before), "output shape": keras_shape(after)}
        show(layer.call_text(before), [row], style)
    else:
        print(keras_shape(before), keras_shape(after), layer.call_text(before), sep="\t")
