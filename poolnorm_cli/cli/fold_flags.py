"""The flags of layers that can be folded instead of run."""

from typing import Annotated

from poolnorm_cli.cli.groups import WEIGHTS_PANEL
from poolnorm_cli.cli.options import Option
from poolnorm_cli.values import frozen


@frozen(kw_only=True)
class Folding:
    """Whether a layer is run, or folded."""

    fold: Annotated[
        bool,
        Option(
            "--fold",
            help="Print the scale and shift that inference with --weights amounts to, and their "
            "largest error on each INPUT; -o FILE.npz keeps them.",
            rich_help_panel=WEIGHTS_PANEL,
        ),
    ] = False
