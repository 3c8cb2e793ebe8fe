"""Execution providers of ONNX Runtime: one is opened as it was asked for, or the run ends."""

import ctypes
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout, suppress
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any

from poolnorm_cli.backends import installed
from poolnorm_cli.backends.driver import DRIVER
from poolnorm_cli.errors import UnavailableError
from poolnorm_cli.packages import pip_install
from poolnorm_cli.values import frozen


CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
_NAMES = {"cpu": CPU, "cuda": CUDA}
_OPTIONS = {
    # Channels last without transposing; products of matrices with all digits of float32; and no
    # more memory than graphs ask for, of which the arena would take twice as much each time.
    CUDA: {"prefer_nhwc": "1", "use_tf32": "0", "arena_extend_strategy": "kSameAsRequested"}
}
_MAX_THREADS = 1024  # the runtime starts as many as it is asked for


_NO_MEMORY = ("out of memory", "failed to allocate", "alloc_failed", "available memory of")
"""What CUDA, its libraries and the runtime's arena say where memory is short, in lower case."""


class DeviceMemoryError(UnavailableError):
    """A device has no memory left; smaller blocks may find some."""


@frozen
class Provider:
    """A provider that loads here.

    Attributes:
        name: `cpu` or `cuda`.
        runtime: The module `onnxruntime`.
    """

    name: str
    runtime: ModuleType

    @property
    def on_device(self) -> bool:
        """Whether blocks are computed in memory other than the processor's."""
        return self.name != "cpu"

    def session(self, model: bytes, threads: int | None = None) -> Any:
        """Open a session that runs every operator on this provider.

        Args:
            model: The model, serialized.
            threads: Threads that compute one operator; None for as many as the machine has.

        Returns:
            An `onnxruntime.InferenceSession`.

        Raises:
            UnavailableError: An operator would run elsewhere, or the model cannot be loaded.
        """
        options = self.runtime.SessionOptions()
        options.log_severity_level = 4
        # Blocks are small, and between them threads that spin take the processor from the rest.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if threads is not None:
            options.intra_op_num_threads = min(threads, _MAX_THREADS)
        if self.on_device:
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        try:
            session = _opened(self.runtime, model, options, _NAMES[self.name])
        except Exception as error:
            # The runtime's exceptions share no base class below Exception.
            raise self._failure(error) from error
        if session.get_providers()[0] != _NAMES[self.name]:
            raise UnavailableError.at(self.name, "the runtime took another provider", self._fix())
        return session

    def run(self, session: Any, binding: Any) -> None:
        """Run a session on the inputs and outputs that are bound to it.

        Args:
            session: A session of this provider.
            binding: Its `io_binding()`.

        Raises:
            DeviceMemoryError: The device has no memory left.
            UnavailableError: The runtime fails otherwise.
        """
        try:
            session.run_with_iobinding(binding)
        except Exception as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> UnavailableError:
        """Return what is raised of an error of the runtime, whose errors have one base class."""
        reason = str(error).lower()
        no_memory = self.on_device and any(words in reason for words in _NO_MEMORY)
        kind = DeviceMemoryError if no_memory else UnavailableError
        return kind.at(self.name, _reason(error), self._fix())

    def _fix(self) -> str:
        return "--provider cpu runs on the processor" if self.on_device else "--backend numpy"


def choose(name: str, notify: Callable[[str], None]) -> Provider:
    """Open a provider.

    Args:
        name: `cpu`, `cuda`, or `auto`: CUDA where it loads, else the CPU.
        notify: Told which one `auto` took.

    Returns:
        The provider; for CUDA one on which a session was opened.

    Raises:
        UnavailableError: It does not load; the error says what is missing and what to type.
    """
    if name == "cuda":
        return _cuda()
    if name == "auto":
        try:
            provider = _cuda()
        except UnavailableError as error:
            notify(f"provider: cpu ({error.message})")
        else:
            notify("provider: cuda")
            return provider
    return Provider("cpu", installed.import_runtime())


def _cuda() -> Provider:
    """Open CUDA, and prove it by a session of one node."""
    runtime = installed.import_runtime(absent=pip_install("cuda"))
    if CUDA not in runtime.get_available_providers():
        raise _no_gpu_build(runtime)
    runtime.set_default_logger_severity(4)  # one line is printed, not the runtime's many
    preload(runtime)
    provider = Provider("cuda", runtime)
    try:
        provider.session(one_node())
    except UnavailableError as error:
        # Only now: to look for libraries loads them, and these need not be the runtime's.
        raise lacking(runtime) or error from error
    return provider


