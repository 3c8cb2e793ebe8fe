"""What a person can have done wrong, one class per exit code of the command.

An error says where it was (`places`), what was wrong (`what`) and what to type instead (`fix`).
Only what prints an error joins the three, and nothing takes them apart again.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from poolnorm_cli.urls import redact, redact_url


if TYPE_CHECKING:
    from types import TracebackType


LINE = 200
"""Characters that a whole message may take."""
_SHORTEST = 24
"""Characters of a place that are kept, however long the rest of the message is."""

Place = str | os.PathLike[str]


def printable(name: str) -> str:
    """Escape what would break a line or move the cursor: control characters, half characters."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def shown(text: Place, limit: int = 60) -> str:
    """Return a name on one line, as it may be shown.

    Args:
        text: A name, such as that of a file or an array.
        limit: Characters it may take.

    Returns:
        The name with unprintable characters escaped and without secrets; its end where it is cut.
    """
    line = printable(_plain(text))
    return line if len(line) <= limit else f"...{line[len(line) - limit + 3 :]}"


def reason_of(error: OSError) -> str:
    """Return what the operating system said, such as `No space left on device`."""
    return error.strerror or type(error).__name__


class PoolnormError(Exception):
    """An error that fits on one line: where it is, what is wrong there, and what to type instead.

    Attributes:
        what: The fault and the value received, without a full stop.
        fix: What to do or to type instead; empty where nothing helps.
        places: Where it is, the outermost first: files, arrays in them, layers, flags.
    """

    code = 1

    def __init__(self, what: str, fix: str = "", places: tuple[str, ...] = ()) -> None:
        """Make an error that has no place yet, or several; `at` makes one that has one.

        Args:
            what: The fault and the value received, without a full stop.
            fix: What to do or to type instead; empty where nothing helps.
            places: Where it is, the outermost first.
        """
        what, fix = redact(what), redact(fix)
        super().__init__(what, fix, places)
        self.what = what
        self.fix = fix
        self.places = places

    @classmethod
    def at(cls, place: Place, what: str, fix: str = "") -> Self:
        """Return an error about something that has a name.

        Args:
            place: What it is about: a file, an array of one, a layer.
            what: The fault and the value received, without a full stop.
            fix: What to do or to type instead; empty where nothing helps.

        Returns:
            The error.
        """
        return cls(what, fix, (_plain(place),))

    @property
    def message(self) -> str:
        """Where it was and what was wrong, the names cut so that the line stays short."""
        if not self.places:
            return self.what
        left = LINE - len(self.what) - (len(self.fix) + 2 if self.fix else 0)
        width = (left - 2 * len(self.places)) // len(self.places)
        names = [shown(place, max(width, _SHORTEST)) for place in self.places]
        return ": ".join((*names, self.what))

    def __str__(self) -> str:
        """Return the one line that is printed after `error: `."""
        return f"{self.message}; {self.fix}" if self.fix else self.message

    def is_at(self, *places: Place) -> bool:
        """Whether one of these is where it was, or has it inside."""
        names = [_plain(place) for place in places]
        inside = tuple(f"{name}{mark}" for name in names for mark in ("::", ": "))
        return any(place in names or place.startswith(inside) for place in self.places)

    def within(self, place: Place) -> Self:
        """Return the same error with one more place around the others, unless it has it."""
        return self if self.is_at(place) else self._with(places=(_plain(place), *self.places))

    def reason(self, *places: Place) -> str:
        """Return what is wrong, without these places: what several of them may have in common."""
        names = [_plain(place) for place in places]
        others = [shown(place, LINE) for place in self.places if place not in names]
        return ": ".join((*others, self.what))

    def renamed(self, names: Mapping[str, str]) -> Self:
        """Return the same error with its places under other names.

        Args:
            names: The other name of each place; that of a file is that of its arrays, too.

        Returns:
            The error.
        """
        places = []
        for place in self.places:
            file, mark, key = place.partition("::")
            places.append(f"{names[file]}{mark}{key}" if file in names else place)
        return self._with(places=tuple(places))

    def prefixed(self, words: str) -> Self:
        """Return the same error with words in front of what it says, such as a flag."""
        return self._with(what=f"{words} {self.what}".lstrip())

    def saying(self, what: str | None = None, fix: str | None = None) -> Self:
        """Return an error of the same class, at the same place, in other words.

        Args:
            what: What is wrong; None for what it says.
            fix: What to do about it; None for what it says.

        Returns:
            The error.
        """
        what, fix = self.what if what is None else what, self.fix if fix is None else fix
        return self._with(what=what, fix=fix)

    def of_kind(self, kind: "type[_Kind]") -> "_Kind":
        """Return an error of another class, and so with another exit code, that says the same."""
        other = kind(self.what, self.fix, self.places)
        other.__cause__ = self
        return other

    def _with(self, **changes: Any) -> Self:
        parts = {"what": self.what, "fix": self.fix, "places": self.places, **changes}
        other = type(self)(**parts)
        other.__dict__.update(self.__dict__ | other.__dict__)
        other.__cause__ = self.__cause__
        return other


_Kind = TypeVar("_Kind", bound=PoolnormError)


class error_context:  # noqa: N801 - used as a function, of which a generator would be the slow form
    """Add a place to the errors of a block, unless they have it."""

    def __init__(self, place: Place) -> None:
        """Remember the place."""
        self._place = place

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: BaseException | None,
        trace: "TracebackType | None",
    ) -> None:
        if isinstance(error, PoolnormError) and not error.is_at(self._place):
            raise error.within(self._place) from None


class UsageError(PoolnormError):
    """A flag, parameter or shape that cannot be, or an output that would be overwritten."""

    code = 2


class UnavailableError(PoolnormError):
    """A backend, provider or device that is not to be had here."""

    code = 3


class OutputError(PoolnormError):
    """An output that cannot be written: no space, no permission, an I/O error."""

    code = 3


class InputError(PoolnormError):
    """An input that cannot be read: missing, corrupt, or of an unsupported dtype."""

    code = 4


class DirectoryGoneError(InputError):
    """The current directory was removed."""


class StatisticRangeError(InputError):
    """A moving statistic that does not fit into the dtype in which it is kept.

    Attributes:
        unfit: The names of those that do not.
        kept: The weights with the others moved.
    """

    unfit: tuple[str, ...] = ()
    kept: Mapping[str, Any] = {}

    @property
    def harmless(self) -> bool:
        """Whether no output of a training batch depends on it, this one's or another's."""
        return self.unfit == ("moving_variance",)


def _plain(place: Place) -> str:
    """Return a name without passwords and signatures."""
    return redact(redact_url(str(place)))
