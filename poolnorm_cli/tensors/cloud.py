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
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from math import prod
from typing import IO, TYPE_CHECKING

from poolnorm_cli.errors import InputError, OutputError, PoolnormError, UsageError
from poolnorm_cli.sizes import CLOUD_PIECE_BYTES, COPIED_FROM_WEB_BYTES, REMOTE_HEADER_BYTES
from poolnorm_cli.tensors.connectors import connector_errors, is_missing, system_of
from poolnorm_cli.tensors.dtypes import parse_descr
from poolnorm_cli.tensors.files import (
    ABSENT,
    changed_error,
    read_exactly,
    reader,
    write_all,
    write_all_at,
)
from poolnorm_cli.tensors.header import Header, layout_of, read_header
from poolnorm_cli.tensors.spool import copy_to_temporary, open_copy, require_copy
from poolnorm_cli.tensors.tensor import Tensor
from poolnorm_cli.tensors.web import WebFile, list_web, open_web
from poolnorm_cli.urls import is_web, redact_url


if TYPE_CHECKING:
    from collections.abc import Iterator

    from poolnorm_cli.tensors.files import ReadInto, Version
    from poolnorm_cli.tensors.formats import Format

_FETCH = "fetch it to a file, and give that"


def open_remote(
    url: str, form: Format, key: str | None, *, bfloat16: bool, limit: int | None = None
) -> Iterator[Tensor]:
    """Return the tensors at a URL, their headers read and checked.

    Args:
        url: The URL.
        form: The format that its name says it has.
        key: The one array that is wanted of a file in which arrays have names.
        bfloat16: Whether arrays of two raw bytes are bfloat16.
        limit: Bytes that a copy of what does not say its size may take.

    Returns:
        The tensors, one after another.

    Raises:
        InputError: There is no such file, or it is damaged or not supported.
        OutputError: There is no room for a copy.
        UnavailableError: The package for such URLs is not installed.
    """
    if is_web(url):
        copy = None
        with open_web(url) as file:
            if not form.sequential:
                copy = copy_to_temporary(
                    file.readinto, url, size=file.size, limit=limit, fix=_FETCH
                )
            else:
                tensor, begun = _open_or_begin(url, file, bfloat16=bfloat16)
                if tensor is not None:
                    return iter([tensor])
                copy = _copy_rest(url, file, begun)
    elif not form.sequential:
        copy = _copy_object(url)
    else:
        return iter([_open_npy(url, bfloat16=bfloat16)])
    return iter(open_copy(copy, form, redact_url(url), key, bfloat16=bfloat16))


def version_at(url: str, kind: type[PoolnormError] = InputError) -> Version:
    """Return the size of an object and a number that changes with its contents; -1 for no object.

    Args:
        url: The URL.
        kind: The error for what cannot be asked: OutputError for an output.

    Returns:
        Both numbers.

    Raises:
        PoolnormError: Of this kind.
        UnavailableError: The package for such URLs is not installed.
    """
    if is_web(url):
        try:
            with WebFile(url) as file:
                return file.version
        except FileNotFoundError:
            return ABSENT
    with connector_errors(kind, url):
        system, path = system_of(url)
        try:
            info = system.info(path)
        except FileNotFoundError as error:
            if not is_missing(error):
                raise
            return ABSENT
        facts = [info.get(name) for name in ("ETag", "etag", "LastModified", "mtime", "updated")]
        return int(info.get("size") or 0), zlib.crc32(repr(facts).encode())


def exists_at(url: str) -> bool:
    """Whether there is an object at the URL of an output.

    Raises:
        OutputError: That cannot be found out, or nothing can be written there.
        UnavailableError: The package for such URLs is not installed.
    """
    if is_web(url):
        fix = "write to a file, s3:// or gs://"
        raise OutputError.at(url, "nothing can be written there", fix)
    return version_at(url, OutputError)[0] >= 0


def list_at(url: str, *, recursive: bool) -> list[str]:
    """Return the URLs of the files in a directory there, sorted.

    Args:
        url: The directory, with a slash at its end.
        recursive: Those of the directories below too.

    Returns:
        Their URLs.

    Raises:
        InputError: They cannot be listed.
        UnavailableError: The package for such URLs is not installed.
    """
    if is_web(url):
        return list_web(url, recursive=recursive)
    with connector_errors(InputError, url):
        system, path = system_of(url)
        found = system.find(path, maxdepth=None if recursive else 1)
        return sorted(str(system.unstrip_protocol(each)) for each in found)


def checksum_at(url: str) -> tuple[int, str]:
    """Read an object to find its size and SHA-256.

    Raises:
        OutputError: It cannot be read.
    """
    digest, size = hashlib.sha256(), 0
    with connector_errors(OutputError, url):
        system, path = system_of(url)
        with system.open(path, "rb", block_size=CLOUD_PIECE_BYTES) as file:
            while piece := file.read(CLOUD_PIECE_BYTES):
                digest.update(piece)
                size += len(piece)
    return size, digest.hexdigest()


