"""NVIDIA's driver, which takes as long to wake as everything else at the start together."""

import ctypes
from contextlib import suppress
from threading import Thread
from typing import Any


DRIVER = "libcuda.so.1"


def wake() -> Thread:
    """Have the driver make the context that the runtime will use, beside the imports.

    Where that fails, the runtime finds out for itself, and says why.

    Returns:
        The thread that does it.
    """
    waking = Thread(target=_wake, daemon=True)
    waking.start()
    return waking


def _wake() -> None:
    with suppress(OSError, AttributeError):
        driver: Any = ctypes.CDLL(DRIVER)
        device, context = ctypes.c_int(), ctypes.c_void_p()
        if not (driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(device), 0)):
            driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device)
