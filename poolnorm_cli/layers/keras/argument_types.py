"""What the arguments of Keras' objects may be, and how each is kept."""

import math
from collections.abc import Mapping
from typing import Any


def listed(value: Any) -> Any:
    """Write tuples as lists, those inside them too."""
    return [*map(listed, value)] if isinstance(value, tuple) else value


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_axes(value: Any) -> bool:
    return isinstance(value, tuple | list) and bool(value) and all(map(_is_int, value))


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, float) or (_is_int(value) and math.isfinite(float(value)))
    except OverflowError:
        return False


NumberOrArray = float | tuple[Any, ...]
"""A number, or an array of numbers as nested tuples."""
_ARRAYS = ("__numpy__", "__tensor__")
"""What Keras calls an array in a config."""
_MOST_AXES = 8


def _array(value: Any, axes: int = 0) -> Any:
    """Return a number, or nested lists of them, as floats in nested tuples; None if it is neither.

    Keras writes an array of NumPy's into a config as `{"class_name": "__numpy__", ...}`.
    """
    if isinstance(value, Mapping) and value.get("class_name") in _ARRAYS:
        config = value.get("config")
        value = config.get("value") if isinstance(config, Mapping) else None
    if isinstance(value, list | tuple):
        found = [_array(item, axes + 1) for item in value] if axes < _MOST_AXES else []
        alike = len({_sizes(item) for item in found}) == 1
        return tuple(found) if alike and None not in found else None
    return float(value) if _is_number(value) and math.isfinite(value) else None


def _sizes(value: Any) -> tuple[int, ...]:
    """Return the shape of nested tuples that are alike."""
    return (len(value), *_sizes(value[0])) if isinstance(value, tuple) else ()


TYPES: dict[Any, tuple[Any, str, Any]] = {
    float: (lambda v: _is_number(v) and math.isfinite(v), "a finite number", float),
    NumberOrArray: (
        lambda v: _array(v) is not None,
        "a finite number, or an array of them, as [1, 2]",
        _array,
    ),
    str: (lambda v: isinstance(v, str), "a word", str),
    str | None: (lambda v: v is None or isinstance(v, str), "a word", lambda v: v),
    bool: (lambda v: isinstance(v, bool), "True or False", bool),
    int | None: (
        lambda v: v is None or (_is_int(v) and 0 <= v < 2**63),
        "a whole number that is not negative",
        lambda v: v,
    ),
    tuple[int, ...] | None: (
        lambda v: v is None or _is_axes(v),
        "a list of axes, as [0, 1]",
        lambda v: None if v is None else tuple(v),
    ),
    int | tuple[int, ...]: (
        lambda v: _is_int(v) or _is_axes(v),
        "an axis or a list of axes, as [0, 1]",
        lambda v: tuple(v) if isinstance(v, list) else v,
    ),
}
"""How the value of a field is checked: whether it may be, what may be, and how it is kept."""
