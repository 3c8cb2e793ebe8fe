"""The application as Typer has it: for command lines that are wrong."""

import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from poolnorm_cli.cli import PROGRAM, VERSION
from poolnorm_cli.cli.command import Argument, Command, Family, Flag, Node, Option
from poolnorm_cli.cli.standard_input import missing_input
from poolnorm_cli.errors import UsageError
from poolnorm_cli.values import MISSING


def function(command: Command) -> Callable[..., int]:
    """Make the function of a command, with the signature that Typer reads.

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
    keywords = dict(option.keywords)
    if callable(keywords.get("help")):
        keywords["help"] = keywords["help"]()
    if option.parser is not None:
        keywords["parser"] = _refusing(option.parser)
    kind = typer.Argument if isinstance(option, Argument) else typer.Option
    return kind(*option.names, **keywords)


def _refusing(parser: Callable[[str], Any]) -> Callable[[str], Any]:
    """Let Typer report what a parser refuses."""

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


def _version(value: bool) -> None:  # noqa: FBT001 - Typer calls it with the flag's value
    if value:
        print(VERSION)
        raise typer.Exit


def _root(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", help="Print the version.", callback=_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Stand for the program itself."""


def run(words: Sequence[str], root: Family) -> int:
    """Run a command line through Typer.

    Args:
        words: The command line, without the program.
        root: The commands that there are.

    Returns:
        The exit code.

    Raises:
        PoolnormError: It cannot be parsed, or whatever comes of it.
        KeyboardInterrupt: A person has interrupted it.
    """
    app = _build(root, words)
    try:
        code: Any = app(list(words) or ["--help"], prog_name=PROGRAM, standalone_mode=False)
    except typer.Abort as abort:
        raise KeyboardInterrupt from abort
    except typer.TyperException as error:
        raise _usage(error) from error
    return code if isinstance(code, int) else 0


def _usage(error: typer.TyperException) -> UsageError:
    """Put what Typer says of the command line into one line with the way to the help."""
    context: Any = getattr(error, "ctx", None)
    path = context.command_path if context else PROGRAM
    parameter: Any = getattr(error, "param", None)
    if getattr(parameter, "name", None) == "inputs" and "Missing" in type(error).__name__:
        return missing_input(path.removeprefix(f"{PROGRAM} "))
    text = " ".join(error.format_message().split()).rstrip(".")
    text = text.removeprefix("Invalid value for ").removeprefix("Invalid value: ")
    return UsageError(text[:1].lower() + text[1:], f"type {path} --help")


def _build(root: Family, words: Sequence[str]) -> typer.Typer:
    """Make the application with the one command that the words begin with, or with all of them."""
    app = typer.Typer(
        name=PROGRAM,
        add_completion=False,
        context_settings={"help_option_names": []},  # what is asked for is answered before
        pretty_exceptions_enable=False,
    )
    app.callback(help=root.text)(_root)
    _add_members(app, root, words)
    return app


def _add_members(app: typer.Typer, family: Family, words: Sequence[str]) -> None:
    for word in [word for word in words[:1] if word in family.members] or family.members:
        _add(app, word, family.members[word](), words[1:])


def _add(app: typer.Typer, name: str, below: Node, words: Sequence[str]) -> None:
    if isinstance(below, Command):
        app.command(name)(function(below))
        return
    family = typer.Typer()
    _add_members(family, below, words)
    app.add_typer(family, name=name, help=below.text)