class RemoteFile:
    """A new file that is sent to a URL when it is whole; it is used as an `AtomicFile`."""

    def __init__(self, url: str, *, overwrite: bool) -> None:
        """Create a local temporary file without a name.

        Args:
            url: Where it is sent when it is whole.
            overwrite: Whether it may replace what is there.

        Raises:
            OutputError: There is one at the URL already, or no room for a local one.
            UnavailableError: The package for such URLs is not installed.
        """
        self._url = url
        if exists_at(url) and not overwrite:
            raise UsageError.at(url, "exists", "--overwrite replaces it")
        with connector_errors(OutputError, url):
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - held until sent

    def write(self, data: memoryview | bytes) -> None:
        """Append all of `data`."""
        with connector_errors(OutputError, self._url):
            write_all(partial(os.write, self._file.fileno()), data)

    def patch(self, data: memoryview | bytes, place: int) -> None:
        """Write all of some bytes over what stands at a place.

        Args:
            data: The bytes.
            place: Where they go, in bytes from the start of the file.
        """
        with connector_errors(OutputError, self._url):
            write_all_at(self._file.fileno(), data, place)

    def fileno(self) -> int:
        """Return the descriptor of the local file."""
        return self._file.fileno()

    def commit(self) -> None:
        """Send the file.

        Raises:
            OutputError: It cannot be sent; nothing is there then.
        """
        with self._file, connector_errors(OutputError, self._url):
            self._file.seek(0)
            system, path = system_of(self._url)
            target = system.open(path, "wb", block_size=CLOUD_PIECE_BYTES)
            try:
                shutil.copyfileobj(self._file, target, CLOUD_PIECE_BYTES)
            except BaseException:
                with suppress(Exception):
                    target.discard()
                target.closed = True
                raise
            target.close()

    def discard(self) -> None:
        """Close the file, which deletes it."""
        self._file.close()


class RemoteTensor(Tensor):
    """The array of a `.npy` at a URL."""

    def __init__(self, url: str, header: Header, version: Version, *, bfloat16: bool) -> None:
        """Check that what is there holds exactly the array that its header announces.

        Args:
            url: The URL.
            header: What the header there says.
            version: Size of what is there, and a number that changes with it.
            bfloat16: Whether an array of two raw bytes is bfloat16.

        Raises:
            InputError: Its type is not supported, or it is truncated or goes on after the array.
        """
        super().__init__(redact_url(url), layout_of(header, url, bfloat16=bfloat16))
        self._url, self._header_size, self._version = url, header.size, version
        self.require_size(version[0] - header.size, "save it again, one array in a file")

    @contextmanager
    def data(self) -> Iterator[ReadInto]:
        """Open the object for one pass; on exit, check that it is unchanged."""
        with connector_errors(InputError, self._url):
            system, path = system_of(self._url)
            size = CLOUD_PIECE_BYTES
            with system.open(path, "rb", cache_type="readahead", block_size=size) as file:
                file.seek(self._header_size)
                yield lambda view: file.readinto(view) or 0
            if version_at(self._url) != self._version:
                raise changed_error(self.name)


class WebTensor(RemoteTensor):
    """The array of a `.npy` on a web server, which is asked for once for each pass."""

    @contextmanager
    def data(self) -> Iterator[ReadInto]:
        """Request the file again; it must be the version whose header was read."""
        with open_web(self._url) as file:
            if file.version != self._version:
                raise changed_error(self.name)
            read_exactly(reader(file.readinto), self._header_size)
            yield file.readinto


def _open_npy(url: str, *, bfloat16: bool) -> RemoteTensor:
    version = version_at(url)
    if version[0] < 0:
        raise InputError.at(url, "no such file", "check the name")
    with connector_errors(InputError, url):
        system, path = system_of(url)
        with system.open(
            path, "rb", cache_type="readahead", block_size=REMOTE_HEADER_BYTES
        ) as file:
            header = read_header(reader(lambda view: file.readinto(view) or 0), url)
    return RemoteTensor(url, header, version, bfloat16=bfloat16)


def _open_or_begin(
    url: str, file: WebFile, *, bfloat16: bool
) -> tuple[WebTensor | None, tuple[bytes, Header]]:
    """Read the header of a `.npy`; return a tensor too if the file can be requested again."""
    kept: list[bytes] = []

    def read(count: int) -> bytes:
        kept.append(reader(file.readinto)(count))
        return kept[-1]

    header = read_header(read, redact_url(url))
    size = file.size or 0
    again = file.has_version and size > COPIED_FROM_WEB_BYTES
    tensor = WebTensor(url, header, file.version, bfloat16=bfloat16) if again else None
    return tensor, (b"".join(kept), header)


def _copy_rest(url: str, file: WebFile, begun: tuple[bytes, Header]) -> IO[bytes]:
    """Copy a `.npy` whose header has been read, which says how many bytes are still to come."""
    data, header = begun
    try:
        dtype, _ = parse_descr(header.descr, True)  # noqa: FBT003
    except InputError as error:
        raise error.within(url) from None
    size = header.size + prod(header.shape) * dtype.itemsize
    return copy_to_temporary(file.readinto, url, begun=data, size=size, fix=_FETCH)


def _copy_object(url: str) -> IO[bytes]:
    """Copy an object to a temporary file without a name."""
    with connector_errors(InputError, url):
        system, path = system_of(url)
        require_copy(url, int(system.info(path).get("size") or 0))
        with ExitStack() as until_whole, system.open(path, "rb") as file:
            copy: IO[bytes] = until_whole.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(file, copy, CLOUD_PIECE_BYTES)
            copy.flush()
            until_whole.pop_all()  # from here on it is held by who reads it
        return copy
