"""Flags that choose what of a tensor is shown, and what a document says of it."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from poolnorm_cli.cli.command import Option
from poolnorm_cli.cli.picture_flags import PICTURE_PANEL
from poolnorm_cli.report.text import json_number
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.engine.thumbnail import Thumbnail
    from poolnorm_cli.engine.view import Room, Wanted
    from poolnorm_cli.pictures.tensor_page import Page
    from poolnorm_cli.pictures.terminal import Terminal


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


DataFormat = Literal["channels_last", "channels_first"]


def page_for(terminal: "Terminal") -> "Page":
    """Return the page that a terminal has room for."""
    from poolnorm_cli.pictures.tensor_page import Page

    return Page(max(terminal.width, 20), terminal.height)


def picture_entry(thumbnail: "Thumbnail") -> dict[str, Any]:
    """Return what a document says of a picture: what it shows, and the numbers beside it.

    Args:
        thumbnail: The thumbnail of the tensor.

    Returns:
        The object.
    """
    from poolnorm_cli.cli.verb_info import stats_entry
    from poolnorm_cli.engine.distribution import QUANTILES

    view, found = thumbnail.view, thumbnail.distribution
    quantiles = histogram = None
    if found is not None:
        pairs = zip(QUANTILES, found.quantiles, strict=True)
        quantiles = {str(share): json_number(value) for share, value in pairs}
        histogram = {"edges": found.edges, "counts": found.counts}
    return {
        "name": thumbnail.name,
        "shape": thumbnail.shape,
        "dtype": thumbnail.dtype,
        "drawn_as": "rgb" if view.rgb else view.kind,
        "sample": view.sample,
        "channel": view.channel,
        "values_per_cell": view.factors,
        "values": thumbnail.count,
        **stats_entry(thumbnail.statistics),
        "quantiles": quantiles,
        "histogram": histogram,
        "values_per_sampled": 1 if found is None else found.step,
    }
