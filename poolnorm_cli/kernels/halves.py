"""Between float32 and numbers of two bytes: float16, and bfloat16, the upper half of a float32.

Two bytes become float32 exactly. From float32 they are rounded once, to nearest, ties to even; what
is too large becomes infinite, and NaN stays NaN.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from poolnorm_cli.kernels.memory import acquire
from poolnorm_cli.kernels.native import loops_for


if TYPE_CHECKING:
    from poolnorm_cli.kernels.memory import Array

_FLOAT16, _BFLOAT16 = "eE"  # as the loops know them
BITS = np.dtype("V2")
"""Of bfloat16 as it is stored: two bytes with which NumPy does nothing but move them."""


def widen_float16(items: "Array") -> "Array":
    """Widen float16.

    Args:
        items: float16, of any order and byte order.

    Returns:
        float32 of the same shape, C-contiguous, in memory that `release` takes back.
    """
    return _widened(np.asarray(items, np.float16, order="C"), _FLOAT16)


def narrow_float16(block: "Array") -> "Array":
    """Round float32 to float16.

    Args:
        block: float32 of any order.

    Returns:
        float16 of the same shape, C-contiguous, in memory that `release` takes back.
    """
    return _narrowed(np.asarray(block, np.float32, order="C"), _FLOAT16).view(np.float16)


def widen_bfloat16(items: "Array") -> "Array":
    """Widen bfloat16.

    Args:
        items: uint16, the bits of bfloat16 values.

    Returns:
        float32 of the same shape, C-contiguous, in memory that `release` takes back.
    """
    return _widened(np.asarray(items, np.uint16, order="C"), _BFLOAT16)


def narrow_bfloat16(block: "Array") -> "Array":
    """Round floats to bfloat16.

    Args:
        block: Floats; those of another type than float32 are rounded to that first.

    Returns:
        uint16, the bits of the bfloat16 values, in the same shape, in memory that `release` takes
        back.
    """
    with np.errstate(all="ignore"):
        return _narrowed(np.asarray(block, np.float32, order="C"), _BFLOAT16)


def _widened(items: "Array", kind: str) -> "Array":
    wide = acquire(items.shape, np.float32)
    if loops := loops_for(items, "eH"):
        loops.convert(items, wide, kind, "f", items.size)
    elif kind == _FLOAT16:
        with np.errstate(all="ignore"):
            np.copyto(wide, items)
    else:
        bits = wide.view(np.uint32)
        np.copyto(bits, items)
        bits <<= 16
    return wide


def _narrowed(block: "Array", kind: str) -> "Array":
    narrow = acquire(block.shape, np.uint16)
    if loops := loops_for(block, "f"):
        loops.convert(block, narrow, "f", kind, block.size)
    elif kind == _FLOAT16:
        with np.errstate(all="ignore"):
            np.copyto(narrow.view(np.float16), block, casting="same_kind")
    else:
        np.copyto(narrow, _upper_halves(block), casting="same_kind")
    return narrow


def _upper_halves(block: "Array") -> Any:
    bits = block.view(np.uint32)
    # Half a unit of the last kept place, less one where that place is even: ties go to even.
    rounded = bits + (((bits >> 16) & 1) + np.uint32(0x7FFF))
    # Rounding a NaN could carry into its sign or leave no payload, which would read as infinity.
    quiet = (bits >> 16) | np.uint32(0x40)
    return np.where(np.isnan(block), quiet, rounded >> 16)
