"""Memory of a device, and pinned memory that it reads and writes beside all other work."""

from typing import Any, Protocol

from poolnorm_cli.kernels.memory import Array


Stream = Any
"""What keeps copies in order: those of one stream come after one another, those of others beside
them."""


class RingError(Exception):
    """Memory of a device cannot be had, or copies to it fail: the runtime has to copy itself."""


class DeviceMemory(Protocol):
    """What is asked of a device to copy blocks.

    All of it raises `RingError` where it fails.

    Attributes:
        device: What the runtime calls the device.
    """

    device: str

    def allocate(self, size: int) -> int:
        """Return the address of so many bytes on the device."""

    def free(self, address: int) -> None:
        """Give back what `allocate` returned."""

    def pinned(self, size: int) -> Array:
        """Return bytes of the processor's memory that copies do not have to wait for."""

    def stream(self) -> Stream:
        """Return a new stream."""

    def send(self, stream: Stream, target: int, source: int, size: int) -> None:
        """Begin to copy bytes to the device.

        Args:
            stream: After what was begun in it before.
            target: Address on the device.
            source: Address in the processor's memory, which stays as it is until the copy is done.
            size: Bytes.
        """

    def fetch(self, stream: Stream, target: int, source: int, size: int) -> None:
        """Begin to copy bytes from the device.

        Args:
            stream: After what was begun in it before.
            target: Address in the processor's memory.
            source: Address on the device.
            size: Bytes.
        """

    def wait(self, stream: Stream) -> None:
        """Wait until all that was begun in a stream is done."""
