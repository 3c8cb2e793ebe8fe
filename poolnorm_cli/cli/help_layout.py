"""How a page of help is laid out: in columns, or below each other where there is no room for them.

There are no boxes, so it reads the same in a pipe; a name is never cut or broken over lines.
"""

import os
import re
import shutil
import textwrap
from collections.abc import Callable, Iterator

from poolnorm_cli.cli.help_page import Entry, Page
from poolnorm_cli.report.colors import Tone, paint


_WIDEST = 100
_NARROW = 60
"""Columns below which there is no room for two columns."""
_HEAD = 30
"""Columns that names and values take at most where their texts are beside them."""
_INDENT = "  "
_STDERR = 2
_USUAL = 80
"""Columns where there is no terminal."""
_NOTE = re.compile(r"\[[^\]]{1,24}\]")
"""A default or a limit, which stays on one line."""
_HARD_SPACE = "\xa0"
_Painter = Callable[[str, Tone], str]


def width() -> int:
    """Return the columns of the terminal, also where `less` or `head` is between it and here."""
    try:
        columns = os.get_terminal_size(_STDERR).columns
    except OSError:
        columns = _USUAL
    return min(shutil.get_terminal_size((columns, 0)).columns or _USUAL, _WIDEST)


def laid_out(page: Page, columns: int, *, colored: bool) -> str:
    """Lay a page out.

    Args:
        page: The page.
        columns: How wide it may be.
        colored: It is for a terminal with colour.

    Returns:
        The lines, as one text.
    """
    painter: _Painter = paint if colored else lambda text, _: text
    return "\n".join(_lines(page, columns, painter))


def wrapped(text: str, columns: int, indent: str = "", later: str | None = None) -> list[str]:
    """Break a text at its spaces alone, but for those of a short default.

    Args:
        text: The text.
        columns: How wide a line may be; a word that is wider stays whole.
        indent: What stands before the first line.
        later: What stands before the others; None for the same.

    Returns:
        The lines.
    """
    lines = textwrap.wrap(
        _NOTE.sub(lambda note: note[0].replace(" ", _HARD_SPACE), text),
        max(columns, len(indent) + 1, len(later or "") + 1),
        initial_indent=indent,
        subsequent_indent=indent if later is None else later,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_HARD_SPACE, " ") for line in lines]


def command_line(text: str, columns: int, indent: str = "") -> list[str]:
    r"""Break a command line so that it can be copied: with ` \` where it goes on.

    Args:
        text: The command line.
        columns: How wide a line may be.
        indent: What stands before the first line; the others are moved in further.

    Returns:
        The lines.
    """
    lines = wrapped(text, columns - 2, indent, indent + _INDENT)
    return [f"{line} \\" for line in lines[:-1]] + lines[-1:]


def _lines(page: Page, columns: int, painter: _Painter) -> Iterator[str]:
    label = painter("Usage:", "heading")
    first, *others = wrapped(page.usage, columns, " " * len("Usage: "), _INDENT * 2)
    yield f"{label} {first.lstrip()}"
    yield from others
    for sentence in page.sentences:
        yield ""
        yield from wrapped(sentence, columns)
    if page.formula:
        yield ""
        yield from wrapped(page.formula, columns, _INDENT * 2, _INDENT * 4)
    if page.example:
        yield ""
        first, *others = command_line(page.example, columns, " " * len("Example: "))
        yield f"{painter('Example:', 'heading')} {first.lstrip()}"
        yield from others
    head = _head_width(page, columns)
    for title, entries in page.panels.items():
        yield ""
        yield painter(f"{title}:", "heading")
        for entry in entries:
            yield from _entry_lines(entry, head, columns, painter)
    if page.below:
        yield ""
    for text in page.below:
        yield from wrapped(text, columns)


def _head_width(page: Page, columns: int) -> int:
    """Return the columns of the names, 0 where their texts are below them."""
    if columns < _NARROW:
        return 0
    heads = [len(_head(entry)) for entries in page.panels.values() for entry in entries]
    return max([width for width in heads if width <= _HEAD], default=_HEAD)


def _head(entry: Entry) -> str:
    return f"{entry.names} {entry.value}".rstrip()


def _entry_lines(entry: Entry, head: int, columns: int, painter: _Painter) -> Iterator[str]:
    indent = " " * (head + 2 * len(_INDENT)) if head else _INDENT * 3
    text = wrapped(entry.text, columns, indent)
    shown = f"{painter(entry.names, 'name')} {entry.value}".rstrip()
    if head and len(_head(entry)) <= head:
        space = " " * (head - len(_head(entry)) + len(_INDENT))
        yield f"{_INDENT}{shown}{space}{text[0].strip() if text else ''}".rstrip()
        yield from text[1:]
        return
    if len(_INDENT) + len(_head(entry)) <= columns:
        yield f"{_INDENT}{shown}"
    else:
        yield f"{_INDENT}{painter(entry.names, 'name')}"
        yield from _choices(entry.value, columns)
    yield from text


def _choices(value: str, columns: int) -> Iterator[str]:
    """Break `a|b|c` behind its bars."""
    line = _INDENT * 2
    for part in value.replace("|", "|\n").splitlines():
        if len(line + part) > columns and line.strip():
            yield line
            line = _INDENT * 2
        line += part
    yield line
