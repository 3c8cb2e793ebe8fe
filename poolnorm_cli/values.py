"""Frozen values: dataclasses that cost next to nothing to define.

`dataclasses` writes, compiles and runs some six methods for each class, about a millisecond; a
small run meets seventy classes, so that was a quarter of its time. Here fields are those of
`dataclasses` (`fields`, `replace` and `asdict` work as ever), and all classes share one body of
each method.
"""

from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, NamedTuple, TypeVar, dataclass_transform, overload


T = TypeVar("T")


class _Fields(NamedTuple):
    """What the shared methods know of a class: of each field its name, default and factory."""

    positional: tuple[str, ...]
    all: tuple[tuple[str, Any, Any], ...]
    shown: tuple[str, ...]


def _init(self: Any, *args: Any, **given: Any) -> None:
    known: _Fields = type(self).__value_fields__
    if len(args) > len(known.positional):
        raise TypeError(f"{type(self).__name__} takes {len(known.positional)} positional values")
    for name, value in zip(known.positional, args, strict=False):
        if name in given:
            raise TypeError(f"{type(self).__name__} was given {name!r} twice")
        given[name] = value
    state = self.__dict__
    for name, default, factory in known.all:
        if name in given:
            state[name] = given.pop(name)
        elif factory is not MISSING:
            state[name] = factory()
        elif default is not MISSING:
            state[name] = default
        else:
            raise TypeError(f"{type(self).__name__} needs {name!r}")
    if given:
        raise TypeError(f"{type(self).__name__} has no {', '.join(map(repr, given))}")
    if hasattr(self, "__post_init__"):
        self.__post_init__()


def _state(self: Any) -> tuple[Any, ...]:
    return tuple(getattr(self, name) for name, _, _ in type(self).__value_fields__.all)


def _eq(self: Any, other: object) -> bool:
    return _state(self) == _state(other) if type(self) is type(other) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_state(self))


def _repr(self: Any) -> str:
    shown = type(self).__value_fields__.shown
    return f"{type(self).__name__}({', '.join(f'{n}={getattr(self, n)!r}' for n in shown)})"


def _setattr(self: Any, name: str, value: object) -> None:
    del value
    raise AttributeError(f"{type(self).__name__} is frozen: {name!r} cannot be set")


def _delattr(self: Any, name: str) -> None:
    raise AttributeError(f"{type(self).__name__} is frozen: {name!r} cannot be deleted")


_METHODS: dict[str, Callable[..., Any]] = {
    "__init__": _init,
    "__repr__": _repr,
    "__setattr__": _setattr,
    "__delattr__": _delattr,
}
_COMPARISON: dict[str, Callable[..., Any]] = {"__eq__": _eq, "__hash__": _hash}


@overload
def frozen(cls: type[T], /) -> type[T]: ...
@overload
def frozen(*, kw_only: bool = False, eq: bool = True) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: Any = None, /, *, kw_only: bool = False, eq: bool = True) -> Any:
    """Make a class a frozen value: what `dataclasses.dataclass(frozen=True)` does, but fast.

    Methods that the class has or inherits stay, so a `__repr__` of its own wins. Values compare
    and hash by their fields, in order, and `__post_init__` is called as in a dataclass.

    Args:
        cls: The class, where the decorator stands without parentheses.
        kw_only: Fields are given by keyword alone.
        eq: Compare by value; otherwise by identity.
    """
    if cls is None:
        return lambda given: _made(given, kw_only=kw_only, eq=eq)
    return _made(cls, kw_only=kw_only, eq=eq)


def _made(cls: Any, *, kw_only: bool, eq: bool) -> Any:
    made: Any = dataclass(init=False, repr=False, eq=False, match_args=False, kw_only=kw_only)(cls)
    found = fields(made)
    made.__value_fields__ = _Fields(
        tuple(f.name for f in found if not f.kw_only),
        tuple((f.name, f.default, f.default_factory) for f in found),
        tuple(f.name for f in found if f.repr),
    )
    for name, method in (_METHODS | _COMPARISON if eq else _METHODS).items():
        if getattr(made, name) is getattr(object, name):
            setattr(made, name, method)
    return made
