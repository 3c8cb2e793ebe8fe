"""Faults told in one line: names made printable, and cut so that the line stays short."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from poolnorm_cli.errors import InputError, PoolnormError
from poolnorm_cli.urls import fit_to_show, without_secrets


if TYPE_CHECKING:
    import os


LINE = 200  # characters that a whole message may take
_SHORTEST = 24  # characters of a name that are kept whatever else is said

_Fault = TypeVar("_Fault", bound=PoolnormError)


def shown(text: str | os.PathLike[str], limit: int = 60) -> str:
    """Return `text` on one line, unprintable characters escaped, its end kept when it is cut."""
    line = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in without_secrets(fit_to_show(str(text)))
    )
    return line if len(line) <= limit else f"...{line[len(line) - limit + 3 :]}"


def fault(kind: type[_Fault], name: str | os.PathLike[str], reason: str, fix: str = "") -> _Fault:
    """Return an error of `kind` that starts with `name` and fits on one short line."""
    room = LINE - len(": ") - len(reason) - (len("; ") + len(fix) if fix else 0)
    return kind(f"{shown(name, max(room, _SHORTEST))}: {reason}", fix)


def bad_input(name: str | os.PathLike[str], reason: str, fix: str = "") -> InputError:
    """Return the error for an input `name` that cannot be read because of `reason`."""
    return fault(InputError, name, reason, fix)


def named(error: _Fault, name: str | os.PathLike[str]) -> _Fault:
    """Return `error` with `name` in front."""
    return fault(type(error), name, error.what, error.fix)


def reason_of(error: OSError) -> str:
    """Return what the operating system said, such as `No space left on device`."""
    return error.strerror or type(error).__name__
