"""What cells of a picture mean, and the colours that say so.

A style is a name from this table, or a `Paint` where the colour itself is the content, as in the
picture of a tensor. Names give ink and ground together wherever there is a ground, and inks alone
have a contrast of 3:1 or more with white and with black, so that a picture is legible on a light
and on a dark terminal, which nobody can be asked about. Colours of marks that stand side by side
are those of Okabe and Ito, which people who see no red or no green can tell apart.
"""

from typing import NamedTuple


RGB = tuple[int, int, int]
"""Red, green and blue, 0 to 255 each."""


class Paint(NamedTuple):
    """A colour of one's own; None is the terminal's, or that of the paper.

    Attributes:
        ink: Of the glyph.
        ground: Behind it.
    """

    ink: RGB | None = None
    ground: RGB | None = None


class Look(NamedTuple):
    """How a named style looks.

    Attributes:
        paint: Its colours on a terminal, and in a file where none are given for it.
        codes: Its numbers (SGR) on a terminal of 16 colours.
        bold: The glyph is bold.
        light: Its ink on light paper; None for that of `paint`.
        dark: Its ink on dark paper; None for that of `paint`.
    """

    paint: Paint
    codes: str = ""
    bold: bool = False
    light: RGB | None = None
    dark: RGB | None = None


Style = str | Paint
"""A name of `LOOKS`, or colours."""

LIGHT, DARK = (255, 255, 255), (22, 27, 34)
"""Paper of a file, for people who have set their screens to light or dark."""
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)

LOOKS: dict[str, Look] = {
    "text": Look(Paint(), light=(31, 35, 40), dark=(230, 237, 243)),
    "heading": Look(Paint(), "1", bold=True, light=(31, 35, 40), dark=(230, 237, 243)),
    "muted": Look(Paint((118, 118, 118)), "2", light=(101, 109, 118), dark=(145, 152, 161)),
    "window": Look(Paint(_WHITE, (0, 104, 163)), "97;44"),
    "other": Look(Paint(_BLACK, (230, 159, 0)), "30;43"),
    "overlap": Look(Paint(_BLACK, (204, 121, 167)), "30;45"),
    "padding": Look(Paint((118, 118, 118)), "2", light=(101, 109, 118), dark=(145, 152, 161)),
    "unread": Look(Paint((213, 94, 0)), "31"),
}
"""Name -> how it looks.

text, heading, muted: words. window, other: cells under a window, and under the next one. overlap:
cells under several. padding: cells that are not there. unread: cells that no window reads.
"""


def luminance(red: float, green: float, blue: float) -> float:
    """Return how bright a colour is, as eyes weigh its three parts (luma of ITU-R BT.601).

    Args:
        red: Any number, on a scale that all three share.
        green: On the same scale.
        blue: On the same scale.

    Returns:
        The brightness, on the same scale.
    """
    return 0.299 * red + 0.587 * green + 0.114 * blue


def mean(*colors: RGB) -> RGB:
    """Return the colour halfway between some."""
    red, green, blue = (round(sum(part) / len(colors)) for part in zip(*colors, strict=True))
    return red, green, blue
