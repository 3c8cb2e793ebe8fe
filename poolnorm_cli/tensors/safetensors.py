"""Tensors in `.safetensors` files, each read from its place there, block by block."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import InputError, shown
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.files import open_regular, opened_at, require_unchanged, stamp_of
from poolnorm_cli.tensors.header import DEEPEST
from poolnorm_cli.tensors.keyed import array_name, no_array, notes_on
from poolnorm_cli.tensors.safetensors_header import StoredTensor, arrays_in
from poolnorm_cli.tensors.tensor import Layout, PassedOver, Tensor
from poolnorm_cli.tensors.untrusted import Span


if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from numpy.typing import NDArray

    from poolnorm_cli.tensors.files import ReadAt, ReadInto, Stamp


NAMES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}
"""Our name of each type that is read as it is."""
_FLOAT8 = {"F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"}
"""What others call the types of a byte, which are read as float32."""
_SAVE = "save it again with safetensors"


class SafetensorsTensor(Tensor):
    """One array of a `.safetensors` file."""

    path: Path | str
    key: str
    file: Stamp

    def __init__(self, path: Path | str, name: str, array: StoredTensor, stamp: Stamp) -> None:
        """Take over what the header says of an array.

        Args:
            path: The file.
            name: What messages call the array.
            array: Its type, shape and place.
            stamp: What the file was when its header was read.

        Raises:
            InputError: It has too many axes, or its size cannot be.
        """
        if len(array.shape) > DEEPEST:
            what = f"{len(array.shape)} axes, at most {DEEPEST} are read"
            raise InputError.at(name, what, "reshape it")
        dtype = DTYPES[NAMES.get(array.dtype, "float32")]
        super().__init__(name, Layout(array.shape, dtype), path=path, key=array.key)
        self.file, self._array = stamp, array
        if array.dtype in _FLOAT8:
            self.notes = (f"{shown(name)}: {_FLOAT8[array.dtype]}, read as float32",)

    @property
    def stored_bytes(self) -> int:
        """Bytes that one pass reads of it."""
        return self._array.ends - self._array.begins

    @contextmanager
    def data(self) -> Iterator[ReadInto]:
        """Open the file for one pass; on exit, check that it is unchanged."""
        with open_regular(self.path, self.name) as fd:
            require_unchanged(fd, self.file, self.name)
            os.lseek(fd, self._array.begins, os.SEEK_SET)
            if self._array.dtype in _FLOAT8:
                yield _widened(fd, self._array.dtype)
            else:
                yield lambda view: os.readv(fd, [view])
            require_unchanged(fd, self.file, self.name)

    def data_at(self) -> AbstractContextManager[ReadAt] | None:
        """Open the file for one pass in any order; None where items are widened on the way."""
        if self._array.dtype in _FLOAT8:
            return None
        return opened_at(self.path, self.name, self.file, self._array.begins)


def open_file(
    path: Path | str,
    name: str,
    key: str | None = None,
    *,
    bfloat16: bool = False,  # noqa: ARG001 - the file says which types it has
) -> list[SafetensorsTensor]:
    """Return the arrays of a `.safetensors` file in the order of its header, or the one of a name.

    Arrays of other types (complex, four or six bits) are passed over while there is one that can
    be read.

    Args:
        path: The file.
        name: What messages call it.
        key: The name of the one array that is wanted.
        bfloat16: Not used.

    Returns:
        The arrays, of which nothing but the header has been read.

    Raises:
        InputError: The file is damaged, there is no such array, or none that can be read.
    """
    with open_regular(path, name) as fd:
        stamp = stamp_of(fd)
        span = Span(os.dup(fd), 0, stamp.size)
        with span:
            arrays = arrays_in(span, name)
        require_unchanged(fd, stamp, name)
    if key is not None:
        return [SafetensorsTensor(path, array_name(name, key), _chosen(arrays, key, name), stamp)]
    numeric = [each for each in arrays.values() if _is_read(each)]
    if not numeric:
        first = next(iter(arrays.values()), None)
        raise (
            InputError.at(name, "no arrays in it", _SAVE)
            if first is None
            else _refused(first, name)
        )
    tensors = [SafetensorsTensor(path, array_name(name, each.key), each, stamp) for each in numeric]
    others = [
        PassedOver(each.key, f"dtype {shown(each.dtype, 20)}", each.shape)
        for each in arrays.values()
        if not _is_read(each)
    ]
    tensors[0].passed_over = tuple(others)
    tensors[0].notes = (*notes_on(name, others), *tensors[0].notes)
    return tensors


def _is_read(array: StoredTensor) -> bool:
    return array.dtype in NAMES or array.dtype in _FLOAT8


def _chosen(arrays: dict[str, StoredTensor], key: str, name: str) -> StoredTensor:
    """Return the array of a name.

    Raises:
        InputError: There is none, or it is of a type that is not read.
    """
    if key not in arrays:
        raise no_array(name, key, arrays)
    if not _is_read(arrays[key]):
        raise _refused(arrays[key], name)
    return arrays[key]


def _refused(array: StoredTensor, name: str) -> InputError:
    what = f"dtype {shown(array.dtype, 20)} is not supported"
    fix = f"save it as one of {', '.join(NAMES)}"
    return InputError.at(array_name(name, shown(array.key, 40)), what, fix)


def _widened(fd: int, dtype: str) -> ReadInto:
    """Return what reads items of a byte as float32; a view is of whole items."""
    import numpy as np

    table = float8_values(dtype)

    def readinto(view: memoryview) -> int:
        items = np.frombuffer(os.read(fd, len(view) // table.itemsize), np.uint8)
        size = items.size * table.itemsize
        view[:size] = table[items].view(np.uint8).data
        return size

    return readinto


@cache
def float8_values(dtype: str) -> NDArray[Any]:
    """Return the value of each byte.

    Args:
        dtype: `F8_E4M3`, which has no infinity and one NaN of each sign, or `F8_E5M2`, which is
            the upper half of a float16.

    Returns:
        256 values of float32.
    """
    import numpy as np

    codes = np.arange(256, dtype=np.uint16)
    if dtype == "F8_E5M2":
        return (codes << 8).view(np.float16).astype(np.float32)
    exponents, fractions = codes >> 3 & 15, (codes & 7) / 8
    sizes = np.where(
        exponents == 0, fractions * 2.0**-6, (1 + fractions) * 2.0 ** (exponents - 7.0)
    )
    sizes[codes & 127 == 127] = np.nan
    return np.copysign(sizes, np.where(codes < 128, 1.0, -1.0)).astype(np.float32)
