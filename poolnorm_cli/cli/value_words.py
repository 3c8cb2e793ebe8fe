"""Which words may be the value of a flag: for completion, and for `help` of that flag."""

import os
from collections.abc import Iterator, Sequence
from typing import Literal, get_args, get_origin

from poolnorm_cli.cli.command import Command, Flag
from poolnorm_cli.values import frozen


FILES, DIRECTORIES, NOTHING = "files", "dirs", "none"
_MARK = "::"
_LONGEST = 300
"""Characters of a name that is offered; no person picks one that is longer."""


@frozen
class Offer:
    """What may stand in a place.

    Attributes:
        words: The words, each with a few words of help.
        paths: What paths the shell may add: `files`, `dirs` or `none`.
    """

    words: Sequence[tuple[str, str]] = ()
    paths: str = NOTHING


def choices_of(flag: Flag, command: Command) -> list[str]:
    """Return the words that a flag takes, where they can be listed.

    Args:
        flag: The flag.
        command: Its command.

    Returns:
        The words; [] where anything may stand.
    """
    if get_origin(flag.kind) is Literal:
        return list(map(str, get_args(flag.kind)))
    return _identifiers(flag, command) or list(_WORDS.get(flag.name, ()))


_WORDS = {"jobs": ("auto",), "dask": ("local",)}
"""Words that stand beside values that cannot be listed."""


def _identifiers(flag: Flag, command: Command) -> list[str]:
    """Return Keras' names of the objects that a parameter of a layer takes."""
    if command.layer is None:
        return []
    found = [each for each in command.layer.parameters() if each.name == flag.name]
    kinds = [kind for each in found for kind in (each.type, *get_args(each.type))]
    for kind in kinds:
        if hasattr(kind, "known"):
            import poolnorm_cli.layers.keras.initializers  # noqa: F401 - makes them known

            return sorted({made.words[0] for made in kind.known().values()})
    return []


def offer_value(flag: Flag, command: Command, begun: str, words: Sequence[str]) -> Offer:
    """Say what may be the value of a flag.

    Args:
        flag: The flag.
        command: Its command.
        begun: What is typed of the value already.
        words: What else follows the words of the command.

    Returns:
        The words and paths.
    """
    if flag.name == "key":
        files = [word for word in words if os.path.isfile(word)]  # noqa: PTH113
        return Offer([(name, "") for file in files for name in _members(file)])
    if flag.name == "backends":
        return Offer(_listed(begun))
    choices = choices_of(flag, command)
    if choices:
        return Offer([(word, "") for word in choices])
    metavar = str(flag.option.keywords.get("metavar", ""))
    if metavar.startswith("DIR"):
        return Offer(paths=DIRECTORIES)
    if not metavar.startswith("FILE"):
        return Offer()
    return offer_file(begun, layers="LAYER" in metavar)


def _listed(begun: str) -> list[tuple[str, str]]:
    """Offer one more backend of a list, those before it left out."""
    from poolnorm_cli.backends import full_names

    *before, _ = begun.split(",")
    head = "".join(f"{name}," for name in before)
    return [(head + name, "") for name in full_names() if name not in before]


def offer_file(begun: str, *, layers: bool = False) -> Offer:
    """Offer files, and behind `FILE::` what is in that file.

    Args:
        begun: What is typed already.
        layers: What is wanted is a layer of a checkpoint, not an array.

    Returns:
        The words and paths.
    """
    file, mark, _ = begun.partition(_MARK)
    if not mark:
        return Offer(paths=FILES)
    if not os.path.isfile(file):  # noqa: PTH113 - a pipe would wait, an address is far away
        return Offer()
    from poolnorm_cli.weights.formats import is_checkpoint

    of_layers = layers or is_checkpoint(file)
    names = _layers(file) if of_layers else ((name, "") for name in _members(file))
    return Offer([(f"{file}{_MARK}{name}", text) for name, text in names if _is_typed(name)])


def _is_typed(name: str) -> bool:
    return bool(name) and len(name) <= _LONGEST and name.isprintable()


def _layers(file: str) -> Iterator[tuple[str, str]]:
    from poolnorm_cli.weights.formats import entries_of

    try:
        for entry in entries_of(file):
            yield entry.name or entry.path, entry.kind or ""
    except Exception:  # noqa: BLE001 - what is wrong with a file is said when it is run
        return


def _members(file: str) -> Iterator[str]:
    from poolnorm_cli.tensors.names import names_tensor
    from poolnorm_cli.tensors.sources import open_input

    try:
        if names_tensor(file):
            for tensor in open_input(file, None, True):  # noqa: FBT003 - any dtype has a name
                if tensor.key:
                    yield tensor.key
    except Exception:  # noqa: BLE001 - as above
        return
