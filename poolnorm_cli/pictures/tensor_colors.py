"""Colours and glyphs for the values of a tensor.

One channel goes through a map from dark blue over green to light yellow, whose lightness rises
evenly, so that it reads the same to people who see no red or no green, and in grey. It was computed
for this program: evenly spaced in lightness and hue of OKLCH (Björn Ottosson, "A perceptual color
space for image processing", 2020), with at most so much chroma as sRGB has there.
"""

from collections.abc import Sequence
from typing import NamedTuple

from poolnorm_cli.pictures.styles import RGB, Paint, luminance


_ANCHORS = (
    "2e0056 2f0775 272287 113896 004f8f 00618f 007192 008197 00929b "
    "00a29d 00b49b 00c592 51d385 84dd79 b0e66f d9ee68 fff467"
)
STEPS = 256


def _table() -> list[RGB]:
    anchors = [tuple(bytes.fromhex(word)) for word in _ANCHORS.split()]
    table = []
    for step in range(STEPS):
        place, part = divmod(step * (len(anchors) - 1), STEPS - 1)
        low, high = anchors[place], anchors[min(place + 1, len(anchors) - 1)]
        mixed = [round(a + (b - a) * part / (STEPS - 1)) for a, b in zip(low, high, strict=True)]
        table.append((mixed[0], mixed[1], mixed[2]))
    return table


MAP = _table()
"""The colours of the map, from the least value to the greatest."""
RAMP = " .,:;ox%#@"
"""Glyphs that stand for the same without colours: the more ink, the greater. They are ASCII, and
none of them stands for anything else."""
MARK = Paint((255, 255, 255), (190, 0, 90))
"""Of what is no finite number: a colour that the map does not have."""
MARKS = {1: "N", 2: "▲", 3: "▼", 4: "X"}
"""What stands for NaN, for infinity and for minus infinity, and for the largest difference."""
MARK_NAMES = {1: "NaN", 2: "infinity", 3: "-infinity", 4: "largest"}
LINE = Paint((0, 114, 178))
LINE_COLORS = (LINE, Paint((213, 94, 0)), Paint((0, 140, 100)), Paint((170, 80, 140)))
"""Of the lines of channels, in turn: Okabe and Ito's, as dark as it takes to be seen on white."""


class Scale(NamedTuple):
    """Which values are the least and the greatest of a picture.

    Attributes:
        low: The least.
        high: The greatest.
        as_is: The values are colours already, of 0 to 255 or of 0 to 1, and how that is said.
        levels: The darkest and the brightest cell, from 0 to 1, between which glyphs are shared out
            where there are no colours.
    """

    low: float
    high: float
    as_is: str = ""
    levels: tuple[float, float] = (0.0, 1.0)

    def place(self, value: float) -> float:
        """Return where a value stands between the two, from 0 to 1."""
        if self.low == self.high:
            return 0.5
        half = self.high / 2 - self.low / 2  # which does not overflow
        return min(max((value / 2 - self.low / 2) / half, 0.0), 1.0)

    def value(self, place: float) -> float:
        """Return the value at a place between the two, from 0 to 1."""
        return self.low * (1 - place) + self.high * place  # which does not overflow either

    def color(self, values: Sequence[float]) -> RGB:
        """Return the colour of a cell: of red, green and blue, or of one value by the map."""
        if len(values) == 3:
            red, green, blue = (round(255 * self.place(value)) for value in values)
            return red, green, blue
        return MAP[round((STEPS - 1) * self.place(values[0]))]

    def glyph(self, *cells: Sequence[float]) -> str:
        """Return what stands for cells where there are no colours: for their mean brightness."""
        levels = [self.level(cell) for cell in cells]
        dark, bright = self.levels
        level = (sum(levels) / len(levels) - dark) / ((bright - dark) or 1)
        return RAMP[min(max(int(level * len(RAMP)), 0), len(RAMP) - 1)]

    def level(self, values: Sequence[float]) -> float:
        """Return how bright a cell is, from 0 to 1."""
        first, *others = (self.place(value) for value in values)
        return luminance(first, *others) if others else first


def ink_on(ground: RGB) -> RGB:
    """Return black or white, whichever is read better on a colour."""
    return (0, 0, 0) if luminance(*ground) > 127.5 else (255, 255, 255)


def number(value: float) -> str:
    """Write a number in at most four digits, or whole where it is not long."""
    if isinstance(value, int) or (abs(value) < _LONG and value == int(value)):
        return str(int(value))
    return f"{value:.4g}"


_LONG = 1e7
