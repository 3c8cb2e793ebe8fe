"""Numbers in text as tensors: `.csv` with commas, `.txt` with white space, as `np.loadtxt`."""

from __future__ import annotations

import os
import warnings
from shlex import quote
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import InputError, shown
from poolnorm_cli.sizes import LARGEST_TABLE_BYTES
from poolnorm_cli.tensors.dtypes import DTYPES
from poolnorm_cli.tensors.files import Stamp, open_regular, require_unchanged, stamp_of
from poolnorm_cli.tensors.formats import CSV, TXT, suffix_of
from poolnorm_cli.tensors.tensor import Layout
from poolnorm_cli.tensors.whole import WholeTensor


if TYPE_CHECKING:
    import io
    from pathlib import Path

    from numpy.typing import NDArray


_COMMENT = "#"
_SEEN_CHARACTERS = 20


class TableTensor(WholeTensor):
    """The numbers of a text file, in float32. Their shape is known once all have been read."""

    def __init__(self, path: Path | str, name: str, values: NDArray[Any], stamp: Stamp) -> None:
        """Take over the numbers of a file.

        Args:
            path: The file.
            name: What messages call it.
            values: What was read of it, float32.
            stamp: What the file was then.
        """
        super().__init__(path, name, Layout(values.shape, DTYPES["float32"]), stamp)
        self._values = values

    @property
    def stored_bytes(self) -> int:
        """Bytes that one pass reads of it."""
        return self.file.size

    def read(self, fd: int) -> NDArray[Any]:  # noqa: ARG002 - they were read
        """Return the numbers."""
        return self._values


def open_file(
    path: Path | str,
    name: str,
    key: str | None = None,  # noqa: ARG001 - one array, without a name
    *,
    bfloat16: bool = False,  # noqa: ARG001 - text
) -> list[TableTensor]:
    """Read the numbers of a text file, a row a line; what follows a `#` is a comment.

    Args:
        path: The file.
        name: What messages call it.
        key: None: the array has no name.
        bfloat16: Not used.

    Returns:
        The one array: two axes, one where it has one row or one column, none for one number.

    Raises:
        InputError: A line has something else than numbers, or more or fewer than those before it.
    """
    delimiter = "," if suffix_of(name) == CSV.suffix else None
    with open_regular(path, name) as fd:
        stamp = stamp_of(fd)
        if stamp.size > LARGEST_TABLE_BYTES:
            what = f"{stamp.size} bytes of text, at most {LARGEST_TABLE_BYTES} are read"
            raise InputError.at(name, what, "save it as .npy, or split it")
        with os.fdopen(os.dup(fd), encoding="utf-8-sig") as file:
            values = _values(file, name, delimiter)
        require_unchanged(fd, stamp, name)
    return [TableTensor(path, name, values, stamp)]


def _values(file: io.TextIOBase, name: str, delimiter: str | None) -> NDArray[Any]:
    """Read all numbers of a file.

    Raises:
        InputError: A line is at fault, or there are none.
    """
    import numpy as np

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there are none is said below
            found = np.loadtxt(file, dtype=np.float32, comments=_COMMENT, delimiter=delimiter)
    except UnicodeDecodeError:
        raise InputError.at(name, "not text in UTF-8", "save it as UTF-8") from None
    except MemoryError:
        raise InputError.at(name, "no memory for its numbers", "split it") from None
    except ValueError as error:
        raise _fault(file, name, delimiter, str(error)) from None
    if not found.size:
        raise InputError.at(name, "no numbers in it", "give a file that has some")
    return np.asarray(found, "<f4", order="C")


def _fault(file: io.TextIOBase, name: str, delimiter: str | None, reason: str) -> InputError:
    """Return the error that names the first line at fault, which NumPy counts without others."""
    file.seek(0)
    columns = 0
    for number, line in enumerate(file, 1):
        values = _split(line, delimiter)
        wrong = next(filter(_is_no_number, values), None)
        if wrong is not None:
            what = f"line {number}: {shown(wrong.strip(), _SEEN_CHARACTERS)!r} is not a number"
            return InputError.at(name, what, _fix(name, number, line, delimiter))
        if values and columns and len(values) != columns:
            what = f"line {number} has {len(values)} of {columns} values"
            return InputError.at(name, what, _without(name, number, delimiter))
        columns = len(values) or columns
    return InputError.at(name, shown(reason, 60), "save it with np.savetxt")


def _split(line: str, delimiter: str | None) -> list[str]:
    text = line.partition(_COMMENT)[0]
    return text.split(delimiter) if text.strip() else []


def _is_no_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return True
    return "_" in word


def _fix(name: str, number: int, line: str, delimiter: str | None) -> str:
    """Return what to type about a line that has something else than numbers."""
    file = quote(name)
    if delimiter == ",":
        for other, typed in ((";", "';'"), ("\t", r"'\t'")):
            if other in line and not any(map(_is_no_number, line.split(other))):
                return f"type tr {typed} , <{file} >data{CSV.suffix}, and give that"
    elif "," in line and not any(map(_is_no_number, line.split(","))):
        return f"with commas it is a .csv: type cp {file} data{CSV.suffix}, and give that"
    if number == 1:
        return (
            f"if that is a header, type tail -n +2 {file} >data{_suffix(delimiter)}, and give that"
        )
    return _without(name, number, delimiter)


def _without(name: str, number: int, delimiter: str | None) -> str:
    target = f"data{_suffix(delimiter)}"
    return f"correct it; or leave it out: type sed {number}d {quote(name)} >{target}"


def _suffix(delimiter: str | None) -> str:
    return CSV.suffix if delimiter else TXT.suffix
