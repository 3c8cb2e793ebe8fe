"""A command as a value: its flags, its help, and what it does; who parses it is another matter.

A layer's fields and a group's fields both become parameters of one command. A verb gets back the
values it asked for: a layer, and one value per group.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import MISSING, fields
from inspect import get_annotations
from types import NoneType, UnionType
from typing import Any, TypeAlias, get_args

from poolnorm_cli.cli.flag_groups import LAYER_PANEL, Given
from poolnorm_cli.cli.options import Option, parse_ints
from poolnorm_cli.layers.base import Layer, Parameter
from poolnorm_cli.layers.keras.config import make_layer
from poolnorm_cli.shapes import Ints
from poolnorm_cli.values import frozen


Make: TypeAlias = Callable[[type[Layer], dict[str, Any], Given], Layer]


def made_of_flags(kind: type[Layer], flags: dict[str, Any], given: Given) -> Layer:
    """Make a layer of the flags alone.

    Raises:
        UsageError: One is missing, or has a value that cannot be.
    """
    del given
    return make_layer(kind, flags, {}, "")


@frozen
class Flag:
    """One parameter of a command.

    Attributes:
        name: Of the field.
        type: Of the value: str, int, float, bool, a Literal, a list of str; with None, or not.
        default: `dataclasses.MISSING` where it must be given.
        option: How it stands on the command line.
    """

    name: str
    type: Any
    default: Any
    option: Option


@frozen(kw_only=True)
class Command:
    """What stands below the words of a command.

    Attributes:
        groups: Frozen values whose fields are annotated with `Option` or `Argument`.
        text: The help of the command.
        action: Does the work, with the groups and the layer if there is one; returns the exit code.
        layer: The class whose parameters become flags.
        make: Makes the layer of the flags that a person typed, and of what else there is.
    """

    groups: tuple[type, ...]
    text: str
    action: Callable[..., int]
    layer: type[Layer] | None = None
    make: Make = made_of_flags

    def flags(self) -> Iterator[Flag]:
        """List the parameters: those of the first group, of the layer, of the other groups."""
        first, *others = self.groups
        yield from _of_group(first)
        if self.layer is not None:
            yield from map(_of_layer, self.layer.parameters())
        for group in others:
            yield from _of_group(group)

    def run(self, values: Mapping[str, Any], typed: Collection[str]) -> int:
        """Do what the command does, and return its exit code.

        Args:
            values: By name; those left out are as by default.
            typed: Names of those that a person gave.

        Raises:
            PoolnormError: Whatever comes of it.
        """
        given = Given(group(**_pick(group, values)) for group in self.groups)
        if self.layer is None:
            return self.action(given)
        own = {n: v for n, v in _pick(self.layer, values).items() if n in typed}
        return self.action(self.make(self.layer, own, given), given)


@frozen
class Family:
    """Commands below one word, each made when it is asked for."""

    text: str
    members: Mapping[str, Callable[[], "Node"]]


Node: TypeAlias = Command | Family


def _of_layer(parameter: Parameter) -> Flag:
    """Turn a parameter of a layer into one of the command line."""
    kinds = get_args(parameter.type) if isinstance(parameter.type, UnionType) else (parameter.type,)
    told: dict[str, Any] = {"help": parameter.help, "rich_help_panel": LAYER_PANEL}
    kind, default = parameter.type, parameter.default
    if Ints in kinds:
        told |= {"parser": parse_ints, "metavar": "INTS"}
        kind = str | None if NoneType in kinds else str
        default = ",".join(map(str, default)) if isinstance(default, tuple) else default
    elif any(hasattr(each, "of") for each in kinds):  # the layer reads the word itself
        told |= {"metavar": "WORD"}
        kind = str | None if NoneType in kinds else str
        default = default if default is None else str(default)
    if default is MISSING:  # a file may have it
        kind, default = kind | None, None
        told["help"] += " Required."
    return Flag(parameter.name, kind, default, Option(**told))


def _of_group(group: type) -> Iterator[Flag]:
    annotations: dict[str, Any] = {}
    for each in reversed(group.__mro__):
        annotations |= get_annotations(each)
    for f in fields(group):
        hint = annotations[f.name]
        yield Flag(f.name, hint.__origin__, f.default, hint.__metadata__[0])


def _pick(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f.name: values[f.name] for f in fields(kind) if f.name in values}
