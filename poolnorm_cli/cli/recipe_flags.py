"""The flags of a pipe that are about its steps as a whole."""

from typing import Annotated

from poolnorm_cli.cli.command import Option
from poolnorm_cli.values import frozen


_PANEL = "Recipe"
_FRAMEWORKS_PANEL = "Other frameworks"


@frozen(kw_only=True)
class RecipeFileFlags:
    """Where steps come from besides the command line."""

    recipe: Annotated[
        str | None,
        Option(
            metavar="FILE",
            help="Take the steps from this .toml, or from a Keras Sequential in .json, .keras or "
            ".h5; steps that are typed come after them.",
            rich_help_panel=_PANEL,
        ),
    ] = None


@frozen(kw_only=True)
class RecipeFlags(RecipeFileFlags):
    """The same, and in what other forms they are written."""

    save_recipe: Annotated[
        str | None,
        Option(
            metavar="FILE",
            help="Write the steps to this .toml, with their parameters and where their weights "
            "are; without an input, do nothing else.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    keras: Annotated[
        bool,
        Option(
            "--keras",
            help="Print a program that gives the same output in Keras, and do nothing else.",
            rich_help_panel=_FRAMEWORKS_PANEL,
        ),
    ] = False
    torch: Annotated[
        bool,
        Option(
            "--torch",
            help="Print a program that gives the same output in torch, and do nothing else.",
            rich_help_panel=_FRAMEWORKS_PANEL,
        ),
    ] = False
