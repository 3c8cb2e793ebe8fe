"""From typed fields to flags: the parameters of a layer, and groups of flags that verbs share.

A layer's fields and a group's fields both become parameters of one function signature, which is
what Typer reads. A verb gets back the values it asked for: a layer, and one value per group.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from types import NoneType, UnionType
from typing import Annotated, Any, get_args, get_type_hints

import typer

from poolnorm_cli.cli.groups import LAYER_PANEL, Given
from poolnorm_cli.layers.base import Layer, Parameter
from poolnorm_cli.layers.configs import settled
from poolnorm_cli.shapes import Ints


Make = Callable[[type[Layer], dict[str, Any], Given], Layer]


def parse_ints(text: str) -> Ints:
    """Read one int, or several as a single word: `2`, `2,3` or `2x3`.

    Raises:
        BadParameter: It is something else.
    """
    try:
        return tuple(int(part) for part in text.replace("x", ",").split(","))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not 2, 2,3 or 2x3.") from None


def layer_parameter(parameter: Parameter) -> inspect.Parameter:
    """Turn a parameter of a layer into a parameter that Typer reads."""
    kinds = get_args(parameter.type) if isinstance(parameter.type, UnionType) else (parameter.type,)
    option: dict[str, Any] = {"help": parameter.help, "rich_help_panel": LAYER_PANEL}
    kind, default = parameter.type, parameter.default
    if Ints in kinds:
        option |= {"parser": parse_ints, "metavar": "INTS"}
        kind = str | None if NoneType in kinds else str
        default = ",".join(map(str, default)) if isinstance(default, tuple) else default
    elif any(hasattr(each, "of") for each in kinds):  # the layer reads the word itself
        option |= {"metavar": "WORD"}
        kind = str | None if NoneType in kinds else str
        default = default if default is None else str(default)
    if default is MISSING:  # a file may have it
        kind, default = kind | None, None
        option["help"] += " Required."
    return _parameter(parameter.name, Annotated[kind, typer.Option(**option)], default)


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    empty = inspect.Parameter.empty
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        annotation=annotation,
        default=empty if default is MISSING else default,
    )


def made_of_flags(kind: type[Layer], flags: dict[str, Any], given: Given) -> Layer:
    """Make a layer of the flags alone.

    Raises:
        UsageError: One is missing, or has a value that cannot be.
    """
    del given
    return settled(kind, flags, {}, "")


def group_parameters(group: type) -> list[inspect.Parameter]:
    """Turn the fields of a group of flags into parameters that Typer reads."""
    hints = get_type_hints(group, include_extras=True)
    return [_parameter(f.name, hints[f.name], f.default) for f in fields(group)]


def command(
    action: Callable[[Layer, Given], None],
    layer: type[Layer],
    groups: Sequence[type],
    text: str,
    make: Make = made_of_flags,
) -> Callable[..., None]:
    """Make the function of a command about a layer.

    Args:
        action: Called with the layer and the groups.
        layer: The class whose parameters become flags.
        groups: Dataclasses whose fields are annotated with `typer.Option` or `typer.Argument`.
        text: The help of the command.
        make: Makes the layer of the flags that a person typed, and of what else there is.
    """

    def run(context: typer.Context, **values: Any) -> None:
        typed = {name: v for name, v in _pick(layer, values).items() if _typed(context, name)}
        given = _given(groups, values)
        action(make(layer, typed, given), given)

    first, *others = map(group_parameters, groups)
    own = [layer_parameter(parameter) for parameter in layer.parameters()]
    parameters = [_CONTEXT, *first, *own, *(p for group in others for p in group)]
    return _signed(run, parameters, text)


_CONTEXT = inspect.Parameter(
    "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
)


def _typed(context: typer.Context, name: str) -> bool:
    """Whether a flag was typed, rather than being as by default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def collected(
    action: Callable[[Given], None], groups: Sequence[type], text: str
) -> Callable[..., None]:
    """Make the function of a command that is about no layer."""

    def run(**values: Any) -> None:
        action(_given(groups, values))

    return _signed(run, [p for group in groups for p in group_parameters(group)], text)


def _signed(
    run: Callable[..., None], parameters: Sequence[inspect.Parameter], text: str
) -> Callable[..., None]:
    """Give a function the signature and the help that Typer reads.

    Raises:
        ValueError: Two flags of one command have one name.
    """
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__doc__ = text
    return run


def _given(groups: Sequence[type], values: dict[str, Any]) -> Given:
    return Given(group(**_pick(group, values)) for group in groups)


def _pick(kind: type, values: dict[str, Any]) -> dict[str, Any]:
    return {f.name: values[f.name] for f in fields(kind)}
