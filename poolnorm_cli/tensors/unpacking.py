"""Members of zips that are packed by bz2, lzma or zstd: unpacked piece by piece, in bounded memory.

`zipfile` unpacks these too, but asks its libraries for all that a piece becomes, which for a few
bytes may be gigabytes.
"""

from __future__ import annotations

import struct
import zlib
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from poolnorm_cli.errors import InputError, UnavailableError
from poolnorm_cli.packages import pip_install
from poolnorm_cli.sizes import INFLATE_BYTES, LARGEST_DICTIONARY_BYTES
from poolnorm_cli.tensors.zip_table import BZIP2, ZSTD, ChecksumError


if TYPE_CHECKING:
    from collections.abc import Callable

    class Source(Protocol):
        """Gives the packed bytes of a member, the last one alone."""

        left: int

        def read(self, size: int) -> bytes:
            """Return some bytes; none at the end."""

    class Machine(Protocol):
        """A decompressor of the standard library."""

        @property
        def eof(self) -> bool:
            """Whether it has come to the end of what was packed at once."""

        @property
        def needs_input(self) -> bool:
            """Whether it has nothing more to give before it is given more."""

        @property
        def unused_data(self) -> bytes:
            """What it was given behind that end."""

        def decompress(self, data: bytes, max_length: int) -> bytes:
            """Return at most so many bytes."""


_LZMA_HEAD = struct.Struct("<2BHBL")  # version, size of the properties, properties
_LEAST_DICTIONARY = 4096
_LZMA_REST = 8
_ENDED = 0x2  # flag of an lzma member that says where it ends


class Unpacker:
    """The bytes of a member, as `zipfile.ZipExtFile` gives them, but never more than were asked."""

    def __init__(self, source: Source, size: int, crc: int, make: Callable[[], Machine]) -> None:
        """Begin.

        Args:
            source: The packed bytes.
            size: The bytes that should come, and one more, so that more are seen.
            crc: Their checksum.
            make: Returns a decompressor for what comes next.
        """
        self._source, self._left, self._crc, self._make = source, size, crc, make
        self._machine, self._begun = make(), b""
        self._sum = 0

    def read1(self, size: int) -> bytes:
        """Return at most `size` of the next bytes; none at the end.

        Raises:
            ChecksumError: The checksum is another.
            EOFError: They are damaged.
        """
        size = min(size, self._left)
        while size:
            if self._machine.eof:
                if not (rest := self._machine.unused_data or self._source.read(INFLATE_BYTES)):
                    break
                self._machine, self._begun = self._make(), rest
            packed = self._begun
            if not packed and self._machine.needs_input:
                packed = self._source.read(INFLATE_BYTES)
                if not packed:
                    message = "cut short"
                    raise EOFError(message)
            self._begun = b""
            data = self._decompressed(packed, size)
            if data:
                self._sum = zlib.crc32(data, self._sum)
                self._left -= len(data)
                return data
        if not self._left:
            self._skip_rest()
        if self._sum != self._crc:
            raise ChecksumError
        return b""

    def _skip_rest(self) -> None:
        """Read what is left where the data have no mark at their end: a few bytes of the packer."""
        left = _LZMA_REST
        while left and (packed := self._source.read(left)):
            left -= len(packed)

    def _decompressed(self, packed: bytes, size: int) -> bytes:
        try:
            return self._machine.decompress(packed, size)
        except Exception as error:
            raise EOFError(str(error)) from error


def unpacker(
    source: Source, method: int, size: int, crc: int, name: str, *, flags: int
) -> Unpacker:
    """Return what unpacks a member.

    Args:
        source: Its packed bytes.
        method: How they are packed.
        size: The bytes that should come.
        crc: Their checksum.
        name: What messages call the member.
        flags: Those of the member.

    Returns:
        The unpacker.

    Raises:
        InputError: It wants more memory than is given.
        UnavailableError: The package that unpacks it is not installed.
    """
    if method == ZSTD:
        return Unpacker(source, size + 1, crc, _zstd(name))
    if method == BZIP2:
        from bz2 import BZ2Decompressor

        return Unpacker(source, size + 1, crc, BZ2Decompressor)
    # Without a mark at its end, what follows the last byte would be taken for more.
    expected = size + 1 if flags & _ENDED else size
    return Unpacker(source, expected, crc, _lzma(source, size, name))


def _zstd(name: str) -> Callable[[], Machine]:
    """Return what makes a decompressor, which by itself takes no window above 128 MiB.

    Raises:
        UnavailableError: Neither Python nor a package has one.
    """
    for module in ("compression.zstd", "backports.zstd"):
        try:
            found: Any = import_module(module)
        except ImportError:
            continue
        decompressor: Callable[[], Machine] = found.ZstdDecompressor
        return decompressor
    what = "packed by zstd, which needs Python 3.14 or backports.zstd"
    raise UnavailableError.at(name, what, pip_install("zstd"))


def _lzma(source: Source, size: int, name: str) -> Callable[[], Machine]:
    import lzma

    head = b""
    while len(head) < _LZMA_HEAD.size and (more := source.read(_LZMA_HEAD.size - len(head))):
        head += more
    damaged = InputError.at(name, "damaged in its packed data", "save it again with np.savez")
    if len(head) < _LZMA_HEAD.size:
        raise damaged
    _, _, count, packed, dictionary = _LZMA_HEAD.unpack(head)
    positions, rest = divmod(packed, 45)
    if count != _LZMA_HEAD.size - 4 or positions > 4:
        raise damaged
    needed = min(dictionary, max(size, _LEAST_DICTIONARY))
    if needed > LARGEST_DICTIONARY_BYTES:
        what = f"an lzma dictionary of {needed} bytes, at most {LARGEST_DICTIONARY_BYTES} are used"
        raise InputError.at(name, what, "pack it with a smaller one")
    filters = [
        {
            "id": lzma.FILTER_LZMA1,
            "dict_size": max(needed, _LEAST_DICTIONARY),
            "lc": rest % 9,
            "lp": rest // 9,
            "pb": positions,
        }
    ]
    try:
        first: Machine = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
    except (lzma.LZMAError, MemoryError, ValueError):
        raise damaged from None
    begun = [first]

    def once() -> Machine:
        """Return the one decompressor: a member has no second part."""
        if not begun:
            message = "more after the end"
            raise EOFError(message)
        return begun.pop()

    return once
