"""What the help of a command says, apart from how it is laid out."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from poolnorm_cli.cli import PROGRAM
from poolnorm_cli.cli.command import LAYER_VERBS, Argument, Command, Family, Flag, Node
from poolnorm_cli.cli.groups import PANELS, grouped
from poolnorm_cli.cli.help_topics import TOPICS
from poolnorm_cli.values import MISSING, frozen


_EXAMPLE = "Example: "
_ARGUMENTS = "Arguments"
_FLAGS = "Flags"
_KINDS, _LAYERS, _BESIDE = "Kinds", "Layers", "Beside layers"
_LAYER = "Layer"
ROOT_EXAMPLE = f"{PROGRAM} pool max x.npy --pool-size 2 -o y.npy"


@frozen
class Entry:
    """A line of the help: a flag, an argument or a command.

    Attributes:
        names: What is typed, as `-o, --output`.
        value: What follows it, as `FILE`; empty for nothing.
        text: What it does, and its default.
    """

    names: str
    value: str
    text: str


@frozen(kw_only=True)
class Page:
    """The help of a command.

    Attributes:
        path: The words of the command, without the program.
        usage: What is typed.
        sentences: What it does; the first says it in short.
        formula: What a layer computes, in one line; empty for none.
        example: A command line.
        panels: Entries by the titles of their panels.
        below: Lines at the end.
    """

    path: str
    usage: str
    sentences: Sequence[str]
    formula: str
    example: str
    panels: Mapping[str, Sequence[Entry]]
    below: Sequence[str]


def page_of(node: Node, path: Sequence[str]) -> Page:
    """Make the help of a command, of a family of commands, or of the program.

    Args:
        node: The command or family.
        path: Its words, without the program; none for the program.

    Returns:
        The page.
    """
    if isinstance(node, Command):
        return _of_command(node, " ".join(path))
    return _of_family(node, " ".join(path)) if path else _of_program(node)


def walk(words: Sequence[str], root: Family) -> tuple[Node, list[str], Sequence[str]]:
    """Go down as far as words lead.

    Args:
        words: The command line, without the program.
        root: The commands that there are.

    Returns:
        The command or family, the words that lead to it, and those that are left.
    """
    node: Node = root
    path: list[str] = []
    while isinstance(node, Family) and words and words[0] in node.members:
        node = node.members[words[0]]()
        path.append(words[0])
        words = words[1:]
    return node, path, words


def entry_of(flag: Flag) -> Entry:
    """Say of a flag or argument what is typed, and what it does."""
    help_text = flag.option.keywords.get("help", "")
    text = " ".join(str(help_text() if callable(help_text) else help_text).split())
    notes = [note for note in (_limits(flag), _default(flag)) if note]
    if isinstance(flag.option, Argument):
        return Entry(value_word(flag) or flag.name.upper(), "", " ".join([text, *notes]).strip())
    names = sorted(flag.names, key=lambda name: name.startswith("--"))
    return Entry(", ".join(names), value_word(flag), " ".join([text, *notes]).strip())


def value_word(flag: Flag) -> str:
    """Return the word that stands for a flag's value, as `FILE` or `valid|same`."""
    kind, option = flag.kind, flag.option
    if "metavar" in option.keywords:
        return str(option.keywords["metavar"])
    if kind is bool or option.count:
        return ""
    if get_origin(kind) is Literal:
        return "|".join(map(str, get_args(kind)))
    return {int: "N", float: "NUMBER"}.get(kind, "TEXT")


def panels_of(command: Command) -> dict[str, list[Flag]]:
    """Return the flags of a command by panel, in the order in which the help has them."""
    found: dict[str, list[Flag]] = {}
    for flag in command.flags():
        found.setdefault(panel_of(flag, command), []).append(flag)
    first = (_ARGUMENTS, _FLAGS, *PANELS)
    titles = sorted(found, key=lambda title: first.index(title) if title in first else len(first))
    return {title: found[title] for title in titles}


def panel_of(flag: Flag, command: Command) -> str:
    """Return the title of the panel that a flag stands in.

    Args:
        flag: The flag.
        command: Its command.

    Returns:
        The title.
    """
    if isinstance(flag.option, Argument):
        return _ARGUMENTS
    usual = "Input" if command.layer is not None or command.takes_steps else _FLAGS
    return str(flag.option.keywords.get("rich_help_panel", usual))


def _limits(flag: Flag) -> str:
    least, most = flag.option.min, flag.option.max
    if least is not None and most is not None:
        return f"[{least} to {most}]"
    return "" if least is None else f"[{least} or more]"


