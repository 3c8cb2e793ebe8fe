"""A layer from what was typed, and from what a file says of it."""

from collections.abc import Mapping
from typing import Any

from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.base import Layer
from poolnorm_cli.layers.keras.spelling import flag_of
from poolnorm_cli.values import MISSING, replace


def make_layer(
    kind: type[Layer],
    flags: Mapping[str, Any],
    stated: Mapping[str, Any],
    place: str,
    layout: Mapping[str, Any] | None = None,
    rank: int | None = None,
) -> Layer:
    """Make a layer of flags and of what a file says, which must not contradict each other.

    Args:
        kind: The class of the layer.
        flags: Parameters that a person gave.
        stated: Parameters that the file states.
        place: What messages call the file.
        layout: Parameters that the file's format suggests; flags go before them.
        rank: Axes of the input for which the layer was built, where the file says.

    Returns:
        The layer.

    Raises:
        UsageError: A flag contradicts the file, or a value is refused.
    """
    stated = {**(layout or {}), **stated}
    if not stated:
        return kind(**_complete(kind, flags))
    needed = {p.name for p in kind.parameters() if p.default is MISSING}
    typed = {name: flags[name] for name in needed & flags.keys()}
    try:
        file = kind(**_complete(kind, typed | stated))
    except UsageError as error:
        own = bool(needed) and needed <= typed.keys() and _is_refused(kind, typed)
        raise error if own else error.within(place) from None
    layer = kind(**_complete(kind, {**stated, **flags}))
    for name in flags:
        if name in stated and name not in (layout or {}):
            _require_same(name, getattr(layer, name), getattr(file, name), place, rank)
    return replace(layer, **{n: getattr(file, n) for n in stated if n not in flags})


def _is_refused(kind: type[Layer], values: Mapping[str, Any]) -> bool:
    try:
        kind(**values)
    except UsageError:
        return True
    return False


def _complete(kind: type[Layer], values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the values if nothing that must be given is missing from them."""
    for parameter in kind.parameters():
        if parameter.default is MISSING and parameter.name not in values:
            such = f", as {kind.example}" if parameter.flag in kind.example else ""
            raise UsageError(f"{parameter.flag} is missing", f"give {parameter.flag}{such}")
    return values


def _require_same(name: str, given: Any, there: Any, place: str, rank: int | None) -> None:
    """Refuse a flag that contradicts a file; axes are the same if they are so in that rank."""
    same = given == there
    if name == "axis" and rank:
        same = sorted(a % rank for a in given) == sorted(a % rank for a in there)
    if not same:
        word = _typed(name, given)
        has = f"{name}={there}" if isinstance(there, bool) else _word(there)
        raise UsageError(
            f"{word} contradicts {place}, which has {has}",
            f"leave out {word.partition(' ')[0]}",
        )


def _typed(name: str, value: Any) -> str:
    """Write a flag as it was typed."""
    if isinstance(value, bool):
        return flag_of(name if value else f"no_{name}")
    return f"{flag_of(name)} {_word(value)}"


def _word(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
