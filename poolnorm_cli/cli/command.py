"""A command as a value: its flags, its help, and what it does; who parses it is another matter.

The flags of a command are fields of frozen values, its groups, each annotated with an `Option` or
an `Argument`. They are read twice: by Typer, which writes the help and says what is wrong with a
command line, and by `fast_parser`, which reads one that has nothing wrong with it. Neither is
imported here. The parameters of a layer become flags, too.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, get_args

from poolnorm_cli.layers import LAYERS
from poolnorm_cli.layers.keras.spelling import flag_of
from poolnorm_cli.report.rows import Style, print_message
from poolnorm_cli.report.text import Color
from poolnorm_cli.shapes import Ints
from poolnorm_cli.values import MISSING, fields, frozen, replace


if TYPE_CHECKING:
    from poolnorm_cli.layers.base import Layer, Parameter

LAYER_VERBS = tuple(dict.fromkeys(name.split()[0] for name in LAYERS))
"""First words of the layers, as `pool` of `pool max`."""
LAYER_PANEL = "Layer"
PRINTING_PANEL = "Printing"
BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on"), True),
    **dict.fromkeys(("false", "no", "off"), False),
}
"""Words that people give to flags that take none."""


class Option:
    """What the command line knows of a flag, besides its type and default.

    Attributes:
        names: Spellings, as `--output`, `-o` or `--values/--no-values`; none for the usual one.
        count: The value is how often the flag stands there.
        min: The smallest number that may be given.
        max: The largest.
        parser: Reads the word; raises ValueError, with the message, where it cannot.
        keywords: All that were given, by the names that Typer has for them.
    """

    def __init__(
        self,
        *names: str,
        count: bool = False,
        min: int | None = None,  # noqa: A002 - Typer's word
        max: int | None = None,  # noqa: A002 - Typer's word
        parser: Callable[[str], Any] | None = None,
        **keywords: Any,
    ) -> None:
        """Describe a flag.

        Args:
            names: Its spellings; none for `--` and the name of the field.
            count: The value is how often the flag stands there.
            min: The smallest number that may be given.
            max: The largest.
            parser: Reads the word.
            keywords: What else Typer takes, as `help` and `metavar`; a help that takes time to make
                is a function.
        """
        self.names, self.count, self.min, self.max = names, count, min, max
        self.parser = parser
        own = {"count": count or None, "min": min, "max": max, "parser": parser}
        self.keywords = {**keywords, **{name: v for name, v in own.items() if v is not None}}


class Argument(Option):
    """What the command line knows of an argument without a flag."""


def parse_ints(text: str) -> Ints:
    """Read one int, or several in one argument: `2`, `2,3` or `2x3`.

    Raises:
        ValueError: It is something else.
    """
    try:
        return tuple(int(part) for part in text.replace("x", ",").split(","))
    except ValueError:
        raise ValueError(f"{text!r} is not 2, 2,3 or 2x3.") from None


def parse_number(text: str) -> float | None:
    """Read a number, or `none`.

    Raises:
        ValueError: It is something else.
    """
    try:
        return None if text.lower() == "none" else float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number, nor none.") from None


@frozen
class Flag:
    """One parameter of a command.

    Attributes:
        name: Of the field.
        type: Of the value: str, int, float, bool, a Literal, a list of str; with None, or not.
        default: `values.MISSING` where it must be given.
        option: How it stands on the command line.
    """

    name: str
    type: Any
    default: Any
    option: Option

    @property
    def kind(self) -> Any:
        """The type of its value, None left aside."""
        kinds = get_args(self.type)
        if NoneType not in kinds:
            return self.type
        (kind,) = (kind for kind in kinds if kind is not NoneType)
        return kind

    @property
    def names(self) -> tuple[str, ...]:
        """Its spellings, as `--output` and `-o`, or `--center/--no-center`."""
        if self.option.names:
            return self.option.names
        usual = flag_of(self.name)
        return (f"{usual}/--no-{usual[2:]}" if self.kind is bool else usual,)

    def spellings(self) -> dict[str, "Spelling"]:
        """Return the ways to write it, by what is typed; an argument has none."""
        value = True if self.kind is bool or self.option.count else None
        found = {}
        for name in self.names:
            on, _, off = name.partition("/")
            found[on] = Spelling(self, value)
            if off:
                found[off] = Spelling(self, value=False)
        return found


@frozen
class Spelling:
    """One way to write a flag; `value` is what it means alone, None where a value follows."""

    flag: Flag
    value: bool | None


@frozen(kw_only=True)
class Command:
    """A command: its flags, its help and what it does.

    Attributes:
        groups: A frozen value with a field for each group of flags; `action` gets one.
        text: The help of the command.
        action: Does the work, and returns the exit code. It is called with the groups; where there
            is a layer, with its class and the parameters that were typed before them.
        layer: The class whose parameters become flags.
        without: Groups that this command lacks, so that they are as by default.
        takes_steps: Steps may follow, as `! pool max ! bn`; `action` gets them as `steps`.
    """

    groups: type
    text: str
    action: Callable[..., int]
    layer: "type[Layer] | None" = None
    without: Collection[str] = ()
    takes_steps: bool = False

    def with_steps(self, steps: Any) -> "Command":
        """Return the command that does what it does with steps."""
        return replace(self, action=partial(self.action, steps=steps))

    def members(self) -> dict[str, type]:
        """Return the types of the groups by name, in the order of the help."""
        types: dict[str, type] = self.groups.__annotations__
        return {name: kind for name, kind in types.items() if name not in self.without}

    def flags(self) -> Iterator[Flag]:
        """List the parameters: those of the first group, of the layer, of the other groups."""
        first, *others = self.members().values()
        yield from _of_group(first)
        if self.layer is not None:
            yield from map(_of_layer, self.layer.parameters())
        for group in others:
            yield from _of_group(group)

    def spellings(self) -> dict[str, Spelling]:
        """Return the flags, by each way to write them."""
        flags = (flag for flag in self.flags() if not isinstance(flag.option, Argument))
        return {name: spelling for flag in flags for name, spelling in flag.spellings().items()}

    def run(self, values: Mapping[str, Any], typed: Collection[str]) -> int:
        """Do what the command does, and return its exit code.

        Args:
            values: By name; those left out are as by default.
            typed: Names of those that a person gave.

        Returns:
            The exit code.

        Raises:
            PoolnormError: Whatever comes of it.
        """
        made = {name: group(**_pick(group, values)) for name, group in self.members().items()}
        flags = self.groups(**made)
        if self.layer is None:
            return self.action(flags)
        own = {n: v for n, v in _pick(self.layer, values).items() if n in typed}
        return self.action(self.layer, own, flags)


@frozen
class Family:
    """Commands under one word, each made when it is needed."""

    text: str
    members: Mapping[str, Callable[[], "Node"]]


Node: TypeAlias = Command | Family


def layer_family(text: str, make: Callable[[str], Command]) -> Family:
    """Make a family with a command for every layer.

    Args:
        text: The help of the family.
        make: Makes the command of a layer, as `pool max`.

    Returns:
        The family.
    """
    return Family(text, {verb: partial(layer_node, verb, make) for verb in LAYER_VERBS})


def layer_node(verb: str, make: Callable[[str], Command]) -> Node:
    """Make the command of a layer, or a family of the commands of its kinds.

    Args:
        verb: The first word of the layer.
        make: Makes the command of a layer, as `pool max`.

    Returns:
        The command, or the family of commands.
    """
    kinds = [name.split()[1] for name in LAYERS if name.startswith(f"{verb} ")]
    if not kinds:
        return make(verb)
    return Family(_FAMILIES[verb], {kind: partial(make, f"{verb} {kind}") for kind in kinds})


_FAMILIES = {
    "pool": "Pool under a sliding window: maximum, average, minimum or p-norm, 1D to 3D.",
    "apool": "Pool to a size: AdaptiveMaxPooling and AdaptiveAveragePooling, 1D to 3D.",
    "gpool": "Pool over all of space: maximum, average, minimum or p-norm, 1D to 3D.",
}


def _of_layer(parameter: "Parameter") -> Flag:
    """Turn a parameter of a layer into one of the command line."""
    kinds = get_args(parameter.type) if isinstance(parameter.type, UnionType) else (parameter.type,)
    keywords: dict[str, Any] = {"help": parameter.help, "rich_help_panel": LAYER_PANEL}
    kind, default = parameter.type, parameter.default
    if Ints in kinds:
        keywords |= {"parser": parse_ints, "metavar": "INTS"}
        kind = str | None if NoneType in kinds else str
        default = ",".join(map(str, default)) if isinstance(default, tuple) else default
    elif float in kinds and NoneType in kinds and default is not None:  # None is a word here
        keywords |= {"parser": parse_number, "metavar": "NUMBER|none"}
        kind, default = float, str(default)
    elif any(hasattr(each, "of") for each in kinds):  # the layer reads the text itself
        keywords |= {"metavar": "WORD"}
        kind = str | None if NoneType in kinds else str
        default = default if default is None else str(default)
    if default is MISSING:  # a file may have it
        kind, default = kind | None, None
        keywords["help"] += " Required."
    return Flag(parameter.name, kind, default, Option(**keywords))


def _of_group(group: type) -> Iterator[Flag]:
    annotations: dict[str, Any] = {}
    for each in reversed(group.__mro__):
        annotations |= getattr(each, "__annotations__", {})
    for f in fields(group):
        hint = annotations[f.name]
        yield Flag(f.name, hint.__origin__, f.default, hint.__metadata__[0])


def _pick(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f.name: values[f.name] for f in fields(kind) if f.name in values}


@frozen(kw_only=True)
class InputFlags:
    """Which tensors go in."""

    inputs: Annotated[
        list[str],
        Argument(
            metavar="INPUT...",
            help="A .npy or .npz file, file.npz::NAME, or - for .npy arrays on standard input.",
            show_default=False,
        ),
    ]
    key: Annotated[str | None, Option(metavar="NAME", help="The one array of a .npz to use.")] = (
        None
    )


@frozen(kw_only=True)
class PrintingFlags:
    """What is printed, and how."""

    json: Annotated[
        bool, Option("--json", help="Print one JSON document.", rich_help_panel=PRINTING_PANEL)
    ] = False
    quiet: Annotated[
        bool,
        Option("--quiet", "-q", help="Print only the essential.", rich_help_panel=PRINTING_PANEL),
    ] = False
    color: Annotated[
        Color,
        Option(help="Colour the output; NO_COLOR is respected.", rich_help_panel=PRINTING_PANEL),
    ] = "auto"
    verbose: Annotated[
        int,
        Option(
            "--verbose",
            "-v",
            count=True,
            help="Print details; twice: also the traceback of an error.",
            show_default=False,
            rich_help_panel=PRINTING_PANEL,
        ),
    ] = 0

    @property
    def notify_details(self) -> Callable[[str], None]:
        """What prints details on standard error where --verbose asks for them."""
        return print_message if self.verbose else lambda _: None

    def style(
        self, *, precision: int | None = None, to_stderr: bool = False, values: bool = False
    ) -> Style:
        """Return the style that a report is printed in.

        Args:
            precision: Digits of floating-point values; None for NumPy's own.
            to_stderr: Standard output carries data.
            values: All values are printed, however high the screen is.

        Returns:
            The style.
        """
        return Style(self.json, self.quiet, self.color, precision, to_stderr, values)
