"""A picture as text has the colours and the characters that there are, and no others."""

import io
import re

import pytest

from poolnorm_cli.pictures.canvas import Canvas
from poolnorm_cli.pictures.glyphs import BLOCKS, writable
from poolnorm_cli.pictures.styles import LOOKS, RGB, Paint
from poolnorm_cli.pictures.terminal import Depth, Terminal, one_of_256, terminal_of, text
from poolnorm_cli.report.colors import is_colored
from poolnorm_cli.report.text import Color


XTERM = {"TERM": "xterm-256color"}


@pytest.mark.parametrize(
    ("color", "environment", "is_terminal", "depth"),
    [
        ("auto", XTERM, True, "256"),
        ("auto", XTERM | {"COLORTERM": "truecolor"}, True, "truecolor"),
        ("auto", {"TERM": "xterm-direct"}, True, "truecolor"),
        ("auto", {"TERM": "xterm"}, True, "16"),
        ("auto", {"TERM": "dumb"}, True, "none"),
        ("auto", {"TERM": "unknown"}, True, "none"),
        ("auto", {}, True, "16"),
        ("auto", XTERM, False, "none"),
        ("auto", XTERM | {"NO_COLOR": "1"}, True, "none"),
        ("auto", XTERM | {"NO_COLOR": ""}, True, "256"),
        ("never", XTERM | {"COLORTERM": "24bit"}, True, "none"),
        ("always", XTERM | {"NO_COLOR": "1"}, False, "256"),
        ("always", {}, False, "16"),
    ],
)
def test_colours_are_those_of_the_terminal(
    color: Color,
    environment: dict[str, str],
    is_terminal: bool,
    depth: Depth,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("TERM", "COLORTERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: is_terminal)

    assert terminal_of(stream, colored=is_colored(stream, color)).depth == depth


def drawn(depth: Depth, encoding: str = "utf-8") -> list[str]:
    canvas = Canvas(6)
    canvas.put(0, 1, "ab", "window")
    canvas.put(0, 3, "×", "unread")
    canvas.put(1, 0, "  ", "other", "#")
    return list(text(canvas, Terminal(depth=depth, encoding=encoding)))


def test_without_colour_glyphs_stand_alone() -> None:
    assert drawn("none") == [" ab×", "##"]


def test_an_encoding_that_lacks_glyphs_gets_letters() -> None:
    assert drawn("none", "ascii") == [" abx", "##"]


def test_sixteen_colours_have_numbers() -> None:
    assert drawn("16") == [" \033[97;44mab\033[0m\033[31m×\033[0m", "\033[30;43m  \033[0m"]


def test_256_colours_are_the_nearest() -> None:
    assert drawn("256")[1] == "\033[38;5;16;48;5;178m  \033[0m"


def test_true_colours_are_exact() -> None:
    assert drawn("truecolor")[1] == "\033[38;2;0;0;0;48;2;230;159;0m  \033[0m"


@pytest.mark.parametrize("depth", ["16", "256", "truecolor"])
def test_colours_change_nothing_but_colours(depth: Depth) -> None:
    canvas = Canvas(20)
    for name in LOOKS:
        canvas.put(canvas.height, 0, f"{name} ×", name)
    seen = "\n".join(text(canvas, Terminal(depth=depth)))

    assert re.sub(r"\033\[[0-9;]*m", "", seen) == "\n".join(text(canvas, Terminal()))


def test_half_blocks_are_one_colour_where_there_are_none() -> None:
    image = Canvas(1)
    image.put(0, 0, "▀", Paint((0, 0, 0), (200, 100, 0)), "░")

    (line,) = text(image, Terminal(depth="truecolor", encoding="latin-1"))
    assert line == "\033[48;2;100;50;0m \033[0m"
    (line,) = text(image, Terminal(encoding="ascii"))
    assert line == ":"


def test_every_block_has_a_letter_of_ascii() -> None:
    assert all(writable(glyph, "ascii") not in {"?", ""} for glyph in BLOCKS)
    assert all(len(writable(glyph, "ascii")) == 1 for glyph in [*BLOCKS, "日"])


@pytest.mark.parametrize(
    ("color", "number"),
    [((0, 0, 0), 16), ((255, 255, 255), 231), ((95, 135, 175), 67), ((118, 118, 118), 243)],
)
def test_a_colour_has_its_number_among_256(color: RGB, number: int) -> None:
    assert one_of_256(color) == number


def linear(part: int) -> float:
    share = part / 255
    return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4


def contrast(one: RGB, other: RGB) -> float:
    """Return the contrast of two colours as WCAG 2 defines it."""
    weights = (0.2126, 0.7152, 0.0722)
    light, dark = (
        sum(w * linear(part) for w, part in zip(weights, color, strict=True)) + 0.05
        for color in (one, other)
    )
    return max(light / dark, dark / light)


@pytest.mark.parametrize("name", LOOKS)
def test_every_style_is_legible_on_light_and_dark(name: str) -> None:
    look = LOOKS[name]
    ink, ground = look.paint
    if ground is not None:
        assert ink is not None
        assert contrast(ink, ground) >= 4.5
    elif ink is not None:
        assert min(contrast(ink, (0, 0, 0)), contrast(ink, (255, 255, 255))) >= 3


def test_a_cell_without_ground_at_the_end_is_no_blank_to_print() -> None:
    canvas = Canvas(5)
    canvas.put(0, 0, 5 * " ")

    assert list(text(canvas, Terminal(depth="256"))) == [""]