def _default(flag: Flag) -> str:
    """Return the default, where there is one that the text does not tell already."""
    option, default = flag.option, flag.default
    if default is MISSING:
        return "" if isinstance(option, Argument) else "[required]"
    if option.keywords.get("show_default") is False or option.count or default is None:
        return ""
    if flag.kind is bool:
        on, _, off = flag.names[0].partition("/")
        return f"[default: {on if default else off}]" if off else ""
    return f"[default: {default}]"


def paragraphs(text: str) -> tuple[list[str], list[str]]:
    """Take the text of a command apart: what it says, and its examples."""
    parts = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip())]
    told = [part for part in parts if part and not part.startswith(_EXAMPLE)]
    return told, [part.removeprefix(_EXAMPLE) for part in parts if part.startswith(_EXAMPLE)]


def _of_command(command: Command, path: str) -> Page:
    told, examples = paragraphs(command.text)
    panels = panels_of(command)
    arguments = [entry_of(flag).names for flag in panels.get(_ARGUMENTS, ())]
    own = next((flag for flag in panels.get(_LAYER, ())), None)
    below = [] if own is None else [_explains(path, own.names[0].partition("/")[0])]
    steps = ["!", "STEP", "!", "STEP", "..."] if command.takes_steps else []
    return Page(
        path=path,
        usage=" ".join([PROGRAM, path, *arguments, "[FLAGS]", *steps]),
        sentences=told,
        formula="" if command.layer is None else command.layer.formula,
        example=next(iter(examples), ""),
        panels=_entries(panels, takes_steps=command.takes_steps),
        below=below,
    )


def _entries(panels: Mapping[str, Sequence[Flag]], *, takes_steps: bool) -> dict[str, list[Entry]]:
    found = {title: list(map(entry_of, flags)) for title, flags in panels.items()}
    if takes_steps:
        found.setdefault(_ARGUMENTS, []).append(_STEP)
    return found


def _explains(path: str, name: str) -> str:
    return f"{PROGRAM} help {path} {name} explains that flag."


def _of_family(family: Family, path: str) -> Page:
    """Make the page of a family: its commands, and the way to the help of each."""
    verbs, leaves = list[Entry](), list[Entry]()
    for name, make in family.members.items():
        below = make()
        entry = Entry(_with_kinds(name, below), "", first_sentence(below.text))
        (verbs if name in LAYER_VERBS else leaves).append(entry)
    first = _first_command(family)
    node: Node = family
    for word in first:
        node = node.members[word]() if isinstance(node, Family) else node
    examples = paragraphs(node.text)[1]
    kinds = "LAYER" if verbs else "|".join(family.members)
    panels = {_LAYERS: verbs, _BESIDE: leaves} if verbs else {_KINDS: leaves}
    return Page(
        path=path,
        usage=f"{PROGRAM} {path} {kinds} ... [FLAGS]",
        sentences=paragraphs(family.text)[0],
        formula="",
        example=next(iter(examples), ""),
        panels=panels,
        below=[f"{PROGRAM} help {path} {' '.join(first)} lists the flags."],
    )


def _first_command(node: Node) -> list[str]:
    words = []
    while isinstance(node, Family):
        word = next(iter(node.members))
        words.append(word)
        node = node.members[word]()
    return words


def _with_kinds(name: str, node: Node) -> str:
    return f"{name} {'|'.join(node.members)}" if isinstance(node, Family) else name


def first_sentence(text: str) -> str:
    """Return what the text of a command says in short."""
    return next(iter(paragraphs(text)[0]), "")


def _of_program(root: Family) -> Page:
    panels = {title: list(_verbs(root, verbs)) for title, verbs in grouped(root.members).items()}
    return Page(
        path="",
        usage=f"{PROGRAM} VERB ... [FLAGS]",
        sentences=paragraphs(root.text)[0],
        formula="",
        example=ROOT_EXAMPLE,
        panels=panels | {_FLAGS: ROOT_FLAGS},
        below=[
            f"{PROGRAM} help VERB lists its flags; {PROGRAM} help VERB --FLAG explains one.",
            f"{PROGRAM} help TOPIC: {', '.join(TOPICS)}.",
        ],
    )


_STEP = Entry(
    "! STEP", "", "A layer verb with its own flags, as ! pool max --pool-size 2; or tee FILE."
)
ROOT_FLAGS = (
    Entry("-h, --help", "", "Print the help; after a verb, that of the verb."),
    Entry("-V, --version", "", "Print the version."),
    Entry("--install-completion", "bash|zsh|fish", "Let the shell complete what is typed."),
    Entry("--show-completion", "bash|zsh|fish", "Print what that would write."),
)
"""The flags of the program itself."""


def _verbs(root: Family, verbs: Sequence[str]) -> Iterator[Entry]:
    for verb in verbs:
        node: Any = root.members[verb]()
        is_layer = verb in LAYER_VERBS
        yield Entry(_with_kinds(verb, node) if is_layer else verb, "", first_sentence(node.text))
