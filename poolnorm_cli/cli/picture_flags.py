"""Flags of verbs that draw, and what becomes of a picture: printed, or kept in a file."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

from poolnorm_cli.cli.command import Option
from poolnorm_cli.errors import UsageError
from poolnorm_cli.report.emit import prints_pictures
from poolnorm_cli.report.rows import Style
from poolnorm_cli.values import frozen


if TYPE_CHECKING:
    from poolnorm_cli.pictures.canvas import Canvas
    from poolnorm_cli.pictures.terminal import Terminal
    from poolnorm_cli.tensors.file_roles import Role

PICTURE_PANEL = "Picture"


@frozen(kw_only=True)
class PictureFlags:
    """Where a picture is kept."""

    save_svg: Annotated[
        str | None,
        Option(metavar="FILE", help="Keep the picture as SVG.", rich_help_panel=PICTURE_PANEL),
    ] = None
    save_png: Annotated[
        str | None,
        Option(
            metavar="FILE",
            help="Keep the picture as PNG; needs the extra `picture`.",
            rich_help_panel=PICTURE_PANEL,
        ),
    ] = None

    @property
    def is_kept(self) -> bool:
        """Whether a file of it is wanted."""
        return self.save_svg is not None or self.save_png is not None


@frozen(kw_only=True)
class PictureFileFlags(PictureFlags):
    """The same, for verbs without outputs of another kind."""

    overwrite: Annotated[
        bool,
        Option(
            "--overwrite",
            help="Replace files of pictures that exist.",
            rich_help_panel=PICTURE_PANEL,
        ),
    ] = False


def picture_roles(flags: PictureFlags) -> "Iterator[Role]":
    """List the files that pictures are written to."""
    from poolnorm_cli.tensors.file_roles import Role

    for flag, file in (("--save-svg", flags.save_svg), ("--save-png", flags.save_png)):
        if file is not None:
            yield Role(flag, file, written=True)


def check_picture_files(
    flags: PictureFlags, words: Sequence[str] = (), *, overwrite: bool = False
) -> None:
    """Refuse, before any work, a picture that could not be kept.

    Args:
        flags: What was typed.
        words: The inputs, none of which may be written over.
        overwrite: Files that exist may be replaced.

    Raises:
        UsageError: A file has two roles, or exists, or is for a picture of the other kind.
        UnavailableError: A PNG is wanted, and Pillow is not installed.
    """
    roles = list(picture_roles(flags))
    if not roles:
        return
    import os

    from poolnorm_cli.tensors.file_roles import already_exists, input_roles, refuse_shared_files

    for role in roles:
        _require_kind(role)
    refuse_shared_files(roles, input_roles(words))
    for role in roles:
        if not overwrite and os.path.lexists(role.word):
            raise already_exists(role.word)
    if flags.save_png is not None:
        from poolnorm_cli.pictures.png import require_pillow

        require_pillow()


def _require_kind(role: "Role") -> None:
    """Refuse standard output, and the suffix of the other kind."""
    kind, other = ("svg", "png") if role.flag == "--save-svg" else ("png", "svg")
    if role.word in {"", "-"}:
        raise UsageError(
            f"{role.flag} {role.word!r} does not name a file", f"give {role.flag} a.{kind}"
        )
    if role.word.lower().endswith(f".{other}"):
        what = f"{role.flag} writes {kind.upper()}"
        raise UsageError.at(role.word, what, f"give --save-{other}, or the name of a .{kind} file")


def keep_picture(canvas: "Canvas", flags: PictureFlags, *, overwrite: bool = False) -> None:
    """Write a picture to the files that are wanted, each whole or not at all.

    Args:
        canvas: The picture.
        flags: What was typed.
        overwrite: Files that exist may be replaced.

    Raises:
        UsageError: A file exists and may not be replaced.
        OutputError: One cannot be written.
        UnavailableError: A PNG is wanted, and Pillow is not installed.
    """
    contents: dict[str, bytes] = {}
    if flags.save_svg is not None:
        from poolnorm_cli.pictures.svg import svg

        contents[flags.save_svg] = svg(canvas).encode()
    if flags.save_png is not None:
        from poolnorm_cli.pictures.png import png

        contents[flags.save_png] = png(canvas)
    from poolnorm_cli.tensors.atomic import AtomicFile

    for name, content in contents.items():
        file = AtomicFile(name, overwrite=overwrite)
        try:
            file.write(content)
            file.commit()
        finally:
            file.discard()


def terminal_for(style: Style) -> "Terminal":
    """Return what the reader of a report can be shown: colours, characters, and a size."""
    from poolnorm_cli.pictures.terminal import terminal_of
    from poolnorm_cli.report.colors import is_colored

    return terminal_of(style.stream, colored=is_colored(style.stream, style.color))


def print_picture(canvas: "Canvas", style: Style, terminal: "Terminal | None" = None) -> None:
    """Print a picture, unless a document or only the essential is wanted.

    Args:
        canvas: The picture; it is as wide as it is.
        style: How to print.
        terminal: What can be shown; None to find out.

    Raises:
        OutputError: Standard output is closed.
    """
    if not prints_pictures(style):
        return
    from poolnorm_cli.pictures.terminal import text

    for line in text(canvas, terminal or terminal_for(style)):
        print(line, file=style.stream)
