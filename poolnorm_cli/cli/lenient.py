"""Other spellings of what can only mean one thing, rewritten as the one that is in the help.

`--pool-size 3 3`, `(3,3)`, `SAME`, `channels-first`, `--trainable false`, `--pool_size 3`: both
parsers read a command line after it was mended here, so that they agree. A line is mended only
where it cannot be read as it stands, or has an input that looks like the value of a flag. What
can mean two things is refused, with the spelling of each.
"""

import os
import re
from collections import deque
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Literal, get_args, get_origin

from poolnorm_cli.cli.command import (
    BOOLEANS,
    LAYER_PANEL,
    Argument,
    Command,
    Flag,
    Spelling,
    parse_ints,
)
from poolnorm_cli.errors import UsageError
from poolnorm_cli.values import frozen


_HELP = {"-h", "--help"}
_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"))
"""Dashes that documents print in place of a hyphen or a minus."""
_INT = r"[-+]?\d+"
_OPEN, _CLOSE, _BETWEEN = r"[(\[{]", r"[)\]}]", r"[,;xX\u00d7*]"
_SIZES = re.compile(rf"{_OPEN}*\s*{_INT}(?:(?:\s*{_BETWEEN}\s*|\s+){_INT})*\s*,?\s*{_CLOSE}*")
_PIECE = re.compile(rf"(?:{_OPEN}|{_BETWEEN})*{_INT}(?:{_CLOSE}|{_BETWEEN})*|{_BETWEEN}")
"""A word that can be a part of several sizes."""
_SIZE = r"(?:\d+|None|\?|[A-Za-z_]\w*)"
_DIM = re.compile(rf"{_OPEN}*(?:{_SIZE}(?:,{_SIZE})*)?,?{_CLOSE}*")
_PAIR = re.compile(r"[a-z_]+=[-+.\w]+,?")
_LAYOUTS = {
    **dict.fromkeys(("nwc", "nhwc", "ndhwc", "last"), "channels_last"),
    **dict.fromkeys(("ncw", "ncl", "nchw", "ncdhw", "first"), "channels_first"),
}
_FLOATS = {"fp16": "float16", "bf16": "bfloat16", "fp32": "float32", "fp64": "float64"}
_ALIASES: Mapping[str, Mapping[str, str]] = {
    "data_format": _LAYOUTS,
    "dtype": {**_FLOATS, "half": "float16", "single": "float32", "double": "float64"},
    "backend": {"onnxruntime": "onnx", "ort": "onnx"},
    "provider": {"cudaexecutionprovider": "cuda", "cpuexecutionprovider": "cpu", "gpu": "cuda"},
}
"""Words of other tools for the values of a flag, small and without separators."""


@frozen
class _Doubt:
    """Words after a flag that may belong to it, or be inputs.

    Attributes:
        place: Where they stand, in the parts of the line.
        words: The words.
        joined: The flag with them, as it is to be written.
        typed: The flag with them, as it was typed.
    """

    place: int
    words: Sequence[str]
    joined: str
    typed: str


def mend(command: Command, words: Sequence[str]) -> list[str]:
    """Rewrite what a person has typed after the words of a command, where it means one thing.

    Args:
        command: The command.
        words: What follows.

    Returns:
        The words as the help has them; what is not understood stays as it is.

    Raises:
        UsageError: Something can mean two things.
    """
    return [*words] if _HELP & {*words} else _Line(command).mend(words)


