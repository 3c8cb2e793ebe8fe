"""Frozen values do what `dataclasses` does for its own frozen classes."""

import dataclasses
import threading
from dataclasses import FrozenInstanceError, asdict, dataclass
from typing import Any, ClassVar

import pytest

from poolnorm_cli import values
from poolnorm_cli.values import cached_property, field, frozen, precompile_init


@frozen
class Ours:
    a: int
    b: list[int] = field(default_factory=list)
    c: str = field(default="c", repr=False)
    d: int = field(default=4, kw_only=True)


@dataclass(frozen=True)
class Theirs:
    a: int
    b: list[int] = dataclasses.field(default_factory=list)
    c: str = dataclasses.field(default="c", repr=False)
    d: int = dataclasses.field(default=4, kw_only=True)


BOTH = pytest.mark.parametrize("kind", [Ours, Theirs])


@BOTH
def test_fields_are_taken_by_place_and_by_name(kind: Any) -> None:
    made = kind(1, [2], d=5)

    assert asdict(made) == {"a": 1, "b": [2], "c": "c", "d": 5}
    assert [f.name for f in dataclasses.fields(kind)] == ["a", "b", "c", "d"]
    assert kind(1).b is not kind(1).b


@BOTH
def test_what_does_not_fit_is_a_type_error(kind: Any) -> None:
    for args, given in (((), {}), ((1, [], "c", 4), {}), ((1,), {"a": 1}), ((1,), {"e": 1})):
        with pytest.raises(TypeError):
            kind(*args, **given)


@BOTH
def test_nothing_can_be_set_or_deleted(kind: Any) -> None:
    made = kind(1)
    with pytest.raises((AttributeError, FrozenInstanceError)):
        made.a = 2
    with pytest.raises((AttributeError, FrozenInstanceError)):
        del made.a

    assert made.a == 1
    assert dataclasses.replace(made, a=2).a == 2


@BOTH
def test_values_compare_hash_and_show_by_their_fields(kind: Any) -> None:
    one, two = kind(1, (2,)), kind(1, (2,))

    assert one == two
    assert hash(one) == hash(two)
    assert one != kind(2, (2,))
    assert (one == 1) is False
    assert repr(one) == f"{kind.__name__}(a=1, b=(2,), d=4)"


def test_a_subclass_adds_fields_and_keeps_methods_of_its_own() -> None:
    @frozen(kw_only=True, eq=False)
    class Child(Ours):
        e: int = 5

        def __post_init__(self) -> None:
            object.__setattr__(self, "e", self.e + 1)

        def __repr__(self) -> str:
            return "own"

    assert Child(1, e=7).e == 8
    assert repr(Child(1)) == "own"
    assert [f.name for f in dataclasses.fields(Child)] == ["a", "b", "c", "d", "e"]


def test_a_class_with_an_init_of_its_own_takes_what_the_shared_one_takes() -> None:
    @frozen
    class Often:
        a: int
        b: list[int] = field(default_factory=list)
        c: str = field(default="c", repr=False)
        d: int = field(default=4, kw_only=True)

        def __post_init__(self) -> None:
            object.__setattr__(self, "c", self.c.upper())

    @frozen
    class Longer(Often):
        e: int = 5

    right: Any = ((1,), {}), ((1, [2]), {"d": 5}), ((), {"a": 3, "c": "x"})
    for args, given in right:
        before = Often(*args, **given)
        precompile_init(Often)
        after = Often(*args, **given)
        assert after == before
        assert after.b is not before.b or "b" in given or len(args) > 1
        assert asdict(after) == asdict(before)
    assert Often.__init__ is not Longer.__init__
    assert asdict(Longer(1, e=7)) == {"a": 1, "b": [], "c": "C", "d": 4, "e": 7}
    wrong: Any = (((), {}), ((1, [], "c", 4), {}), ((1,), {"a": 1}), ((1,), {"f": 1}))
    for args, given in wrong:
        with pytest.raises(TypeError):
            Often(*args, **given)


def test_fields_and_copies_are_those_of_dataclasses() -> None:
    ours, theirs = values.fields(Ours), dataclasses.fields(Ours(1))

    for name in ("name", "type", "init", "repr"):
        assert [getattr(f, name) for f in ours] == [getattr(f, name) for f in theirs]
    assert [f.default is values.MISSING for f in ours] == [
        f.default is dataclasses.MISSING for f in theirs
    ]
    assert values.replace(Ours(1, d=5), a=2) == dataclasses.replace(Ours(1, d=5), a=2)
    assert values.replace(Ours(1), a=2).d == 4
    with pytest.raises(TypeError):
        values.replace(Ours(1), e=2)


def test_what_cannot_be_given_is_made_anew_and_a_default_stands_in_the_class() -> None:
    @frozen
    class Kept:
        a: int
        _seen: list[int] = field(default_factory=list, init=False)
        of_all: ClassVar[int] = 3
        b: int = field(default=7)

    one = Kept(1)
    assert values.replace(one, a=2)._seen is not one._seen
    assert (Kept.b, Kept.of_all) == (7, 3)
    assert not hasattr(Kept, "_seen")
    assert [f.name for f in values.fields(Kept)] == ["a", "_seen", "b"]


@frozen(eq=False)
class Slow:
    begun: threading.Event
    may_end: threading.Event

    @cached_property
    def own(self) -> list[bool]:
        """Whether it was to end."""
        self.begun.set()
        return [self.may_end.wait(5)]


def test_a_property_is_computed_once_for_each_object_and_waits_for_no_other() -> None:
    slow, other = (Slow(threading.Event(), threading.Event()) for _ in range(2))
    thread = threading.Thread(target=lambda: slow.own)
    thread.start()
    assert slow.begun.wait(60)

    other.may_end.set()
    assert other.own == [True]

    slow.may_end.set()
    thread.join()
    assert slow.own == [True]
    assert slow.own is slow.own
    assert Slow.own.__doc__ == "Whether it was to end."
