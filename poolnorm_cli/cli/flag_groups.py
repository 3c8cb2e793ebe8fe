"""Groups of flags that several verbs have."""

from typing import Annotated

from poolnorm_cli.cli.command import Argument, Option
from poolnorm_cli.report.rows import Color, Style
from poolnorm_cli.values import frozen


PRINTING_PANEL = "Printing"


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
        Color, Option(help="Colour the output; NO_COLOR is heeded.", rich_help_panel=PRINTING_PANEL)
    ] = "auto"
    verbose: Annotated[
        int,
        Option(
            "--verbose",
            "-v",
            count=True,
            help="Say what is done; twice: show the traceback of an error.",
            show_default=False,
            rich_help_panel=PRINTING_PANEL,
        ),
    ] = 0

    def style(self, *, precision: int | None = None, to_stderr: bool = False) -> Style:
        """Return the style that a report is printed in."""
        return Style(self.json, self.quiet, self.color, precision, to_stderr)
