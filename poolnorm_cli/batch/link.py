"""Objects sent from process to process over a socket.

`multiprocessing.connection` does so, too, but its import takes longer than a small batch.
"""

import os
import pickle  # noqa: TID251 - what comes is of a process of ours
import select
from typing import Any


_HEAD = 8
"""Length of what says how long a message is."""


class Link:
    """One end of a socket between two processes."""

    def __init__(self, fd: int) -> None:
        """Take over an open socket.

        Args:
            fd: Its descriptor.
        """
        self._fd = fd

    def fileno(self) -> int:
        """Return the descriptor, which is -1 once it is closed."""
        return self._fd

    def close(self) -> None:
        """Close the socket."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def send(self, message: object) -> None:
        """Send an object, and wait until the socket has taken all of it.

        Raises:
            OSError: The other end is closed, or the system cannot.
        """
        data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        left = memoryview(len(data).to_bytes(_HEAD, "little") + data)
        while left:
            left = left[os.write(self._fd, left) :]

    def recv(self) -> Any:
        """Wait for an object.

        Raises:
            EOFError: The other end is closed.
            OSError: It was closed within an object, or the system cannot read.
        """
        return pickle.loads(self._read(int.from_bytes(self._read(_HEAD), "little")))  # noqa: S301

    def poll(self) -> bool:
        """Whether something has come, be it the end."""
        waiting = select.poll()
        waiting.register(self._fd, select.POLLIN)
        return bool(waiting.poll(0))

    def _read(self, size: int) -> bytearray:
        data = bytearray(size)
        left = memoryview(data)
        while left:
            count = os.readv(self._fd, [left])
            if not count:
                raise EOFError
            left = left[count:]
        return data
