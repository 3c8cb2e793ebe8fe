"""A picture as PNG has the colours of its cells, and is refused in a line without Pillow."""

import io
import sys

import pytest

from poolnorm_cli.errors import UnavailableError
from poolnorm_cli.pictures import png as module
from poolnorm_cli.pictures.canvas import Canvas
from poolnorm_cli.pictures.png import png
from poolnorm_cli.pictures.styles import LIGHT, LOOKS, Paint


pil = pytest.importorskip("PIL.Image", reason="no Pillow")


def test_pixels_are_squares_of_their_colours() -> None:
    canvas = Canvas(2)
    canvas.put(0, 0, "▀", Paint((255, 0, 0), (1, 2, 3)))
    canvas.put(0, 1, "▀", Paint((0, 0, 255)))
    image = pil.open(io.BytesIO(png(canvas)))
    side, margin = module._WIDTH, module._MARGIN

    assert image.size == (2 * side + 2 * margin, 2 * side + 2 * margin)
    places = [(0, 0), (side, 0), (0, side), (side, side)]
    seen = [image.getpixel((margin + x + side // 2, margin + y + side // 2)) for x, y in places]
    assert seen == [(255, 0, 0), (0, 0, 255), (1, 2, 3), LIGHT]


@pytest.mark.parametrize("fonts", [module._MONOSPACED, ("no font.ttf",)])
def test_letters_are_drawn_within_their_cells(
    fonts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MONOSPACED", fonts)
    module._font_for.cache_clear()
    canvas = Canvas(7)
    canvas.put(1, 1, "Wgµ×日", "heading")
    image = pil.open(io.BytesIO(png(canvas))).convert("L").point(lambda level: 255 - level)
    module._font_for.cache_clear()
    left, top, right, bottom = image.getbbox()

    assert left >= module._MARGIN + module._WIDTH - 1
    assert right <= module._MARGIN + 7 * module._WIDTH + 1
    assert top >= module._MARGIN + module._HEIGHT
    assert bottom <= module._MARGIN + 2 * module._HEIGHT
    cells = [
        image.crop((x, 0, x + module._WIDTH, image.height)).getbbox()
        for x in range(module._MARGIN, module._MARGIN + 5 * module._WIDTH, module._WIDTH)
    ]
    assert cells[0] is None
    assert all(cells[1:])


def test_grounds_are_those_of_the_styles() -> None:
    canvas = Canvas(1)
    canvas.put(0, 0, " ", "other")
    image = pil.open(io.BytesIO(png(canvas)))

    assert image.getpixel((module._MARGIN, module._MARGIN)) == LOOKS["other"].paint.ground


def test_the_title_is_in_the_file() -> None:
    canvas = Canvas(1, 1, title="A window")
    canvas.description = "of two cells"

    assert pil.open(io.BytesIO(png(canvas))).text == {
        "Title": "A window",
        "Description": "of two cells",
    }


def test_the_same_picture_is_the_same_file() -> None:
    canvas = Canvas(4)
    canvas.put(0, 0, "abc", "window")

    assert png(canvas) == png(canvas)


def test_without_pillow_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)

    with pytest.raises(UnavailableError) as caught:
        png(Canvas(1, 1))
    assert "pip install 'poolnorm-cli[picture]'" in caught.value.fix
