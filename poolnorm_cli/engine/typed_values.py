"""Tensors of values that are typed as nested lists: `[[1, 2], [3, 4]]`."""

import json
import re
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import UsageError, shown
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.outputs import open_output


if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolnorm_cli.shapes import Ints

_EXAMPLE = "type numbers in brackets, as '[[1,2],[3,4]]'"
_DEEPEST = 32
_NAMES = {"nan": "NaN", "inf": "Infinity", "infinity": "Infinity"}
_WORD = re.compile(r"[A-Za-z]+")
_NUMBER = re.compile(r"(?<![\w.])([+-]?)(\d*\.\d+|\d+\.?)([eE][+-]?\d+)?(?![\w.])")


def write_values(text: str, dtype: str, output: str, *, overwrite: bool, sync: bool) -> "Ints":
    """Write the values of a text.

    Args:
        text: Nested lists of numbers, as Python, JSON and NumPy have them.
        dtype: Dtype of the tensor; values are rounded to it once.
        output: Where it goes.
        overwrite: Replace a file that is there.
        sync: Have it on the disk before it has its name.

    Returns:
        Its shape.

    Raises:
        UsageError: The text is none, or its lists are ragged, or a value does not fit the dtype.
        PoolnormError: The output cannot be written.
    """
    values = _parsed(text)
    shape = _shape_of(values)
    array = _as_array(values, shape, dtype)
    with open_output(output, overwrite, sync=sync) as target:
        writer = target.add(None, shape, DTYPES[dtype])
        writer.write(array)
        writer.close()
    return shape


def _parsed(text: str) -> Any:
    """Return lists in lists of numbers.

    Raises:
        UsageError: The text is something else.
    """
    plain = _WORD.sub(_word, text.strip())
    plain = re.sub(r",\s*(?=[\]\)])", "", plain).replace("(", "[").replace(")", "]")
    plain = _NUMBER.sub(_number, plain)
    try:
        return json.loads(plain)
    except (ValueError, RecursionError):
        what = f"values {shown(text, 40)!r} are not numbers in brackets"
        raise UsageError(what, _EXAMPLE) from None


def _word(match: re.Match[str]) -> str:
    return _NAMES.get(match[0].lower(), match[0].lower() if len(match[0]) > 1 else match[0])


def _number(match: re.Match[str]) -> str:
    """Spell a number as JSON has it: `.5`, `1.` and `+1` are numbers, too."""
    sign, digits, exponent = match[1], match[2], match[3] or ""
    whole, dot, rest = digits.partition(".")
    whole = whole.lstrip("0") or "0"
    return f"{sign.replace('+', '')}{whole}{f'.{rest}' if dot and rest else ''}{exponent}"


def _shape_of(values: Any, depth: int = 0) -> "Ints":
    """Return the shape of lists in lists.

    Raises:
        UsageError: They are ragged, too deep, or have something else than numbers in them.
    """
    if not isinstance(values, list):
        if isinstance(values, int | float):
            return ()
        raise UsageError(f"the value {shown(json.dumps(values), 20)} is not a number", _EXAMPLE)
    if depth >= _DEEPEST:
        raise UsageError(f"lists nested more than {_DEEPEST} deep", _EXAMPLE)
    inner = [_shape_of(each, depth + 1) for each in values]
    for place, shape in enumerate(inner):
        if shape != inner[0]:
            raise _ragged(values, inner, place)
    return (len(values), *(inner[0] if inner else ()))


def _ragged(values: list[Any], shapes: "list[Ints]", place: int) -> UsageError:
    first, other = (shown(json.dumps(values[index]), 24) for index in (0, place))
    a, b = (_counted(shapes[index]) for index in (0, place))
    what = f"the lists are ragged: {first} {a}, and {other} {b}"
    return UsageError(what, "give each as many values")


def _counted(shape: "Ints") -> str:
    return f"has {shape[0]}" if shape else "is one number"


def _as_array(values: Any, shape: "Ints", dtype: str) -> "NDArray[Any]":
    """Return the values in a dtype, or in float64 where they are rounded as they are written.

    Raises:
        UsageError: One does not fit.
    """
    import numpy as np

    wanted = DTYPES[dtype]
    if wanted.kind == "f":
        return np.array(values, np.float64).reshape(shape)
    items = np.array(values, object).reshape(-1)
    limits = np.iinfo(wanted.name)
    for item in items:
        if not limits.min <= item <= limits.max or item != int(item):
            what = f"the value {item} is no {dtype}"
            raise UsageError(what, f"give whole numbers from {limits.min} to {limits.max}")
    return items.astype(wanted.name).reshape(shape)
