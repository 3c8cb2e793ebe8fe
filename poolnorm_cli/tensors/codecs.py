"""Between the bytes of a file and the arrays that layers work on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from poolnorm_cli.tensors.dtypes import DType, descr_of


if TYPE_CHECKING:
    from numpy.typing import NDArray


def decode(raw: memoryview | bytes | bytearray, dtype: DType, swapped: bool) -> NDArray[Any]:  # noqa: FBT001
    """Return the items in `raw` as a native one-dimensional array.

    bfloat16 becomes float32 exactly; a bool byte other than 0 is True. The array shares memory
    with `raw` where it can, and a writable `raw` is swapped in place.

    Args:
        raw: The bytes of whole items.
        dtype: Their type.
        swapped: Whether they are in the other byte order than this machine's.

    Returns:
        The items, of the type of their name; float32 for bfloat16.
    """
    if dtype.name == "bool":
        flags: NDArray[Any] = np.frombuffer(raw, np.uint8) != 0
        return flags
    array: NDArray[Any] = np.frombuffer(raw, np.uint16 if dtype.name == "bfloat16" else dtype.name)
    if swapped:
        array = array.byteswap(inplace=array.flags.writeable)
    if dtype.name != "bfloat16":
        return array
    return widen_bfloat16(array)


def encode(block: NDArray[Any], dtype: DType) -> NDArray[Any]:
    """Return a block as a C-contiguous array whose memory is what a file of a type holds.

    Floats are rounded to nearest even; too large ones become infinite, NaN stays NaN. bfloat16
    is rounded from float32.

    Args:
        block: Items of any shape, native-endian.
        dtype: The type to write.

    Returns:
        An array of the same shape, little-endian; of uint16 for bfloat16.

    Raises:
        TypeError: `dtype` is bool or an integer and `block` is of another type.
    """
    if dtype.name == "bfloat16":
        return narrow_bfloat16(block).astype("<u2", copy=False)
    if dtype.kind != "f" and block.dtype.name != dtype.name:
        message = f"a block of {block.dtype} is not {dtype.name}"
        raise TypeError(message)
    stored = np.dtype(descr_of(dtype))
    if block.dtype == stored and block.flags.c_contiguous:
        return block
    with np.errstate(all="ignore"):
        return np.ascontiguousarray(block.astype(stored, copy=False))


def as_stored(block: NDArray[Any], dtype: DType) -> NDArray[Any]:
    """Return a block as it reads from a file of a type: rounded to that.

    Args:
        block: Items of any shape, native-endian.
        dtype: The type of the file.

    Returns:
        An array of the same shape; of float32 for bfloat16. It is the block itself where that is
        of the type.
    """
    if block.dtype.name == dtype.name:
        return block
    return decode(encode(block, dtype).tobytes(), dtype, swapped=False).reshape(block.shape)


def widen_bfloat16(items: NDArray[Any]) -> NDArray[np.float32]:
    """Widen bfloat16, of which each value is the upper two bytes of a float32.

    Args:
        items: uint16, the bits of bfloat16 values.

    Returns:
        The values in a new array of the same shape.
    """
    wide = items.astype(np.uint32)
    wide <<= 16
    return wide.view(np.float32)


def narrow_bfloat16(block: NDArray[Any]) -> NDArray[np.uint16]:
    """Round floats to bfloat16, to nearest even; NaN stays NaN.

    Args:
        block: Floats; those of another type than float32 are rounded to that first.

    Returns:
        uint16, the bits of the bfloat16 values, in the same shape.
    """
    with np.errstate(all="ignore"):
        wide = np.ascontiguousarray(block, dtype=np.float32)
    bits = wide.view(np.uint32)
    # Half a unit of the last kept place, less one where that place is even: ties go to even.
    rounded = bits + (((bits >> 16) & 1) + np.uint32(0x7FFF))
    # Rounding a NaN could carry into its sign or leave no payload, which would read as infinity.
    quiet = (bits >> 16) | np.uint32(0x40)
    kept: NDArray[np.uint16] = np.where(np.isnan(wide), quiet, rounded >> 16).astype(np.uint16)
    return kept