def _no_gpu_build(runtime: ModuleType) -> UnavailableError:
    found = installed.builds()
    if installed.GPU_BUILD in found and installed.CPU_BUILD in found:
        return UnavailableError.at(
            "cuda",
            "onnxruntime and onnxruntime-gpu are both installed, and the CPU build lies on top",
            installed.install_anew("cuda"),
        )
    number = getattr(runtime, "__version__", "")
    what = f"onnxruntime {number} is the CPU build, which has no CUDA"
    return UnavailableError.at("cuda", what, installed.install_anew("cuda"))


def lacking(runtime: ModuleType) -> UnavailableError | None:
    """Return the error that names what CUDA lacks, None where nothing is seen to be missing."""
    wanted = major(runtime)
    lost = [library.name for library in libraries(wanted) if not library.loads]
    what, fixes = [], []
    if DRIVER in lost:
        lost.remove(DRIVER)
        what.append(f"no NVIDIA driver ({DRIVER} does not load)")
        fixes.append("install the driver")
    if lost:
        what.append(f"the libraries of CUDA {wanted} cannot be loaded: {', '.join(lost)}")
        fixes.append(pip_install(extra_of(wanted)))
    if not what:
        return _unfit(wanted)
    last = "give --provider cpu"
    if lost and len(fixes) == 1 and wanted != "12":
        last = "[cuda12] for a driver of CUDA 12"
    fix = f"{' and '.join(fixes)}, or {last}"
    return UnavailableError.at("cuda", ", and ".join(what), fix)


def _unfit(wanted: str) -> UnavailableError | None:
    """Return the error of a driver that is too old for a version of CUDA, or has no device."""
    version = driver_version()
    if version and version[0] < int(wanted):
        number = ".".join(map(str, version))
        return UnavailableError.at(
            "cuda",
            f"the driver serves CUDA {number}, and this build of onnxruntime wants {wanted}",
            f"update the driver, or {installed.install_anew('cuda12')}",
        )
    if not devices():
        return UnavailableError.at("cuda", "the driver has no device", "give --provider cpu")
    return None


def loading(runtime: ModuleType, names: Sequence[str]) -> dict[str, str]:
    """Open a session of one node on each provider.

    Args:
        runtime: The module `onnxruntime`.
        names: Providers, by the runtime's names.

    Returns:
        Name -> why it does not load; empty where it does.
    """
    results = {}
    model = one_node()
    runtime.set_default_logger_severity(4)  # the reason is printed here, and nothing else
    for name in names:
        options = runtime.SessionOptions()
        options.log_severity_level = 4
        try:
            session = _opened(runtime, model, options, name)
            loaded = session.get_providers()[0] == name
            results[name] = "" if loaded else "the runtime took another provider"
        except Exception as error:  # noqa: BLE001 - the runtime's errors have no class of their own
            results[name] = _reason(error)
    return results


def _opened(runtime: ModuleType, model: bytes, options: Any, name: str) -> Any:
    """Open a session on a provider; without the fallback, which would print and take the CPU."""
    given = [dict(_OPTIONS.get(name, {}))]
    return runtime.InferenceSession(
        model, options, providers=[name], provider_options=given, enable_fallback=0
    )


def one_node(opset: int | None = None) -> bytes:
    """Return the smallest model that proves a provider: one Abs over float32.

    Args:
        opset: Version of the operator set; None for that of runs.
    """
    from poolnorm_cli.backends.graph import DEFAULT_OPSET, GraphBuilder

    graph = GraphBuilder(opset or DEFAULT_OPSET)
    y = graph.op("Abs", graph.input("x", "float32", (1,)))
    return graph.model("probe", {"y": (y, "float32", (1,))}, {}).serialized()


def _reason(error: Exception) -> str:
    """Return what the runtime said, on one line and not longer than one."""
    line = " ".join(str(error).split())
    return line if len(line) <= 160 else f"{line[:157]}..."


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


def preload(runtime: ModuleType) -> None:
    """Let ONNX Runtime load the libraries that pip installed; what it prints is not wanted."""
    if hasattr(runtime, "preload_dlls"):
        with redirect_stdout(StringIO()):
            runtime.preload_dlls()


def load_runtime_library(runtime: ModuleType) -> ctypes.CDLL | None:
    """Return the library of CUDA that a build of ONNX Runtime has loaded; None without it.

    Args:
        runtime: The module `onnxruntime`.
    """
    return _loaded(f"libcudart.so.{major(runtime)}")


def _loads(name: str) -> bool:
    return _loaded(name) is not None


def _loaded(name: str) -> ctypes.CDLL | None:
    for candidate in (name, *_from_packages(name)):
        with suppress(OSError):
            return ctypes.CDLL(candidate)
    return None


def _from_packages(name: str) -> Iterator[str]:
    """List the places where pip puts a library of NVIDIA."""
    spec = find_spec("nvidia")
    for folder in spec.submodule_search_locations or () if spec else ():
        yield from map(str, Path(folder).glob(f"*/lib/{name}"))
        yield from map(str, Path(folder).glob(f"*/{name}"))
