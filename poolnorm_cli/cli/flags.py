"""Commands as Typer has them: the help, the completion, and what is wrong with a command line."""

import inspect
from collections.abc import Callable
from dataclasses import MISSING
from typing import Annotated, Any

import typer

from poolnorm_cli.cli.command import Command, Flag
from poolnorm_cli.cli.options import Argument, Option


def function(command: Command) -> Callable[..., int]:
    """Make the function of a command, with the signature and the help that Typer reads.

    Raises:
        ValueError: Two flags of one command have one name.
    """

    def run(context: typer.Context, **values: Any) -> int:
        return command.run(values, [name for name in values if _typed(context, name)])

    parameters = [_CONTEXT, *map(_parameter, command.flags())]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__doc__ = command.text
    return run


_CONTEXT = inspect.Parameter(
    "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
)


def _parameter(flag: Flag) -> inspect.Parameter:
    return inspect.Parameter(
        flag.name,
        inspect.Parameter.KEYWORD_ONLY,
        annotation=Annotated[flag.type, _info(flag.option)],
        default=inspect.Parameter.empty if flag.default is MISSING else flag.default,
    )


def _info(option: Option) -> Any:
    told = dict(option.told)
    if option.parser is not None:
        told["parser"] = _refusing(option.parser)
    kind = typer.Argument if isinstance(option, Argument) else typer.Option
    return kind(*option.names, **told)


def _refusing(parser: Callable[[str], Any]) -> Callable[[str], Any]:
    """Let Typer say what a parser has against a word."""

    def parse(text: str) -> Any:
        try:
            return parser(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None

    return parse


def _typed(context: typer.Context, name: str) -> bool:
    """Whether a flag was typed, rather than being as by default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
