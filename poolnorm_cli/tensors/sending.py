"""Outputs at a URL: made in a file without a name, and sent when it is whole.

An object store shows an object only when all of it has come.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress

from poolnorm_cli.errors import OutputError
from poolnorm_cli.sizes import CLOUD_PIECE_BYTES
from poolnorm_cli.tensors.cloud import exists_at
from poolnorm_cli.tensors.connectors import system_of, told


class RemoteFile:
    """A new file that is sent to a URL when it is whole; it is used as an `AtomicFile`."""

    def __init__(self, url: str, *, overwrite: bool) -> None:
        """Make a local file without a name.

        Raises:
            OutputError: There is one at the URL already, or no room for a local one.
            UnavailableError: The package for such URLs is not installed.
        """
        self._url = url
        if exists_at(url) and not overwrite:
            from poolnorm_cli.errors import UsageError

            raise UsageError.at(url, "exists", "--overwrite replaces it")
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
        """Let the file go."""
        self._file.close()
