"""`show`: a tensor as a picture, with its histogram and statistics."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from poolnorm_cli.cli.choice_flags import ChoiceFlags
from poolnorm_cli.cli.command import Command, InputFlags, Option, PrintingFlags
from poolnorm_cli.cli.picture_flags import (
    PICTURE_PANEL,
    PictureFileFlags,
    check_picture_files,
    keep_picture,
    terminal_for,
)
from poolnorm_cli.cli.shown_tensors import FILE_PAGE, page_for, picture_entry
from poolnorm_cli.errors import PoolnormError, printable
from poolnorm_cli.report.emit import lists_all, note, open_report
from poolnorm_cli.report.errors import print_error
from poolnorm_cli.report.rows import Row
from poolnorm_cli.report.text import keras_shape
from poolnorm_cli.shapes import DataFormat
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.engine.thumbnail import Thumbnail
    from poolnorm_cli.pictures.canvas import Canvas
    from poolnorm_cli.pictures.tensor_room import Page
    from poolnorm_cli.pictures.terminal import Terminal
    from poolnorm_cli.tensors.tensor import Tensor

_TEXT = (
    "Draw a tensor, with its histogram and statistics.\n\n"
    "Three channels are the colours of an image; one is drawn in colours from dark blue (least) to "
    "yellow (greatest), and others side by side. Rank 3 is drawn as lines, rank 5 as slices, rank "
    "2 as a map of rows. A cell that stands for several values has their mean, and is marked if "
    "one of them is NaN or infinite. Only the sample that is shown is read.\n\n"
    "Example: poolnorm show x.npy --sample 3"
)
_MOST_ARRAYS = 8
"""Arrays of a file that are drawn for people."""


@frozen(kw_only=True)
class ViewFlags(ChoiceFlags):
    """How a tensor is seen."""

    data_format: Annotated[
        DataFormat,
        Option(help="Where channels stand.", rich_help_panel=PICTURE_PANEL),
    ] = "channels_last"
    unbatched: Annotated[
        bool,
        Option(
            "--unbatched",
            help="The tensor is one sample: it has no axis of samples.",
            rich_help_panel=PICTURE_PANEL,
        ),
    ] = False
    everything: Annotated[
        bool,
        Option(
            "--all",
            help="Read the whole tensor for the statistics, not only what is drawn.",
            rich_help_panel=PICTURE_PANEL,
        ),
    ] = False


@frozen(kw_only=True)
class ShowFlags:
    """What was typed after `show`."""

    inputs: InputFlags
    view: ViewFlags
    pictures: PictureFileFlags
    printing: PrintingFlags


def show(flags: ShowFlags) -> int:
    """Draw tensors, and return the exit code."""
    from poolnorm_cli.pictures.canvas import stacked
    from poolnorm_cli.pictures.tensor_page import tensor_page

    pictures, style = flags.pictures, flags.printing.style()
    check_picture_files(pictures, flags.inputs.inputs, overwrite=pictures.overwrite)
    terminal = terminal_for(style)
    pages = [page_for(terminal), *([FILE_PAGE] if pictures.is_kept else [])]
    failed: list[str] = []
    left: list[str] = []
    kept: list[Canvas] = []
    report = open_report(style)
    for made in _thumbnails(flags, pages, failed, left):
        report.add(_PictureRow(made[0], pages[0], terminal))
        if pictures.is_kept and len(kept) < _MOST_ARRAYS:
            kept.append(tensor_page(made[-1], pages[-1]).trimmed())
    if left:
        others = f" and {len(left) - 1} more" if len(left) > 1 else ""
        note(f"not drawn: {printable(left[0])}{others}; name one to see it", style)
    if kept:
        keep_picture(stacked(*kept), pictures, overwrite=pictures.overwrite)
    report.close(lambda found: {"schema": 1, "command": "show", "pictures": [], **found})
    return 1 if failed else 0


def _thumbnails(
    flags: ShowFlags, pages: "Sequence[Page]", failed: list[str], left: list[str]
) -> "Iterator[list[Thumbnail]]":
    """Yield those of all arrays, one for each page; of many, for people, of the first few.

    Args:
        flags: What was typed.
        pages: The sizes of the pages.
        failed: Gets the inputs that cannot be read.
        left: Gets the names of arrays that are left out, of which nothing is read.
    """
    from poolnorm_cli.tensors.sources import open_input

    style, drawn = flags.printing.style(), 0
    for word in flags.inputs.inputs:
        try:
            for tensor in open_input(word, flags.inputs.key, True):  # noqa: FBT003
                if drawn < _MOST_ARRAYS or lists_all(style):
                    for text in (*tensor.notes, *_notes(tensor, flags.view)):
                        note(text, style)
                    yield _thumbnails_of(tensor, flags.view, pages)
                    drawn += 1
                else:
                    left.append(tensor.name)
                tensor.close()
        except PoolnormError as error:
            if len(flags.inputs.inputs) == 1:
                raise
            print_error(error, style.color)
            failed.append(word)


def _thumbnails_of(
    tensor: "Tensor", flags: ViewFlags, pages: "Sequence[Page]"
) -> "list[Thumbnail]":
    from poolnorm_cli.engine.thumbnail import thumbnails
    from poolnorm_cli.engine.view import view_of
    from poolnorm_cli.errors import error_context

    more: Any = {
        "channels_first": flags.data_format == "channels_first",
        "unbatched": flags.unbatched,
        "everything": flags.everything,
    }
    with error_context(tensor.name):
        views = [view_of(tensor.shape, flags.wanted(page.room(), **more)) for page in pages]
    return thumbnails(tensor, views)


def _notes(tensor: "Tensor", flags: ViewFlags) -> "Iterator[str]":
    """Say where what is drawn may not be what is meant."""
    from poolnorm_cli.cli.layer_report import image_read_as

    read_as = None if flags.unbatched else image_read_as(tensor.shape, flags.data_format)
    if read_as is not None:
        what = f"{keras_shape(tensor.shape)} is read as {read_as}"
        yield f"{tensor.name}: {what}; if it is one image, give --unbatched"


class _PictureRow(Row):
    """A tensor as a picture."""

    section = "pictures"

    def __init__(self, thumbnail: "Thumbnail", page: "Page", terminal: "Terminal") -> None:
        """Hold what is drawn.

        Args:
            thumbnail: The thumbnail of the tensor.
            page: The size of the page that it was made for.
            terminal: What can be shown.
        """
        self._thumbnail, self._page, self._terminal = thumbnail, page, terminal

    def canvas(self, *, bare: bool = False) -> "Canvas":
        """Draw it; bare without its statistics."""
        from poolnorm_cli.pictures.tensor_page import tensor_page

        return tensor_page(self._thumbnail, self._page, bare=bare)

    def fields(self) -> Sequence[str]:
        """Return the lines of the picture, and an empty one below it."""
        return [self._text(self.canvas()) + "\n"]

    def essential(self) -> str:
        """Return the picture alone."""
        return self._text(self.canvas(bare=True))

    def entry(self) -> Mapping[str, Any]:
        """Return the object in `pictures`."""
        return picture_entry(self._thumbnail)

    def _text(self, canvas: "Canvas") -> str:
        from poolnorm_cli.pictures.terminal import text

        return "\n".join(text(canvas, self._terminal))


NODE = Command(groups=ShowFlags, text=_TEXT, action=show)
