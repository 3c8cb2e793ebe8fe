"""The application as Typer has it: for help, completion, and command lines that are wrong."""

import os
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from poolnorm_cli.cli.command import Command, Family, Node
from poolnorm_cli.cli.flags import function
from poolnorm_cli.cli.program import PROGRAM, VERSION
from poolnorm_cli.cli.verbs import COMPLETE


def _version(value: bool) -> None:  # noqa: FBT001 - Typer calls it with the flag's value
    if value:
        print(VERSION)
        raise typer.Exit


def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Stand for the program itself."""


def run(words: Sequence[str], root: Family) -> int:
    """Run a command line through Typer, and return the exit code.

    Raises:
        PoolnormError: Whatever comes of it.
        TyperException: It cannot be parsed.
    """
    app = _build(root, [] if COMPLETE in os.environ else words[:1])
    code: Any = app(list(words) or ["--help"], prog_name=PROGRAM, standalone_mode=False)
    return code if isinstance(code, int) else 0


def _build(root: Family, asked: Sequence[str]) -> typer.Typer:
    """Make the application with the one verb that is asked for, or with all of them."""
    app = typer.Typer(
        name=PROGRAM,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        pretty_exceptions_enable=False,
    )
    app.callback(help=root.text)(_root)
    for verb in [verb for verb in asked if verb in root.members] or root.members:
        _add(app, verb, root.members[verb]())
    return app


def _add(app: typer.Typer, name: str, below: Node) -> None:
    if isinstance(below, Command):
        app.command(name)(function(below))
        return
    family = typer.Typer()
    for word, make in below.members.items():
        _add(family, word, make())
    app.add_typer(family, name=name, help=below.text)
