"""Parameters as a Python program gives them, as a layer has them."""

from __future__ import annotations

from math import isinf
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from poolnorm_cli.api.arguments import ArgumentError
from poolnorm_cli.layers.keras.config import kinds_of, takes, typed
from poolnorm_cli.layers.pads import Pads
from poolnorm_cli.shapes import Ints


if TYPE_CHECKING:
    from collections.abc import Mapping

    from poolnorm_cli.layers.base import Layer, Parameter


def parameters_of(
    kind: type[Layer], owner: str, sizes: tuple[Any, ...], named: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the parameters that were given, by name, as the layer has them.

    Args:
        kind: The class of the layer.
        owner: What messages call it.
        sizes: Those without a name, in Keras' order.
        named: Those with one.

    Returns:
        The parameters.

    Raises:
        ArgumentError: One has a value of another type.
        TypeError: There is no such parameter, or it was given twice.
    """
    known = {parameter.name: parameter for parameter in kind.parameters()}
    given = dict(zip(known, sizes, strict=False))
    if len(sizes) > len(known) or given.keys() & named.keys():
        message = f"{owner}() has parameters that were given twice, or too many"
        raise TypeError(message)
    given |= named
    for name in given:
        if name not in known:
            message = f"{owner}() has no parameter {name!r}: {', '.join(known)}"
            raise TypeError(message)
    return {name: _value(known[name], value) for name, value in given.items()}


def _value(parameter: Parameter, value: Any) -> Any:
    """Return the value of a parameter as a layer has it.

    Raises:
        ArgumentError: It is of another type.
    """
    kinds = kinds_of(parameter)
    if Pads in kinds and value is not None:
        return value if isinstance(value, str | Pads) else _pads(value)
    if any(
        isinstance(kind, type) and isinstance(value, kind) for kind in kinds if hasattr(kind, "of")
    ):
        return value
    plain = _plain(value)
    if isinstance(plain, int | float) and any(_words(kind) for kind in kinds):
        plain = "inf" if isinf(plain) else f"{plain:g}"
    if not takes(kinds, plain):
        shown = f"{parameter.name} is {value!r}"[:80]
        raise ArgumentError(shown, f"give {' or '.join(map(_name_of, kinds))}")
    return typed(kinds, plain)


def _plain(value: Any) -> Any:
    """Return a value without NumPy's types, its sequences as lists."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


def _words(kind: Any) -> tuple[Any, ...]:
    """Return the words that a parameter may be, where these are all that it may be."""
    return () if kind == Ints else get_args(kind)


def _pads(value: Any) -> Pads:
    """Return padding as torch has it: a number, or one for each axis, or its two ends."""
    plain = _plain(value)
    each = plain if isinstance(plain, list) else [plain]
    ends = tuple(tuple(end) if isinstance(end, list) else (end, end) for end in each)
    if not all(len(end) == 2 and all(type(n) is int for n in end) for end in ends) or not ends:
        raise ArgumentError(f"pads is {value!r}"[:80], "give 1, (1, 2) or ((0, 1), (2, 1))")
    return Pads.of(",".join(f"{low}:{high}" for low, high in ends))


def _name_of(kind: Any) -> str:
    """Say what a type is, as a Python program would."""
    if kind == Ints:
        return "an int or a tuple of them"
    if words := _words(kind):
        return " or ".join(map(repr, words))
    if hasattr(kind, "of"):
        return "a str or a dict, as of get_config()"
    return {"NoneType": "None"}.get(kind.__name__, f"a {kind.__name__}".replace("a int", "an int"))
