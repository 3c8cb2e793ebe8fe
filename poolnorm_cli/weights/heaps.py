"""Heaps of an HDF5 file, in which strings are: checked before libhdf5 walks them.

A global heap is a row of objects, each with its size before it. libhdf5 goes from one to the next
by that size, and for ever where it comes to nothing: a few altered bytes can have it do so, in C,
where no signal stops it. Nothing else is looked at here.
"""

import struct
from collections.abc import Iterator
from io import IOBase

from poolnorm_cli.tensors.messages import bad_input


_SIGNATURE, _HEAP = b"\x89HDF\r\n\x1a\n", b"GCOL"
_HEADER = 16
_PIECE = 1 << 20
_LARGEST = 64 << 20
"""Bytes of a heap: what a model's config may have several times over."""
_FIX = "save it again with Keras, in one file"


def require_sound_heaps(file: IOBase, place: str) -> None:
    """Refuse a file that would have libhdf5 go round for ever.

    Args:
        file: The open file.
        place: What messages call it.

    Raises:
        InputError: A heap has an object of no size, or is larger than any that Keras writes; or
            numbers in the file do not have the 8 bytes that they have everywhere.
    """
    size = file.seek(0, 2)
    _require_usual_numbers(file, place)
    left = size + _LARGEST  # heaps that overlap are no heaps
    for start in _places(file, size):
        length = _length(file, start)
        if not length <= size - start:
            continue  # no heap, or one that libhdf5 refuses
        left -= length
        if length > _LARGEST or left < 0:
            raise bad_input(place, f"heaps of more than {length} bytes", _FIX)
        if _goes_round(_read(file, start, length)):
            raise bad_input(place, "a heap with an object of no size", _FIX)


def _require_usual_numbers(file: IOBase, place: str) -> None:
    for start in (0, *(512 << power for power in range(16))):
        block = _read(file, start, _HEADER)
        if block.startswith(_SIGNATURE):
            sizes = block[13:15] if block[8:9] < b"\x02" else block[9:11]
            if sizes != b"\x08\x08":
                raise bad_input(place, "numbers of another size than 8 bytes", _FIX)
            return


def _places(file: IOBase, size: int) -> Iterator[int]:
    """Find what may be heaps, wherever they begin."""
    for start in range(0, size, _PIECE):
        piece = _read(file, start, _PIECE + len(_HEAP) - 1)
        found = piece.find(_HEAP)
        while found >= 0:
            yield start + found
            found = piece.find(_HEAP, found + 1)


def _length(file: IOBase, start: int) -> int:
    """Return the bytes that a heap says it has; more than there can be where it is none."""
    header = _read(file, start, _HEADER)
    if len(header) < _HEADER or header[4:8] != b"\x01\0\0\0":
        return 1 << 64
    return int.from_bytes(header[8:], "little")


def _goes_round(heap: bytes) -> bool:
    """Whether some object is as if it were not there: the next is the same again."""
    place = _HEADER
    while place + _HEADER <= len(heap):
        number, _, size = struct.unpack_from("<HH4xQ", heap, place)
        taken = size if number == 0 else _HEADER + (size + 7) // 8 * 8
        if taken % (1 << 64) == 0:
            return True
        place += taken
    return False


def _read(file: IOBase, start: int, count: int) -> bytes:
    """Read bytes at a place, fewer where the file ends."""
    file.seek(start)
    data: bytes = file.read(count)
    return data
