"""Between the bytes of a file and the arrays that layers work on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from poolnorm_cli.kernels.halves import BITS, narrow_bfloat16, narrow_float16, widen_bfloat16
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


def as_bits(raw: memoryview, *, swapped: bool) -> NDArray[Any]:
    """Return items of bfloat16 as they are stored, in this machine's byte order.

    Args:
        raw: The bytes of whole items, swapped in place where they are writable.
        swapped: Whether they are in the other byte order.

    Returns:
        The items, of the dtype `BITS`.
    """
    array = np.frombuffer(raw, np.uint16)
    if swapped:
        array = array.byteswap(inplace=array.flags.writeable)
    return array.view(BITS)


def encode(block: NDArray[Any], dtype: DType) -> NDArray[Any]:
    """Return a block as a C-contiguous array whose memory is what a file of a type holds.

    Floats are rounded to nearest even; too large ones become infinite, NaN stays NaN. bfloat16
    is rounded from float32.

    Args:
        block: Items of any shape, native-endian; `BITS` where they are bfloat16 already.
        dtype: The type to write.

    Returns:
        An array of the same shape, little-endian; of uint16 for bfloat16.

    Raises:
        TypeError: `dtype` is bool or an integer and `block` is of another type.
    """
    if block.dtype == BITS:
        return np.ascontiguousarray(block).view(np.uint16).astype("<u2", copy=False)
    if dtype.name == "bfloat16":
        return narrow_bfloat16(block).astype("<u2", copy=False)
    if dtype.kind != "f" and block.dtype.name != dtype.name:
        message = f"a block of {block.dtype} is not {dtype.name}"
        raise TypeError(message)
    if dtype.name == "float16" and block.dtype == np.float32:
        return narrow_float16(block).astype("<f2", copy=False)
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
