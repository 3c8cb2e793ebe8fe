"""Memory of an NVIDIA device, by the library of CUDA that ONNX Runtime has loaded."""

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np

from poolnorm_cli.backends.device_memory import RingError
from poolnorm_cli.kernels.memory import Array
from poolnorm_cli.sizes import HUGE_PAGE_BYTES


if TYPE_CHECKING:
    from collections.abc import Callable


_NON_BLOCKING = 1  # a stream that does not wait for the one that all others share
_PORTABLE = 1
_TO_DEVICE, _FROM_DEVICE = 1, 2

_POINTER, _SIZE, _FLAGS = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint
_ADDRESS = ctypes.POINTER(ctypes.c_void_p)
_CALLS: dict[str, tuple[Any, ...]] = {
    "cudaMalloc": (_ADDRESS, _SIZE),
    "cudaFree": (_POINTER,),
    "cudaHostRegister": (_POINTER, _SIZE, _FLAGS),
    "cudaStreamCreateWithFlags": (_ADDRESS, _FLAGS),
    "cudaStreamSynchronize": (_POINTER,),
    "cudaMemcpyAsync": (_POINTER, _POINTER, _SIZE, ctypes.c_int, _POINTER),
}


class CudaMemory:
    """Calls the library; each thread may, since none of it waits for another thread."""

    device = "cuda"

    def __init__(self, library: Any) -> None:
        """Find the functions.

        Args:
            library: `libcudart`, as `ctypes` has it.

        Raises:
            RingError: It lacks one.
        """
        self._functions: dict[str, Callable[..., int]] = {}
        for name, kinds in _CALLS.items():
            try:
                function = getattr(library, name)
            except AttributeError as error:
                raise RingError(name) from error
            function.argtypes, function.restype = kinds, ctypes.c_int
            self._functions[name] = function
        self._forget: Callable[[], int] = getattr(library, "cudaGetLastError", lambda: 0)
        self._pinned: list[Array] = []

    def _call(self, name: str, *arguments: Any) -> None:
        code = self._functions[name](*arguments)
        if code:
            self._forget()  # or the runtime would take it for a failure of its own
            message = f"{name}: CUDA failure {code}"
            raise RingError(message)

    def _made(self, name: str, *arguments: Any) -> int:
        address = ctypes.c_void_p()
        self._call(name, ctypes.byref(address), *arguments)
        return int(address.value or 0)

    def allocate(self, size: int) -> int:
        """Return the address of so many bytes on the device."""
        return self._made("cudaMalloc", size)

    def free(self, address: int) -> None:
        """Give back what `allocate` returned."""
        self._call("cudaFree", address)

    def pinned(self, size: int) -> Array:
        """Return pinned bytes, which stay so until the process ends."""
        size = -(-size // HUGE_PAGE_BYTES) * HUGE_PAGE_BYTES
        whole = np.empty(size + HUGE_PAGE_BYTES, np.uint8)  # NumPy asks for huge pages
        start = -whole.ctypes.data % HUGE_PAGE_BYTES
        found = whole[start : start + size]
        self._call("cudaHostRegister", found.ctypes.data, size, _PORTABLE)
        self._pinned.append(whole)
        return found

    def stream(self) -> int:
        """Return a new stream."""
        return self._made("cudaStreamCreateWithFlags", _NON_BLOCKING)

    def send(self, stream: int, target: int, source: int, size: int) -> None:
        """Begin to copy bytes to the device.

        Args:
            stream: After what was begun in it before.
            target: Address on the device.
            source: Address in the processor's memory, which stays as it is until the copy is done.
            size: Bytes.
        """
        self._call("cudaMemcpyAsync", target, source, size, _TO_DEVICE, stream)

    def fetch(self, stream: int, target: int, source: int, size: int) -> None:
        """Begin to copy bytes from the device.

        Args:
            stream: After what was begun in it before.
            target: Address in the processor's memory.
            source: Address on the device.
            size: Bytes.
        """
        self._call("cudaMemcpyAsync", target, source, size, _FROM_DEVICE, stream)

    def wait(self, stream: int) -> None:
        """Wait until all that was begun in a stream is done, without sleeping: it is soon."""
        self._call("cudaStreamSynchronize", stream)
