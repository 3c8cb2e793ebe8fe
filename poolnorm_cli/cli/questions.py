"""Questions about the command itself, and words that it does not have; Typer is not needed."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from poolnorm_cli.cli import completion_install
from poolnorm_cli.cli.command import Family
from poolnorm_cli.cli.help_layout import laid_out, width
from poolnorm_cli.cli.help_page import page_of, walk
from poolnorm_cli.cli.mistakes import refuse_unknown, unknown_word
from poolnorm_cli.report.colors import color_of, is_colored


if TYPE_CHECKING:
    from poolnorm_cli.report.text import Color

_HELP = ("-h", "--help")
_VERSION = ("-V", "--version")
_STEP = "!"
"""What stands before each step of a pipeline."""


def answer(words: Sequence[str], root: Family) -> int | None:
    """Answer a question, as `pool max --help` is one; or refuse a verb or a flag that is none.

    Args:
        words: The command line, without the program.
        root: The commands that there are.

    Returns:
        The exit code; None where something else is wrong with the command line, or nothing.

    Raises:
        UsageError: There is no such verb or flag.
    """
    if words[:1] == ["help"] and "help" in root.members:
        from poolnorm_cli.cli.help_words import print_explanation

        print_explanation(words[1:], root)
        return 0
    asked = _asked(words, root)
    if asked is not None or not words:
        _show_help(asked or (), root, color_of(words))
        return 0
    node, path, left = walk(words, root)
    if not path and left[0].partition("=")[0] in completion_install.FLAGS:
        return completion_install.run(left)
    if not path and left[0] in _VERSION:
        return None
    if isinstance(node, Family):
        raise unknown_word(left, node, path)
    refuse_unknown(left, node, path)
    return None


def _show_help(words: Sequence[str], root: Family, color: "Color") -> None:
    """Print the help of the command that words begin with; what follows does not count."""
    node, path, left = walk(words, root)
    if isinstance(node, Family) and left and not left[0].startswith("-"):
        raise unknown_word(left, node, path)
    print(laid_out(page_of(node, path), width(), colored=is_colored(sys.stdout, color)))


def _asked(words: Sequence[str], root: Family) -> list[str] | None:
    """Return the words that help is asked for; None where no help is asked for."""
    end = words.index("--") if "--" in words else len(words)
    places = [place for place, word in enumerate(words[:end]) if word in _HELP]
    if not places:
        return None
    steps = [place for place in range(places[0]) if words[place] == _STEP]
    begin = steps[-1] + 1 if steps and words[steps[-1] + 1] in root.members else 0
    return [word for word in words[begin:end] if word not in _HELP]
