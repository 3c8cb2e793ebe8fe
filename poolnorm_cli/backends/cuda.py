"""The CUDA that is on this machine: its driver, its devices, and the libraries that are found."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from types import ModuleType

from poolnorm_cli.values import frozen


DRIVER = "libcuda.so.1"
_LIBRARIES = {
    "13": (
        "libcudart.so.13",
        "libcublas.so.13",
        "libcublasLt.so.13",
        "libcurand.so.10",
        "libcufft.so.12",
        "libcudnn.so.9",
    ),
    "12": (
        "libcudart.so.12",
        "libcublas.so.12",
        "libcublasLt.so.12",
        "libcurand.so.10",
        "libcufft.so.11",
        "libcudnn.so.9",
    ),
}


@frozen
class Library:
    """A shared library, and whether it loads."""

    name: str
    loads: bool


def major(runtime: ModuleType | None) -> str:
    """Return the major version of CUDA that a build of ONNX Runtime wants."""
    return str(getattr(runtime, "cuda_version", "") or "13").split(".")[0]


def extra_of(wanted: str) -> str:
    """Name the extra of this package that installs a major version of CUDA."""
    return "cuda12" if wanted == "12" else "cuda"


def libraries(wanted: str) -> list[Library]:
    """Try the driver, and the libraries of a major version of CUDA."""
    names = (DRIVER, *_LIBRARIES.get(wanted, _LIBRARIES["13"]))
    return [Library(name, _loads(name)) for name in names]


def devices() -> int:
    """Count the devices of the driver; 0 without a driver."""
    try:
        driver = ctypes.CDLL(DRIVER)
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value


def driver_version() -> tuple[int, int] | None:
    """Return the newest version of CUDA that the driver serves; None without a driver."""
    number = ctypes.c_int(0)
    try:
        failed = ctypes.CDLL(DRIVER).cuDriverGetVersion(ctypes.byref(number))
    except OSError:
        return None
    return None if failed else (number.value // 1000, number.value % 1000 // 10)


@contextmanager
def preloaded(runtime: ModuleType) -> Iterator[None]:
    """Let ONNX Runtime load the libraries that pip installed; what it prints is not wanted."""
    if hasattr(runtime, "preload_dlls"):
        with redirect_stdout(StringIO()):
            runtime.preload_dlls()
    yield


def _loads(name: str) -> bool:
    for candidate in (name, *_from_packages(name)):
        try:
            ctypes.CDLL(candidate)
        except OSError:
            continue
        return True
    return False


def _from_packages(name: str) -> Iterator[str]:
    """List the places where pip puts a library of NVIDIA."""
    spec = find_spec("nvidia")
    for folder in spec.submodule_search_locations or () if spec else ():
        yield from map(str, Path(folder).glob(f"*/lib/{name}"))
        yield from map(str, Path(folder).glob(f"*/{name}"))
