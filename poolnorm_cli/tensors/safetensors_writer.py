"""Writing `.safetensors` files: the header first, since shapes are known before values."""

from __future__ import annotations

import json
import os
from math import prod
from typing import TYPE_CHECKING, Any

from poolnorm_cli.errors import OutputError, UsageError, reason_of, shown
from poolnorm_cli.sizes import PIECE_BYTES, SAFETENSORS_ROOM_BYTES
from poolnorm_cli.tensors.array_writer import ArrayWriter
from poolnorm_cli.tensors.keyed import array_name
from poolnorm_cli.tensors.outputs import FileOutput
from poolnorm_cli.tensors.safetensors import NAMES


if TYPE_CHECKING:
    from poolnorm_cli.tensors.atomic import AtomicFile
    from poolnorm_cli.tensors.cloud import RemoteFile
    from poolnorm_cli.tensors.dtypes import DType


_TYPES = {ours: theirs for theirs, ours in NAMES.items()}
_LENGTH = 8
_ALIGNED = 8
"""The data begin at a multiple of so many bytes, as the format wants it."""


class SafetensorsOutput(FileOutput):
    """A `.safetensors` file, whose arrays are written one after another.

    How many come is known only at the end, so the header of the first has room for more: spaces,
    as the format allows. Where that is not enough, the data move on.
    """

    def __init__(self, target: str, file: AtomicFile | RemoteFile) -> None:
        """Write to an open file.

        Args:
            target: The name that it is to have.
            file: The file.
        """
        super().__init__(target, file)
        self._entries: dict[str, dict[str, Any]] = {}
        self._room = self._end = 0

    def _begin(
        self,
        key: str | None,
        shape: tuple[int, ...],
        dtype: DType,
        *,
        compressed: bool,  # noqa: ARG002 - nothing is, in this format
    ) -> ArrayWriter:
        is_named = key is not None
        key = f"arr_{len(self._entries)}" if key is None else key
        _require_name(self.target, key)
        if key in self._entries:
            what = f"two arrays called {shown(key, 40)}"
            raise UsageError.at(self.target, what, "write them to two files")
        start, self._end = self._end, self._end + prod(shape) * dtype.itemsize
        self._entries[key] = {
            "dtype": _TYPES[dtype.name],
            "shape": list(shape),
            "data_offsets": [start, self._end],
        }
        header = b""
        if not self._room:
            self._room = _fitting(len(self._text()))
            if is_named:  # others may come
                self._room = max(self._room, SAFETENSORS_ROOM_BYTES)
            header = self._header()
        elif len(self._text()) > self._room:
            room = max(2 * self._room, _fitting(len(self._text())))
            self._move(self._room + _LENGTH, start, room - self._room)
            self._room = room
        file, data = self._file, _LENGTH + self._room
        before, end = 0 if header else data + start, data + self._end

        def patch(block: memoryview, place: int) -> None:
            file.patch(block, before + place)

        return ArrayWriter(
            array_name(self.target, key),
            shape,
            dtype,
            file.write,
            # Items that came in any order have left the position where the first would be.
            on_end=lambda: _seek(file, end),
            header=header,
            patch=patch,
        )

    def _text(self) -> bytes:
        return json.dumps(self._entries, separators=(",", ":")).encode()

    def _header(self) -> bytes:
        return self._room.to_bytes(_LENGTH, "little") + self._text().ljust(self._room)

    def _move(self, start: int, size: int, by: int) -> None:
        """Move what has been written on, the last piece first."""
        fd = self._file.fileno()
        try:
            end = start + size
            while end > start:
                begin = max(end - PIECE_BYTES, start)
                self._file.patch(os.pread(fd, end - begin, begin), begin + by)
                end = begin
            os.lseek(fd, start + size + by, os.SEEK_SET)
        except OSError as error:
            raise OutputError.at(self.target, reason_of(error), "check the disk") from error

    def _publish(self) -> None:
        if len(self._entries) > 1:
            self._file.patch(self._header(), 0)
        super()._publish()


def _seek(file: AtomicFile | RemoteFile, place: int) -> None:
    os.lseek(file.fileno(), place, os.SEEK_SET)


def _fitting(size: int) -> int:
    """Return the bytes of a header of a text, with which the data are aligned."""
    return -(-size // _ALIGNED) * _ALIGNED


def _require_name(target: str, key: str) -> None:
    """Refuse a name that the format has no place for.

    Raises:
        UsageError: It is the one of the metadata, or no text.
    """
    fix = "name another array with --key, or write another kind of file"
    if key == "__metadata__":
        raise UsageError.at(target, "an array called __metadata__ cannot be in it", fix)
    try:
        key.encode()
    except UnicodeEncodeError:
        what = f"an array called {shown(key, 40)}, which is not UTF-8"
        raise UsageError.at(target, what, fix) from None


def open_writer(target: str, file: AtomicFile | RemoteFile) -> SafetensorsOutput:
    """Return what writes a `.safetensors` to an open file.

    Args:
        target: The name that the file is to have.
        file: The file.

    Returns:
        The output.
    """
    return SafetensorsOutput(target, file)
