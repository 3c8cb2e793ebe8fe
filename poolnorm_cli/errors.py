"""What a person can have done wrong, one class per exit code of the command."""

from collections.abc import Mapping
from typing import Any

from poolnorm_cli.urls import without_secrets


class PoolnormError(Exception):
    """A fault to be told in one line: what is wrong with what was received, and what to type.

    Args:
        what: The fault and the value received, without a full stop.
        fix: What to do or to type instead; empty where nothing helps.
    """

    code = 1

    def __init__(self, what: str, fix: str = "") -> None:
        """Keep both halves, so that a report can print them apart; no password goes with them."""
        what, fix = without_secrets(what), without_secrets(fix)
        super().__init__(what, fix)
        self.what = what
        self.fix = fix

    def __str__(self) -> str:
        """Return the one line that is printed after `error: `."""
        return f"{self.what}; {self.fix}" if self.fix else self.what

    def within(self, place: str) -> "PoolnormError":
        """Return the same error with `place` (a file, a layer) named in front."""
        return type(self)(f"{place}: {self.what}", self.fix)


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
