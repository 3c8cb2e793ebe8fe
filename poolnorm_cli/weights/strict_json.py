"""JSON from files that nobody vouches for: bounded, without doubles, without NaN."""

import json
import math
from typing import Any

from poolnorm_cli.tensors.messages import bad_input


LARGEST = 8 << 20
"""Bytes of a model's config; that of NASNetLarge, of 1041 layers, has one eighth of them."""

_DEEPEST = 100
_DIGITS = 20
_FIX = "save the file again"


def parse(text: bytes | str, place: str, *, largest: int = LARGEST) -> Any:
    """Return what a JSON text says.

    Args:
        text: The text; as bytes it must be UTF-8.
        place: What messages call it.
        largest: Bytes or characters that it may have.

    Raises:
        InputError: It is too long or too deep, is not JSON, has a key twice, a number that is not
            finite or has more than 20 digits.
    """
    if len(text) > largest:
        raise bad_input(place, f"{len(text)} bytes of JSON, at most {largest} are read", _FIX)
    try:
        value = json.loads(
            text.decode() if isinstance(text, bytes) else text,
            parse_constant=_refuse,
            parse_int=_integer,
            parse_float=_number,
            object_pairs_hook=_object,
        )
        _require_shallow(value)
    except RecursionError:
        raise bad_input(place, f"JSON nested more than {_DEEPEST} deep", _FIX) from None
    except ValueError as error:
        told = str(error) if isinstance(error, _RefusedError) else "damaged"
        raise bad_input(place, f"its JSON is not readable ({told})", _FIX) from None
    return value


def _require_shallow(value: Any) -> None:
    """Refuse depth that Python's own parser lets through."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise RecursionError


def _inside(value: Any) -> list[Any]:
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [inner for inner in values if isinstance(inner, dict | list)]


class _RefusedError(ValueError):
    """JSON that Python reads and a checkpoint must not have."""


def _refuse(constant: str) -> Any:
    message = f"{constant} in it"
    raise _RefusedError(message)


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS:
        message = f"a number of {len(digits)} digits"
        raise _RefusedError(message)
    return int(digits)


def _number(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        message = f"{digits[:_DIGITS]} in it"
        raise _RefusedError(message)
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        message = "a key twice"
        raise _RefusedError(message)
    return result
