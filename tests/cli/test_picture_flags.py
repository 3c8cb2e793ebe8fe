"""A picture is kept whole or not at all, and what could not be kept is refused before any work."""

from pathlib import Path

import pytest

from poolnorm_cli.cli.picture_flags import (
    PictureFlags,
    check_picture_files,
    keep_picture,
    print_picture,
)
from poolnorm_cli.errors import PoolnormError, UnavailableError
from poolnorm_cli.pictures.canvas import Canvas
from poolnorm_cli.report.rows import Style


def canvas() -> Canvas:
    made = Canvas(4, title="four")
    made.put(0, 0, "abcd", "window")
    return made


def test_an_svg_is_kept() -> None:
    keep_picture(canvas(), PictureFlags(save_svg="a.svg"))

    assert "<title" in Path("a.svg").read_text(encoding="utf-8")


def test_a_file_that_exists_is_left() -> None:
    Path("a.svg").write_text("mine")
    flags = PictureFlags(save_svg="a.svg")

    with pytest.raises(PoolnormError, match="exists"):
        check_picture_files(flags)
    with pytest.raises(PoolnormError, match="exists"):
        keep_picture(canvas(), flags)
    assert Path("a.svg").read_text() == "mine"
    check_picture_files(flags, overwrite=True)
    keep_picture(canvas(), flags, overwrite=True)
    assert Path("a.svg").read_text() != "mine"


@pytest.mark.parametrize(
    ("flags", "words", "told"),
    [
        (PictureFlags(save_svg="-"), (), "does not name a file"),
        (PictureFlags(save_svg="a.PNG"), (), "--save-png"),
        (PictureFlags(save_png="a.svg"), (), "--save-svg"),
        (PictureFlags(save_svg="x"), ("x",), "x: --save-svg is the input x"),
        (PictureFlags(save_svg="x", save_png="x"), (), "--save-png"),
    ],
)
def test_what_cannot_be_is_refused(flags: PictureFlags, words: tuple[str, ...], told: str) -> None:
    with pytest.raises(PoolnormError) as caught:
        check_picture_files(flags, words)

    assert told in str(caught.value)
    assert caught.value.code == 2


def test_a_png_without_pillow_is_refused_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)

    with pytest.raises(UnavailableError):
        check_picture_files(PictureFlags(save_png="a.png"))


@pytest.mark.parametrize("style", [Style(json=True), Style(quiet=True)])
def test_documents_and_the_essential_have_no_picture(
    style: Style, capsys: pytest.CaptureFixture[str]
) -> None:
    print_picture(canvas(), style)

    assert capsys.readouterr().out == ""


def test_a_pipe_gets_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_picture(canvas(), Style())
    print_picture(canvas(), Style(color="always"))

    plain, coloured = capsys.readouterr().out.splitlines()
    assert plain == "abcd"
    assert coloured.startswith("\033[")
