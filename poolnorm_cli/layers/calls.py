"""What makes a layer in Keras: a call, or a config."""

from collections.abc import Mapping
from typing import Any

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.identifiers import Identifier
from poolnorm_cli.layers.spelling import flag_of
from poolnorm_cli.shapes import Shape


def keras_call(
    layer: Layer, shape: Shape, package: str = "keras", more: Mapping[str, str] | None = None
) -> str:
    """Write the call, with all parameters that are not as by default.

    Args:
        layer: The layer.
        shape: Shape of the input.
        package: Where the class is: `keras`, or `tf_keras`, which is Keras 2 today.
        more: Further arguments, written out, or others than the layer would have.
    """
    config = layer.config()
    given = {name: value for name, value in layer.stated().items() if name in config}
    words = {n: _word(value, config[n], package) for n, value in given.items()} | dict(more or {})
    text = ", ".join(f"{name}={word}" for name, word in words.items())
    return f"{package}.layers.{layer.keras_class(shape)}({text})"


def keras_config(layer: Layer, shape: Shape) -> dict[str, Any]:
    """Return the config from which Keras 3 makes the layer, for inputs of `shape`.

    Raises:
        UsageError: Keras 3 has no such layer.
    """
    only = [p.name for p in layer.parameters() if p.name in needs_keras_2(layer)]
    if only:
        flag = flag_of(only[0])
        raise UsageError(f"Keras 3 has no {flag} as it is here", f"leave out {flag}")
    dropped = {*layer.keras_2_only, *(() if layer.name else ("name",))}
    return {name: v for name, v in layer.config(shape).items() if name not in dropped}


def needs_keras_2(layer: Layer) -> list[str]:
    """Name the parameters of a layer that Keras 3 has not, or not with such a value."""
    changed = layer.stated()
    only = [name for name in layer.keras_2_only if name in changed]
    axes = layer.keras_2_only and len(changed.get("axis", ())) > 1
    return ["axis", *only] if axes else only


def _word(value: Any, stored: Any, package: str) -> str:
    """Write a value as Keras users do: one size as a number, several as a tuple."""
    if isinstance(value, Identifier):
        text = repr(value)
        return text if text.startswith("'") else f"{package}.{value.kind}s.{text}"
    if isinstance(stored, list):
        stored = stored[0] if len(stored) == 1 else tuple(stored)
    return repr(stored)
