"""Values, shapes and messages as text."""

from typing import TYPE_CHECKING, Any

from poolnorm_cli.shapes import Shape


if TYPE_CHECKING:
    from typing import TextIO

    from numpy.typing import NDArray

    from poolnorm_cli.engine.outcome import Outcome
    from poolnorm_cli.engine.preview import Edges


_SHORT = 100
_DIGITS = r"\d{60,}"
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


def values_text(edges: "Edges", precision: int | None, width: int) -> str:
    """Write the edges of an array as NumPy prints the whole of it.

    Args:
        edges: What is shown of the array.
        precision: Digits of floating-point values; None for NumPy's own.
        width: Columns up to which values are written side by side.

    Returns:
        The lines, as one text.
    """
    import numpy as np

    return np.array2string(
        edges.array,
        max_line_width=width,
        precision=precision,
        threshold=edges.array.size if edges.whole else 0,
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
