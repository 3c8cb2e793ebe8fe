"""A layer from what a Keras config says of it."""

import re
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, get_args

from poolnorm_cli.errors import InputError, UsageError
from poolnorm_cli.layers import LAYERS
from poolnorm_cli.layers.base import Layer, Parameter
from poolnorm_cli.layers.beyond_keras import BeyondKeras
from poolnorm_cli.layers.keras.identifiers import Identifier
from poolnorm_cli.layers.keras.spelling import flag_of
from poolnorm_cli.layers.trainable import Trainable
from poolnorm_cli.shapes import Ints, Shape


def keras_call(
    layer: Layer, shape: Shape, package: str = "keras", more: Mapping[str, str] | None = None
) -> str:
    """Write the call, with all parameters that are not as by default.

    Args:
        layer: The layer.
        shape: Shape of the input.
        package: Where the class is: `keras`, or `tf_keras`, which is Keras 2 today.
        more: Further arguments, written out, or others than the layer would have.

    Returns:
        One line of Python.
    """
    config = layer.config()
    given = {name: value for name, value in layer.shown_parameters().items() if name in config}
    words = {n: _source_of(value, config[n], package) for n, value in given.items()} | dict(
        more or {}
    )
    text = ", ".join(f"{name}={word}" for name, word in words.items())
    return f"{package}.layers.{layer.keras_class(shape)}({text})"


def keras_config(layer: Layer, shape: Shape) -> dict[str, Any]:
    """Return the config from which Keras 3 makes the layer, for inputs of `shape`.

    Args:
        layer: The layer.
        shape: Shape of the input.

    Returns:
        The arguments of the Keras class, by name.

    Raises:
        UsageError: Keras 3 has no such layer.
    """
    require_in_keras(layer)
    only = [p.name for p in layer.parameters() if p.name in needs_keras_2(layer)]
    if only:
        flag = flag_of(only[0])
        raise UsageError(f"Keras 3 has no {flag}, or not with this value", f"leave out {flag}")
    keras_2 = layer.keras_2_only if isinstance(layer, Trainable) else ()
    dropped = {*keras_2, *(() if layer.name else ("name",))}
    return {name: v for name, v in layer.config(shape).items() if name not in dropped}


def require_in_keras(layer: Layer) -> None:
    """Refuse a layer that Keras does not have, or not with such parameters.

    Raises:
        UsageError: It has none.
    """
    lack = lacking_in_keras(layer)
    if not lack:
        return
    fix = "leave it out, or use --torch or --export"
    if isinstance(layer, Trainable):
        fix = "leave it out: inference is the same, and Keras' training has nothing like it"
    raise UsageError(lack, fix if _is_in_keras(layer) else "use --torch or --export")


def lacking_in_keras(layer: Layer) -> str:
    """Say which layer or parameter Keras does not have; empty where it has all."""
    if not _is_in_keras(layer):
        return f"Keras has no {layer.keras_name}"
    beyond = layer.beyond_keras() if isinstance(layer, BeyondKeras) else ()
    return f"Keras has no {beyond[0]}" if beyond else ""


def _is_in_keras(layer: Layer) -> bool:
    return layer.words in LAYERS and LAYERS[layer.words].in_keras


def needs_keras_2(layer: Layer) -> list[str]:
    """Name the parameters of a layer that Keras 3 does not have, or not with such a value."""
    if not isinstance(layer, Trainable):
        return []
    changed = layer.shown_parameters()
    only = [name for name in layer.keras_2_only if name in changed]
    return ["axis", *only] if len(changed.get("axis", ())) > 1 else only


def _source_of(value: Any, stored: Any, package: str) -> str:
    """Write a value as Keras users do: one size as a number, several as a tuple."""
    if isinstance(value, Identifier):
        text = repr(value)
        return text if text.startswith("'") else f"{package}.{value.kind}s.{text}"
    if isinstance(stored, list):
        stored = stored[0] if len(stored) == 1 else tuple(stored)
    return repr(stored)


BOOKKEEPING = frozenset(
    {
        *("name", "trainable", "dtype", "module", "registered_name", "shared_object_id"),
        *("build_config", "compile_config", "batch_input_shape", "batch_shape", "input_shape"),
        "rms_scaling",
    }
)
"""Keys of a Keras config that say nothing of what the layer computes."""

_DEFAULT_IF_NULL = ("data_format",)
"""Parameters for which null is Keras' word for its own default."""
_OF_TRAINING = r".*_(initializer|regularizer|constraint)|name|trainable|synchronized"


