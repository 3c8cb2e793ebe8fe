"""`poolnorm help WORDS`: a verb, a flag of it, a flag of whatever has it, or a topic."""

import sys
from collections.abc import Iterator, Sequence
from typing import Literal, get_origin

from poolnorm_cli.cli import PROGRAM
from poolnorm_cli.cli.command import Argument, Command, Family, Flag, Node
from poolnorm_cli.cli.help_layout import laid_out, width, wrapped
from poolnorm_cli.cli.help_page import Entry, entry_of, page_of, walk
from poolnorm_cli.cli.help_topics import TOPICS
from poolnorm_cli.cli.mistakes import (
    meant_word,
    nearest,
    nearest_flag,
    unknown_flag,
    unknown_word,
)
from poolnorm_cli.cli.value_words import choices_of
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.keras.spelling import flag_of
from poolnorm_cli.report.colors import color_of, is_colored, paint


_VALUES = {
    "INTS": "INTS is one whole number, or one per axis in one word: 2, 2,3 or 2x3.",
    "WORD": "WORD is a name as Keras has it, with arguments as random_normal(stddev=0.05,seed=1), "
    "or Keras' config in JSON.",
    "SIZE": "SIZE is a number of bytes, with K, M, G or T for powers of 1024: 512M.",
}
"""What may stand for the word of a value."""


def print_explanation(words: Sequence[str], root: Family) -> None:
    """Explain words.

    Args:
        words: What was typed after `help`.
        root: The commands that there are.

    Raises:
        UsageError: There is nothing that they could mean.
    """
    colored = is_colored(sys.stdout, color_of(words))
    asked = [word for word in words if word not in ("-h", "--help")]
    asked = asked if asked or not words else ["help"]
    print("\n".join(_explanation(asked, root, colored=colored)))


def _explanation(words: Sequence[str], root: Family, *, colored: bool) -> Iterator[str]:
    node, path, left = walk(words, root)
    known = _flags(node) if isinstance(node, Command) else {}
    left = [flag if (flag := _dashed(word)) in known else word for word in left]
    flags = [word.partition("=")[0] for word in left if word.startswith("-") and word != "-"]
    if flags and isinstance(node, Command):
        for place, name in enumerate(flags):
            yield from [""] if place else []
            yield from _of_flag(_found(name, node, path), node, path, colored=colored)
    elif flags and not path:
        yield from _of_flag_anywhere(flags[0], root, colored=colored)
    elif left and isinstance(node, Family):
        yield _of_topic(left, node, path)
    else:
        yield laid_out(page_of(node, path), width(), colored=colored)


def _dashed(word: str) -> str:
    """Write a parameter as the flag that it is: `momentum`, `moving_mean_initializer`."""
    return word if word.startswith("-") else flag_of(word.lower())


def _of_flag(flag: Flag, command: Command, path: Sequence[str], *, colored: bool) -> Iterator[str]:
    """Explain a flag: how it is typed, what it does, what may be given."""
    entry = entry_of(flag)
    names = paint(entry.names, "name") if colored else entry.names
    yield f"{PROGRAM} {' '.join(path)} {names} {entry.value}".rstrip()
    yield ""
    for text in _told(flag, command, entry):
        yield from wrapped(text, width())


def _told(flag: Flag, command: Command, entry: Entry) -> Iterator[str]:
    yield entry.text
    if entry.value in _VALUES:
        yield _VALUES[entry.value]
    choices = choices_of(flag, command)
    if choices and get_origin(flag.kind) is not Literal:
        yield f"Names: {', '.join(choices)}."


def _found(name: str, command: Command, path: Sequence[str]) -> Flag:
    """Return the flag of a name, an unknown one refused."""
    flags = _flags(command)
    if name not in flags:
        raise unknown_flag(name, flags, path)
    return flags[name]


def _flags(command: Command) -> dict[str, Flag]:
    return {
        name: flag
        for flag in command.flags()
        if not isinstance(flag.option, Argument)
        for name in flag.spellings()
    }


def _of_flag_anywhere(name: str, root: Family, *, colored: bool) -> Iterator[str]:
    """Explain a flag by the first command that has it, and list the others."""
    having: list[tuple[list[str], Command]] = []
    known: dict[str, None] = {}
    for path, command in _commands(root, []):
        flags = _flags(command)
        known |= dict.fromkeys(flags)
        if name in flags:
            having.append((path, command))
    if not having:
        meant = nearest_flag(name, known)
        fix = f"did you mean {meant}?" if meant else f"type {PROGRAM} --help"
        raise UsageError(f"no such flag {name}", fix)
    (path, command), *others = having
    yield from _of_flag(_flags(command)[name], command, path, colored=colored)
    if others:
        yield ""
        yield from wrapped(f"Also of {', '.join(' '.join(path) for path, _ in others)}.", width())


def _commands(node: Node, path: list[str]) -> Iterator[tuple[list[str], Command]]:
    if isinstance(node, Command):
        yield path, node
        return
    for name, make in node.members.items():
        yield from _commands(make(), [*path, name])


def _of_topic(words: Sequence[str], family: Family, path: Sequence[str]) -> str:
    """Return the text of a topic; a word that is none is refused like a wrong verb."""
    topic = words[0].lower().replace("_", "-")
    if not path and topic in TOPICS:
        return TOPICS[topic].rstrip()
    error = unknown_word(words, family, path)
    begun = [name for name in TOPICS if len(topic) > 1 and name.startswith(topic)]
    near = None if path else next(iter(begun), nearest(topic, TOPICS))
    if near is None or meant_word(topic, family, path) is not None:
        raise error
    raise error.saying(fix=f"did you mean {PROGRAM} help {near}?")
