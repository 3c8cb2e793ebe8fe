"""Values, shapes and messages as text."""

from typing import TYPE_CHECKING, Any, Literal

from poolnorm_cli.shapes import Shape


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO

    from numpy.typing import NDArray

    from poolnorm_cli.engine.outcome import Outcome
    from poolnorm_cli.engine.preview import Edges


Color = Literal["auto", "always", "never"]
"""What --color asks for."""
_SHORT = 100
_DIGITS = r"\d{60,}"
_NEXT_UNIT, _NO_DECIMALS = 1000, 100
_LONGEST = 1200
"""Characters of each half of a message, what was wrong and what to type instead."""


def brief(text: str) -> str:
    """Cut what is too long for a line of a message: numbers of very many digits, words without end.

    A path of any length that a person types stays readable at both ends.
    """
    if len(text) <= _SHORT:
        return text
    import re

    cut = re.sub(_DIGITS, lambda run: f"{run[0][:20]}...({len(run[0])} digits)", text)
    return cut if len(cut) <= _LONGEST else f"{cut[: _LONGEST * 2 // 3]}...{cut[-_LONGEST // 3 :]}"


def encodable(text: str, stream: "TextIO") -> str:
    """Escape what a stream's encoding lacks as the stream itself would, so that it is measured.

    Args:
        text: What is to be printed.
        stream: Where.

    Returns:
        The text as it appears there.
    """
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def keras_shape(shape: Shape) -> str:
    """Write a shape as Keras does: `(None, 14, 14, 3)`."""
    inside = ", ".join(map(str, shape))
    return f"({inside},)" if len(shape) == 1 else f"({inside})"


def size_text(size: int) -> str:
    """Write a number of bytes for people: `12 B`, `1.5 KiB`, `23 MiB`."""
    number, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if number < _NEXT_UNIT:
            break
        number, unit = number / 1024, larger
    digits = 0 if unit == "B" or number >= _NO_DECIMALS else 1
    return f"{number:.{digits}f} {unit}"


def values_text(
    edges: "Edges", precision: int | None, width: int, height: int | None = None
) -> str:
    """Write the edges of an array as NumPy prints the whole of it, or fewer of them.

    Args:
        edges: What is shown of the array.
        precision: Digits of floating-point values; None for NumPy's own.
        width: Columns up to which values are written side by side.
        height: Lines that there is room for; None for any number.

    Returns:
        The lines, as one text. Where there is room for fewer, they are of the first sample alone,
        or of the first row of it, and so on; the line above them says so.
    """
    import numpy as np

    def text(array: "NDArray[Any]", threshold: int, edge: int) -> str:
        return np.array2string(
            array,
            max_line_width=width,
            precision=precision,
            threshold=threshold,
            edgeitems=edge,
        )

    array = edges.array
    whole = text(array, array.size if edges.whole else 0, 3)
    if height is None or whole.count("\n") < height:
        return whole
    for first in range(array.ndim):
        part = array[(0,) * first]
        above = f"{_of_first(first)} (--values prints more):\n" if first else ""
        for edge in (3, 2):
            fewer = above + text(part, 0, edge)
            if fewer.count("\n") < height:
                return fewer
    return f"{_of_first(array.ndim)}: {array.flat[0]} (--values prints more)"


def _of_first(axes: int) -> str:
    """Say that values are those at index 0 of so many axes."""
    return f"at [{', '.join(['0'] * axes)}]"


def wrapped(lines: "Iterable[str]", width: int) -> "Iterator[str]":
    """Break lines of words at spaces; one that is indented is code, and stays whole.

    Args:
        lines: The lines.
        width: Columns there are.

    Yields:
        The lines, what is left of one indented.
    """
    for line in lines:
        if len(line) <= width or line.startswith(" "):
            yield line
            continue
        import textwrap

        yield from textwrap.wrap(
            line, max(width, 10), subsequent_indent="  ", break_on_hyphens=False
        )


def penalties_text(outcome: "Outcome") -> str:
    """Write the penalties of weights: `gamma=0.5 beta=0.1`."""
    return " ".join(f"{name}={value:.7g}" for name, value in outcome.penalties.items())


def json_text(value: Any) -> str:
    """Write a document, or a part of one, on one line."""
    import json

    return json.dumps(value, allow_nan=False)


def json_values(values: "NDArray[Any]") -> Any:
    """Return nested lists of what `json_number` makes of each value."""
    return _mapped(values.tolist())


def json_number(value: Any) -> Any:
    """Return a number, or `NaN`, `Infinity`, `-Infinity` as a string: JSON has none of them."""
    return _NAMES.get(str(value), value)


_NAMES = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def _mapped(value: Any) -> Any:
    return [_mapped(item) for item in value] if isinstance(value, list) else json_number(value)
