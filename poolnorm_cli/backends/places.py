"""Where a block and its result lie while the runtime computes it."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from poolnorm_cli.backends.device_memory import RingError
from poolnorm_cli.kernels.halves import BITS
from poolnorm_cli.kernels.memory import Array, acquire
from poolnorm_cli.shapes import Ints
from poolnorm_cli.sizes import COMPARED_BYTES


if TYPE_CHECKING:
    from poolnorm_cli.backends.device_memory import DeviceMemory
    from poolnorm_cli.backends.ring import Lane


Held = dict[str, tuple[Array, Any]]
"""Inputs that a device has, by name: as they were given, and as the runtime holds them."""


class Here:
    """In the processor's memory, from which the runtime copies."""

    def __init__(self, x: Array) -> None:
        """Hold a block.

        Args:
            x: The block.
        """
        self._x = x
        self._y: Array | None = None

    def bind_block(self, binding: Any) -> None:
        """Bind the block as `x`."""
        binding.bind_cpu_input("x", np.ascontiguousarray(self._x))

    def bind_inputs(self, binding: Any, feeds: Mapping[str, Array], held: Held) -> None:
        """Bind all other inputs.

        Args:
            binding: Of a session.
            feeds: The inputs by name.
            held: What the session has been given before.
        """
        del held
        for name, array in feeds.items():
            binding.bind_cpu_input(name, array)

    def bind_result(self, binding: Any, shape: Ints, dtype: Any, check: str) -> None:
        """Bind the output `y`, and the one that is NaN where the result is not to be used.

        Args:
            binding: Of a session.
            shape: Shape of the output.
            dtype: Its dtype.
            check: Name of the other one; empty where there is none.
        """
        if self._y is None or self._y.shape != shape or self._y.dtype != dtype:
            self._y = acquire(shape, dtype)
        binding.bind_output("y", "cpu", 0, self._y.dtype, shape, self._y.ctypes.data)
        if check:
            binding.bind_output(check, "cpu")

    def result(self, values: Mapping[str, Any], check: str) -> Array | None:
        """Return the output after a run.

        Args:
            values: What the runtime gave, by name.
            check: As for `bind_result`.

        Returns:
            The output, in memory that `release` takes back; None where it is not to be used.
        """
        return None if check and np.isnan(values[check].numpy()) else self._y


class OnLane:
    """On the device, in a lane of the ring."""

    def __init__(self, lane: "Lane", x: Array) -> None:
        """Copy a block to the device.

        Args:
            lane: The lane.
            x: The block.

        Raises:
            RingError: It cannot be copied.
        """
        self._lane, self._x = lane, np.ascontiguousarray(x)
        self._y: Array | None = None
        self._made: tuple[Ints, Any, int, int] = (), None, 0, 0
        self._address = lane.room("x", self._x.nbytes)
        lane.send(self._address, self._x)

    @property
    def _memory(self) -> "DeviceMemory":
        return self._lane.memory

    def bind_block(self, binding: Any) -> None:
        """Bind the block as `x`."""
        x = self._x
        binding.bind_input("x", self._memory.device, 0, x.dtype, x.shape, self._address)

    def bind_inputs(self, binding: Any, feeds: Mapping[str, Array], held: Held) -> None:
        """Bind all other inputs, copied once where all blocks have the same.

        Args:
            binding: Of a session.
            feeds: The inputs by name.
            held: What the session has been given before.

        Raises:
            RingError: The device has no room for them.
        """
        for name, array in feeds.items():
            before = held.get(name)
            if before is None or not _same(before[0], array):
                before = held[name] = array, self._copied(array)
            binding.bind_ortvalue_input(name, before[1])

    def _copied(self, array: Array) -> Any:
        from onnxruntime import OrtValue

        try:
            return OrtValue.ortvalue_from_numpy(array, self._memory.device, 0)
        except Exception as error:  # the runtime's errors have one base class
            raise RingError(str(error)) from error

    def bind_result(self, binding: Any, shape: Ints, dtype: Any, check: str) -> None:
        """Bind the outputs, as `Here.bind_result` says.

        Args:
            binding: Of a session.
            shape: Shape of the output.
            dtype: Its dtype.
            check: Name of the other one; empty where there is none.

        Raises:
            RingError: The device has no room for them.
        """
        kind, count, device = np.dtype(dtype), int(np.prod(shape)), self._memory.device
        y, seen = self._lane.room("y", count * kind.itemsize), self._lane.room("check", 4)
        self._made = shape, kind, y, seen
        binding.bind_output("y", device, 0, kind, shape, y)
        if check:
            binding.bind_output(check, device, 0, np.float32, (), seen)

    def result(self, values: Mapping[str, Any], check: str) -> Array | None:
        """Copy the output from the device, as `Here.result` says.

        Args:
            values: Not used.
            check: As for `bind_result`.

        Returns:
            The output, or None.

        Raises:
            RingError: It cannot be copied.
        """
        del values
        shape, kind, y, seen = self._made
        found, number = self._fetched(shape, kind, y, seen if check else 0)
        return None if np.isnan(number) else found

    def _fetched(self, shape: Ints, kind: Any, y: int, check: int) -> tuple[Array, float]:
        """Return what lies at an address on the device, and the number that is checked."""
        if self._y is None or self._y.shape != shape or self._y.dtype != kind:
            self._y = acquire(shape, kind)
        return self._y, self._lane.fetch(self._y, y, check)


class Halves(OnLane):
    """In a lane, in two bytes on the way and float32 on the device, which converts both."""

    def __init__(self, lane: "Lane", x: Array, convert: "Convert") -> None:
        """Copy a block to the device, and widen it there.

        Args:
            lane: The lane.
            x: The block, float16 or `BITS` of bfloat16.
            convert: Converts what lies on the device.

        Raises:
            RingError: It cannot be copied.
        """
        super().__init__(lane, x)
        self._dtype, self._convert = x.dtype, convert
        self._name = "bfloat16" if x.dtype == BITS else "float16"
        narrow, self._address = self._address, lane.room("wide x", 2 * x.nbytes)
        convert((self._name, narrow), ("float32", self._address), x.size)
        self._x = np.broadcast_to(np.float32(0), x.shape)  # of which only shape and dtype count

    def _fetched(self, shape: Ints, kind: Any, y: int, check: int) -> tuple[Array, float]:
        count = int(np.prod(shape))
        narrow = self._lane.room("narrow y", count * self._dtype.itemsize)
        self._convert((kind.name, y), (self._name, narrow), count)
        return super()._fetched(shape, self._dtype, narrow, check)


Convert = Callable[[tuple[str, int], tuple[str, int], int], None]
"""Converts so many items from a dtype at an address on the device to another at another."""
Place = Here | OnLane


def _same(one: Array, other: Array) -> bool:
    """Whether two inputs are one, or have the same bytes; large ones are not compared."""
    if one is other:
        return True
    if one.shape != other.shape or one.dtype != other.dtype or one.nbytes > COMPARED_BYTES:
        return False
    return one.tobytes() == other.tobytes()
