"""Flags of verbs that show a tensor: which part of it."""

from typing import TYPE_CHECKING, Annotated, Any

from poolnorm_cli.cli.command import Option
from poolnorm_cli.cli.picture_flags import PICTURE_PANEL
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.engine.view import Room, Wanted


@frozen(kw_only=True)
class ChoiceFlags:
    """Which part of a tensor is shown."""

    sample: Annotated[
        int | None,
        Option(
            metavar="N",
            help="The sample to show, from 0; -1 is the last. "
            "[default: the first; of rank 2 all, a row each]",
            show_default=False,
            rich_help_panel=PICTURE_PANEL,
        ),
    ] = None
    channel: Annotated[
        int | None,
        Option(
            metavar="N",
            help="Show this channel alone.  [default: three as colours, others side by side]",
            show_default=False,
            rich_help_panel=PICTURE_PANEL,
        ),
    ] = None

    def wanted(self, room: "Room", **more: Any) -> "Wanted":
        """Return what is to be shown in a room.

        Args:
            room: The room for the picture.
            more: Other fields of what is wanted.

        Returns:
            It.
        """
        from poolnorm_cli.engine.view import Wanted

        return Wanted(room, self.sample, self.channel, **more)