def computing_config(kind: type[Layer], config: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Take from a checkpoint's config what a layer computes by; the rest is not looked at.

    Args:
        kind: The class of the layer.
        config: The config, as JSON has it.
        place: What messages call it.

    Returns:
        Parameters of the layer, by name.

    Raises:
        InputError: A value is not of the parameter's type.
    """
    wanted = {p.name: p for p in kind.parameters() if not re.fullmatch(_OF_TRAINING, p.name)}
    _refuse_other(kind, config, place)
    return _values({n: v for n, v in config.items() if n in wanted}, wanted, place)


def from_config(kind: type[Layer], document: Any, place: str) -> dict[str, Any]:
    """Read all parameters from a config of `get_config()`, or of `keras.layers.serialize`.

    Args:
        kind: The class of the layer.
        document: The config, bare or with `class_name` beside it, as JSON has it.
        place: What messages call it.

    Returns:
        Parameters of the layer, by name.

    Raises:
        InputError: It is no config, or a value is not of the parameter's type.
        UsageError: It is of another class, or has a parameter that the layer has not.
    """
    config = document
    if isinstance(document, dict) and "class_name" in document:
        _require_class(kind, document["class_name"], place)
        config = document.get("config")
    if not isinstance(config, dict):
        raise InputError.at(place, "not the config of a layer", "write what get_config() returns")
    _refuse_other(kind, config, place)
    parameters = {p.name: p for p in kind.parameters()}
    known = {*parameters, *kind.fixed, *BOOKKEEPING}
    unknown = [name for name in config if name not in known]
    if unknown:
        raise UsageError.at(
            place,
            f"{kind.keras_name} has no parameter {unknown[0]!r}",
            f"it has {', '.join(parameters)}",
        )
    return _values({n: v for n, v in config.items() if n in parameters}, parameters, place)


def _values(
    config: Mapping[str, Any], parameters: Mapping[str, Parameter], place: str
) -> dict[str, Any]:
    values = {}
    for name, value in config.items():
        if value is None and name in _DEFAULT_IF_NULL:
            continue
        kinds = kinds_of(parameters[name])
        is_momentum = value is None and float in kinds  # torch's alone may be None
        if is_momentum or not takes(kinds, value):
            what = "null" if value is None else repr(str(value)[:40])
            raise InputError(f"{place}: {name} is {what}", "give what Keras' get_config() has")
        values[name] = typed(kinds, value)
    return values


def takes(kinds: tuple[Any, ...], value: Any) -> bool:
    """Whether a value may be that of a parameter.

    Args:
        kinds: What the parameter may be.
        value: The value, as JSON has it.

    Returns:
        Whether it is of one of the types.
    """
    is_int = type(value) is int
    listed = isinstance(value, list) and all(type(item) is int for item in value)
    words = any(kind is str or get_args(kind) for kind in kinds if kind != Ints)
    own = any(hasattr(kind, "of") for kind in kinds)
    return (
        (value is None and NoneType in kinds)
        or (Ints in kinds and (is_int or listed))
        or (float in kinds and (is_int or isinstance(value, float)))
        or (bool in kinds and isinstance(value, bool))
        or (int in kinds and is_int)
        or (words and isinstance(value, str))
        or (own and isinstance(value, str | dict))
    )


def typed(kinds: tuple[Any, ...], value: Any) -> Any:
    """Turn a value that a parameter takes into what a layer has: sizes and axes are tuples.

    Args:
        kinds: What the parameter may be.
        value: The value, as JSON has it.

    Returns:
        The value.
    """
    if isinstance(value, list):
        return tuple(value)
    if type(value) is not int or int in kinds:
        return value
    return (value,) if Ints in kinds else float(value)


def kinds_of(parameter: Parameter) -> tuple[Any, ...]:
    """Return the types that a parameter may have."""
    union = isinstance(parameter.type, UnionType)
    return get_args(parameter.type) if union else (parameter.type,)


def _require_class(kind: type[Layer], name: Any, place: str) -> None:
    if not isinstance(name, str) or re.sub(r"[123]D$", "", name) != kind.keras_name:
        raise UsageError.at(
            place,
            f"a config of {str(name)[:40]}, not of {kind.keras_name}",
            "use the command of that layer",
        )


def _refuse_other(kind: type[Layer], config: Mapping[str, Any], place: str) -> None:
    """Refuse a config of a layer that computes something else.

    Raises:
        UsageError: With what it has.
    """
    if config.get("rms_scaling"):
        raise UsageError.at(place, "rms_scaling is not supported", "poolnorm rms is the closest")
    for name, value in kind.fixed.items():
        if config.get(name, value) != value:
            what = f"{name} is {str(config[name])[:40]}, and {value} is {kind.words}"
            raise UsageError.at(place, what, f"use the command that has --{name}")
