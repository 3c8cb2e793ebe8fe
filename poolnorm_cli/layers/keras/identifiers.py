"""Keras' identifiers: a word, a call or a config that names an object and its arguments.

`random_normal`, `RandomNormal(stddev=0.1, seed=1)` and `{"class_name": "RandomNormal", "config":
{"stddev": 0.1, "seed": 1}}` name the same object. A call is parsed, never evaluated.
"""

import math
from abc import ABC
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

from poolnorm_cli.errors import UsageError
from poolnorm_cli.values import fields, frozen


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


_TYPES: dict[Any, tuple[Any, str, Any]] = {
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


@frozen
class Identifier(ABC):
    """An object that an identifier names; its fields are the arguments, in Keras' order."""

    kind: ClassVar[str]
    """What such an object is called: `initializer`."""
    words: ClassVar[tuple[str, ...]]
    """The words that name it besides its class; the first is the one that is printed."""
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Words that, when they stand alone, mean other arguments than the defaults."""

    def __post_init__(self) -> None:
        """Check the arguments, and give each the type of its field.

        Raises:
            UsageError: A value is of another type, or is not finite.
        """
        for f in fields(self):
            object.__setattr__(self, f.name, self._checked(f.name, f.type))

    @classmethod
    def of(cls, given: Any, flag: str = "") -> Self:
        """Return the object that an identifier names.

        Args:
            given: A word, a call, a config in JSON or as a mapping, or an object of this kind.
            flag: The flag it was given with, for the error.

        Returns:
            The object.

        Raises:
            UsageError: There is no such object, or it has no such arguments.
        """
        if isinstance(given, cls):
            return given
        try:
            word, positional, named = _parts(given)
            return cls._find(word).called(word, positional, named)
        except UsageError as error:
            raise error.prefixed(flag) from None

    @classmethod
    def known(cls) -> dict[str, type[Self]]:
        """List the classes of this kind by every name they go by."""
        return {name: made for made in _concrete(cls) for name in (*made.words, made.__name__)}

    @classmethod
    def _find(cls, word: str) -> type[Self]:
        known = cls.known()
        made = known.get(word) or known.get(word.removesuffix("V2"))
        if made is None:
            from difflib import get_close_matches

            words = [each.words[0] for each in _concrete(cls)]
            keras = word.lower().replace("xavier", "glorot").replace("kaiming", "he")
            near = get_close_matches(keras, words, 1)
            fix = f"did you mean {near[0]}?" if near else f"give one of {', '.join(words)}"
            raise UsageError(f"{word!r} is not one of Keras' {cls.kind}s", fix)
        return made

    @classmethod
    def called(cls, word: str, positional: list[Any], named: dict[str, Any]) -> Self:
        """Return the object with the arguments with which it was called.

        Args:
            word: The name that it was called by.
            positional: Arguments by position.
            named: Arguments by name.

        Returns:
            The object.

        Raises:
            UsageError: It has no such arguments.
        """
        names = [f.name for f in fields(cls)]
        surplus = positional[len(names) :]
        arguments = dict(zip(names, positional, strict=False)) | named
        wrong = [name for name in named if name not in names[len(positional) :]]
        if surplus or wrong:
            what = f"{word} takes no {wrong[0] if wrong else surplus[0]!r} here"
            taken = f"it takes {', '.join(names)}" if names else "it takes no arguments"
            raise UsageError(what, taken)
        return cls(**(arguments or cls.presets.get(word, {})))

    def config(self) -> dict[str, Any]:
        """Return the object as Keras serializes it."""
        arguments = {f.name: getattr(self, f.name) for f in fields(self)}
        return {
            "module": f"keras.{self.kind}s",
            "class_name": type(self).__name__,
            "config": {name: listed(value) for name, value in arguments.items()},
            "registered_name": None,
        }

    def require_one_of(self, argument: str, *allowed: str) -> None:
        """Check an argument that takes one of a few words.

        Raises:
            UsageError: It is another word.
        """
        value = getattr(self, argument)
        if value not in allowed:
            what = f"{self.words[0]} has {argument}={value!r}"
            raise UsageError(what, f"give {' or '.join(allowed)}")

    def __repr__(self) -> str:
        """Write the object as one types it in Keras: a string where it is all defaults."""
        return self._called(type(self).__name__) if self._changed() else repr(self.words[0])

    def __str__(self) -> str:
        """Write the object as one types it at the command line."""
        return self._called(self.words[0]) if self._changed() else self.words[0]

    def _called(self, name: str) -> str:
        shown = ", ".join(f"{key}={listed(value)!r}" for key, value in self._changed().items())
        return f"{name}({shown})"

    def _changed(self) -> dict[str, Any]:
        pairs = {f.name: (getattr(self, f.name), f.default) for f in fields(self)}
        return {name: value for name, (value, default) in pairs.items() if value != default}

    def _checked(self, name: str, kind: Any) -> Any:
        value = getattr(self, name)
        allowed, wanted, make = _TYPES[kind]
        if not allowed(value):
            raise UsageError(f"{self.words[0]} has {name}={value!r}", f"give {wanted}")
        return make(value)


def _concrete(cls: Any) -> Iterator[Any]:
    """List the classes that have words of their own, in the order in which they are defined."""
    if "words" in vars(cls):
        yield cls
    for below in cls.__subclasses__():
        yield from _concrete(below)


def _parts(given: Any) -> tuple[str, list[Any], dict[str, Any]]:
    """Take an identifier apart: its word, and the arguments by position and by name."""
    if isinstance(given, str) and given.lstrip().startswith("{"):
        given = _json(given)
    if isinstance(given, Mapping):
        word, config = given.get("class_name"), given.get("config")
        if not isinstance(word, str) or not isinstance(config, Mapping | None):
            raise UsageError(
                f"{dict(given)!r} is not a Keras config",
                'give {"class_name": ..., "config": {...}}',
            )
        return word, [], dict(config or {})
    if isinstance(given, str):
        return _call(given) if "(" in given else (given.strip(), [], {})
    raise UsageError(f"{given!r} is not an identifier", "give a name, such as ones")


def _json(text: str) -> Any:
    import json

    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        what = f"{text!r} is not JSON"
        raise UsageError(what, 'write it as {"class_name": "L2", "config": {"l2": 0.01}}') from None


def _call(text: str) -> tuple[str, list[Any], dict[str, Any]]:
    import ast

    def literal(node: ast.expr) -> Any:
        return node.id if isinstance(node, ast.Name) else ast.literal_eval(node)

    try:
        call = ast.parse(text.strip(), mode="eval").body
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
            named = {str(each.arg): literal(each.value) for each in call.keywords}
            return call.func.id, [literal(each) for each in call.args], named
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        pass
    what = f"{text!r} is not a name with arguments"
    raise UsageError(what, "write it as random_normal(mean=0,stddev=0.05,seed=1)")
