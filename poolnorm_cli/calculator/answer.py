"""One question about a layer and a shape, and its answer as a document that JSON can hold.

This is what `poolnorm shape LAYER SHAPE --json` prints, for whoever has no command line.
"""

from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from poolnorm_cli.calculator.axis_names import axis_names
from poolnorm_cli.calculator.steps import Step, follow_one
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers import find
from poolnorm_cli.layers.base import Layer, Parameter
from poolnorm_cli.layers.make_layer import make_layer
from poolnorm_cli.shapes import Ints, Shape, parse_shape


def make(words: str, parameters: Mapping[str, Any]) -> Layer:
    """Make a layer of what a person has filled in.

    Args:
        words: The layer, as `pool max`.
        parameters: By Keras' names; each a value, or a text as on the command line. An empty text
            leaves the default.

    Returns:
        The layer.

    Raises:
        UsageError: There is no such layer or parameter, or a value is refused.
    """
    kind = find(*words.split())
    known = {parameter.name: parameter for parameter in kind.parameters()}
    unknown = [name for name in parameters if name not in known]
    if unknown:
        raise UsageError(
            f"{kind.keras_name} has no parameter {unknown[0]!r}", f"it has {', '.join(known)}"
        )
    given = {
        name: _read(known[name], value) if isinstance(value, str) else value
        for name, value in parameters.items()
        if value != ""
    }
    return make_layer(kind, given, {}, "")


def shape_document(
    layer: Layer, shape: Shape, *, explain: bool = True, conventions: bool = True
) -> dict[str, Any]:
    """Answer what a layer makes of a shape.

    Args:
        layer: The layer.
        shape: Shape of the input, whose dims may be symbolic.
        explain: With the explanation: axis by axis, the statistics, the weights, the lines.
        conventions: With what Keras, PyTorch and ONNX make of the same numbers.

    Returns:
        The document; `docs/guide.md` describes it.

    Raises:
        UsageError: The layer cannot take such an input.
    """
    step = follow_one(layer, shape)
    document = head(layer, step)
    if explain:
        document |= explanation(layer, step)
    if conventions:
        from poolnorm_cli.calculator.conventions import conventions_of

        document["conventions"] = [each.entry() for each in conventions_of(layer, shape)]
    return document


def head(layer: Layer, step: Step) -> dict[str, Any]:
    """Return the beginning of the document of a layer.

    Args:
        layer: The layer.
        step: What becomes of the shape.

    Returns:
        The command, the layer and both shapes.
    """
    return {
        "schema": 1,
        "command": f"shape {layer.words}",
        "layer": layer.config(step.before),
        "input_shape": step.before,
        "output_shape": step.after,
        "keras": layer.call_text(step.before),
    }


def explanation(layer: Layer, step: Step) -> dict[str, Any]:
    """Return what explains a shape, as a document has it.

    Args:
        layer: The layer.
        step: What becomes of the shape.

    Returns:
        The axes along which it pools, its statistics, its weights, and all of it in words.
    """
    statistics = layer.statistics(step.before)
    names = axis_names(layer, len(step.before))
    return {
        "axes": [
            {"name": names.get(rule.axis, str(rule.axis))}
            | rule.entry()
            | step.fields[rule.axis].entry()
            for rule in layer.axis_rules(step.before)
        ],
        "statistics": statistics and statistics._asdict(),
        "weights": layer.weight_shapes(step.before),
        "explanation": layer.explain_shape(step.before),
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


def answer(words: str, parameters: Mapping[str, Any], shape: str) -> dict[str, Any]:
    """Answer a question as a person has typed it, or say what is wrong with it.

    Args:
        words: The layer, as `pool max`.
        parameters: By Keras' names; each a value, or a text as on the command line.
        shape: Shape of the input, as `None,28,28,3` or `N,H,W,3`.

    Returns:
        The document of `shape_document`; or one with `error` and `fix`, as --json has them.
    """
    try:
        return shape_document(make(words, parameters), parse_shape(shape))
    except UsageError as error:
        return {"error": error.message, "fix": error.fix, "code": error.code}


def _read(parameter: Parameter, text: str) -> Any:
    """Read a text as the type of a parameter.

    Raises:
        UsageError: It is none.
    """
    kinds = get_args(parameter.type) or (parameter.type,)
    if get_origin(parameter.type) is Literal or any(get_origin(k) is Literal for k in kinds):
        return text  # the layer knows its words
    for kind in kinds:
        try:
            if Ints in (kind, parameter.type):
                return tuple(int(part) for part in text.replace("x", ",").split(","))
            if kind is bool:
                return {"true": True, "false": False}[text.lower()]
            if kind in (int, float):
                return kind(text)
        except (ValueError, KeyError):
            fix = f"give {parameter.flag} as in its help"
            raise UsageError(f"{parameter.flag} {text!r} cannot be read", fix) from None
    return None if NoneType in kinds and text.lower() == "none" else text
