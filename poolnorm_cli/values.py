"""Frozen values, and records: dataclasses that cost next to nothing to define.

`dataclasses` takes a third of a short run to import, and writes, compiles and runs some six methods
for each class, about a millisecond; a small run meets seventy classes. Here all classes share one
body of each method. The functions of `dataclasses` (`fields`, `replace`, `asdict`) know them as
well. The shared `__init__` is slower than one of its own, which `precompile_init` gives to those
classes that are going to be made often.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, dataclass_transform, overload


T = TypeVar("T")


class _Missing:
    """The default of a field that has none."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Any = _Missing()


class Field:
    """A field of a value.

    Attributes:
        name: Its name.
        type: Its annotation.
        default: Its default; MISSING without one.
        default_factory: Makes its default anew each time; MISSING without one.
        init: It may be given; otherwise it has its default.
        repr: `repr` shows it.
        kw_only: It is given by keyword alone.
    """

    __slots__ = ("default", "default_factory", "init", "kw_only", "name", "repr", "type")

    def __init__(
        self,
        default: Any = MISSING,
        default_factory: Any = MISSING,
        *,
        init: bool = True,
        repr: bool = True,  # noqa: A002 - as in `dataclasses`
        kw_only: bool = False,
    ) -> None:
        """Describe a field whose name and annotation stand in its class.

        Args:
            default: Its default.
            default_factory: Makes its default anew each time.
            init: It may be given.
            repr: `repr` shows it.
            kw_only: It is given by keyword alone.
        """
        self.name, self.type = "", None
        self.default, self.default_factory = default, default_factory
        self.init, self.repr, self.kw_only = init, repr, kw_only


def field(
    *,
    default: Any = MISSING,
    default_factory: Any = MISSING,
    init: bool = True,
    repr: bool = True,  # noqa: A002 - as in `dataclasses`
    kw_only: bool = False,
) -> Any:
    """Say more of a field than its default, as `dataclasses.field` does.

    Args:
        default: Its default.
        default_factory: Makes its default anew each time.
        init: It may be given.
        repr: `repr` shows it.
        kw_only: It is given by keyword alone.

    Returns:
        What stands for the default in the class.
    """
    return Field(default, default_factory, init=init, repr=repr, kw_only=kw_only)


def fields(value: Any) -> tuple[Field, ...]:
    """List the fields of a value or of its class.

    Args:
        value: A value, or a class that `frozen` or `record` has made one.

    Returns:
        The fields, in order.
    """
    found: tuple[Field, ...] = value.__value_fields__.fields
    return found


def replace(value: T, /, **changes: Any) -> T:
    """Return a value like another one.

    Args:
        value: The other one.
        **changes: The fields that are different.

    Returns:
        A new value; fields that cannot be given are made anew.

    Raises:
        TypeError: There is no such field.
    """
    kept = {f.name: getattr(value, f.name) for f in fields(value) if f.init}
    return type(value)(**kept | changes)


class _StandardFields:
    """`__dataclass_fields__`, by which `dataclasses` knows a class: made where that asks."""

    def __get__(self, value: object, kind: type) -> dict[str, Any]:
        import dataclasses

        missing = {MISSING: dataclasses.MISSING}
        specified = [
            (
                f.name,
                f.type,
                dataclasses.field(
                    default=dataclasses.MISSING if f.default is MISSING else f.default,
                    default_factory=missing.get(f.default_factory, f.default_factory),
                    init=f.init,
                    repr=f.repr,
                    kw_only=True,
                ),
            )
            for f in fields(kind)
        ]
        made: Any = dataclasses.make_dataclass(kind.__name__, specified)
        standard: dict[str, Any] = made.__dataclass_fields__
        return standard


class _Fields:
    """What the shared methods know of a class.

    Attributes:
        fields: All fields, in order.
        names: Their names.
        known: The same, to look them up.
        positional: Of those that may be given by place.
        defaults: By name, of those that have one.
        factories: By name, of those whose default is made anew each time.
        shown: Names of those that `repr` shows.
    """

    __slots__ = ("defaults", "factories", "fields", "known", "names", "positional", "shown")

    def __init__(self, found: tuple[Field, ...]) -> None:
        self.fields = found
        self.names = tuple([f.name for f in found])
        self.known = frozenset(self.names)
        self.positional = tuple([f.name for f in found if not f.kw_only])
        self.defaults = {f.name: f.default for f in found if f.default is not MISSING}
        made = [f for f in found if f.default_factory is not MISSING]
        self.factories: dict[str, Callable[[], Any]] = {f.name: f.default_factory for f in made}
        self.shown = tuple([f.name for f in found if f.repr])


def _init(self: Any, *args: Any, **given: Any) -> None:
    known: _Fields = self.__value_fields__
    if args:
        placed = dict(zip(known.positional, args, strict=False))
        if len(placed) < len(args) or not placed.keys().isdisjoint(given):
            raise TypeError(f"{type(self).__name__} takes {known.positional}, each once")
        given |= placed
    state = self.__dict__
    state.update(known.defaults)
    state.update(given)
    for name, factory in known.factories.items():
        if name not in given:
            state[name] = factory()
    if len(state) != len(known.names) or not given.keys() <= known.known:
        apart = ", ".join(sorted(state.keys() ^ known.known))
        raise TypeError(f"{type(self).__name__} takes {known.names}; not as given: {apart}")
    if hasattr(self, "__post_init__"):
        self.__post_init__()


