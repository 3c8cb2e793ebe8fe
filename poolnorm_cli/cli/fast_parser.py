"""Command lines with nothing wrong in them, read without Typer, which takes long to import.

Flags and words are told apart as `getopt` does. Whatever that does not take may be a question, as
--help is, or has a verb or flag that is none (`questions.py`); the rest, such as a value that is
not of its flag's type, is left to Typer, which says what is wrong. So nothing is refused here, and
what is read is what Typer would read.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from poolnorm_cli.cli.command import BOOLEANS, Argument, Command, Family, Flag, Node, Spelling
from poolnorm_cli.values import MISSING


_COMPLETE = "_POOLNORM_COMPLETE"
"""Variable of the environment by which a shell asks for completions."""


def execute(words: Sequence[str], root: Family) -> int:
    """Run a command line; one that has nothing wrong with it needs no Typer.

    Args:
        words: The command line, without the program.
        root: The commands that there are.

    Returns:
        The exit code.

    Raises:
        PoolnormError: It cannot be parsed, or whatever comes of it.
    """
    if _COMPLETE in os.environ:
        from poolnorm_cli.cli.completion_shells import reply

        return reply(root)
    command, left = find(words, root)
    if command is not None:
        values, mended = understand(command, left)
        if values is not None:
            return command.run(values, values.keys())
        words = [*words[: len(words) - len(left)], *mended]
    from poolnorm_cli.cli.questions import answer

    code = answer(words, root)
    if code is not None:
        return code
    from poolnorm_cli.cli.typer_app import run

    return run(words, root)


def find(words: Sequence[str], root: Family) -> tuple[Command | None, Sequence[str]]:
    """Find the command that words begin with.

    Args:
        words: The command line, without the program.
        root: The commands that there are.

    Returns:
        The command, None where there is none, and the words that are left.
    """
    found: Node = root
    while not isinstance(found, Command):
        if not words or words[0] not in found.members:
            return None, words
        found, words = found.members[words[0]](), words[1:]
    return found, words


def understand(
    command: Command, words: Sequence[str]
) -> tuple[dict[str, Any] | None, Sequence[str]]:
    """Read what follows the words of a command, in other spellings where it has to be.

    Args:
        command: The command.
        words: What follows.

    Returns:
        The values that were typed, by name, None where they are Typer's to read; and the words in
        the spelling of the help.

    Raises:
        UsageError: Something can mean two things.
    """
    values = read(command, words)
    if values is not None and not has_odd_inputs(values):
        return values, words
    from poolnorm_cli.cli.lenient import mend

    words = mend(command, words)
    return read(command, words), words


def has_odd_inputs(values: Mapping[str, Any]) -> bool:
    """Whether an input that was typed looks like the value of a flag: `3`, `false`."""
    inputs = values.get("inputs") or values.get("words") or ()
    return any(word.isdigit() or word.lower() in BOOLEANS for word in inputs)


class _LeftToTyperError(Exception):
    """There is something about the command line that Typer knows better."""


def read(command: Command, words: Sequence[str]) -> dict[str, Any] | None:
    """Read what follows the words of a command.

    Args:
        command: The command.
        words: What follows.

    Returns:
        The values that were typed, by name; None where that is Typer's to do.
    """
    options, arguments = dict[str, Spelling](), list[Flag]()
    for flag in command.flags():
        if isinstance(flag.option, Argument):
            arguments.append(flag)
        else:
            options.update(flag.spellings())
    try:
        typed, left = _cut(options, words)
        values = _values(options, typed) | _placed(arguments, left)
    except (_LeftToTyperError, ValueError):
        return None
    needed = {s.flag.name for s in options.values() if s.flag.default is MISSING}
    return values if needed <= values.keys() else None


def _cut(
    options: Mapping[str, Spelling], words: Sequence[str]
) -> tuple[list[tuple[str, str]], list[str]]:
    """Tell flags from other words.

    Raises:
        _LeftToTyperError: A word looks like a flag and is none, or is empty; or a flag lacks its
            value, or has one that it does not take.
    """
    # No flag is cut short, even as a value of another one: that may be a mistake.
    if not all(words) or any(
        w.startswith("--") and w.partition("=")[0] not in options for w in words
    ):
        raise _LeftToTyperError
    typed, left = list[tuple[str, str]](), list[str]()
    coming = iter(words)
    for word in coming:
        if word.startswith("--"):
            name, mark, value = word.partition("=")
            if options[name].value is not None and mark:
                raise _LeftToTyperError
            takes_next = options[name].value is None and not mark
            typed.append((name, _next(coming) if takes_next else value))
        elif word.startswith("-") and word != "-":
            typed += _short(options, word[1:], coming)
        else:
            left.append(word)
    return typed, left


def _short(
    options: Mapping[str, Spelling], letters: str, coming: Iterator[str]
) -> Iterator[tuple[str, str]]:
    """Yield the flags of one letter in a word; the last may have its value behind it, or next."""
    while letters:
        name, letters = f"-{letters[0]}", letters[1:]
        if name not in options:
            raise _LeftToTyperError
        if options[name].value is None:
            yield name, letters or _next(coming)
            return
        yield name, ""


def _next(coming: Iterator[str]) -> str:
    """Return the value that follows a flag."""
    value = next(coming, None)
    if value is None:
        raise _LeftToTyperError
    return value


def _values(options: Mapping[str, Spelling], typed: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Read the values of flags; of one given twice the last counts.

    Raises:
        _LeftToTyperError: One is not of the flag's type.
        ValueError: The same.
    """
    values: dict[str, Any] = {}
    for name, text in typed:
        flag, value = options[name].flag, options[name].value
        if flag.option.count:
            values[flag.name] = values.get(flag.name, 0) + 1
        else:
            values[flag.name] = _read(flag, text) if value is None else value
    return values


def _read(flag: Flag, text: str) -> Any:
    kind = flag.kind
    if text[:1] in ("", "="):
        raise _LeftToTyperError
    if flag.option.parser is not None:
        return flag.option.parser(text)
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise _LeftToTyperError
        return text
    value = kind(text)
    least, most = flag.option.min, flag.option.max
    if (least is not None and value < least) or (most is not None and value > most):
        raise _LeftToTyperError
    return value


def _placed(arguments: Sequence[Flag], words: Sequence[str]) -> dict[str, Any]:
    """Give words that are no flags to the arguments they are for.

    Raises:
        _LeftToTyperError: There are too many or too few, or one is not of its type.
    """
    left, values = list(words), dict[str, Any]()
    for argument in arguments:
        many = argument.kind == list[str]
        if left:
            values[argument.name] = left if many else _read(argument, left.pop(0))
            left = [] if many else left
        elif argument.default is MISSING:
            raise _LeftToTyperError
    if left:
        raise _LeftToTyperError
    return values
