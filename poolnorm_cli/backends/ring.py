"""Blocks on their way to a device and back, beside what it computes.

Each thread that brings a block takes a lane: a place on the device, and a stream of its own. So
while the device computes the block of one, those of others are copied in and out, and read and
written. Copies go straight from pinned memory and to it. Files are read and written from such,
since results and blocks lie in it (`Ring.pin`); what lies elsewhere goes through a pinned piece of
the lane, all of a block at once: in Python every call beside other threads costs as much as copying
some hundred kilobytes.

A captured graph (`enable_cuda_graph`) would save 6 of the 127 microseconds that a run takes.
"""

import ctypes
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any

from poolnorm_cli.backends.device_memory import DeviceMemory, RingError
from poolnorm_cli.backends.providers import Provider, load_runtime_library
from poolnorm_cli.kernels.memory import Array, make_by
from poolnorm_cli.machine import processors
from poolnorm_cli.sizes import MOST_PINNED_BYTES, RING_BYTES, RING_PIECE_BYTES


_MOST_LANES = 8
"""Threads that bring blocks: as many as fill memory's bandwidth, for each has pinned memory, and
that takes a fifth of a second to make for each GiB."""


class Ring:
    """Lanes to a device, and pinned memory."""

    def __init__(self, memory: DeviceMemory, least: int = RING_BYTES) -> None:
        """Begin without lanes.

        Args:
            memory: What copies.
            least: Bytes of a block from which on it is worth a lane.
        """
        self.memory, self.least = memory, least
        self.lanes = min(processors(), _MOST_LANES)
        self.is_broken = False
        self._lock, self._idle = Lock(), list[Lane]()
        self._ranges: list[tuple[int, int]] = []
        self._unused: list[Array] = []
        self._left = MOST_PINNED_BYTES
        self._lost: list[Any] = []

    def takes(self, x: Array) -> bool:
        """Whether a block goes by a lane."""
        return not self.is_broken and x.nbytes >= self.least

    @contextmanager
    def lane(self) -> "Iterator[Lane]":
        """Lend a lane.

        Raises:
            RingError: There is none to be had; or the work inside raises it, whose lane is not
                lent again.
        """
        with self._lock:
            lane = self._idle.pop() if self._idle else None
        lane = lane or Lane(self)
        try:
            yield lane
        except RingError:
            self._lost.append(lane)  # the device may still write to its pieces
            raise
        except BaseException:
            lane.free()
            raise
        with self._lock:
            self._idle.append(lane)

    def give_up(self) -> None:
        """Lend no more lanes."""
        self.is_broken = True
        self.free()

    def free(self) -> None:
        """Free what idle lanes have on the device."""
        with self._lock:
            idle, self._idle = self._idle, []
        for lane in idle:
            lane.free()

    def pin(self, size: int) -> Array | None:
        """Return pinned memory; None where ordinary memory serves, or there is enough of it.

        Args:
            size: Bytes.
        """
        if size < self.least or self.is_broken:
            return None
        with self._lock:
            unused = self._unused  # to which others may put some meanwhile
            fits = [n for n, each in enumerate(unused) if size <= each.size <= 2 * size]
            found = unused.pop(fits[0]) if fits else None
            if found is None:
                if self._left < size:
                    return None
                self._left -= size
        if found is None:
            try:
                found = self.memory.pinned(size)
            except RingError:
                self._left = 0
                return None
            start = found.ctypes.data
            self._ranges.append((start, start + found.size))
        lent: Array = found[:]
        weakref.finalize(lent, self._unused.append, found)
        return lent

    def fetch_straight(self, stream: Any, y: Array, source: int) -> None:
        """Copy from the device to pinned memory, which nobody gets again if that fails.

        Args:
            stream: Of a lane.
            y: C-contiguous, in pinned memory.
            source: Address on the device.
        """
        try:
            self.memory.fetch(stream, y.ctypes.data, source, y.nbytes)
            self.memory.wait(stream)
        except RingError:
            self._lost.append(y)
            raise

    def is_pinned(self, address: int) -> bool:
        """Whether an address is of pinned memory."""
        return any(start <= address < end for start, end in self._ranges)


