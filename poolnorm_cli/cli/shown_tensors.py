"""The page that pictures of tensors are made for, and what a document says of them."""

from typing import TYPE_CHECKING, Any

from poolnorm_cli.pictures.tensor_room import Page
from poolnorm_cli.report.text import json_number


if TYPE_CHECKING:
    from poolnorm_cli.engine.thumbnail import Thumbnail
    from poolnorm_cli.pictures.terminal import Terminal


FILE_PAGE = Page(100, 40)
"""The page of a picture in a file, whatever the terminal has."""


def page_for(terminal: "Terminal") -> Page:
    """Return the page that a terminal has room for."""
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
