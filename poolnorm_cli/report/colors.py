"""Colour for people: whether a stream gets it, and which one.

No colour is one that vanishes on a white screen or on a black one, and none tells what the words
beside it do not.
"""

import os
from collections.abc import Sequence
from typing import Literal, TextIO, get_args

from poolnorm_cli.report.text import Color


Tone = Literal["error", "note", "good", "bad", "unsure", "heading", "name"]

_CODES: dict[Tone, str] = {
    "error": "1;31",
    "note": "35",
    "good": "32",
    "bad": "1;31",
    "unsure": "35",
    "heading": "1;4",
    "name": "1",
}
_VERDICTS: dict[tuple[str, str], Tone] = {
    ("result", "equal"): "good",
    ("result", "differ"): "bad",
    ("state", "ok"): "good",
    ("state", "broken"): "bad",
}
_RICH: dict[Tone, str] = {"good": "green", "bad": "bold red"}


def is_colored(stream: TextIO, color: Color = "auto") -> bool:
    """Whether what is printed on a stream has colour.

    Args:
        stream: Where it is printed: each stream is a terminal, or not, for itself.
        color: What --color asks for.

    Returns:
        Whether it has.
    """
    if color != "auto":
        return color == "always"
    if os.environ.get("NO_COLOR") or os.environ.get("TERM", "").lower() in {"dumb", "unknown"}:
        return False
    return stream.isatty()


def paint(text: str, tone: Tone) -> str:
    """Colour a text for a terminal.

    Args:
        text: The text.
        tone: What it is.

    Returns:
        The text between escape sequences.
    """
    return f"\x1b[{_CODES[tone]}m{text}\x1b[0m"


def labelled(label: Tone, text: str, stream: TextIO, color: Color = "auto") -> str:
    """Return `error: ...` or `note: ...`, the label in colour where the stream has it.

    Args:
        label: What stands before the colon.
        text: What stands behind it.
        stream: Where it is printed.
        color: What --color asks for.

    Returns:
        The line.
    """
    head = f"{label}:"
    return f"{paint(head, label) if is_colored(stream, color) else head} {text}"


def verdict_style(column: str, cell: str) -> str:
    """Return rich's style of a cell of a table that is a verdict; empty for any other.

    Args:
        column: The name of the column.
        cell: The text.

    Returns:
        The style.
    """
    tone = _VERDICTS.get((column, cell))
    return _RICH.get(tone, "") if tone is not None else ""


def color_of(words: Sequence[str]) -> Color:
    """Return what --color asks for in a command line that may be wrong elsewhere."""
    found: Color = "auto"
    for place, word in enumerate(words):
        flag, mark, value = word.partition("=")
        if flag == "--color":
            given = value if mark else next(iter(words[place + 1 :]), "")
            found = next((kind for kind in get_args(Color) if kind == given), found)
    return found
