"""Programs that give in Keras and in torch what a pipeline gives here.

It is a `Sequential`, where each layer is what a model has of it, and in torch where one order of
axes serves all of them; otherwise it is the layers one after another.
"""

from poolnorm_cli.errors import error_context
from poolnorm_cli.layers.programs.keras import (
    given_weights,
    keras_imports,
    keras_lines,
    plain_call,
)
from poolnorm_cli.layers.programs.program import Lines, Placed, ProgramContext
from poolnorm_cli.layers.programs.torch import TORCH_IMPORTS, torch_lines
from poolnorm_cli.layers.programs.torch_layers import torch_dtype
from poolnorm_cli.layers.programs.torch_model import torch_model
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.values import replace


def keras_pipeline(steps: list[Placed]) -> str:
    """Write a pipeline in Keras, as a program that makes `y` of the input.

    Args:
        steps: The layers, in order.

    Returns:
        The program, its last line without an end.

    Raises:
        UsageError: Keras has no such layer, or it cannot take what comes to it; the step is named.
    """
    calls = []
    for title, layer, context in steps:
        with error_context(title):
            calls.append(plain_call(layer, context))
    words = [call for call in calls if call is not None]
    if len(words) == len(calls) and _one_mode(steps):
        return "\n".join([*keras_imports({"keras"}), "", *_sequential(steps, words)])
    packages, lines = set(), []
    for place, (title, layer, context) in enumerate(steps):
        with error_context(title):
            own = context if not place else _from_y(context, "np.asarray(y)")
            package, added = keras_lines(layer, own)
        packages.add(package)
        lines += ["", f"# {title}", *added]
    return "\n".join([*keras_imports(packages), *lines])


def _one_mode(steps: list[Placed]) -> bool:
    """Whether one call of a model serves: all layers that are trained are so, or none is."""
    trained = {s.context.training for s in steps if isinstance(s.layer, Trainable)}
    dtypes = {s.context.compute for s in steps}
    return len(trained) < 2 and len(dtypes) == 1


def _sequential(steps: list[Placed], calls: list[str]) -> Lines:
    """Write a Sequential, its weights, and its call."""
    first = steps[0].context
    shape, kind = tuple(first.shape[1:]), first.compute
    more = "" if kind == "float32" else f", dtype={kind!r}"
    lines = [f"x = {first.input_as(kind)}", "model = keras.Sequential(", "    ["]
    lines += [f"        {text}," for text in (f"keras.Input({shape}{more})", *calls)]
    lines += ["    ]", ")"]
    for place, (_, layer, context) in enumerate(steps):
        weights = given_weights(layer, context)
        if weights:
            lines += [
                *weights,
                "for name, value in weights.items():",
                f"    variable = getattr(model.layers[{place}], name)",
                "    variable.assign(value.reshape(tuple(variable.shape)))",
            ]
    training = any(s.context.training for s in steps if isinstance(s.layer, Trainable))
    return [*lines, f"y = model(x, training={training})"]


def _from_y(context: ProgramContext, source: str) -> ProgramContext:
    """Return what a step is written for whose input is the output of the one before it."""
    dtype = "float32" if context.dtype == "bfloat16" else context.dtype  # it is no file's
    return replace(context, x=source, dtype=dtype)


def torch_pipeline(steps: list[Placed]) -> str:
    """Write a pipeline in torch, as a program that makes `y` of the input.

    Args:
        steps: The layers, in order.

    Returns:
        The program, its last line without an end.

    Raises:
        UsageError: torch has nothing like a layer, or it cannot take what comes to it; the step is
            named.
    """
    model = torch_model(steps)
    if model is not None:
        return "\n".join([*TORCH_IMPORTS, "", *model])
    lines: Lines = []
    for place, (title, layer, context) in enumerate(steps):
        with error_context(title):
            dtype = torch_dtype(context.compute)
            source = (
                f"y.to(torch.{dtype})" if place else f"torch.from_numpy({context.input_as(dtype)})"
            )
            added = torch_lines(layer, context, source)
        lines += ["", f"# {title}", *added]
    return "\n".join([*TORCH_IMPORTS, *lines])
