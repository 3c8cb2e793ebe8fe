"""What becomes of a shape, as documents that JSON can hold: those of `shape --json`."""

from collections.abc import Sequence
from typing import Any

from poolnorm_cli.calculator.axis_names import axis_names
from poolnorm_cli.calculator.steps import Step, follow_one
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.shapes import Shape


def shape_document(layer: Layer, shape: Shape, *, explain: bool) -> dict[str, Any]:
    """Tell what a layer makes of a shape.

    Args:
        layer: The layer.
        shape: Shape of the input, whose dims may be symbolic.
        explain: With the explanation: axis by axis, the statistics, the weights, the lines.

    Returns:
        The document; `docs/guide.md` describes it.

    Raises:
        UsageError: The layer cannot take such an input.
    """
    step = follow_one(layer, shape)
    document = {
        "schema": 1,
        "command": f"shape {layer.words}",
        "layer": layer.config(shape),
        "input_shape": shape,
        "output_shape": step.after,
        "keras": layer.call_text(shape),
    }
    return document | _explanation(step) if explain else document


def _explanation(step: Step) -> dict[str, Any]:
    """Return the axes along which a layer pools, its statistics, its weights, and all in words."""
    layer, shape = step.layer, step.before
    statistics = layer.statistics(shape)
    names = axis_names(layer, len(shape))
    return {
        "axes": [
            {"name": names.get(rule.axis, str(rule.axis))}
            | rule.entry()
            | step.fields[rule.axis].entry()
            for rule in layer.axis_rules(shape)
        ],
        "statistics": statistics and statistics._asdict(),
        "weights": layer.weight_shapes(shape),
        "explanation": layer.explain_shape(shape),
    }


def pipe_document(steps: Sequence[Step]) -> dict[str, Any]:
    """Return the document of layers one after another.

    Args:
        steps: The steps, 1 or more.

    Returns:
        The document; `docs/guide.md` describes it.
    """
    return {
        "schema": 1,
        "command": "shape pipe",
        "input_shape": steps[0].before,
        "output_shape": steps[-1].after,
        "steps": [step.entry() for step in steps],
    }
