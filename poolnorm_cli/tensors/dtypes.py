"""The number types that are read and written, by the names NumPy gives them on disk."""

from __future__ import annotations

import re
import sys
from functools import lru_cache

from poolnorm_cli.errors import InputError, shown
from poolnorm_cli.values import frozen


@frozen
class DType:
    """A number type: its name, bytes per item, and kind (`b`, `i`, `u` or `f`, as in NumPy).

    bfloat16 is of kind `f`; its blocks in memory are float32, because NumPy has no bfloat16.
    """

    name: str
    itemsize: int
    kind: str


_CODES = {
    "b1": DType("bool", 1, "b"),
    "i1": DType("int8", 1, "i"),
    "i2": DType("int16", 2, "i"),
    "i4": DType("int32", 4, "i"),
    "i8": DType("int64", 8, "i"),
    "u1": DType("uint8", 1, "u"),
    "u2": DType("uint16", 2, "u"),
    "u4": DType("uint32", 4, "u"),
    "u8": DType("uint64", 8, "u"),
    "f2": DType("float16", 2, "f"),
    "V2": DType("bfloat16", 2, "f"),  # np.save writes an ml_dtypes bfloat16 as two raw bytes
    "f4": DType("float32", 4, "f"),
    "f8": DType("float64", 8, "f"),
}
DTYPES: dict[str, DType] = {dtype.name: dtype for dtype in _CODES.values()}
_CODE_OF = {dtype.name: code for code, dtype in _CODES.items()}

_DESCR = re.compile(r"([<>|=]?)([A-Za-z][0-9]{1,2})")
_KINDS = {
    "O": "Python objects",
    "S": "bytes",
    "U": "text",
    "c": "complex",
    "M": "dates",
    "m": "durations",
    "V": "raw bytes",
    "[": "structured",
    "(": "structured",
}
_NUMERIC = "save it with astype('float32'), or as a bool, int, uint or float of 8 to 64 bits"


@lru_cache(maxsize=64)
def parse_descr(descr: str, bfloat16: bool) -> tuple[DType, bool]:  # noqa: FBT001
    """Return the number type that a header's `descr` names, and whether its bytes are swapped.

    Args:
        descr: The text of the header's entry, such as `<f4`.
        bfloat16: Whether two raw bytes (`V2`) are a bfloat16.

    Returns:
        The type, and whether its bytes are in the other order than this machine's.

    Raises:
        InputError: The type is not one of `DTYPES`; the error names no file.
    """
    match = _DESCR.fullmatch(descr)
    if match is None or match[2] not in _CODES:
        raise _unsupported(descr)
    dtype = _CODES[match[2]]
    if dtype.name == "bfloat16" and not bfloat16:
        what = f"dtype {descr} is two raw bytes, as bfloat16 is saved"
        raise InputError(what, "--dtype bfloat16 reads it as that")
    swapped = match[1] == (">" if sys.byteorder == "little" else "<")
    return dtype, swapped and dtype.itemsize > 1


def descr_of(dtype: DType) -> str:
    """Return the little-endian `descr` that NumPy writes for `dtype`, such as `<f4` or `|b1`."""
    return ("|" if dtype.itemsize == 1 else "<") + _CODE_OF[dtype.name]


def _unsupported(descr: str) -> InputError:
    kind = _KINDS.get(descr.lstrip("<>|=")[:1], "")
    what = f"dtype {shown(descr, 30)}{f' ({kind})' if kind else ''} is not supported"
    return InputError(what, _NUMERIC)
