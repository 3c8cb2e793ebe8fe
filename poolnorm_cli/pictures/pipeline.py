"""What several layers make of a shape, as a picture: what one output depends on, axis by axis."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from poolnorm_cli.errors import error_context
from poolnorm_cli.layers.pipeline import step_title
from poolnorm_cli.pictures.canvas import Canvas, stacked
from poolnorm_cli.pictures.fields import Line, field_of, field_picture
from poolnorm_cli.pictures.layer import NARROWEST, layer_picture, places_of
from poolnorm_cli.pictures.marks import Mark, legend
from poolnorm_cli.shapes import counted, format_shape


if TYPE_CHECKING:
    from poolnorm_cli.calculator.steps import Step


def pipeline_picture(steps: "Sequence[Step]", width: int = 80, height: int = 24) -> Canvas:
    """Draw what an output of several layers depends on; without pooling, what each of them does.

    Args:
        steps: The layers with the shapes before and after each, 1 or more.
        width: Columns that there are.
        height: Rows that there are, for layers that are drawn one by one.

    Returns:
        A picture of at most this width, but 24 columns.

    Raises:
        UsageError: A size that is drawn is not known.
    """
    width = max(width, NARROWEST)
    chains = lines_of(steps)
    canvas = _fields(steps, chains, width) if chains else _one_by_one(steps, width, height)
    canvas.title = " ! ".join(step.layer.call_text(step.before) for step in steps)
    before, after = format_shape(steps[0].before), format_shape(steps[-1].after)
    canvas.description = f"{canvas.title}: ({before}) gives ({after})"
    return canvas


def lines_of(steps: "Sequence[Step]") -> dict[int, list[Line]]:
    """Find the tensors along each axis of the first input along which a layer pools.

    Args:
        steps: The layers with the shapes before and after each.

    Returns:
        Axis -> the input and what each step makes of it that pools along it.

    Raises:
        UsageError: A size is not known.
    """
    origins = list(range(len(steps[0].before)))
    chains: dict[int, list[Line]] = {}
    for step in steps:
        with error_context(step_title(step.number, step.layer.words)):
            found = places_of(step.layer, step.before)
        for places in found:
            name = f"{step.number} {step.layer.words}"
            lines = chains.setdefault(origins[places.axis], [Line("input", places.length)])
            lines.append(Line(name, places.count, places))
        if len(step.after) < len(step.before):  # global pooling drops its axes
            gone = {places.axis for places in found}
            origins = [origin for axis, origin in enumerate(origins) if axis not in gone]
    return chains


def _fields(steps: "Sequence[Step]", chains: dict[int, list[Line]], width: int) -> Canvas:
    alike: dict[object, list[int]] = {}
    for axis, lines in sorted(chains.items()):
        key = tuple((line.name, line.places and line.places.formula) for line in lines)
        alike.setdefault((lines[0].length, key), []).append(axis)
    parts, marks = list[Canvas](), set[Mark]()
    for axes in alike.values():
        lines = chains[axes[0]]
        output = (lines[-1].length - 1) // 2
        text = Canvas(width)
        names = " and ".join(steps[-1].axis_name(axis) for axis in axes)
        text.write(f"{names}: {_sentence(lines, output)}", "heading")
        picture, seen = field_picture(lines, output, width)
        parts.append(stacked(text, picture, gap=0))
        marks |= seen
    return stacked(*parts, legend(marks, width))


def _sentence(lines: Sequence[Line], output: int) -> str:
    """Write what is drawn of an axis."""
    field, count, length = field_of(lines, output)[0], lines[-1].length, lines[0].length
    one = f"output {output} of {count}" if count > 1 else "the output"
    padded = ", padding included" if field.start < 0 or field.stop > length else ""
    if field.stop - field.start == 1:
        return f"{one} depends on cell {field[0]} of {counted(length, 'cell')}{padded}"
    cells = f"cells {field[0]} to {field[-1]}"
    return f"{one} depends on {cells} of {counted(length, 'cell')}{padded}"


def _one_by_one(steps: "Sequence[Step]", width: int, height: int) -> Canvas:
    parts = []
    for step in steps:
        text = Canvas(width)
        text.write(f"{step.number} {step.layer.call_text(step.before)}", "heading")
        parts.append(stacked(text, layer_picture(step.layer, step.before, width, height), gap=0))
    return stacked(*parts)
