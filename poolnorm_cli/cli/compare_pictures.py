"""`compare --show`: two tensors, and where they differ."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from poolnorm_cli.cli.choice_flags import ChoiceFlags
from poolnorm_cli.cli.command import Option
from poolnorm_cli.cli.picture_flags import (
    PICTURE_PANEL,
    PictureFileFlags,
    check_picture_files,
    keep_picture,
    print_picture,
    terminal_for,
)
from poolnorm_cli.report.emit import note, prints_pictures
from poolnorm_cli.shapes import DataFormat
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.engine.compare import Difference
    from poolnorm_cli.pictures.canvas import Canvas
    from poolnorm_cli.report.rows import Style

_MOST = 4
"""Pairs of tensors that are drawn."""


@frozen(kw_only=True)
class ComparePictureFlags(ChoiceFlags, PictureFileFlags):
    """Whether differences are drawn."""

    show: Annotated[
        bool,
        Option(
            "--show",
            help="Draw both tensors and where they differ, at the largest difference.",
            rich_help_panel=PICTURE_PANEL,
        ),
    ] = False
    data_format: Annotated[
        DataFormat,
        Option(help="Where channels stand.", rich_help_panel=PICTURE_PANEL),
    ] = "channels_last"


class ComparePictures:
    """Draws pairs of tensors as they are compared, the first few of them."""

    def __init__(self, flags: ComparePictureFlags, words: Sequence[str], style: "Style") -> None:
        """Refuse files that could not be written.

        Args:
            flags: What was typed.
            words: The inputs.
            style: How to print.

        Raises:
            UsageError: A file exists, or has two roles.
            UnavailableError: A PNG is wanted, and Pillow is not installed.
        """
        from poolnorm_cli.cli.shown_tensors import FILE_PAGE, page_for

        check_picture_files(flags, words, overwrite=flags.overwrite)
        self._flags, self._style = flags, style
        self._shows = flags.show and prints_pictures(style)
        pages = [page_for(terminal_for(style))] if self._shows else []
        self._pages = [*pages, *([FILE_PAGE] if flags.is_kept else [])]
        self._drawn: list[list[Canvas]] = []
        self._pairs = 0

    def add(self, found: "Difference", pairs: Callable[[], Iterable[Sequence[Any]]]) -> None:
        """Draw a pair of tensors.

        Args:
            found: How they differ.
            pairs: Returns their blocks, side by side.
        """
        self._pairs += 1
        if self._pairs > _MOST:
            return
        from poolnorm_cli.engine.difference_picture import difference_pictures
        from poolnorm_cli.pictures.tensor_page import difference_page

        first = self._flags.data_format == "channels_first"
        wanted = [self._flags.wanted(p.half(3), channels_first=first) for p in self._pages]
        made = difference_pictures(found, pairs(), wanted)
        drawn = zip(made, self._pages, strict=True)
        self._drawn.append([difference_page(each, page) for each, page in drawn])

    def show(self, found: "Sequence[Difference]") -> None:
        """Print what was drawn, write the files that are wanted, and say what is not drawn.

        Args:
            found: How all pairs differ, those of different shapes too.
        """
        from poolnorm_cli.pictures.canvas import Canvas, stacked

        for pages in self._drawn if self._shows else ():
            print_picture(stacked(pages[0], Canvas(1, 1), gap=0), self._style)
        if self._flags.is_kept and self._drawn:
            whole = stacked(*(pages[-1] for pages in self._drawn))
            keep_picture(whole.trimmed(), self._flags, overwrite=self._flags.overwrite)
        if self._pairs > _MOST:
            note(f"the pictures are of the first {_MOST} of {self._pairs} pairs", self._style)
        if other := len(found) - sum(each.comparable for each in found):
            what = f"{other} of {len(found)} pairs, whose" if len(found) > 1 else "the"
            note(f"not drawn: {what} shapes differ", self._style)
