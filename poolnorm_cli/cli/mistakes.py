"""Words that the command does not have, and the one that was probably meant.

People come with the names of Keras and torch, or with a letter too many.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, get_args, get_origin

from poolnorm_cli.cli import PROGRAM
from poolnorm_cli.cli.command import LAYER_VERBS, Argument, Command, Family, Flag, Spelling
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers import LAYERS


_ALIKE, _ALIKE_FLAGS = 0.65, 0.7
"""Share of letters in common, from which one word or flag may have been meant by another."""
_SHAPE = re.compile(r"[\[(]?(None|[A-Za-z]|\d+)(,(None|[A-Za-z]|\d+))+[\])]?")
_NUMBER = re.compile(r"-[\d.]")
_UNKNOWN_SIZE = re.compile(r"-\d+(?=,)")
"""How a shape begins in other programs whose first size is not known."""
_FILE = re.compile(r"\.(npy|npz|keras|h5|hdf5|onnx|safetensors)(::.*)?$")

_OTHER_NAMES = MappingProxyType(
    {
        "batchnorm": "bn",
        "batch": "bn",
        "groupnorm": "gn",
        "instancenorm": "in",
        "instance": "in",
        "layernorm": "ln",
        "layer": "ln",
        "rmsnorm": "rms",
        "unitnorm": "unit",
        "l2norm": "unit",
        "lpnorm": "unit",
        "norm": "unit",
        "localresponse": "lrn",
        "localresponsenorm": "lrn",
        "normalize": "unit",
        "mean": "pool average",
        "minimum": "pool min",
        "powerpool": "pool lp",
        "lppool": "pool lp",
        "globalpool": "gpool",
        "adaptivepool": "apool",
        "sequential": "pipe",
        "pipeline": "pipe",
        "chain": "pipe",
        "diff": "compare",
        "cmp": "compare",
        "allclose": "compare",
        "ls": "info",
        "list": "info",
        "stat": "info",
        "stats": "info",
        "summary": "info",
        "inspect": "info",
        "random": "generate",
        "rand": "generate",
        "randn": "generate normal",
        "make": "generate",
        "new": "generate",
        "plot": "show",
        "view": "show",
        "cat": "show",
        "picture": "show",
        "computeoutputshape": "shape",
        "outputshape": "shape",
        "size": "shape",
        "check": "doctor",
        "version": "--version",
        "man": "help",
        "usage": "help",
    }
)
"""What others call it, as `_plain` writes it."""

_OTHER_FLAGS = MappingProxyType(
    {
        "kernel-size": "pool-size",
        "kernel": "pool-size",
        "window": "pool-size",
        "window-size": "pool-size",
        "ksize": "pool-size",
        "size": "pool-size",
        "step": "strides",
        "norm-type": "p",
        "layout": "data-format",
        "format": "data-format",
        "eps": "epsilon",
        "dim": "axis",
        "dims": "axis",
        "normalized-shape": "axis",
        "num-groups": "groups",
        "train": "training",
        "out": "output",
        "outfile": "output",
        "out-dir": "output-dir",
        "outdir": "output-dir",
        "force": "overwrite",
        "clobber": "overwrite",
        "device": "provider",
        "workers": "jobs",
        "processes": "jobs",
        "memory": "max-memory",
        "tol": "rtol",
        "tolerance": "rtol",
        "rel": "rtol",
        "abs": "atol",
        "ulp": "max-ulp",
        "type": "dtype",
        "onnx": "export",
        "colour": "color",
        "silent": "quiet",
        "digits": "precision",
    }
)
"""What others call a flag."""


def unknown_word(words: Sequence[str], family: Family, path: Sequence[str]) -> UsageError:
    """Say that a word is no command, or that one is missing, and which may have been meant.

    Args:
        words: What was typed where a command should stand, and what follows.
        family: The commands that there are.
        path: The words that led to it.

    Returns:
        The error.
    """
    kind = _what(path)
    members = _listed(family.members)
    if not words:
        return UsageError(f"{' '.join(path)} lacks its {kind}", f"give {members}")
    word, before = words[0], " ".join([PROGRAM, *path])
    first = " ".join([before, *_first(family)])
    if word.startswith("-") and word != "-":
        what = f"{word} before the {kind}" if path else f"no such flag {word} of {PROGRAM}"
        return UsageError(what, f"flags come last, as {first} ... {word}")
    of = f" of {path[-1]}" if path else ""
    what = f"no such {kind} {word!r}{of}"
    if _is_file(word) or (path == ["shape"] and _SHAPE.fullmatch(word)):
        reader = first if path else f"{PROGRAM} info"
        thing = "file" if _is_file(word) else "shape"
        return UsageError(what, f"name a {kind} before the {thing}, as {reader} {word}")
    if word == PROGRAM and not path:
        return UsageError(f"{PROGRAM} twice", f"type {' '.join(words)}")
    meant = meant_word(word, family, path)
    if meant is not None:
        return UsageError(what, f"did you mean {meant}?")
    return UsageError(what, f"type {before} --help" if not path else f"give {members}")


def refuse_unknown(words: Sequence[str], command: Command, path: Sequence[str]) -> None:
    """Refuse a flag that a command does not have, or a word that is almost one that it takes.

    Args:
        words: What follows the words of the command.
        command: The command.
        path: The words of the command.

    Raises:
        UsageError: There is one.
    """
    spellings: dict[str, Spelling] = {}
    choices: list[tuple[str, ...]] = []
    for flag in command.flags():
        spellings |= flag.spellings()
        if isinstance(flag.option, Argument):
            choices.append(_choices(flag))
    left, allowed = iter(words), iter(choices)
    for word in left:
        if word == "--":
            return
        if not word.startswith("-") or word == "-":
            _refuse_unknown_choice("", word, next(allowed, ()))
            continue
        name, mark, value = word.partition("=") if word.startswith("--") else (word[:2], "", "")
        spelling = spellings.get(name)
        if spelling is None and _UNKNOWN_SIZE.match(word) and _takes_shape(command):
            meant = _UNKNOWN_SIZE.sub("None", word, count=1)
            raise UsageError(f"shape {word} has a negative size", f"type None for any: {meant}")
        if spelling is None and not _NUMBER.match(word):
            taking = _taking(value if mark else next(left, ""), spellings)
            near = taking if nearest_flag(name, taking) else spellings
            raise unknown_flag(name, near, path)
        if spelling is not None and spelling.value is None and (mark or name == word):
            given = value if mark else next(left, None)
            if given is None:
                raise UsageError(
                    f"{name} lacks its value", f"type {' '.join([PROGRAM, *path])} --help"
                )
            _refuse_unknown_choice(f"{name} ", given, _choices(spelling.flag))


def _takes_shape(command: Command) -> bool:
    """Whether it follows a shape, of which a size need not be known."""
    follows = command.layer is not None or command.takes_steps
    arguments = (flag for flag in command.flags() if isinstance(flag.option, Argument))
    return follows and any(flag.name == "shape" for flag in arguments)


def _taking(value: str, spellings: Mapping[str, Spelling]) -> list[str]:
    """Return the flags one of whose words a value is: `--pad same` means `--padding`."""
    return [name for name, each in spellings.items() if value.lower() in _choices(each.flag)]


def _choices(flag: Flag) -> tuple[str, ...]:
    return get_args(flag.kind) if get_origin(flag.kind) is Literal else ()


def _refuse_unknown_choice(where: str, word: str, choices: Sequence[str]) -> None:
    """Refuse a word that is almost one of those that may stand in its place."""
    meant = None if word in choices else nearest(word.lower(), choices)
    if meant is not None:
        what = f"{where}{word!r} is none of {', '.join(choices)}"
        raise UsageError(what, f"did you mean {meant}?")


def unknown_flag(name: str, flags: Iterable[str], path: Sequence[str]) -> UsageError:
    """Say that a command has no such flag, and which may have been meant.

    Args:
        name: What was typed.
        flags: Those that there are.
        path: The words of the command.

    Returns:
        The error.
    """
    what = f"no such flag {name} of {' '.join(path)}"
    meant = nearest_flag(name, flags)
    if meant is not None:
        return UsageError(what, f"did you mean {meant}?")
    return UsageError(what, f"type {' '.join([PROGRAM, *path])} --help")


def nearest_flag(name: str, flags: Iterable[str]) -> str | None:
    """Return the flag that was probably meant.

    Args:
        name: What was typed.
        flags: Those that there are.

    Returns:
        One of them; None where none is like it.
    """
    whole = [flag for flag in flags if flag.startswith("--")]
    plain = name.strip("-").lower().replace("_", "-")
    begun = [flag for flag in whole if len(plain) > 1 and flag.startswith(f"--{plain}")]
    for wanted in (f"--{plain}", f"--{_OTHER_FLAGS.get(plain)}"):
        if wanted in whole:
            return wanted
    if len(begun) == 1:
        return begun[0]
    near = nearest(plain, [flag[2:] for flag in whole], _ALIKE_FLAGS)
    return None if near is None else f"--{near}"


def nearest(word: str, known: Iterable[str], alike: float = _ALIKE) -> str | None:
    """Return the word that is most like another; None where none is like it.

    Args:
        word: What was typed.
        known: The words that there are.
        alike: Share of letters that they have in common at least.

    Returns:
        One of them.
    """
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, list(known), 1, alike)), None)


def meant_word(word: str, family: Family, path: Sequence[str]) -> str | None:
    """Return the command that was probably meant.

    Args:
        word: What was typed.
        family: The commands that there are.
        path: The words that led to them.

    Returns:
        Its words, without the program; None where none is like it.
    """
    plain = _plain(word)
    usual = _layer_names() | _OTHER_NAMES
    found = next((name for name in family.members if name == word.lower()), None)
    found = found or _below(usual.get(plain), family, path)
    if found is None:
        by_plain = {_plain(name): name for name in family.members} | {
            name: place
            for name, words in usual.items()
            if (place := _below(words, family, path)) is not None
        }
        near = nearest(plain, by_plain)
        found = None if near is None else by_plain[near]
    if found is None or found.startswith("-"):
        return found
    return " ".join([*path, found])


def _below(words: str | None, family: Family, path: Sequence[str]) -> str | None:
    """Return words as they stand below a path; None where they do not."""
    if words is None:
        return None
    if words.startswith("-"):
        return None if path else words
    parts = words.split()
    if path and parts[0] == path[-1]:
        parts = parts[1:]
    return " ".join(parts) if parts and parts[0] in family.members else None


def _plain(word: str) -> str:
    """Return a name of Keras, torch or ONNX as one that it has in common with the others.

    `keras.layers.GlobalAveragePooling2D` and `torch.nn.GlobalAvgPool` become `globalaveragepool`.
    """
    plain = re.sub(r"[^a-z0-9]", "", word.rpartition(".")[2].lower())
    plain = re.sub(r"(?<=[a-z])[123]d$", "", plain)
    for name, usual in (("normalization", "norm"), ("pooling", "pool"), ("maximum", "max")):
        plain = plain.replace(name, usual)
    plain = re.sub(r"avg|average|(?<=pool)mean|mean(?=pool)", "average", plain)
    swapped = re.fullmatch(r"([ga]?)pool(max|average)", plain)
    if swapped:
        plain = f"{swapped[1]}{swapped[2]}pool"
    return re.sub(r"^(g|a)(?=(max|average)pool$)", _long, plain)


def _long(match: re.Match[str]) -> str:
    return {"g": "global", "a": "adaptive"}[match[1]]


def _layer_names() -> dict[str, str]:
    """Return the words of pooling layers by what `_plain` makes of their names."""
    names = {"": "pool", "global": "gpool", "adaptive": "apool"}
    long = {verb: name for name, verb in names.items()}
    found = {}
    for words in LAYERS:
        verb, _, kind = words.partition(" ")
        if kind and verb in long:
            found[f"{long[verb]}{kind}pool"] = words
            found.setdefault(_plain(kind), words)
    return found


def _is_file(word: str) -> bool:
    return word == "-" or bool(_FILE.search(word)) or os.path.exists(word)  # noqa: PTH110


def _what(path: Sequence[str]) -> str:
    if not path:
        return "verb"
    return "kind" if path[-1] in LAYER_VERBS else "layer"


def _first(family: Family) -> list[str]:
    words = [next(iter(family.members))]
    below = family.members[words[0]]()
    return words if isinstance(below, Command) else [*words, *_first(below)]


def _listed(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last
