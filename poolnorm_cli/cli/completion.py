"""What may be typed next: verbs, flags, their values, names inside files."""

from collections.abc import Collection, Iterator, Sequence
from typing import Literal, get_args, get_origin

from poolnorm_cli.cli.command import LAYER_VERBS, Argument, Command, Family, Flag, Node, Spelling
from poolnorm_cli.cli.help_page import ROOT_FLAGS, entry_of, first_sentence, panel_of, walk
from poolnorm_cli.cli.help_topics import TOPICS
from poolnorm_cli.cli.value_words import NOTHING, Offer, offer_file, offer_value


SHELLS = ("bash", "zsh", "fish")
_STEP, _END, _HELP = "!", "--", "help"
_STEP_PANELS = ("Layer", "Weights")
_LONGEST = 70
"""Characters of the help beside a word."""


def complete(words: Sequence[str], begun: str, root: Family) -> Offer:
    """Say what a word may become.

    Args:
        words: The words before it, without the program.
        begun: What is typed of it already.
        root: The commands that there are.

    Returns:
        The words that begin so, and what paths the shell may add.
    """
    offer = _offer(words, begun, root)
    return Offer([(w, text) for w, text in offer.words if w.startswith(begun)], offer.paths)


def _offer(words: Sequence[str], begun: str, root: Family) -> Offer:
    if words[:1] == [_HELP] and _HELP in root.members:
        return _help(words[1:], begun, root)
    if words[-1:] and words[-1] in ("--install-completion", "--show-completion"):
        return Offer([(shell, "") for shell in SHELLS])
    node, _, left = walk(words, root)
    if isinstance(node, Family):
        return Offer() if left else _members(node, begun, is_root=node is root)
    if node.takes_steps and _STEP in left:
        return _step(left[_last(left, _STEP) + 1 :], begun, root)
    if _END in left:
        behind = left[_last(left, _END) + 1 :]
        takes_layer = any(flag.name == "backends" for flag in node.flags())
        return _offer(behind, begun, _layers(root)) if takes_layer else offer_file(begun)
    return _of_command(node, left, begun)


def _last(words: Sequence[str], word: str) -> int:
    return max(place for place, each in enumerate(words) if each == word)


def _layers(root: Family) -> Family:
    return Family("", {verb: make for verb, make in root.members.items() if verb in LAYER_VERBS})


def _step(words: Sequence[str], begun: str, root: Family) -> Offer:
    """Offer a layer verb, tee, or the flags that a step may have."""
    if not words:
        return Offer([*_members(_layers(root), begun).words, ("tee", "Write what passes.")])
    if words[0] == "tee":
        return offer_file(begun)
    node, _, left = walk(words, _layers(root))
    if isinstance(node, Family):
        return Offer() if left else _members(node, begun)
    offer = _of_command(node, left, begun)
    if not begun.startswith("-"):
        return Offer(offer.words, NOTHING if not left else offer.paths)
    names = {
        name
        for flag in node.flags()
        if panel_of(flag, node) in _STEP_PANELS or flag.name == "config"
        for name in flag.spellings()
    }
    return Offer([each for each in offer.words if each[0].partition("=")[0] in names])


def _members(family: Family, begun: str, *, is_root: bool = False) -> Offer:
    if begun.startswith("-"):
        flags = [(e.names.rpartition(" ")[2], e.text) for e in ROOT_FLAGS] if is_root else []
        return Offer(flags or [("--help", "Print the help.")])
    return Offer([(name, _short(_text(make()))) for name, make in family.members.items()])


def _text(node: Node) -> str:
    return first_sentence(node.text)


def _short(text: str) -> str:
    """Return the first sentence of a text, or as much of it as there is room for."""
    text = text.partition(". ")[0].partition("; ")[0].rstrip(".")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3].rpartition(' ')[0]}..."


def _help(words: Sequence[str], begun: str, root: Family) -> Offer:
    node, _, left = walk(words, root)
    if isinstance(node, Command):
        return Offer(list(_flag_names(node, ())))
    offer = _members(node, begun, is_root=node is root)
    topics = [(topic, "") for topic in TOPICS] if node is root else []
    return Offer([*offer.words, *topics]) if not left else Offer()


def _of_command(command: Command, left: Sequence[str], begun: str) -> Offer:
    """Offer what may follow the words of a command: a flag, a value, an argument."""
    spellings = {name: each for flag in command.flags() for name, each in _options(flag)}
    pending: Flag | None = None
    placed = 0
    used = set[str]()
    for word in left:
        if pending is not None:
            pending = None
            continue
        name, mark, _ = word.partition("=")
        spelling = spellings.get(name)
        if spelling is not None:
            used.add(spelling.flag.name)
            pending = spelling.flag if spelling.value is None and not mark else None
        elif not word.startswith("-") or word == "-":
            placed += 1
    if pending is not None:
        return offer_value(pending, command, begun, left)
    if begun.startswith("-") and begun != "-":
        name, mark, value = begun.partition("=")
        if mark and name in spellings:
            offer = offer_value(spellings[name].flag, command, value, left)
            return Offer([(f"{name}={word}", text) for word, text in offer.words], offer.paths)
        return Offer(list(_flag_names(command, used)))
    return _argument(command, placed, begun)


def _options(flag: Flag) -> Iterator[tuple[str, Spelling]]:
    if not isinstance(flag.option, Argument):
        yield from flag.spellings().items()


def _flag_names(command: Command, used: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the flags that are not there yet, each by its long names."""
    for flag in command.flags():
        if isinstance(flag.option, Argument) or (flag.name in used and not flag.option.count):
            continue
        text = _short(entry_of(flag).text)
        yield from ((name, text) for name in flag.spellings() if name.startswith("--"))
    yield "--help", "Print the help"


def _argument(command: Command, place: int, begun: str) -> Offer:
    arguments = [flag for flag in command.flags() if isinstance(flag.option, Argument)]
    if not arguments:
        return Offer()
    flag = arguments[min(place, len(arguments) - 1)]
    if place >= len(arguments) and flag.kind != list[str]:
        return Offer()
    if get_origin(flag.kind) is Literal:
        return Offer([(word, "") for word in get_args(flag.kind)])
    return offer_file(begun)