class _Line:
    """One command line, as it is being mended."""

    def __init__(self, command: Command) -> None:
        """Look up the flags and arguments of the command."""
        self._options = command.spellings()
        self._arguments = [f for f in command.flags() if isinstance(f.option, Argument)]
        self._parts: list[list[str]] = []
        self._placed: list[int] = []
        self._doubts: list[_Doubt] = []
        self._has_unknown = False

    def mend(self, words: Sequence[str]) -> list[str]:
        """Rewrite the words."""
        left = deque(words)
        while left:
            word = left.popleft()
            if word == "--":
                first = len(self._parts) + 1
                self._placed += range(first, first + len(left))
                self._parts += [[word], *([each] for each in left)]
                break
            name, equals, value = word.partition("=")
            known = self._known(name)
            if known is None:
                self._has_unknown |= word.startswith("--")
                if not word.startswith("-") or word == "-":
                    self._placed.append(len(self._parts))
                self._parts.append([word])
            else:
                self._add(known, value if equals else None, left)
        self._settle()
        if not self._has_unknown:  # whose value may be one of the words that would be joined
            self._join_shapes()
        return [word for part in self._parts for word in part]

    def _known(self, name: str) -> str | None:
        """Return the flag that a word is, by another spelling perhaps: `--Pool_Size`."""
        if name in self._options:
            return name
        plain = name.translate(_DASHES)
        if plain[:1] != "-" or len(plain.strip("-")) < 2:
            return None
        plain = f"--{plain.strip('-').replace('_', '-').lower()}"
        return plain if plain in self._options else None

    def _add(self, name: str, value: str | None, left: deque[str]) -> None:
        flag, alone = self._options[name].flag, self._options[name].value
        if alone is not None:
            self._add_switch(name, value, left)
            return
        if value is None:
            if not left:
                self._parts.append([name])
                return
            value = left.popleft()
            if name[1] != "-" or _is_flag(value, self._options):
                self._parts.append([name, value])
                return
        value, more = _with_rest(flag, value, left)
        self._parts.append(_flag(name, value, flag))
        if more:
            self._doubts.append(
                _Doubt(
                    len(self._parts) - 1,
                    more,
                    _flag(name, _joined(flag, [value, *more]), flag)[-1],
                    " ".join([name, value, *more]),
                )
            )

    def _add_switch(self, name: str, value: str | None, left: deque[str]) -> None:
        """Add a flag that takes no value, and has one: `--center=False`, `--trainable no`."""
        flag = self._options[name].flag
        is_next = value is None and left and left[0].lower() in BOOLEANS
        word = left.popleft() if is_next else value
        meant = None if word is None else {"1": True, "0": False, **BOOLEANS}.get(word.lower())
        if word is None or meant is None or flag.kind is not bool:
            self._parts.append([name] if value is None else [f"{name}={value}"])
            return
        meant = meant == bool(self._options[name].value)
        written = [n for n, s in flag.spellings().items() if s.value is meant and n[1] == "-"]
        self._parts.append([name] if is_next else written[:1])
        if is_next:
            joined = (written or [""])[0]
            place = len(self._parts) - 1
            self._doubts.append(_Doubt(place, [word], joined, f"{name} {word}"))

    def _settle(self) -> None:
        """Decide whether words belong to the flag before them, or are inputs."""
        for doubt in self._doubts:
            part = self._parts[doubt.place]
            there = [word for word in doubt.words if os.path.lexists(word)]
            takes_inputs = any(flag.kind == list[str] for flag in self._arguments)
            needs_word = bool(self._arguments) and not takes_inputs and not self._placed
            if there and takes_inputs:
                if self._placed:
                    raise UsageError(
                        f"{doubt.typed} may mean {doubt.joined}, or the input {there[0]}",
                        f"type {_shown(part, doubt.joined)}, or ./{there[0]}",
                    )
                part += doubt.words
            elif needs_word and len(doubt.words) > 1:
                raise UsageError(
                    f"{doubt.typed} has no comma between what belongs together",
                    "type a shape as 4,28,28,3 and sizes as 3,3",
                )
            elif needs_word:
                part += doubt.words
            else:
                part[:] = [*part[:-1], doubt.joined] if len(part) > 1 else [doubt.joined]
                part[:] = [word for word in part if word]

    def _join_shapes(self) -> None:
        """Join shapes that were typed as several words: `4 28 28 3`, `224 224 112 112`."""
        names = [flag.name for flag in self._arguments]
        placed = self._placed
        if len(placed) <= len(names):
            return
        if names[-1:] == ["shape"]:
            self._join_one(placed[len(names) - 1 :])
        elif names == ["before", "after"]:
            half, odd = divmod(len(placed), 2)
            if odd:  # both sides have one size per axis
                raise UsageError(f"{len(placed)} sizes", "type both sides as 224,224 112,112")
            self._join_one(placed[:half])
            self._join_one(placed[half:])

    def _join_one(self, places: Sequence[int]) -> None:
        """Join the words in places to one shape, if that is what they are."""
        first, *others = places
        words = [word for place in places for word in self._parts[place]]
        if all(map(_DIM.fullmatch, words)):
            dims = [dim for word in words for dim in word.strip("()[]{}").split(",")]
            self._parts[first] = [",".join(dim for dim in dims if dim)]
            for place in others:
                self._parts[place] = []


