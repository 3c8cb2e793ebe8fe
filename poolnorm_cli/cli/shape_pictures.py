"""`--draw`: the picture of what a layer, or several, do to a shape."""

from functools import partial
from typing import TYPE_CHECKING

from poolnorm_cli.cli.picture_flags import (
    check_picture_files,
    keep_picture,
    print_picture,
    terminal_for,
)
from poolnorm_cli.cli.shape_flags import DrawFlags
from poolnorm_cli.report.emit import prints_pictures
from poolnorm_cli.report.rows import Style
from poolnorm_cli.shapes import Shape


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from poolnorm_cli.calculator.steps import Step
    from poolnorm_cli.layers.base import Layer
    from poolnorm_cli.pictures.canvas import Canvas
    from poolnorm_cli.pictures.terminal import Terminal

FILE_SIZE = 80, 60
"""Columns and rows of a picture in a file, whatever the terminal has."""


def draw_layer(
    layer: "Layer", shape: Shape, word: str, flags: DrawFlags, style: Style
) -> "Drawing":
    """Draw what a layer does to a shape, and keep it in the files that are wanted.

    Args:
        layer: The layer.
        shape: Shape of the input.
        word: What was given as the shape, which may be a file.
        flags: What was typed.
        style: How to print.

    Returns:
        What is left to print.

    Raises:
        UsageError: a size that is drawn is not known, or a file exists.
        OutputError: A file cannot be written.
        UnavailableError: A PNG is wanted, and Pillow is not installed.
    """
    from poolnorm_cli.pictures.layer import layer_picture

    return _drawn(partial(layer_picture, layer, shape), word, flags, style)


def draw_steps(steps: "Sequence[Step]", word: str, flags: DrawFlags, style: Style) -> "Drawing":
    """Draw what an output of several layers depends on, and keep it in the files that are wanted.

    Args:
        steps: The layers with the shapes before and after each, 1 or more.
        word: What was given as the shape, which may be a file.
        flags: What was typed.
        style: How to print.

    Returns:
        What is left to print.

    Raises:
        UsageError: A size that is drawn is not known, or a file exists.
        OutputError: A file cannot be written.
        UnavailableError: A PNG is wanted, and Pillow is not installed.
    """
    from poolnorm_cli.pictures.pipeline import pipeline_picture

    return _drawn(partial(pipeline_picture, steps), word, flags, style)


def _drawn(
    make: "Callable[[int, int], Canvas]", word: str, flags: DrawFlags, style: Style
) -> "Drawing":
    """Keep a picture, and return it as it is to be printed."""
    check_picture_files(flags, [word], overwrite=flags.overwrite)
    terminal = terminal_for(style)
    canvas = make(terminal.width, terminal.height) if flags.draw else None
    if flags.is_kept:
        from poolnorm_cli.pictures.canvas import titled

        kept = titled(make(*FILE_SIZE)).trimmed()
        keep_picture(kept, flags, overwrite=flags.overwrite)
    return Drawing(canvas, terminal)


class Drawing:
    """A picture that is to be printed, or one that was kept in files alone."""

    def __init__(self, canvas: "Canvas | None", terminal: "Terminal") -> None:
        """Keep the picture.

        Args:
            canvas: The picture; None for one in files alone.
            terminal: What it is printed on.
        """
        self._canvas, self._terminal = canvas, terminal

    def entry(self) -> dict[str, list[str]]:
        """Return what a document has of it: its lines, without colours."""
        return {} if self._canvas is None else {"drawing": list(self._canvas.lines())}

    def print(self, style: Style) -> None:
        """Print it below everything else, unless only the essential is wanted.

        Args:
            style: How to print.

        Raises:
            OutputError: Standard output is closed.
        """
        if self._canvas is not None and prints_pictures(style):
            print(file=style.stream)
            print_picture(self._canvas, style, self._terminal)