class Lane:
    """The way of one block at a time."""

    def __init__(self, ring: Ring) -> None:
        """Open a stream.

        Args:
            ring: Knows which memory is pinned.
        """
        self._ring, self.memory = ring, ring.memory
        self._stream = self.memory.stream()
        self._piece: Array | None = None
        self._spot: Array | None = None
        self._rooms: dict[str, tuple[int, int]] = {}

    def room(self, name: str, size: int) -> int:
        """Have memory on the device, the same for the same name while it fits.

        Args:
            name: What it is for.
            size: Bytes.

        Returns:
            Its address.

        Raises:
            RingError: There is not so much.
        """
        address, held = self._rooms.get(name, (0, -1))
        if held < size:
            if held >= 0:
                del self._rooms[name]
                self.memory.free(address)
            address = self.memory.allocate(max(size, 1))
            self._rooms[name] = address, size
        return address

    def free(self) -> None:
        """Give back what it has on the device."""
        with suppress(RingError):
            for address, _ in self._rooms.values():
                self.memory.free(address)
        self._rooms.clear()

    def send(self, target: int, x: Array) -> None:
        """Copy to the device, and wait until all is there.

        Args:
            target: Address on the device.
            x: C-contiguous.
        """
        source, memory = x.ctypes.data, self.memory
        if self._ring.is_pinned(source):
            memory.send(self._stream, target, source, x.nbytes)
            memory.wait(self._stream)
            return
        piece = self._staged()
        for place, count in _pieces(x.nbytes):
            ctypes.memmove(piece, source + place, count)
            memory.send(self._stream, target + place, piece, count)
            memory.wait(self._stream)

    def fetch(self, y: Array, source: int, check: int = 0) -> float:
        """Copy from the device, and wait until all is here.

        Args:
            y: C-contiguous.
            source: Address on the device.
            check: Address of a float32 there, which is read too; 0 for none.

        Returns:
            That number, or 0.
        """
        target, memory = y.ctypes.data, self.memory
        spot = self._spotted() if check else 0
        if check:
            memory.fetch(self._stream, spot, check, 4)
        if self._ring.is_pinned(target):
            self._ring.fetch_straight(self._stream, y, source)
        else:
            piece = self._staged()
            for place, count in _pieces(y.nbytes):
                memory.fetch(self._stream, piece, source + place, count)
                memory.wait(self._stream)
                ctypes.memmove(target + place, piece, count)
        return ctypes.c_float.from_address(spot).value if check else 0.0

    def _staged(self) -> int:
        """Return the address of the pinned piece, through which other memory is copied."""
        if self._piece is None:
            self._piece = self.memory.pinned(RING_PIECE_BYTES)
        return int(self._piece.ctypes.data)

    def _spotted(self) -> int:
        """Return the address of pinned memory for a number."""
        if self._spot is None:
            self._spot = self.memory.pinned(4)
        return int(self._spot.ctypes.data)


def _pieces(size: int) -> Iterator[tuple[int, int]]:
    """Divide bytes into pieces, of which most blocks are one."""
    for place in range(0, size, RING_PIECE_BYTES):
        yield place, min(RING_PIECE_BYTES, size - place)


def cuda_ring(provider: Provider) -> Ring | None:
    """Return the ring of this process to an NVIDIA device.

    Args:
        provider: The provider of a backend.

    Returns:
        The ring; None where the provider is none, or its library of CUDA does not serve.
    """
    if not provider.on_device:
        return None
    if not _RINGS:
        from poolnorm_cli.backends.cuda_memory import CudaMemory

        library = load_runtime_library(provider.runtime)
        with suppress(RingError):
            if library is not None:
                _RINGS.append(Ring(CudaMemory(library)))
                make_by(_RINGS[0].pin)
    return _RINGS[0] if _RINGS else None


_RINGS: list[Ring] = []
