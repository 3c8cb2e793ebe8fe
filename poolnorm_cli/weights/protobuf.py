"""Messages of protocol buffers, read field by field from where they are in a file.

A library makes an object of every message before anybody can look at one: two bytes of a file are
then some hundred of memory. Here a message is a range of the file, and nothing but what is asked
for is read.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from poolnorm_cli.errors import InputError
from poolnorm_cli.sizes import LONGEST_ONNX_NAME_BYTES, WIRE_WINDOW_BYTES
from poolnorm_cli.tensors.untrusted import Span


MOST_FIELDS = 2_000_000
"""Fields that are looked at in one file; a graph of a hundred thousand nodes has a million."""
_LONGEST_KEY = 20  # bytes of a field's number and of the number or length that follows
_FIXED = {1: 8, 5: 4}  # kind of field -> its bytes
_FIX = "save it again with onnx.save"


class Range(NamedTuple):
    """Where a message, or a string, is in a file."""

    start: int
    end: int

    @property
    def size(self) -> int:
        """Bytes that it has."""
        return self.end - self.start


Field = tuple[int, int, int]
"""A field's number, start and end in the file; of a varint its number, its value and -1."""

VARINT = -1
"""What stands for the end of a field that is a varint."""


class ProtobufFile:
    """An open file of protocol buffers."""

    def __init__(self, span: Span, place: str) -> None:
        """Begin with nothing read.

        Args:
            span: The open file.
            place: What messages call it.
        """
        self.span, self.place = span, place
        self._count, self._window = 0, (0, b"", -1)

    def fields(self, message: Range) -> Iterator[Field]:
        """List the fields of a message in their order.

        Args:
            message: Where it is.

        Raises:
            InputError: It is no message, or the file has too many fields.
        """
        offset, end = message
        base, data, most = self._window
        while offset < end:
            self._count += 1
            if offset > most or offset < base:
                if self._count > MOST_FIELDS:
                    raise self._too_many_fields()
                base, data, most = self._window = self._read_on(offset)
            at = offset - base
            key = data[at]
            size = data[at + 1]
            if key < 128 and size < 128 and key & 7 == 2:  # what most fields are
                start, offset = offset + 2, offset + 2 + size
                if offset > end:
                    raise self.damaged()
                yield key >> 3, start, offset
                continue
            key, at = _varint(data, at)
            kind = key & 7
            size = _FIXED.get(kind, -1)
            if kind in (0, 2) and at > 0:
                size, at = _varint(data, at)
            if at < 0 or size < 0:
                raise self.damaged()
            start = base + at
            offset = start if kind == 0 else start + size
            if offset > end:
                raise self.damaged()
            yield (key >> 3, size, VARINT) if kind == 0 else (key >> 3, start, offset)

    def _read_on(self, offset: int) -> tuple[int, bytes, int]:
        """Read a window of the file.

        Returns:
            Where it starts, its bytes, and the last offset in it from which on a key is whole.
        """
        data = self.span.read_at(offset, WIRE_WINDOW_BYTES)
        if len(data) == WIRE_WINDOW_BYTES:
            return offset, data, offset + WIRE_WINDOW_BYTES - _LONGEST_KEY
        return offset, data + bytes(_LONGEST_KEY), offset + len(data) - 1  # the file ends in it

    def _too_many_fields(self) -> InputError:
        what = f"more than {MOST_FIELDS} fields, which no graph needs"
        return InputError.at(self.place, what, _FIX)

    def read(self, found: Range) -> bytes:
        """Read what is in a range.

        Raises:
            InputError: The file has ended before it.
        """
        base, data, most = self._window
        if base <= found.start and found.end <= most:
            return data[found.start - base : found.end - base]
        data = self.span.read_at(found.start, found.size)
        if len(data) != found.size:
            raise self.damaged()
        return data

    def text(self, found: Range) -> str:
        """Read a string; what is no UTF-8 in it is replaced.

        Raises:
            InputError: It is too long for a name.
        """
        if found.size > LONGEST_ONNX_NAME_BYTES:
            raise InputError.at(self.place, f"a name of {found.size} bytes", _FIX)
        return self.read(found).decode("utf-8", "replace")

    def integers(self, field: Field) -> list[int]:
        """Return signed integers, of which a field holds one, or several packed."""
        _, start, end = field
        if end == VARINT:
            return [_signed(start)]
        data, at, found = self.read(Range(start, end)), 0, []
        while at < len(data):
            value, at = _varint(data, at)
            self._count += 1
            if at < 0 or self._count > MOST_FIELDS:
                raise self.damaged()
            found.append(_signed(value))
        return found

    def float32(self, found: Range) -> float:
        """Read a float of four bytes.

        Raises:
            InputError: It is none.
        """
        if found.size != _FIXED[5]:
            raise self.damaged()
        value: float = struct.unpack("<f", self.read(found))[0]
        return value

    def float32s(self, found: Range) -> list[float]:
        """Read floats of four bytes, one or all packed.

        Raises:
            InputError: They are none, or too many.
        """
        count, rest = divmod(found.size, _FIXED[5])
        self._count += count
        if rest or self._count > MOST_FIELDS:
            raise self.damaged()
        return list(struct.unpack(f"<{count}f", self.read(found)))

    def require(self, sound: bool) -> None:  # noqa: FBT001
        """Refuse what no model has.

        Raises:
            InputError: It is not sound.
        """
        if not sound:
            raise self.damaged()

    def damaged(self) -> InputError:
        """Return the error for a file that is no protocol buffer."""
        return InputError.at(self.place, "not an ONNX file", _FIX)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number and where what follows it starts; -1 where it has no end."""
    value = shift = 0
    for index in range(at, min(at + 10, len(data))):
        byte = data[index]
        value |= (byte & 127) << shift
        if byte < 128:
            return value & 0xFFFFFFFFFFFFFFFF, index + 1
        shift += 7
    return 0, -1


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value
