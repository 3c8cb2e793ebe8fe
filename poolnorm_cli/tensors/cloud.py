"""Files at a URL, such as `s3://bucket/x.npy`, by the file systems that `fsspec` knows.

An input `.npy` is read from there block by block. A `.npz` is copied first, to a file without a
name. An output is made in such a file, and sent when it is whole: an object store shows an object
only when all of it has come.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import zlib
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from poolnorm_cli.errors import InputError, OutputError, PoolnormError
from poolnorm_cli.tensors.connectors import is_missing, system_of, told
from poolnorm_cli.tensors.header import Header, read_header
from poolnorm_cli.tensors.messages import bad_input, fault
from poolnorm_cli.tensors.npy import open_npy
from poolnorm_cli.tensors.npz import open_npz
from poolnorm_cli.tensors.tensor import Tensor, reader


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from poolnorm_cli.tensors.tensor import ReadInto

_PIECE = 8 << 20
_WEB = ("http://", "https://")


def open_remote(url: str, key: str | None, *, bfloat16: bool) -> Iterator[Tensor]:
    """Return the tensors at a URL, their headers read and checked.

    Raises:
        InputError: There is no such file, or it is damaged or not supported.
        UnavailableError: The package for such URLs is not installed.
    """
    packed = PurePosixPath(url).suffix.lower() == ".npz"
    if not (packed or (url.startswith(_WEB) and not _has_ranges(url))):
        return iter([_open_npy(url, bfloat16=bfloat16)])
    copy = _copied(url)
    place = f"/dev/fd/{copy.fileno()}"
    if packed:
        tensors: Sequence[Tensor] = open_npz(Path(place), url, key, bfloat16=bfloat16)
    else:
        tensors = [open_npy(place, url, bfloat16)]
    for tensor in tensors:
        tensor.source = copy
    return iter(tensors)


def stamp_at(url: str, kind: Callable[..., PoolnormError] = InputError) -> tuple[int, int]:
    """Return the size of what is at a URL, and a number that changes with it; -1 for nothing.

    Args:
        url: The URL.
        kind: The error for what cannot be asked: OutputError for an output.

    Raises:
        PoolnormError: Of this kind.
        UnavailableError: The package for such URLs is not installed.
    """
    with told(kind, url):
        system, path = system_of(url)
        try:
            info = system.info(path)
        except FileNotFoundError as error:
            if not is_missing(error):
                raise
            return (-1, -1)
        facts = [info.get(name) for name in ("ETag", "etag", "LastModified", "mtime", "updated")]
        return int(info.get("size") or 0), zlib.crc32(repr(facts).encode())


def list_at(url: str, *, recursive: bool) -> list[str]:
    """Return the URLs of the files in a directory there, sorted.

    Raises:
        InputError: They cannot be listed.
        UnavailableError: The package for such URLs is not installed.
    """
    with told(InputError, url):
        system, path = system_of(url)
        found = system.find(path, maxdepth=None if recursive else 1)
        return sorted(str(system.unstrip_protocol(each)) for each in found)


def checksum_at(url: str) -> tuple[int, str]:
    """Read what is at a URL for its size and SHA-256.

    Raises:
        OutputError: It cannot be read.
    """
    digest, size = hashlib.sha256(), 0
    with told(OutputError, url):
        system, path = system_of(url)
        with system.open(path, "rb", block_size=_PIECE) as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
                size += len(piece)
    return size, digest.hexdigest()


class RemoteTensor(Tensor):
    """The array of a `.npy` at a URL."""

    def __init__(self, url: str, header: Header, stamp: tuple[int, int], *, bfloat16: bool) -> None:
        """Check that what is there holds exactly the array that `header` announces."""
        super().__init__(url, header, bfloat16=bfloat16)
        self._stamp = stamp
        found = stamp[0] - header.size
        if found < self.nbytes:
            raise self.truncated(found)
        if found > self.nbytes:
            reason = f"trailing bytes: {found} where the header says {self.nbytes}"
            raise bad_input(url, reason, "save it again, one array in a file")

    @contextmanager
    def data(self) -> Iterator[ReadInto]:
        """Open what is there for one pass; leaving checks that nobody changed it meanwhile."""
        with told(InputError, self.name):
            system, path = system_of(self.name)
            with system.open(path, "rb", cache_type="readahead", block_size=_PIECE) as file:
                file.seek(self.header.size)
                yield lambda view: file.readinto(view) or 0
            if stamp_at(self.name) != self._stamp:
                fix = "wait until its writer is done"
                raise bad_input(self.name, "changed while reading", fix)


class RemoteFile:
    """A new file that is sent to a URL when it is whole; it is used as an `AtomicFile`."""

    def __init__(self, url: str, *, overwrite: bool) -> None:
        """Make a local file without a name.

        Raises:
            OutputError: There is one at the URL already, or no room for a local one.
            UnavailableError: The package for such URLs is not installed.
        """
        self._url = url
        if not overwrite and stamp_at(url, OutputError)[0] >= 0:
            from poolnorm_cli.errors import UsageError

            raise fault(UsageError, url, "exists", "--overwrite replaces it")
        with told(OutputError, url):
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - held until sent

    def write(self, data: memoryview | bytes) -> None:
        """Append all of `data`."""
        left = memoryview(data)
        with told(OutputError, self._url):
            while left:
                left = left[self._file.write(left) :]

    def patch(self, data: bytes, place: int) -> None:
        """Write all of `data` over what stands at `place`."""
        with told(OutputError, self._url):
            while data:
                count = os.pwrite(self._file.fileno(), data, place)
                data, place = data[count:], place + count

    def commit(self) -> None:
        """Send the file.

        Raises:
            OutputError: It cannot be sent; nothing is there then.
        """
        with self._file, told(OutputError, self._url):
            self._file.seek(0)
            system, path = system_of(self._url)
            target = system.open(path, "wb", block_size=_PIECE)
            try:
                shutil.copyfileobj(self._file, target, _PIECE)
            except BaseException:
                with suppress(Exception):
                    target.discard()
                target.closed = True
                raise
            target.close()

    def discard(self) -> None:
        """Let the file go."""
        self._file.close()


def _open_npy(url: str, *, bfloat16: bool) -> RemoteTensor:
    stamp = stamp_at(url)
    if stamp[0] < 0:
        raise bad_input(url, "no such file", "check the name")
    with told(InputError, url):
        system, path = system_of(url)
        with system.open(path, "rb", cache_type="readahead", block_size=1 << 16) as file:
            header = read_header(reader(lambda view: file.readinto(view) or 0), url)
    return RemoteTensor(url, header, stamp, bfloat16=bfloat16)


def _has_ranges(url: str) -> bool:
    """Whether a web server sends parts of a file; one that does not is asked for all of it."""
    with told(InputError, url):
        system, path = system_of(url)
        with suppress(ValueError), system.open(path, "rb", cache_type="none") as file:
            file.seek(-1, os.SEEK_END)
            return len(file.read(1)) == 1
        return False  # also where the size is not known


def _copied(url: str) -> IO[bytes]:
    """Copy what is at a URL to a file without a name."""
    with told(InputError, url):
        system, path = system_of(url)
        copy: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - held by who reads it
        pieces = {"block_size": 0} if url.startswith(_WEB) else {}  # from its beginning to its end
        with system.open(path, "rb", **pieces) as file:
            shutil.copyfileobj(file, copy, _PIECE)
        copy.flush()
        return copy
