"""Command lines with nothing wrong in them, read without Typer, which takes long to import.

`getopt` knows flags and words. Whatever it does not take, or a value that is not of its flag's
type, is left to Typer, which says what is wrong. So nothing is refused here, and what is read is
what Typer would read.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import MISSING
from getopt import GetoptError, gnu_getopt
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from poolnorm_cli.cli.command import Argument, Command, Family, Flag, Node
from poolnorm_cli.layers.keras.spelling import flag_of
from poolnorm_cli.values import frozen


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
    completes = _COMPLETE in os.environ
    command, left = (None, words) if completes else find(words, root)
    if command is not None:
        values = read(command, left)
        if values is not None:
            return command.run(values, values.keys())
    from poolnorm_cli.cli.typer_app import run

    return run(words, root, is_whole=completes)


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


class _LeftToTyperError(Exception):
    """There is something about the command line that Typer knows better."""


@frozen
class Spelling:
    """One way to write a flag; `value` is what it means alone, None where a value follows."""

    flag: Flag
    value: bool | None


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
            options.update(_spellings(flag))
    try:
        typed, left = _cut(options, words)
        values = _values(options, typed) | _placed(arguments, left)
    except (_LeftToTyperError, GetoptError, ValueError):
        return None
    needed = {s.flag.name for s in options.values() if s.flag.default is MISSING}
    return values if needed <= values.keys() else None


def spellings(command: Command) -> dict[str, Spelling]:
    """Return the flags of a command, by each way to write them."""
    flags = (flag for flag in command.flags() if not isinstance(flag.option, Argument))
    return {name: spelling for flag in flags for name, spelling in _spellings(flag).items()}


def _spellings(flag: Flag) -> dict[str, Spelling]:
    is_bool, usual = _kind(flag) is bool, flag_of(flag.name)
    names = flag.option.names or (f"{usual}/--no-{usual[2:]}" if is_bool else usual,)
    value = True if is_bool or flag.option.count else None
    found = {}
    for name in names:
        on, _, off = name.partition("/")
        found[on] = Spelling(flag, value)
        if off:
            found[off] = Spelling(flag, value=False)
    return found


def _kind(flag: Flag) -> Any:
    """Return the type of a flag's value, None left aside."""
    kinds = get_args(flag.type)
    if NoneType not in kinds:
        return flag.type
    (kind,) = (kind for kind in kinds if kind is not NoneType)
    return kind


def _cut(
    options: Mapping[str, Spelling], words: Sequence[str]
) -> tuple[list[tuple[str, str]], list[str]]:
    """Tell flags from other words.

    Raises:
        _LeftToTyperError: A word looks like a flag and is none, or is empty.
        GetoptError: A flag lacks its value, or has one that it does not take.
    """
    # `getopt` completes a flag that is cut short; here one is spelled out, or wrong.
    if any(w.startswith("--") and w.partition("=")[0] not in options for w in words):
        raise _LeftToTyperError
    short = "".join(n[1] + ":" * (s.value is None) for n, s in options.items() if n[1] != "-")
    long = [n[2:] + "=" * (s.value is None) for n, s in options.items() if n[1] == "-"]
    typed, left = gnu_getopt(list(words), short, long)
    if any(w.startswith("-") and w != "-" for w in left) or not all(words):
        raise _LeftToTyperError
    return typed, left


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
    kind = _kind(flag)
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
        many = _kind(argument) == list[str]
        if left:
            values[argument.name] = left if many else _read(argument, left.pop(0))
            left = [] if many else left
        elif argument.default is MISSING:
            raise _LeftToTyperError
    if left:
        raise _LeftToTyperError
    return values
