"""`--show` on a layer verb: the input and the output, side by side."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from poolnorm_cli.cli.layer_flags import LayerFlags, LayerPictureFlags
from poolnorm_cli.cli.picture_flags import check_picture_files, keep_picture, terminal_for
from poolnorm_cli.cli.shown_tensors import FILE_PAGE, page_for, picture_entry
from poolnorm_cli.pictures.canvas import Canvas, stacked
from poolnorm_cli.pictures.tensor_page import pair_page
from poolnorm_cli.pictures.terminal import text
from poolnorm_cli.report.rows import Style


if TYPE_CHECKING:
    from poolnorm_cli.engine.outcome import Outcome
    from poolnorm_cli.engine.view import Wanted
    from poolnorm_cli.layers.described import Described
    from poolnorm_cli.pictures.tensor_room import Page

_MOST = 4
"""Tensors of a run that are drawn."""
_REDUCTIONS = {"max": "greatest", "average": "mean"}


def layer_pictures(
    layer: "Described", flags: LayerFlags, words: Sequence[str], style: Style
) -> "LayerPictures":
    """Refuse pictures that could not be kept, and return what draws them.

    Args:
        layer: What is run.
        flags: What was typed.
        words: The inputs.
        style: How to print.

    Returns:
        It.

    Raises:
        UsageError: A file of a picture exists, or has two roles.
        UnavailableError: A PNG is wanted, and Pillow is not installed.
    """
    overwrite = flags.outputs.overwrite
    check_picture_files(flags.pictures, words, overwrite=overwrite)
    return LayerPictures(layer, flags.pictures, style, overwrite=overwrite)


class LayerPictures:
    """Draws the input and the output of a layer, for the terminal and for files."""

    def __init__(
        self, layer: "Described", flags: LayerPictureFlags, style: Style, *, overwrite: bool
    ) -> None:
        """Prepare for the tensors of a run.

        Args:
            layer: What is run.
            flags: Which sample and channel are drawn, and in which files pictures are kept.
            style: How to print.
            overwrite: Files that exist may be replaced.
        """
        self._layer, self._flags, self._overwrite = layer, flags, overwrite
        self._terminal = terminal_for(style)
        self._pages = [page_for(self._terminal)] if flags.show else []
        self._pages += [FILE_PAGE] if flags.is_kept else []
        self._kept: list[Canvas] = []
        self._drawn = 0

    @property
    def wanted(self) -> "tuple[Wanted, ...]":
        """What of the input is drawn, for each size; the output likewise."""
        first = _is_channels_first(self._layer)
        return tuple(self._flags.wanted(p.half(), channels_first=first) for p in self._pages)

    def drawn(self, outcome: "Outcome") -> str | None:
        """Draw a tensor, unless enough have been drawn, and return the lines for the terminal."""
        self._drawn += 1
        if self._drawn > _MOST:
            return None
        pages = [
            self._page(outcome, pair, page)
            for pair, page in zip(outcome.pictures, self._pages, strict=True)
        ]
        if self._flags.is_kept:
            self._kept.append(pages[-1])
        if not self._flags.show:
            return None
        return "\n".join(text(pages[0], self._terminal)) + "\n"

    def _page(self, outcome: "Outcome", pair: Any, page: "Page") -> Canvas:
        words = _sentences(self._layer, outcome)
        return pair_page(pair, page, words, own_scales=self._flags.own_scale)

    def entry(self, outcome: "Outcome") -> dict[str, Any]:
        """Return what a document says of the pictures of a tensor."""
        names = ("input", "output")
        return {n: picture_entry(t) for n, t in zip(names, outcome.pictures[0], strict=True)}

    def keep(self) -> str | None:
        """Write the files that are wanted, and return what there is to say of tensors left out."""
        if self._kept:
            keep_picture(stacked(*self._kept).trimmed(), self._flags, overwrite=self._overwrite)
        if self._drawn > _MOST:
            return f"the pictures are of the first {_MOST} of {self._drawn} tensors"
        return None


def _is_channels_first(layer: "Described") -> bool:
    """Whether channels are on axis 1: by the layer's data format, or by the axis it works on."""
    if getattr(layer, "data_format", None) == "channels_first":
        return True
    return layer.words in ("bn", "gn", "in") and getattr(layer, "axis", None) in (1, (1,))


def _sentences(layer: "Described", outcome: "Outcome") -> list[str]:
    """Say what one sees: what a cell of the output is."""
    shape = outcome.input_shape
    name, _, kind = layer.words.partition(" ")
    if kind not in _REDUCTIONS or len(shape) < 3:
        return []
    reduced = _REDUCTIONS[kind]
    if name == "gpool":
        return [f"Each value of the output is the {reduced} of a whole channel."]
    windows = list(getattr(layer, "windows")(shape).values()) if name == "pool" else []  # noqa: B009
    if not windows:
        return []
    sizes = " x ".join(str(window.size) for window in windows)
    steps = " x ".join(str(window.stride) for window in windows)
    what = f"Each cell of the output is the {reduced} of {sizes} cells of the input"
    return [f"{what}; the window moves by {steps}."]
