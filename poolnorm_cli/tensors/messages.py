"""The former names of `poolnorm_cli.errors`, for changes that were begun with them."""

import os
from typing import TypeVar

from poolnorm_cli.errors import InputError, PoolnormError, reason_of, shown


__all__ = ["bad_input", "fault", "named", "reason_of", "shown"]
_Kind = TypeVar("_Kind", bound=PoolnormError)
Place = str | os.PathLike[str]


def fault(kind: type[_Kind], name: Place, reason: str, fix: str = "") -> _Kind:
    """Return `kind.at(name, reason, fix)`."""
    return kind.at(name, reason, fix)


def bad_input(name: Place, reason: str, fix: str = "") -> InputError:
    """Return `InputError.at(name, reason, fix)`."""
    return InputError.at(name, reason, fix)


def named(error: _Kind, name: Place) -> _Kind:
    """Return `error.within(name)`."""
    return error.within(name)