def _shown(part: Sequence[str], joined: str) -> str:
    """Write a flag with its value as it is to be typed."""
    return f"{part[0]} {joined}" if len(part) > 1 else joined or f"no {part[0]}"


def _flag(name: str, value: str, flag: Flag) -> list[str]:
    """Return the words of a flag with its value; none for one that is as by default."""
    if value.lower() == "none" and flag.default is None and _is_none(flag):
        return []
    return [name, _value(flag, value)]


def _is_none(flag: Flag) -> bool:
    """Whether None, as Keras' users type it, is the default of a parameter and no word."""
    is_parameter = flag.option.keywords.get("rich_help_panel") == LAYER_PANEL
    optional = NoneType in get_args(flag.type) or flag.option.parser is parse_ints
    return is_parameter and optional and (flag.kind is not str or flag.option.parser is parse_ints)


def _is_flag(word: str, options: Mapping[str, Spelling]) -> bool:
    return word.partition("=")[0] in options


def _with_rest(flag: Flag, value: str, left: deque[str]) -> tuple[str, list[str]]:
    """Take the words that go on with a value: those it needs, and those that may belong to it.

    Args:
        flag: What the value is of.
        value: Its first word.
        left: The words after it, from which those that are taken are removed.

    Returns:
        The value as one word, and the words that may belong to it.
    """
    piece = _PIECE if flag.option.parser is parse_ints else None
    if flag.name == "renorm_clipping":
        piece = _PAIR
    if piece is None or not piece.fullmatch(value.translate(_DASHES)):
        return value, []
    more = []
    while left and piece.fullmatch(left[0].translate(_DASHES)):
        more.append(left.popleft())
    is_begun = value[-1:] in ",x(" or value[:1] in "([{"
    if more and is_begun:  # it cannot end there
        return _joined(flag, [value, *more]), []
    return value, more


def _joined(flag: Flag, words: Sequence[str]) -> str:
    if flag.option.parser is not parse_ints:
        return ",".join(word.strip(",") for word in words)
    return " ".join(words)


def _value(flag: Flag, text: str) -> str:
    """Return the spelling that a flag takes; the text itself where there is none."""
    if flag.option.parser is parse_ints:
        plain = text.translate(_DASHES).strip()
        found = re.findall(_INT, plain) if _SIZES.fullmatch(plain) else []
        return ",".join(found) or text
    if get_origin(flag.kind) is Literal:
        return _choice(flag, text)
    if flag.kind in (int, float):
        return _number(flag, text)
    return text


def _choice(flag: Flag, text: str) -> str:
    """Return the one of a few words that is meant: `SAME`, `channels-first`, `NCHW`."""
    words: dict[str, str] = {_folded(word): word for word in get_args(flag.kind)}
    meant = _folded(text)
    return words.get(_ALIASES.get(flag.name, {}).get(meant, meant).replace("_", ""), text)


def _folded(word: str) -> str:
    return re.sub(r"[-_\s.'\"]", "", word.lower())


def _number(flag: Flag, text: str) -> str:
    """Return the number that is meant: `1e-5f`, `32.0` for a whole one, a minus of a document.

    Raises:
        UsageError: It has a comma, as numbers have in some languages.
    """
    plain = text.translate(_DASHES).strip()
    if flag.kind is int:
        return re.sub(r"\.0*$", "", plain)
    if re.fullmatch(r"[-+]?\d+,\d+(e[-+]?\d+)?", plain):
        raise UsageError(f"{text!r} has a comma", f"type {plain.replace(',', '.')}")
    return plain[:-1] if re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?f", plain.lower()) else plain