def _state(self: Any) -> tuple[Any, ...]:
    return tuple(getattr(self, name) for name in self.__value_fields__.names)


def _eq(self: Any, other: object) -> bool:
    return _state(self) == _state(other) if type(self) is type(other) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_state(self))


def _repr(self: Any) -> str:
    shown = self.__value_fields__.shown
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

    Returns:
        The same class, or a decorator where the parentheses are there.
    """
    methods = _METHODS | _COMPARISON if eq else _METHODS
    if cls is None:
        return lambda given: _made(given, methods, kw_only=kw_only)
    return _made(cls, methods, kw_only=kw_only)


@dataclass_transform(field_specifiers=(field,))
def record(cls: type[T]) -> type[T]:
    """Make a class a record, whose fields can be set; it is compared by identity."""
    made: type[T] = _made(cls, {"__init__": _init, "__repr__": _repr})
    return made


def _made(cls: Any, methods: dict[str, Callable[..., Any]], *, kw_only: bool = False) -> Any:
    made = cls
    given: dict[str, Field] = {}
    for base in reversed(cls.__mro__[1:]):
        given |= {f.name: f for f in getattr(base.__dict__.get("__value_fields__"), "fields", ())}
    given |= _own_fields(cls, kw_only=kw_only)
    found = tuple(given.values())
    made.__value_fields__ = _Fields(found)
    made.__dataclass_fields__ = _StandardFields()
    for name, method in methods.items():
        if getattr(made, name) is getattr(object, name):
            setattr(made, name, method)
    inherited = next((c for c in made.__mro__ if "__init__" in c.__dict__), object)
    if "__value_fields__" in inherited.__dict__ and "__init__" not in made.__dict__:
        made.__init__ = _init  # the one above may have been given one for its own fields
    return made


def _own_fields(cls: Any, *, kw_only: bool) -> dict[str, Field]:
    """Return the fields that a class adds, and put defaults where `field` stood."""
    own = {}
    for name, kind in cls.__annotations__.items():
        if _is_of_class(kind):
            continue
        default = cls.__dict__.get(name, MISSING)
        given = default if isinstance(default, Field) else Field(default)
        given.name, given.type, given.kw_only = name, kind, kw_only or given.kw_only
        own[name] = given
        if isinstance(default, Field) and default.default is MISSING:
            delattr(cls, name)
        elif isinstance(default, Field):
            setattr(cls, name, default.default)
    return own


def _is_of_class(annotation: Any) -> bool:
    """Whether an annotation says that a name is one of the class, not of its values."""
    if isinstance(annotation, str):
        return annotation.startswith(("ClassVar", "typing.ClassVar"))
    return annotation is ClassVar or getattr(annotation, "__origin__", None) is ClassVar


def precompile_init(*classes: Any) -> None:
    """Give classes an `__init__` of their own, which does what the shared one does.

    It takes a tenth of a millisecond for each.
    """
    for cls in classes:
        if cls.__dict__.get("__init__") is _init:
            cls.__init__ = _own_init(cls, cls.__value_fields__)


def _own_init(cls: Any, known: _Fields) -> Callable[..., None]:
    scope: dict[str, Any] = {"_defaults": known.defaults, "_factories": known.factories}
    given, keywords = ["self"], list[str]()
    made: list[str] = []
    for name in known.names:
        default = ""
        if name in known.defaults:
            default = f"=_defaults[{name!r}]"
        elif name in known.factories:
            default = "=_factories"  # nobody can give this
            made.append(f"if {name} is _factories: {name} = _factories[{name!r}]()")
        (given if name in known.positional else keywords).append(f"{name}{default}")
    takes = [*given, *(["*", *keywords] if keywords else [])]
    state = f"self.__dict__.update({', '.join(f'{name}={name}' for name in known.names)})"
    after = ["self.__post_init__()"] if hasattr(cls, "__post_init__") else []
    lines = [f"def __init__({', '.join(takes)}):", *(f"    {x}" for x in (*made, state, *after))]
    exec("\n".join(lines), scope)  # noqa: S102 - names of fields, as `dataclasses` does it
    own: Callable[..., None] = scope["__init__"]
    return own


if TYPE_CHECKING:
    from functools import cached_property as cached_property  # noqa: PLC0414 - it is had from here
else:

    class cached_property:  # noqa: N801 - the name that it has in `functools`
        """A property that is computed once for each object.

        Before Python 3.12 that of `functools` computes under a lock, one for all objects of a
        class: a thread waits for another object's, and a process forked meanwhile, as those of many
        data loaders are, waits for ever. Without it two threads may compute a value at once, which
        does no harm.
        """

        def __init__(self, compute: Callable[[Any], Any]) -> None:
            """Compute by a method."""
            self._compute, self.__doc__ = compute, compute.__doc__
            self._name = compute.__name__

        def __get__(self, owner: Any, kind: type) -> Any:
            """Compute, where the object does not have the value yet."""
            if owner is None:
                return self
            value = owner.__dict__[self._name] = self._compute(owner)
            return value
