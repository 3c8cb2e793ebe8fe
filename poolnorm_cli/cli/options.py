"""What a flag is, apart from who parses the command line.

The groups of flags state theirs with `Option` and `Argument`, which are read twice: by Typer,
which writes the help and tells what is wrong with a command line, and by `getopt`, which reads
one that has nothing wrong with it. Neither is imported here.
"""

from collections.abc import Callable
from typing import Any

from poolnorm_cli.shapes import Ints


class Option:
    """What the command line knows of a flag, besides its type and default.

    Attributes:
        names: Spellings, as `--output`, `-o` or `--values/--no-values`; none for the usual one.
        count: The value is how often the flag stands there.
        min: The smallest number that may be given.
        max: The largest.
        parser: Reads the word; raises ValueError, with the message, where it cannot.
        told: The keywords that were given, which all are Typer's.
    """

    def __init__(
        self,
        *names: str,
        count: bool = False,
        min: int | None = None,  # noqa: A002 - Typer's word
        max: int | None = None,  # noqa: A002 - Typer's word
        parser: Callable[[str], Any] | None = None,
        **told: Any,
    ) -> None:
        """Keep what is told of a flag."""
        self.names, self.count, self.min, self.max = names, count, min, max
        self.parser = parser
        given = {"count": count or None, "min": min, "max": max, "parser": parser}
        self.told = {**told, **{name: v for name, v in given.items() if v is not None}}


class Argument(Option):
    """What the command line knows of a word that is no flag."""


def parse_ints(text: str) -> Ints:
    """Read one int, or several as a single word: `2`, `2,3` or `2x3`.

    Raises:
        ValueError: It is something else.
    """
    try:
        return tuple(int(part) for part in text.replace("x", ",").split(","))
    except ValueError:
        raise ValueError(f"{text!r} is not 2, 2,3 or 2x3.") from None
