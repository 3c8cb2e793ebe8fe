"""The map of colours: computed as it says, even in lightness, and legible without colour."""

from itertools import pairwise
from math import cos, radians, sin

import pytest

from poolnorm_cli.pictures.tensor_colors import MAP, MARK, MARKS, RAMP, Scale, number


Triple = tuple[float, float, float]


def oklch(lightness: float, chroma: float, hue: float) -> Triple:
    """Return linear sRGB of a colour of OKLCH."""
    a, b = chroma * cos(radians(hue)), chroma * sin(radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def encoded(part: float) -> float:
    part = min(max(part, 0.0), 1.0)
    return 255 * (12.92 * part if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055)


def linear(part: float) -> float:
    part /= 255
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def computed(place: float) -> Triple:
    """Compute a colour of the map: as much chroma as there is, up to 0.16."""
    lightness, hue, low, high = 0.25 + 0.70 * place, 300 - 195 * place, 0.0, 0.16
    for _ in range(40):
        middle = (low + high) / 2
        inside = all(-1e-9 <= part <= 1 + 1e-9 for part in oklch(lightness, middle, hue))
        low, high = (middle, high) if inside else (low, middle)
    red, green, blue = map(encoded, oklch(lightness, low, hue))
    return red, green, blue


def relative_luminance(color: Triple) -> float:
    return sum(w * linear(part) for w, part in zip((0.2126, 0.7152, 0.0722), color, strict=True))


@pytest.mark.parametrize("anchor", range(17))
def test_the_map_is_computed_as_it_says(anchor: int) -> None:
    found = MAP[round(anchor * 255 / 16)]

    assert found == pytest.approx(computed(round(anchor * 255 / 16) / 255), abs=4)


def without_red_and_green(color: Triple) -> Triple:
    """Return how a colour looks to people without cones for green (Machado et al., 2009)."""
    rows = ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413),
            (-0.011820, 0.042940, 0.968881))  # fmt: skip
    light = [linear(part) for part in color]
    red, green, blue = (
        encoded(sum(a * b for a, b in zip(row, light, strict=True))) for row in rows
    )
    return red, green, blue


@pytest.mark.parametrize("seen", [tuple, without_red_and_green], ids=["all", "no green"])
def test_greater_values_are_lighter_to_everybody(seen: type) -> None:
    levels = [relative_luminance(seen(color)) for color in MAP]

    assert all(low < high + 1e-4 for low, high in pairwise(levels))
    assert levels[0] < 0.03
    assert levels[-1] > 0.8


def test_marks_are_in_no_other_use() -> None:
    assert not set(MARKS.values()) & set(RAMP)
    assert RAMP.isascii()
    assert MARK.ground not in MAP


def test_a_scale_ends_at_its_ends() -> None:
    scale = Scale(-1.7e308, 1.7e308)

    assert [scale.place(value) for value in (-1.7e308, 0.0, 1.7e308)] == [0.0, 0.5, 1.0]
    assert Scale(3, 3).place(3) == 0.5
    assert Scale(0, 255).color([255, 0, 51]) == (255, 0, 51)
    assert Scale(0, 1).glyph([0.0]) + Scale(0, 1).glyph([1.0]) == " @"


@pytest.mark.parametrize(
    ("value", "text"),
    [(3, "3"), (-0.5, "-0.5"), (1e300, "1e+300"), (12345678.9, "1.235e+07"), (255.0, "255")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text
