"""`doctor`: what is installed, what really loads, and what to type to mend it."""

from collections.abc import Callable, Sequence

import typer

from poolnorm_cli.cli.flags import collected
from poolnorm_cli.cli.groups import Given, Printing


_TEXT = """Print what is installed, which execution providers load, and what to type to mend them.

Exit code 3 if something that is installed does not work.

Example: poolnorm doctor
"""


def add(app: typer.Typer, verb: str, words: Sequence[str]) -> None:
    """Add `doctor` to the application."""
    del words
    app.command(verb)(_command())


def _command() -> Callable[..., None]:
    return collected(_run, [Printing], _TEXT)


def _run(given: Given) -> None:
    from poolnorm_cli.backends.diagnosis import diagnose
    from poolnorm_cli.report.doctor import print_findings

    sound = print_findings(diagnose(), given[Printing].style())
    raise typer.Exit(0 if sound else 3)
